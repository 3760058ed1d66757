package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// settings are what Grafana stores of a datasource.
type settings struct {
	UID        string            `json:"uid"`
	URL        string            `json:"url"`
	JSONData   json.RawMessage   `json:"jsonData"`
	SecureData map[string]string `json:"secureJsonData"`
}

// host serves what a datasource's front asks of Grafana.
type host struct {
	plugin   *started
	lock     sync.Mutex
	settings settings
	updated  time.Time
}

func newHost(plugin *started, settings settings) http.Handler {
	h := &host{plugin: plugin, settings: settings, updated: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/ds/query", h.query)
	mux.HandleFunc("GET /api/datasources/uid/{uid}/health", h.health)
	mux.HandleFunc("/api/datasources/uid/{uid}/resources/{path...}", h.resource)
	mux.HandleFunc("PUT /api/datasources/uid/{uid}", h.store)
	return mux
}

// store takes settings as Grafana does when somebody saves them: secrets that are not given stay.
func (h *host) store(w http.ResponseWriter, r *http.Request) {
	h.lock.Lock()
	defer h.lock.Unlock()
	given := settings{SecureData: map[string]string{}}
	for name, value := range h.settings.SecureData {
		given.SecureData[name] = value
	}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	given.UID = h.settings.UID
	h.settings, h.updated = given, time.Now()
	answer(w, http.StatusOK, map[string]string{"message": "Datasource updated"})
}

func (h *host) context() backend.PluginContext {
	h.lock.Lock()
	defer h.lock.Unlock()
	return backend.PluginContext{
		OrgID:    1,
		PluginID: "betrace-datasource",
		User:     &backend.User{Login: "viewer", Role: "Viewer"},
		DataSourceInstanceSettings: &backend.DataSourceInstanceSettings{
			ID: 1, UID: h.settings.UID, Name: "BeTrace", Type: "betrace-datasource", URL: h.settings.URL,
			JSONData: h.settings.JSONData, DecryptedSecureJSONData: h.settings.SecureData, Updated: h.updated,
		},
	}
}

func (h *host) query(w http.ResponseWriter, r *http.Request) {
	asked, err := queriesOf(r.Body)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	asked.PluginContext = h.context()
	if r.Header.Get(backend.FromAlertHeaderName) == "true" {
		asked.Headers = map[string]string{backend.FromAlertHeaderName: "true"}
	}
	sent, err := h.plugin.data.QueryData(r.Context(), backend.ToProto().QueryDataRequest(asked))
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	given, err := backend.FromProto().QueryDataResponse(sent)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	status := http.StatusOK
	for _, each := range given.Responses {
		if each.Error != nil {
			status = http.StatusBadRequest
		}
	}
	answer(w, status, given)
}

// queriesOf reads what Grafana's front posts to /api/ds/query; times are Unix ms as texts.
func queriesOf(body io.Reader) (*backend.QueryDataRequest, error) {
	var posted struct {
		From    string            `json:"from"`
		To      string            `json:"to"`
		Queries []json.RawMessage `json:"queries"`
	}
	if err := json.NewDecoder(body).Decode(&posted); err != nil {
		return nil, err
	}
	from, fromErr := strconv.ParseInt(posted.From, 10, 64)
	to, toErr := strconv.ParseInt(posted.To, 10, 64)
	if err := errors.Join(fromErr, toErr); err != nil {
		return nil, fmt.Errorf("from and to: %w", err)
	}
	asked := &backend.QueryDataRequest{}
	for _, text := range posted.Queries {
		query := struct {
			RefID         string  `json:"refId"`
			QueryType     string  `json:"queryType"`
			IntervalMs    float64 `json:"intervalMs"`
			MaxDataPoints int64   `json:"maxDataPoints"`
		}{IntervalMs: 1000, MaxDataPoints: 100}
		if err := json.Unmarshal(text, &query); err != nil {
			return nil, err
		}
		asked.Queries = append(asked.Queries, backend.DataQuery{
			RefID: query.RefID, QueryType: query.QueryType, MaxDataPoints: query.MaxDataPoints,
			Interval:  time.Duration(query.IntervalMs * float64(time.Millisecond)),
			TimeRange: backend.TimeRange{From: time.UnixMilli(from).UTC(), To: time.UnixMilli(to).UTC()},
			JSON:      text,
		})
	}
	return asked, nil
}

func (h *host) health(w http.ResponseWriter, r *http.Request) {
	asked := &pluginv2.CheckHealthRequest{PluginContext: backend.ToProto().PluginContext(h.context())}
	sent, err := h.plugin.diagnostics.CheckHealth(r.Context(), asked)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	given := backend.FromProto().CheckHealthResponse(sent)
	status := http.StatusOK
	if given.Status != backend.HealthStatusOk {
		status = http.StatusBadRequest
	}
	body := map[string]any{"status": given.Status.String(), "message": given.Message}
	if len(given.JSONDetails) > 0 {
		body["details"] = json.RawMessage(given.JSONDetails)
	}
	answer(w, status, body)
}

func (h *host) resource(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	url := r.PathValue("path")
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	asked := &backend.CallResourceRequest{
		PluginContext: h.context(), Path: r.PathValue("path"), Method: r.Method, URL: url, Body: body,
	}
	stream, err := h.plugin.resources.CallResource(r.Context(), backend.ToProto().CallResourceRequest(asked))
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
		return
	}
	for first := true; ; first = false {
		sent, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			answer(w, http.StatusInternalServerError, map[string]string{"message": err.Error()})
			return
		}
		given := backend.FromProto().CallResourceResponse(sent)
		if first {
			for name, values := range given.Headers {
				w.Header()[http.CanonicalHeaderKey(name)] = values
			}
			w.WriteHeader(given.Status)
		}
		if _, err := w.Write(given.Body); err != nil {
			return
		}
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, fmt.Appendf(nil, `{"message": %q}`, err)
	}
	w.Header().Set("content-type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
