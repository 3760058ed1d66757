package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/experimental/datasourcetest"
	"github.com/stretchr/testify/require"
)

var (
	from = time.UnixMilli(1_795_637_220_000).UTC()
	hour = backend.TimeRange{From: from, To: from.Add(time.Hour)}
)

// served is the datasource behind gRPC as Grafana speaks to it; the SDK serves one in a process.
var served = sync.OnceValues(func() (datasourcetest.TestPlugin, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return datasourcetest.TestPlugin{}, err
	}
	address := listener.Addr().String()
	_ = listener.Close()
	return datasourcetest.Manage(New, datasourcetest.ManageOpts{Address: address})
})

var configured atomic.Int64

// grafana asks one configured datasource.
type grafana struct {
	t       *testing.T
	plugin  datasourcetest.TestPlugin
	context backend.PluginContext
}

func grafanaFor(t *testing.T, url, options string, secrets ...string) *grafana {
	t.Helper()
	plugin, err := served()
	require.NoError(t, err)
	settings := &backend.DataSourceInstanceSettings{
		UID: fmt.Sprintf("betrace-%d", configured.Add(1)), Type: "betrace-datasource", Name: "BeTrace",
		URL: url, JSONData: []byte(options), DecryptedSecureJSONData: map[string]string{},
	}
	for place := 0; place < len(secrets); place += 2 {
		settings.DecryptedSecureJSONData[secrets[place]] = secrets[place+1]
	}
	return &grafana{t, plugin, backend.PluginContext{OrgID: 1, DataSourceInstanceSettings: settings}}
}

// ask answers queries of the hour, each the JSON of its model, with refIds A, B and so on.
func (g *grafana) ask(headers map[string]string, models ...string) map[string]backend.DataResponse {
	g.t.Helper()
	asked := &backend.QueryDataRequest{PluginContext: g.context, Headers: headers}
	for place, model := range models {
		asked.Queries = append(asked.Queries, backend.DataQuery{
			RefID: string(rune('A' + place)), TimeRange: hour, Interval: time.Minute, MaxDataPoints: 100, JSON: []byte(model),
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	answered, err := g.plugin.Client.QueryData(ctx, asked)
	require.NoError(g.t, err)
	return answered.Responses
}

func (g *grafana) one(model string) backend.DataResponse {
	g.t.Helper()
	return g.ask(nil, model)["A"]
}

func (g *grafana) health() *backend.CheckHealthResult {
	g.t.Helper()
	found, err := g.plugin.Client.CheckHealth(context.Background(), &backend.CheckHealthRequest{PluginContext: g.context})
	require.NoError(g.t, err)
	return found
}

func (g *grafana) resource(path string) (int, string) {
	g.t.Helper()
	status, body := 0, ""
	asked := &backend.CallResourceRequest{
		PluginContext: g.context, Method: http.MethodGet, URL: path, Path: strings.SplitN(path, "?", 2)[0],
	}
	take := backend.CallResourceResponseSenderFunc(func(given *backend.CallResourceResponse) error {
		if given.Status != 0 {
			status = given.Status
		}
		body += string(given.Body)
		return nil
	})
	require.NoError(g.t, g.plugin.Client.CallResource(context.Background(), asked, take))
	return status, strings.TrimSpace(body)
}

// fake serves answers by path, and notes what it was asked.
type fake struct {
	*httptest.Server
	lock  sync.Mutex
	asked []string
}

// healthy are answers of an API that works.
func healthy() map[string]any {
	return map[string]any{
		"/api/openapi.json":      `{"info": {"title": "BeTrace", "version": "0.1.0"}}`,
		"/api/violations":        `{"items": [], "nextCursor": null}`,
		"/api/violations/counts": `{"series": []}`,
		"/api/rules":             `{"items": [{"id": "a", "name": "A rule"}, {"id": "b", "name": ""}], "nextCursor": null}`,
		"/api/values/service":    `{"items": ["pay", "shop"], "nextCursor": null}`,
	}
}

func apiOf(t *testing.T, answers map[string]any) *fake {
	t.Helper()
	made := &fake{}
	made.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		made.lock.Lock()
		made.asked = append(made.asked, r.URL.Path+"?"+r.URL.RawQuery)
		made.lock.Unlock()
		switch answer := answers[r.URL.Path].(type) {
		case func(http.ResponseWriter, *http.Request):
			answer(w, r)
		case string:
			w.Header().Set("content-type", "application/json")
			_, _ = w.Write([]byte(answer))
		default:
			problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
		}
	}))
	t.Cleanup(made.Close)
	return made
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("content-type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": "about:blank", "status": status, "detail": detail})
}

// with is a healthy API that answers otherwise at one path.
func with(path string, answer func(http.ResponseWriter, *http.Request)) map[string]any {
	answers := healthy()
	answers[path] = answer
	return answers
}

func TestEachQueryTypeAsksTheAPIForTheTimeAndTheFilters(t *testing.T) {
	api := apiOf(t, healthy())
	found := grafanaFor(t, api.URL, `{}`).ask(nil,
		`{"queryType": "violations", "severities": ["critical"], "limit": 7}`,
		`{"queryType": "timeseries", "groupBy": ["rule"], "rules": ["a"]}`,
		`{"queryType": "count", "labels": ["team:pay"]}`,
		`{"queryType": "annotations", "traceId": "0af7"}`,
	)
	for name, each := range found {
		require.NoError(t, each.Error, name)
	}
	times := "from=1795637220000"
	require.ElementsMatch(t, []string{
		"/api/violations?" + times + "&limit=7&severity=critical&to=1795640820000",
		"/api/violations/counts?by=ruleId&" + times + "&ruleId=a&step=60s&to=1795640820000",
		"/api/violations/counts?" + times + "&label=team%3Apay&step=8784h&to=1795640820000",
		"/api/violations?" + times + "&limit=100&to=1795640820000&traceId=0af7",
	}, api.asked)
	require.Equal(t, 60, found["B"].Frames[0].Rows())
	asked := "GET /api/violations?from=1795637220000&severity=critical&to=1795640820000"
	require.Equal(t, asked, found["A"].Frames[0].Meta.ExecutedQueryString)
}

func TestAStepIsAsLongAsPointsAllowAndTheAPITakes(t *testing.T) {
	for _, each := range []struct {
		whole, interval time.Duration
		points          int64
		step            string
	}{
		{time.Hour, time.Minute, 100, "60s"},
		{time.Hour, 0, 0, "1s"},
		{time.Hour, 1500 * time.Millisecond, 3600, "2s"},
		{6 * time.Hour, time.Second, 100, "216s"},
		{24 * time.Hour, time.Hour, 1000, "1h"},
		{3650 * 24 * time.Hour, time.Second, 100, "876h"},
		{200 * 366 * 24 * time.Hour, time.Second, 100, "8784h"},
		{0, time.Second, 100, "1s"},
	} {
		times := backend.TimeRange{From: from, To: from.Add(each.whole)}
		asked := backend.DataQuery{TimeRange: times, Interval: each.interval, MaxDataPoints: each.points}
		require.Equal(t, each.step, written(step(asked)), "%v", each)
	}
}

func TestPagesFollowEachOtherUpToTheLimitAndWhatIsCutIsSaid(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		var items []string
		var limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		for range limit {
			items = append(items, `{"id": "x", "severity": "low", "detectedAt": "2026-11-25T20:17:32.370147038Z"}`)
		}
		w.Header().Set("betrace-stale", "as of 2026-11-25T20:00:00.000Z; Kafka does not answer")
		_, _ = fmt.Fprintf(w, `{"items": [%s], "nextCursor": "more%d"}`, strings.Join(items, ","), limit)
	}
	api := apiOf(t, with("/api/violations", page))
	found := grafanaFor(t, api.URL, `{}`).one(`{"limit": 2500}`)
	require.NoError(t, found.Error)
	require.Len(t, api.asked, 3)
	require.Contains(t, api.asked[2], "cursor=more1000&")
	require.Contains(t, api.asked[2], "limit=500&")
	require.Equal(t, 2500, found.Frames[0].Rows())
	require.Len(t, found.Frames[0].Meta.Notices, 2)
	require.Contains(t, found.Frames[0].Meta.Notices[0].Text, "only the newest 2500 are shown")
	require.Contains(t, found.Frames[0].Meta.Notices[1].Text, "as of 2026-11-25T20:00:00.000Z; Kafka does not answer")
}

func TestAnAlertHasNumbersAndNeverATable(t *testing.T) {
	api := apiOf(t, healthy())
	found := grafanaFor(t, api.URL, `{}`).ask(map[string]string{backend.FromAlertHeaderName: "true"},
		`{"queryType": "timeseries", "severities": ["critical"], "groupBy": ["rule"]}`,
		`{"queryType": "count", "groupBy": ["rule"]}`,
		`{"queryType": "violations"}`,
		`{"queryType": "timeseries", "rules": ["$rule"]}`,
	)
	require.NoError(t, found["A"].Error)
	require.Equal(t, 60, found["A"].Frames[0].Rows())
	require.Equal(t, 1, found["B"].Frames[0].Rows())
	require.ErrorContains(t, found["C"].Error, "an alert needs numbers, and this query gives a table of violations")
	require.ErrorContains(t, found["D"].Error, "an alert knows no variables, so $rule has no value")
	require.Equal(t, backend.StatusBadRequest, found["D"].Status)
	require.Equal(t, backend.ErrorSourceDownstream, found["D"].ErrorSource)
}

func TestAHundredQueriesAtOnceAreAllAnswered(t *testing.T) {
	var open atomic.Int64
	many := make(chan struct{}) // closed when twenty are asked at once, else none is answered
	api := apiOf(t, with("/api/violations/counts", func(w http.ResponseWriter, _ *http.Request) {
		if open.Add(1) == 20 {
			close(many)
		}
		<-many
		_, _ = w.Write([]byte(`{"series": [{"labels": {"severity": "high"}, "points": [[1795637220000, 1]]}]}`))
	}))
	host := grafanaFor(t, api.URL, `{}`)
	var group sync.WaitGroup
	for number := range 100 {
		group.Go(func() {
			model := []string{
				`{"queryType": "timeseries", "groupBy": ["severity"]}`, `{"queryType": "violations"}`, `{"queryType": "count"}`,
			}
			found := host.ask(nil, model[number%3], model[(number+1)%3])
			if found["A"].Error != nil || found["B"].Error != nil || len(found["A"].Frames) == 0 {
				t.Errorf("query %d: %v %v", number, found["A"].Error, found["B"].Error)
			}
		})
	}
	group.Wait()
}

func TestWhatIsWrongWithTheAPIIsSaidAndIsNotThePluginsFault(t *testing.T) {
	say := func(status int, kind, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-type", kind)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const asJSON, asProblem = "application/json", "application/problem+json"
	for _, each := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request)
		status backend.Status
		said   string
	}{
		{"a filter", say(400, asProblem, `{"detail": "severity: 'x' is none"}`), 400, "BeTrace's API: severity: 'x' is none"},
		{"too much", say(422, asProblem, `{"detail": "this takes too long"}`), 422, "this takes too long"},
		{"a token", say(401, asProblem, `{"detail": "a token is needed"}`), 401, "wants a token: set the API token"},
		{"a role", say(403, asProblem, `{"detail": "not with this role"}`), 403, "not with this role"},
		{"busy", say(503, asProblem, `{"detail": "too much at once"}`), 503, "too much at once"},
		{"a proxy", say(502, "text/html", "<h1>Bad gateway"), 502, "does not work: it answered 502 Bad Gateway"},
		{"another", say(404, "text/html", "<h1>nginx"), 502, "is not BeTrace's API"},
		{"a page", say(200, "text/html", "<h1>Welcome"), 502, "is not what BeTrace's API gives"},
		{"nothing", say(200, asJSON, ""), 502, "is not what BeTrace's API gives"},
		{"a list", say(200, asJSON, "[]"), 502, "is not what BeTrace's API gives"},
		{"wrong types", say(200, asJSON, `{"items": [{"id": 5}]}`), 502, "is not what BeTrace's API gives"},
		{"no end", say(200, asJSON, `{"items": [], "nextCursor": "again"}`), 502, "is not BeTrace's API"},
		{"a long detail", say(400, asProblem, `{"detail": "`+strings.Repeat("ü", 5000)+`"}`), 400, "ü…"},
		{"half", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("content-length", "1000")
			_, _ = w.Write([]byte(`{"items": [`))
		}, 502, "cannot be reached: unexpected EOF"},
		{"no answer", func(w http.ResponseWriter, _ *http.Request) {
			connection, _, _ := http.NewResponseController(w).Hijack()
			_ = connection.Close()
		}, 502, "cannot be reached: EOF"},
		{"too large", func(w http.ResponseWriter, _ *http.Request) {
			text := []byte(strings.Repeat(" ", 1<<20))
			for range 40 {
				if _, err := w.Write(text); err != nil {
					return
				}
			}
		}, 502, "the answer is larger than 32 MiB"},
		{"a circle", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.String(), http.StatusFound)
		}, 502, "stopped after 10 redirects"},
	} {
		t.Run(each.name, func(t *testing.T) {
			api := apiOf(t, with("/api/violations", each.answer))
			found := grafanaFor(t, api.URL, `{}`).one(`{}`)
			require.ErrorContains(t, found.Error, each.said)
			require.Equal(t, each.status, found.Status)
			require.Equal(t, backend.ErrorSourceDownstream, found.ErrorSource)
			require.Less(t, len(found.Error.Error()), 2000)
		})
	}
}

func TestASlowAPIIsGivenUp(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"items": [`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	api := apiOf(t, with("/api/violations", slow))
	start := time.Now()
	found := grafanaFor(t, api.URL, `{"timeout": 1}`).ask(nil, `{}`, `{"queryType": "count"}`)
	require.Less(t, time.Since(start), 10*time.Second)
	require.ErrorContains(t, found["A"].Error, "did not answer in time")
	require.Equal(t, backend.StatusTimeout, found["A"].Status)
	require.Equal(t, backend.ErrorSourceDownstream, found["A"].ErrorSource)
	require.NoError(t, found["B"].Error, "the others of the request are answered")
}

func TestAnAPIThatWasAwayIsAskedAgainAtOnce(t *testing.T) {
	api := apiOf(t, healthy())
	address := api.Listener.Addr().String()
	host := grafanaFor(t, api.URL, `{}`)
	require.NoError(t, host.one(`{}`).Error)
	api.Close()
	found := host.one(`{}`)
	require.ErrorContains(t, found.Error, "cannot be reached")
	require.Equal(t, backend.StatusBadGateway, found.Status)
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	again := &http.Server{Handler: api.Config.Handler, ReadHeaderTimeout: time.Second}
	go func() { _ = again.Serve(listener) }()
	t.Cleanup(func() { _ = again.Close() })
	require.NoError(t, host.one(`{}`).Error)
}

func TestTheTokenIsSentAndNeverShown(t *testing.T) {
	answers := healthy()
	for path, answer := range healthy() {
		answers[path] = func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("authorization") != "Bearer s3cret" {
				problem(w, http.StatusUnauthorized, "a token is needed")
				return
			}
			_, _ = fmt.Fprint(w, answer)
		}
	}
	api := apiOf(t, answers)
	require.NoError(t, grafanaFor(t, api.URL, `{}`, "apiToken", "s3cret").one(`{}`).Error)
	host := grafanaFor(t, api.URL, `{}`, "apiToken", "wr0ng")
	for _, said := range []string{host.one(`{}`).Error.Error(), host.health().Message} {
		require.Contains(t, said, "does not know the token")
		require.NotContains(t, said, "wr0ng")
	}
}

func TestTheHealthCheckSaysWhatIsToBeMended(t *testing.T) {
	api := apiOf(t, healthy())
	old := healthy()
	delete(old, "/api/values/service")
	other := with("/api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"info": {"title": "Petstore", "version": "1"}}`))
	})
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(tls.Close)
	for _, each := range []struct{ url, options, said string }{
		{api.URL, `{}`, "BeTrace 0.1.0 answers; it has 2 rules."},
		{"", `{}`, "Enter the URL of BeTrace's API, such as http://betrace-api:12011"},
		{"betrace-api:12011", `{}`, "The URL \"betrace-api:12011\" is none"},
		{"http://127.0.0.1:1", `{}`, "BeTrace's API at http://127.0.0.1:1 cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"http://betrace.invalid:12011", `{}`, "The host of BeTrace's API is unknown: betrace.invalid"},
		{apiOf(t, old).URL, `{}`, "BeTrace 0.1.0 is too old for this datasource, which needs /api/values: update BeTrace"},
		{apiOf(t, other).URL, `{}`, "is not BeTrace's API: look at the datasource's URL"},
		{tls.URL, `{}`, "The certificate of BeTrace's API at " + tls.URL + " is not trusted"},
		{tls.URL, `{"tlsAuthWithCACert": true}`, "The datasource's TLS or proxy settings cannot be used"},
		{api.URL, `[]`, "JsonData of the datasource cannot be read"},
	} {
		found := grafanaFor(t, each.url, each.options, "tlsCACert", "none").health()
		require.Contains(t, found.Message, each.said)
		require.Equal(t, each.said == "BeTrace 0.1.0 answers; it has 2 rules.", found.Status == backend.HealthStatusOk)
	}
}

func TestWithoutAUsableURLQueriesSayWhatTheHealthCheckSays(t *testing.T) {
	host := grafanaFor(t, "", `{}`)
	require.ErrorContains(t, host.one(`{}`).Error, "enter the URL of BeTrace's API")
	status, body := host.resource("rules")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "enter the URL of BeTrace's API")
}

func TestFiltersAreCompleted(t *testing.T) {
	api := apiOf(t, healthy())
	host := grafanaFor(t, api.URL, `{}`)
	for path, options := range map[string]string{
		"rules":                     `[{"value":"a","label":"A rule"},{"value":"b","label":"b"}]`,
		"values/service?prefix=a/b": `[{"value":"pay","label":"pay"},{"value":"shop","label":"shop"}]`,
	} {
		status, body := host.resource(path)
		require.Equal(t, http.StatusOK, status)
		require.JSONEq(t, options, body)
	}
	require.Contains(t, api.asked, "/api/values/service?limit=1000&prefix=a%2Fb")
	status, body := host.resource("severities")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `{"value":"critical","label":"critical"}`)
	for path, said := range map[string]string{
		"values/colour":       "BeTrace's API: there is nothing at /api/values/colour",
		"values/..%2Frules":   "there is nothing at",
		"datasources":         "there is nothing at /datasources",
		"values/service/more": "there is nothing at /values/service/more",
	} {
		status, body := host.resource(path)
		require.Equal(t, http.StatusNotFound, status, path)
		require.Contains(t, body, said)
	}
}

func TestAnAPIThatRefusesDoesNotHaveThePageSignInAnew(t *testing.T) {
	api := apiOf(t, with("/api/rules", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusUnauthorized, "a token is needed")
	}))
	status, body := grafanaFor(t, api.URL, `{}`).resource("rules")
	require.Equal(t, http.StatusBadGateway, status)
	require.Contains(t, body, "wants a token")
}
