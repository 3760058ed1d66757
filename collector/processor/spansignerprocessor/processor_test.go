package spansignerprocessor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/client"
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

	"betrace/collector/processor/spansignerprocessor/internal/metadata"
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

func localConfig(testing.TB) *Config {
	config := createDefaultConfig().(*Config)
	config.Provider = "local"
	config.Local.Key = configopaque.String(base64.StdEncoding.EncodeToString(master))
	return config
}

// running is a processor between a test and a sink.
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

// sum adds up a counter over the data points whose attributes have a value, or all.
func (r *running) sum(t testing.TB, name, value string) (total int64) {
	metric, err := r.telemetry.GetMetric("otelcol_processor_spansigner_" + name)
	if err != nil {
		return 0
	}
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		matches := value == ""
		for _, each := range point.Attributes.ToSlice() {
			matches = matches || each.Value.AsString() == value
		}
		if matches {
			total += point.Value
		}
	}
	return total
}

func (r *running) consume(t testing.TB, traces ptrace.Traces) []ptrace.Span {
	r.sink.Reset()
	require.NoError(t, r.ConsumeTraces(context.Background(), traces))
	return r.spans()
}

func (r *running) spans() (spans []ptrace.Span) {
	for _, traces := range r.sink.AllTraces() {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					spans = append(spans, span)
				}
			}
		}
	}
	return spans
}

func batch(spans int) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "checkout")
	scope := resource.ScopeSpans().AppendEmpty()
	for i := range spans {
		span := scope.Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{1})
		span.SetSpanID(pcommon.SpanID{byte(i >> 8), byte(i), 1})
		span.SetName("GET /")
		span.Attributes().PutInt("i", int64(i))
	}
	return traces
}

func text(span ptrace.Span, key string) string {
	value, found := span.Attributes().Get(key)
	if !found {
		return ""
	}
	return value.AsString()
}

// oneKey is the key that the local master gives for a tenant.
type oneKey struct{ tenant string }

func (k oneKey) VerificationKey(_ context.Context, format spansignature.Format, id string) (*spansignature.Key, error) {
	epoch := id[len(id)-len("2006-01-02"):]
	return spansignature.NewKey(id, k.tenant, spansignature.Derive(master, spansignature.Info(format, k.tenant, epoch))), nil
}

// verify gives the reason for each span of the sink.
func (r *running) verify(tenant string) (reasons []spansignature.Reason) {
	policy := &spansignature.Policy{Formats: []spansignature.Format{spansignature.V1, spansignature.ADR024}, MinCoverage: spansignature.Core}
	verifier := spansignature.NewVerifier(policy, oneKey{tenant})
	for _, traces := range r.sink.AllTraces() {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				verifier.Scope(resource, scope)
				for _, span := range scope.Spans().All() {
					_, reason := verifier.Span(context.Background(), span, nil, time.Now())
					reasons = append(reasons, reason)
				}
			}
		}
	}
	return reasons
}

func TestEverySpanIsSigned(t *testing.T) {
	r := run(t, localConfig(t))
	spans := r.consume(t, batch(100))
	require.Len(t, spans, 100)
	for _, reason := range r.verify("") {
		require.Equal(t, spansignature.OK, reason)
	}
	require.Equal(t, "storage", text(spans[0], spansignature.AttributeCoverage))
	require.Equal(t, "v1", text(spans[0], spansignature.AttributeVersion))
	require.EqualValues(t, 100, r.sum(t, "signed_spans", ""))
}

func TestOneBadSpanNeverFailsItsBatch(t *testing.T) {
	for policy, left := range map[string]int{passUnsigned: 100, dropIt: 99} {
		config := localConfig(t)
		config.OnUnsignable = policy
		r := run(t, config)
		traces := batch(100)
		traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(50).Attributes().PutStr("bad", "\xff")
		spans := r.consume(t, traces)
		require.Len(t, spans, left)
		if policy == passUnsigned {
			require.Equal(t, "invalid_utf8", text(spans[50], spansignature.AttributeError))
		}
		require.EqualValues(t, 99, r.sum(t, "signed_spans", ""))
		require.EqualValues(t, 1, r.sum(t, "unsigned_spans", "invalid_utf8"))
	}
}

func TestAResourceThatCannotBeSignedLeavesTheOthersAlone(t *testing.T) {
	r := run(t, localConfig(t))
	traces := batch(2)
	batch(3).ResourceSpans().MoveAndAppendTo(traces.ResourceSpans())
	traces.ResourceSpans().At(0).Resource().Attributes().PutStr("bad", "\xff")
	require.Len(t, r.consume(t, traces), 5)
	require.EqualValues(t, 3, r.sum(t, "signed_spans", ""))
}

func TestWhatAClientSaysOfSignaturesIsTakenOff(t *testing.T) {
	for existing, want := range map[string][]spansignature.Reason{
		replaceIt: {spansignature.OK}, keepIt: {spansignature.Malformed}, rejectIt: nil,
	} {
		config := localConfig(t)
		config.Existing = existing
		r := run(t, config)
		traces := batch(1)
		attributes := traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes()
		attributes.PutBool(spansignature.AttributeVerified, true)
		attributes.PutStr(spansignature.AttributeTag, "forged")
		spans := r.consume(t, traces)
		require.Equal(t, want, r.verify(""), existing)
		for _, span := range spans {
			require.Empty(t, text(span, spansignature.AttributeVerified))
		}
	}
}

func TestOnlyVerifiedSentAlongIsTakenOffUnderEveryPolicy(t *testing.T) {
	config := localConfig(t)
	config.Existing = keepIt
	r := run(t, config)
	traces := batch(1)
	traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutBool(spansignature.AttributeVerified, true)
	r.consume(t, traces)
	require.Equal(t, []spansignature.Reason{spansignature.OK}, r.verify(""))
}

func TestTheOlderFormatIsWritten(t *testing.T) {
	config := localConfig(t)
	config.Format = "adr024"
	r := run(t, config)
	spans := r.consume(t, batch(1))
	require.Equal(t, []spansignature.Reason{spansignature.LegacyOK}, r.verify(""))
	require.Empty(t, text(spans[0], spansignature.AttributeVersion))
}

func TestLongStringsAreCutBeforeSigning(t *testing.T) {
	config := localConfig(t)
	config.AttributeValueLimit = 10
	r := run(t, config)
	traces := batch(1)
	traces.ResourceSpans().At(0).Resource().Attributes().PutStr("long", "0123456789abc")
	traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutStr("long", "012345678é")
	spans := r.consume(t, traces)
	require.Equal(t, "012345678", text(spans[0], "long"))
	require.Equal(t, []spansignature.Reason{spansignature.OK}, r.verify(""))
	require.EqualValues(t, 3, r.sum(t, "truncated_attributes", ""), "service.name is a key of 12 bytes")
}

func withTenant(tenant string) context.Context {
	metadata := client.NewMetadata(map[string][]string{"x-scope-orgid": {tenant}})
	return client.NewContext(context.Background(), client.Info{Metadata: metadata})
}

func TestTenantsSignByTheirOwnKeysAndUnknownOnesBySetting(t *testing.T) {
	for policy, want := range map[string]string{defaultKey: "default/1/", passUnsigned: "", dropIt: "dropped", rejectIt: "rejected"} {
		config := localConfig(t)
		config.Tenant = signingkeys.TenantConfig{From: "client_metadata", Key: "x-scope-orgid"}
		config.Tenants = map[string]*signingkeys.KeyConfig{"a": {}}
		config.UnknownTenant = policy
		r := run(t, config)
		require.NoError(t, r.ConsumeTraces(withTenant("a"), batch(1)))
		require.Equal(t, []spansignature.Reason{spansignature.OK}, r.verify("a"))
		require.Equal(t, []spansignature.Reason{spansignature.Mismatch}, r.verify("b"))
		r.sink.Reset()
		err := r.ConsumeTraces(withTenant("other"), batch(1))
		switch want {
		case "rejected":
			require.True(t, consumererror.IsPermanent(err))
		case "dropped":
			require.NoError(t, err)
			require.Empty(t, r.spans())
		default:
			require.NoError(t, err)
			require.Contains(t, text(r.spans()[0], spansignature.AttributeKeyID), want)
		}
	}
}

func TestATenantComesFromAResourceAttributeToo(t *testing.T) {
	config := localConfig(t)
	config.Tenant = signingkeys.TenantConfig{From: "resource_attribute", Key: "service.name"}
	config.Tenants = map[string]*signingkeys.KeyConfig{"checkout": {}}
	r := run(t, config)
	r.consume(t, batch(1))
	require.Equal(t, []spansignature.Reason{spansignature.OK}, r.verify("checkout"))
}

// away is how long the provider is in the test of an outage, with a key that is not yet stale: 20 seconds, or
// SIGNER_OUTAGE.
var away = outage()

func outage() time.Duration {
	length, err := time.ParseDuration(cmp.Or(os.Getenv("SIGNER_OUTAGE"), "20s"))
	if err != nil {
		panic(err)
	}
	return length
}

// vaulted is a configuration on OpenBao behind a proxy that makes faults, with times short enough for a test.
func vaulted(t testing.TB) (*Config, *doubles.Proxy) {
	address := doubles.Bao(t)
	doubles.BaoWrite(t, address, "transit/keys/spans", map[string]any{"type": "hmac", "key_size": 32})
	proxy := doubles.NewProxy(t, address)
	config := createDefaultConfig().(*Config)
	config.Provider, config.Default.ID = "vault", "spans"
	config.Vault.Address, config.Vault.Token = proxy.URL, doubles.Token
	config.Cache.RefreshInterval, config.Cache.MaxStale = 50*time.Millisecond, away+5*time.Second
	config.Cache.RefusedFor, config.Request.Timeout = 200*time.Millisecond, time.Second
	return config, proxy
}

func TestAnOutageOfTheProviderIsBridgedThenHandledBySettingThenRecoveredFrom(t *testing.T) {
	for policy, unsigned := range map[string]bool{rejectIt: false, passUnsigned: true, dropIt: false} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			config, proxy := vaulted(t)
			config.OnKeyError = policy
			r := run(t, config)
			proxy.Answer(http.StatusServiceUnavailable, `{"errors":["Vault is sealed"]}`)
			began := time.Now()
			bridged := 0
			for time.Since(began) < away {
				require.NoError(t, r.ConsumeTraces(context.Background(), batch(1)))
				bridged++
				time.Sleep(time.Millisecond)
			}
			require.EqualValues(t, bridged, r.sum(t, "signed_spans", ""), "none unsigned while the key is not stale")
			var err error
			require.Eventually(t, func() bool {
				r.sink.Reset()
				err = r.ConsumeTraces(context.Background(), batch(1))
				return err != nil || len(r.spans()) == 0 || text(r.spans()[0], spansignature.AttributeError) != ""
			}, 20*time.Second, 10*time.Millisecond)
			if policy == rejectIt {
				require.Error(t, err)
				require.False(t, consumererror.IsPermanent(err), "senders are to retry")
			} else {
				require.NoError(t, err)
				require.Equal(t, unsigned, len(r.spans()) == 1)
				require.Positive(t, r.sum(t, "unsigned_spans", keyUnavailable))
			}
			proxy.Heal()
			require.Eventually(t, func() bool {
				r.sink.Reset()
				return r.ConsumeTraces(context.Background(), batch(1)) == nil && len(r.spans()) == 1 && text(r.spans()[0], spansignature.AttributeTag) != ""
			}, 20*time.Second, 10*time.Millisecond)
			require.Positive(t, r.sum(t, "key_requests", "transient"))
			require.Positive(t, r.sum(t, "key_requests", "ok"))
		})
	}
}

func TestAProviderThatIsAwayAtTheStartStopsItOrNotBySetting(t *testing.T) {
	config, proxy := vaulted(t)
	proxy.Answer(http.StatusServiceUnavailable, "{}")
	settings := processortest.NewNopSettings(metadata.Type)
	made, err := NewFactory().CreateTraces(context.Background(), settings, config, consumertest.NewNop())
	require.NoError(t, err)
	require.ErrorContains(t, made.Start(context.Background(), componenttest.NewNopHost()), "key default")
	config.OnStartupFailure = "degrade"
	r := run(t, config)
	require.Error(t, r.ConsumeTraces(context.Background(), batch(1)))
	proxy.Heal()
	require.Eventually(t, func() bool { return r.ConsumeTraces(context.Background(), batch(1)) == nil }, 20*time.Second, 10*time.Millisecond)
}

func TestABatchOfManyTenantsWaitsOnceForAProviderThatHangs(t *testing.T) {
	config, proxy := vaulted(t)
	config.OnStartupFailure, config.StartupTimeout, config.OnKeyError = "degrade", time.Second, passUnsigned
	config.Tenant = signingkeys.TenantConfig{From: "resource_attribute", Key: "tenant"}
	config.Tenants = map[string]*signingkeys.KeyConfig{}
	traces := ptrace.NewTraces()
	for _, tenant := range []string{"a", "b", "c", "d", "e", "f"} {
		config.Tenants[tenant] = &signingkeys.KeyConfig{}
		one := batch(1)
		one.ResourceSpans().At(0).Resource().Attributes().PutStr("tenant", tenant)
		one.ResourceSpans().MoveAndAppendTo(traces.ResourceSpans())
	}
	proxy.Hang()
	r := run(t, config)
	began := time.Now()
	require.Len(t, r.consume(t, traces), 6)
	require.Less(t, time.Since(began), 3*time.Second)
	require.EqualValues(t, 6, r.sum(t, "unsigned_spans", keyUnavailable))
}

func TestManyBatchesAtOnceAreAllSigned(t *testing.T) {
	r := run(t, localConfig(t))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				if err := r.ConsumeTraces(context.Background(), batch(50)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, reason := range r.verify("") {
		require.Equal(t, spansignature.OK, reason)
	}
	require.EqualValues(t, 8*20*50, r.sum(t, "signed_spans", ""))
}

func TestItStopsWithoutHavingStarted(t *testing.T) {
	made, err := NewFactory().CreateTraces(context.Background(), processortest.NewNopSettings(metadata.Type), localConfig(t), consumertest.NewNop())
	require.NoError(t, err)
	require.NoError(t, made.Shutdown(context.Background()))
}

func TestDisabledItPassesEverythingAsItIs(t *testing.T) {
	config := localConfig(t)
	config.Enabled = false
	r := run(t, config)
	traces := batch(1)
	traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutStr(spansignature.AttributeTag, "as it is")
	require.Equal(t, "as it is", text(r.consume(t, traces)[0], spansignature.AttributeTag))
}
