package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/concurrent"

	"betrace/grafana/datasource/pkg/betrace"
	"betrace/grafana/datasource/pkg/frames"
	"betrace/grafana/datasource/pkg/models"
)

const (
	atOnce     = 10 // queries of a request
	mostPoints = 10_000
	longest    = 366 * 24 * time.Hour // step that the API takes
)

// QueryData answers the queries of a panel, of Explore, or of an alert, side by side.
func (d *Datasource) QueryData(ctx context.Context, asked *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	alert := asked.Headers[backend.FromAlertHeaderName] == "true" ||
		asked.GetHTTPHeader(backend.FromAlertHeaderName) == "true"
	answer := func(ctx context.Context, each concurrent.Query) backend.DataResponse {
		ctx, cancel := context.WithTimeout(ctx, d.timeout)
		defer cancel()
		return d.answer(ctx, each.DataQuery, alert)
	}
	return concurrent.QueryData(ctx, asked, answer, atOnce)
}

func (d *Datasource) answer(ctx context.Context, asked backend.DataQuery, alert bool) backend.DataResponse {
	if d.problem != nil {
		return failed(ctx, wrong(d.problem))
	}
	query, err := models.QueryOf(asked.JSON, asked.QueryType)
	if err != nil {
		return failed(ctx, wrong(err))
	}
	if alert {
		if err := alertable(query); err != nil {
			return failed(ctx, wrong(err))
		}
	}
	var made data.Frames
	switch query.QueryType {
	case models.TimeSeries, models.Count:
		made, err = d.numbers(ctx, query, asked, alert)
	default:
		made, err = d.violations(ctx, query, asked.TimeRange)
	}
	if err != nil {
		return failed(ctx, err)
	}
	return backend.DataResponse{Frames: made, Status: backend.StatusOK}
}

// alertable tells what keeps an alert from evaluating a query.
func alertable(query models.Query) error {
	if query.QueryType != models.TimeSeries && query.QueryType != models.Count {
		return errors.New("an alert needs numbers, and this query gives a table of violations: " +
			"set its type to 'Time series' or 'Count'")
	}
	if name := query.Variable(); name != "" {
		return fmt.Errorf("an alert knows no variables, so %s has no value: write the value", name)
	}
	return nil
}

func (d *Datasource) violations(ctx context.Context, query models.Query, times backend.TimeRange) (data.Frames, error) {
	parameters := query.Parameters()
	bound(parameters, times)
	found, more, answered, err := d.client.Violations(ctx, parameters, query.Limit)
	if err != nil {
		return nil, err
	}
	made := frames.Annotations(found)
	if query.QueryType == models.Violations {
		made = frames.Violations(found, d.settings.TempoUID)
	}
	made.Meta.ExecutedQueryString = "GET /api/violations?" + parameters.Encode()
	if more {
		made.AppendNotices(frames.Cut(len(found)))
	}
	return noted(data.Frames{made}, answered), nil
}

func (d *Datasource) numbers(ctx context.Context, query models.Query, asked backend.DataQuery, alert bool) (data.Frames, error) {
	times := asked.TimeRange
	counts := frames.Asked{
		Group: query.Group(), By: query.By(), Wanted: query.Wanted(), From: times.From, To: times.To, Alert: alert,
	}
	counts.Step = longest
	if query.QueryType == models.TimeSeries {
		counts.Step = step(asked)
	}
	parameters := query.Parameters()
	bound(parameters, times)
	parameters.Set("step", written(counts.Step))
	if counts.By != "" {
		parameters.Set("by", counts.By)
	}
	found, answered, err := d.client.Counts(ctx, parameters)
	if err != nil {
		return nil, err
	}
	made := data.Frames{}
	if query.QueryType == models.Count {
		made = append(made, frames.Numbers(found, counts))
	} else {
		var cut *data.Notice
		if !alert { // an alert must not miss one
			found, cut = frames.Largest(found)
		}
		made = frames.TimeSeries(found, counts)
		if cut != nil {
			made[0].AppendNotices(*cut)
		}
	}
	for _, each := range made {
		each.Meta.ExecutedQueryString = "GET /api/violations/counts?" + parameters.Encode()
	}
	return noted(made, answered), nil
}

// step is the length of the intervals, in whole seconds, or hours where it is more than a day: the one that Grafana asks
// for, but not more points than are shown.
func step(asked backend.DataQuery) time.Duration {
	most := int64(mostPoints)
	if asked.MaxDataPoints > 0 {
		most = min(most, asked.MaxDataPoints)
	}
	whole := asked.TimeRange.Duration()
	least := max(asked.Interval, time.Second, whole/time.Duration(most))
	unit := time.Second
	if least > 24*time.Hour {
		unit = time.Hour
	}
	return min((least + unit - 1).Truncate(unit), longest)
}

// written is a step as the API takes it.
func written(step time.Duration) string {
	if step%time.Hour == 0 {
		return fmt.Sprintf("%dh", int64(step.Hours()))
	}
	return fmt.Sprintf("%ds", int64(step.Seconds()))
}

func bound(parameters map[string][]string, times backend.TimeRange) {
	parameters["from"] = []string{strconv.FormatInt(times.From.UnixMilli(), 10)}
	parameters["to"] = []string{strconv.FormatInt(times.To.UnixMilli(), 10)}
}

func noted(made data.Frames, answered betrace.Answered) data.Frames {
	if answered.Stale != "" {
		made[0].AppendNotices(frames.Stale(answered.Stale))
	}
	return made
}

// wrong is an error of who asked, or of the settings.
func wrong(err error) error {
	return &betrace.Error{Status: http.StatusBadRequest, Message: err.Error()}
}

// failed is an answer that says what went wrong. None of it is the plugin's fault, or Grafana would blame it.
func failed(ctx context.Context, err error) backend.DataResponse {
	status := backend.StatusBadGateway
	var told *betrace.Error
	if errors.As(err, &told) {
		status = backend.Status(told.Status)
	}
	log.DefaultLogger.FromContext(ctx).Debug("A query has no answer", "status", status, "error", err)
	return backend.DataResponse{Error: err, Status: status, ErrorSource: backend.ErrorSourceDownstream}
}
