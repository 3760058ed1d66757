// Package e2e runs real Collectors: one that signs, one that verifies, and what lies between.
package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const patience = 60 * time.Second

// program is the path of a Collector, which the Makefile builds.
func program(t testing.TB, variable string) string {
	path := os.Getenv(variable)
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not set: `make -C collector e2e` sets it", variable)
		}
		t.Skipf("LEFT OUT: %s is not set: `make -C collector e2e` sets it", variable)
	}
	return path
}

// collector is a running Collector that takes OTLP over HTTP and gRPC.
type collector struct {
	http, grpc, metrics string
	process             int
}

func freeAddress(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// start runs a Collector with processors and an exporter, both in YAML.
func start(t testing.TB, program, processors, order, exporter string) *collector {
	c := &collector{http: freeAddress(t), grpc: freeAddress(t), metrics: freeAddress(t)}
	host, port, _ := strings.Cut(c.metrics, ":")
	name, _, _ := strings.Cut(strings.TrimSpace(exporter), ":")
	config := fmt.Sprintf(`
receivers:
  otlp: {protocols: {http: {endpoint: %q, include_metadata: true}, grpc: {endpoint: %q, include_metadata: true}}}
processors:
%s
exporters:
  %s
service:
  telemetry:
    metrics:
      readers: [{pull: {exporter: {prometheus: {host: %q, port: %s}}}}]
  pipelines:
    traces: {receivers: [otlp], processors: [%s], exporters: [%s]}
`, c.http, c.grpc, processors, exporter, host, port, order, name)
	folder := t.TempDir()
	file := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	log, err := os.Create(filepath.Join(folder, "log"))
	require.NoError(t, err)
	command := exec.Command(program, "--config", file)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	c.process = command.Process.Pid
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	await(t, "the Collector listens", func() bool {
		connection, err := net.Dial("tcp", c.http)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return c
}

func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("%s did not come true", what)
}

func post(t testing.TB, address string, traces ptrace.Traces) {
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	require.NoError(t, err)
	answer, err := http.Post("http://"+address+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	require.Equal(t, http.StatusOK, answer.StatusCode)
}

// between stands between two Collectors and changes what passes; without a next one it takes everything.
func between(t testing.TB, next string, change func(ptrace.Traces)) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		request := ptraceotlp.NewExportRequest()
		if next == "" {
			return // a sink, which reads and answers
		}
		if err != nil || request.UnmarshalProto(body) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		change(request.Traces())
		changed, _ := request.MarshalProto()
		answer, err := http.Post("http://"+next+"/v1/traces", "application/x-protobuf", bytes.NewReader(changed))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.WriteHeader(answer.StatusCode)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// verdicts counts the reasons of the spans in a file once there are so many.
func verdicts(t testing.TB, file string, spans int) map[string]int {
	counts := map[string]int{}
	await(t, fmt.Sprintf("%d spans in the file", spans), func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		clear(counts)
		seen := 0
		for line := range bytes.Lines(text) {
			traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(line)
			if err != nil {
				return false
			}
			for _, resource := range traces.ResourceSpans().All() {
				for _, scope := range resource.ScopeSpans().All() {
					for _, span := range scope.Spans().All() {
						verified, _ := span.Attributes().Get("span.signature.verified")
						reason, _ := span.Attributes().Get("span.signature.verify_reason")
						counts[verified.AsString()+" "+reason.AsString()]++
						seen++
					}
				}
			}
		}
		return seen >= spans
	})
	return counts
}

func shop(spans int) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "payment")
	scope := resource.ScopeSpans().AppendEmpty()
	scope.Scope().SetName("shop")
	for i := range spans {
		span := scope.Spans().AppendEmpty()
		span.SetTraceID(pcommon.TraceID{1, byte(i)})
		span.SetSpanID(pcommon.SpanID{2, byte(i >> 8), byte(i)})
		span.SetName("payment.charge_card")
		span.SetStartTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		span.SetEndTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		span.Attributes().PutInt("amount", int64(i))
		span.Attributes().PutEmptySlice("items").AppendEmpty().SetStr("book")
		event := span.Events().AppendEmpty()
		event.SetName("authorized")
		event.Attributes().PutBool("ok", true)
	}
	return traces
}

const keys = "{key_provider: local, local: {key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}"

func httpTo(address string) string {
	return fmt.Sprintf("otlphttp: {endpoint: %q, compression: none, retry_on_failure: {initial_interval: 100ms}}", address)
}

func grpcTo(address string) string {
	return fmt.Sprintf("otlp: {endpoint: %q, tls: {insecure: true}}", address)
}

func verifier(t testing.TB) (c *collector, file string) {
	file = filepath.Join(t.TempDir(), "verified.jsonl")
	processors := "  spanverifier: " + keys + "}\n  batch: {timeout: 50ms}"
	return start(t, program(t, "SIGNER_OTELCOL"), processors, "spanverifier, batch", fmt.Sprintf("file: {path: %q, flush_interval: 100ms}", file)), file
}

func signer(t testing.TB, exporter string) *collector {
	processors := "  spansigner: " + keys + "}\n  batch: {timeout: 50ms}"
	return start(t, program(t, "SIGNER_OTELCOL"), processors, "spansigner, batch", exporter)
}

func TestSpansSignedByOneCollectorAreVerifiedByAnother(t *testing.T) {
	second, file := verifier(t)
	first := signer(t, grpcTo(second.grpc))
	post(t, first.http, shop(100))
	require.Equal(t, map[string]int{"true ok": 100}, verdicts(t, file, 100))
	require.Contains(t, metrics(t, first), "otelcol_processor_spansigner_signed_spans")
	require.Contains(t, metrics(t, second), "otelcol_processor_spanverifier_spans")
}

func metrics(t testing.TB, c *collector) string {
	answer, err := http.Get("http://" + c.metrics + "/metrics")
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

func TestOneAttributeChangedBetweenTheCollectorsIsFound(t *testing.T) {
	second, file := verifier(t)
	first := signer(t, httpTo(between(t, second.http, func(traces ptrace.Traces) {
		traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).Attributes().PutInt("amount", 1_000_000)
	})))
	post(t, first.http, shop(100))
	require.Equal(t, map[string]int{"true ok": 99, "false mismatch": 1}, verdicts(t, file, 100))
}

func TestSendersAreToldToTryAgainWhileThereIsNoKey(t *testing.T) {
	away := "{key_provider: vault, key_id: spans, on_startup_failure: degrade, startup_timeout: 1s, vault: {address: \"http://" + freeAddress(t) + "\", token: t}}"
	c := start(t, program(t, "SIGNER_OTELCOL"), "  spansigner: "+away, "spansigner", "nop: {}")
	body, err := ptraceotlp.NewExportRequestFromTraces(shop(1)).MarshalProto()
	require.NoError(t, err)
	require.ErrorContains(t, httpSender(t, c, "none")(body), "503")
	require.Equal(t, codes.Unavailable, status.Code(grpcSender(t, c, "none")(body)))
}

func TestOrderRegroupingAndBatchesDoNotMatter(t *testing.T) {
	second, file := verifier(t)
	first := signer(t, httpTo(between(t, second.http, func(traces ptrace.Traces) {
		for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
			old := pcommon.NewMap()
			span.Attributes().MoveTo(old)
			var names []string
			for key := range old.All() {
				names = append([]string{key}, names...)
			}
			for _, key := range names {
				value, _ := old.Get(key)
				value.CopyTo(span.Attributes().PutEmpty(key))
			}
		}
	})))
	post(t, first.http, shop(100))
	require.Equal(t, map[string]int{"true ok": 100}, verdicts(t, file, 100))
}

func TestWhatOtherProcessorsBetweenDoToSignatures(t *testing.T) {
	for name, between := range map[string]struct{ processors, order, want string }{
		"batch":                              {"  batch: {timeout: 10ms}", "batch", "true ok"},
		"attributes":                         {"  attributes: {actions: [{key: env, value: x, action: insert}]}", "attributes", "false mismatch"},
		"transform":                          {"  transform: {trace_statements: ['set(span.name, \"other\")']}", "transform", "false mismatch"},
		"transform that changes nothing":     {"  transform: {trace_statements: ['set(span.name, span.name)']}", "transform", "true ok"},
		"resource's attributes by transform": {"  transform: {trace_statements: ['set(resource.attributes[\"k8s.pod.name\"], \"p\")']}", "transform", "false mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			last, file := verifier(t)
			middle := start(t, program(t, "STOCK_OTELCOL"), between.processors, between.order, grpcTo(last.grpc))
			first := signer(t, grpcTo(middle.grpc))
			post(t, first.http, shop(10))
			require.Equal(t, map[string]int{between.want: 10}, verdicts(t, file, 10))
		})
	}
}
