package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"betrace/grafana/datasource/pkg/betrace"
)

const mostRules = 5000

// CheckHealth asks the API as queries do, and says what is to be mended.
func (d *Datasource) CheckHealth(ctx context.Context, _ *backend.CheckHealthRequest) (*backend.CheckHealthResult, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	message, err := d.checked(ctx)
	if err != nil {
		return &backend.CheckHealthResult{Status: backend.HealthStatusError, Message: sentence(err.Error())}, nil
	}
	details, err := json.Marshal(map[string]string{"verboseMessage": message})
	if err != nil {
		return nil, err
	}
	return &backend.CheckHealthResult{Status: backend.HealthStatusOk, Message: message, JSONDetails: details}, nil
}

func (d *Datasource) checked(ctx context.Context) (string, error) {
	if d.problem != nil {
		return "", d.problem
	}
	version, err := d.client.Version(ctx)
	if err != nil {
		return "", err
	}
	_, _, answered, err := d.client.Violations(ctx, nil, 1)
	if err != nil {
		return "", err
	}
	if _, _, err := d.client.Values(ctx, "service", "", 1); betrace.Is(err, http.StatusNotFound) {
		return "", fmt.Errorf("BeTrace %s is too old for this datasource, which needs /api/values: update BeTrace", version)
	} else if err != nil {
		return "", err
	}
	rules, more, err := d.client.Rules(ctx, mostRules)
	if err != nil {
		return "", err
	}
	count := fmt.Sprintf("%d rules", len(rules))
	if more {
		count = "more than " + count
	}
	message := fmt.Sprintf("BeTrace %s answers; it has %s.", version, count)
	if answered.Stale != "" {
		message += " But it cannot reach Kafka, so answers may be old: " + answered.Stale + "."
	}
	return message, nil
}

// sentence begins with a capital, as Grafana shows it alone.
func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:]
}
