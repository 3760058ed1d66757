package spanverifierprocessor

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"betrace/collector/processor/spanverifierprocessor/internal/metadata"
	"betrace/collector/signingkeys"
	"betrace/collector/signingkeys/doubles"
	"betrace/collector/spansignature"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

var master = bytes.Repeat([]byte{1}, 32)

func localConfig() *Config {
	config := createDefaultConfig().(*Config)
	config.Provider = "local"
	config.Local.Key = configopaque.String(base64.StdEncoding.EncodeToString(master))
	return config
}

type running struct {
	processor.Traces
	sink      *consumertest.TracesSink
	telemetry *componenttest.Telemetry
}

func run(t testing.TB, config *Config) *running {
	require.NoError(t, config.Validate())
	r := &running{sink: &consumertest.TracesSink{}, telemetry: componenttest.NewTelemetry()}
	settings := processortest.NewNopSettings(metadata.Type)
	settings.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	made, err := NewFactory().CreateTraces(context.Background(), settings, config, r.sink)
	require.NoError(t, err)
	r.Traces = made
	require.NoError(t, made.Start(context.Background(), componenttest.NewNopHost()))
	t.Cleanup(func() {
		require.NoError(t, made.Shutdown(context.Background()))
		require.NoError(t, r.telemetry.Shutdown(context.Background()))
	})
	return r
}

func (r *running) count(t testing.TB, reason string) (total int64) {
	metric, err := r.telemetry.GetMetric("otelcol_processor_spanverifier_spans")
	require.NoError(t, err)
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		if value, _ := point.Attributes.Value("reason"); value.AsString() == reason {
			total += point.Value
		}
	}
	return total
}

// signed is a batch of so many spans with signatures of a tenant.
func signed(t testing.TB, tenant, name string, at time.Time, spans int) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("tenant", tenant)
	scope := resource.ScopeSpans().AppendEmpty()
	epoch := at.UTC().Format("2006-01-02")
	key := spansignature.NewKey(name+"/1/"+epoch, tenant, spansignature.Derive(master, spansignature.Info(spansignature.V1, tenant, epoch)))
	header := &spansignature.Header{
		Algorithm: key.Algorithm, KeyID: key.ID, Timestamp: at.Unix(), Selection: spansignature.NewSelection(spansignature.Storage, nil, nil),
	}
	var encoder spansignature.Encoder
	encoder.Begin(header, resource.Resource(), "", scope.Scope(), "")
	for i := range spans {
		span := scope.Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{1})
		span.SetSpanID(pcommon.SpanID{byte(i), 1})
		span.Attributes().PutInt("amount", int64(i))
		message, err := encoder.Span(span)
		require.NoError(t, err)
		spansignature.Write(span.Attributes(), header, "storage", key.Tag(message))
	}
	return traces
}

func spanAt(traces ptrace.Traces, i int) ptrace.Span {
	return traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(i)
}

// verdicts are what the spans of the sink say, as "true ok" or "- key_unavailable".
func (r *running) verdicts() (verdicts []string) {
	for _, traces := range r.sink.AllTraces() {
		for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			verified, reason := "-", "-"
			if value, found := span.Attributes().Get(spansignature.AttributeVerified); found {
				verified = value.AsString()
			}
			if value, found := span.Attributes().Get(spansignature.AttributeReason); found {
				reason = value.AsString()
			}
			verdicts = append(verdicts, verified+" "+reason)
		}
	}
	r.sink.Reset()
	return verdicts
}

func (r *running) consume(t testing.TB, traces ptrace.Traces) []string {
	require.NoError(t, r.ConsumeTraces(context.Background(), traces))
	return r.verdicts()
}

func TestSpansAreVerifiedAndAChangedOneIsFound(t *testing.T) {
	r := run(t, localConfig())
	traces := signed(t, "", "default", time.Now(), 3)
	spanAt(traces, 1).Attributes().PutInt("amount", 1000)
	spanAt(traces, 1).Attributes().PutBool(spansignature.AttributeVerified, true)
	require.Equal(t, []string{"true ok", "false mismatch", "true ok"}, r.consume(t, traces))
	require.EqualValues(t, 2, r.count(t, "ok"))
	require.EqualValues(t, 1, r.count(t, "mismatch"))
}

func TestTwoSignaturesAreMalformed(t *testing.T) {
	r := run(t, localConfig())
	traces := signed(t, "", "default", time.Now(), 1)
	spanAt(traces, 0).Attributes().PutStr("span.signature.algorithn", "x")
	data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	require.NoError(t, err)
	data = bytes.Replace(data, []byte("span.signature.algorithn"), []byte("span.signature.algorithm"), 1)
	twice, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
	require.NoError(t, err)
	require.Equal(t, []string{"false malformed"}, r.consume(t, twice))
}

func TestWhatHappensToInvalidAndUnsignedSpansIsASetting(t *testing.T) {
	for setting, want := range map[[2]string][]string{
		{markIt, markIt}:   {"true ok", "false mismatch", "false missing"},
		{dropIt, markIt}:   {"true ok", "false missing"},
		{markIt, dropIt}:   {"true ok", "false mismatch"},
		{markIt, allowIt}:  {"true ok", "false mismatch", "- -"},
		{rejectIt, dropIt}: nil,
	} {
		config := localConfig()
		config.OnInvalid, config.OnUnsigned = setting[0], setting[1]
		r := run(t, config)
		traces := signed(t, "", "default", time.Now(), 3)
		spanAt(traces, 1).SetName("changed")
		spansignature.Strip(spanAt(traces, 2).Attributes())
		spanAt(traces, 2).Attributes().PutBool(spansignature.AttributeVerified, true)
		err := r.ConsumeTraces(context.Background(), traces)
		if setting[0] == rejectIt {
			require.True(t, consumererror.IsPermanent(err))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, r.verdicts(), setting)
	}
}

func TestATenantsSpansNeedThatTenantsKey(t *testing.T) {
	config := localConfig()
	config.Tenant = signingkeys.TenantConfig{From: "resource_attribute", Key: "tenant"}
	config.Tenants = map[string]*signingkeys.KeyConfig{"a": {}, "b": {}}
	r := run(t, config)
	require.Equal(t, []string{"true ok"}, r.consume(t, signed(t, "a", "a", time.Now(), 1)))
	require.Equal(t, []string{"false tenant_mismatch"}, r.consume(t, signed(t, "a", "b", time.Now(), 1)), "signed by a, said to be by b's key")
	moved := signed(t, "a", "a", time.Now(), 1)
	moved.ResourceSpans().At(0).Resource().Attributes().PutStr("tenant", "b")
	require.Equal(t, []string{"false tenant_mismatch"}, r.consume(t, moved))
	require.Equal(t, []string{"false unknown_key"}, r.consume(t, signed(t, "a", "c", time.Now(), 1)))
}

func TestAgesAndReplays(t *testing.T) {
	config := localConfig()
	config.MaxAge, config.ReplayCache = 48*time.Hour, 2
	r := run(t, config)
	require.Equal(t, []string{"false expired"}, r.consume(t, signed(t, "", "default", time.Now().Add(-72*time.Hour), 1)))
	require.Equal(t, []string{"false future"}, r.consume(t, signed(t, "", "default", time.Now().Add(10*time.Minute), 1)))
	at := time.Now()
	require.Equal(t, []string{"true ok"}, r.consume(t, signed(t, "", "default", at, 1)))
	require.Equal(t, []string{"false replay", "true ok", "true ok"}, r.consume(t, signed(t, "", "default", at, 3)))
	require.Equal(t, []string{"true ok"}, r.consume(t, signed(t, "", "default", at, 1)), "forgotten by now")
}

func TestLegacySignaturesCountOnlyIfAskedFor(t *testing.T) {
	legacy := func() ptrace.Traces {
		traces := signed(t, "", "default", time.Now(), 1)
		span := spanAt(traces, 0)
		spansignature.Strip(span.Attributes())
		epoch := time.Now().UTC().Format("2006-01-02")
		key := spansignature.NewKey("default/1/"+epoch, "", spansignature.Derive(master, spansignature.Info(spansignature.ADR024, "", epoch)))
		header := &spansignature.Header{Algorithm: key.Algorithm, KeyID: key.ID, Timestamp: time.Now().Unix()}
		spansignature.WriteLegacy(span.Attributes(), header, key.Tag(spansignature.LegacyMessage(span)))
		return traces
	}
	config := localConfig()
	require.Equal(t, []string{"false unsupported_version"}, run(t, config).consume(t, legacy()))
	config.AcceptVersions = []string{"v1", "adr024"}
	require.Equal(t, []string{"false legacy_ok"}, run(t, config).consume(t, legacy()))
	config.LegacyCountsAsVerified = true
	require.Equal(t, []string{"true legacy_ok"}, run(t, config).consume(t, legacy()))
}

func vaulted(t *testing.T) (*Config, *doubles.Proxy) {
	address := doubles.Bao(t)
	doubles.BaoWrite(t, address, "transit/keys/spans", map[string]any{"type": "hmac", "key_size": 32})
	proxy := doubles.NewProxy(t, address)
	config := createDefaultConfig().(*Config)
	config.Provider, config.Default.ID = "vault", "spans"
	config.Vault.Address, config.Vault.Token = proxy.URL, doubles.Token
	return config, proxy
}

func TestAnOutageLeavesSpansIndeterminate(t *testing.T) {
	config, proxy := vaulted(t)
	config.OnInvalid = dropIt
	config.Cache.RefusedFor, config.Request.Timeout = 100*time.Millisecond, time.Second
	r := run(t, config)
	yesterday := time.Now().Add(-24 * time.Hour)
	proxy.Answer(http.StatusServiceUnavailable, "{}")
	require.Equal(t, []string{"- key_unavailable"}, r.consume(t, signed(t, "", "default", yesterday, 1)))
	require.EqualValues(t, 1, r.count(t, "key_unavailable"))
	proxy.Heal()
	require.Eventually(t, func() bool {
		_ = r.ConsumeTraces(context.Background(), signed(t, "", "default", yesterday, 1))
		return len(r.verdicts()) == 0 // dropped, as it was not signed by this key
	}, 20*time.Second, 10*time.Millisecond)
}

func TestABatchWaitsOnceForAProviderThatHangsWhateverKeysItsSpansName(t *testing.T) {
	config, proxy := vaulted(t)
	config.Request.Timeout = time.Second
	r := run(t, config)
	proxy.Hang()
	traces := ptrace.NewTraces()
	for day := range 10 {
		yesterday := time.Now().AddDate(0, 0, -1-day)
		signed(t, "", "default", yesterday, 1).ResourceSpans().MoveAndAppendTo(traces.ResourceSpans())
	}
	began := time.Now()
	require.NoError(t, r.ConsumeTraces(context.Background(), traces))
	require.Less(t, time.Since(began), 5*time.Second)
	require.EqualValues(t, 10, r.count(t, "key_unavailable"))
	require.Equal(t, []string{"- key_unavailable"}, r.verdicts()[:1])
}

func TestAStorageThatCutsStringsIsNamedAsACauseThatMayBe(t *testing.T) {
	r := run(t, localConfig())
	long := func(cut bool) ptrace.Traces {
		traces := signed(t, "", "default", time.Now(), 1)
		span := spanAt(traces, 0)
		if cut {
			span.Attributes().PutStr("sql", string(bytes.Repeat([]byte("x"), 2048)))
		} else {
			span.Attributes().PutStr("sql", "y")
		}
		return traces
	}
	require.Equal(t, []string{"false mismatch_possible_truncation"}, r.consume(t, long(true)))
	require.Equal(t, []string{"false mismatch"}, r.consume(t, long(false)))
}

func TestItStopsWithoutHavingStarted(t *testing.T) {
	made, err := NewFactory().CreateTraces(context.Background(), processortest.NewNopSettings(metadata.Type), localConfig(), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, made.Shutdown(context.Background()))
}
