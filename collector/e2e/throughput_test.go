package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

const (
	rounds   = 5
	requests = 400
	spans    = 200 // a request
	senders  = 4
)

// BenchmarkThroughput sends the same spans through a Collector with a signer and one without, in turn; the exporter
// compresses, as it does by default, or not.
func BenchmarkThroughput(b *testing.B) {
	for _, compression := range []string{"gzip", "none"} {
		b.Run(compression, func(b *testing.B) { throughput(b, compression) })
	}
}

func throughput(b *testing.B, compression string) {
	exporter := strings.Replace(httpTo(httpSink(b)), "compression: none", "compression: "+compression, 1)
	with := start(b, program(b, "SIGNER_OTELCOL"), "  spansigner: "+keys+"}\n  batch: {timeout: 50ms}", "spansigner, batch", exporter)
	without := start(b, program(b, "SIGNER_OTELCOL"), "  batch: {timeout: 50ms}", "batch", exporter)
	body := typicalRequest(b)
	var rates [2][]float64
	for b.Loop() {
		for range rounds {
			for i, c := range []*collector{without, with} {
				rates[i] = append(rates[i], rate(b, c, body))
			}
		}
	}
	b.ReportMetric(median(rates[0]), "spans/s-without")
	b.ReportMetric(median(rates[1]), "spans/s-with")
	b.ReportMetric(median(rates[1])/median(rates[0]), "ratio")
	b.ReportMetric(cpuMicroseconds(b, without)/sent, "cpu-us/span-without")
	b.ReportMetric(cpuMicroseconds(b, with)/sent, "cpu-us/span-with")
}

// sent is how many spans each Collector was sent.
const sent = rounds * requests * spans

// cpuMicroseconds is what a Collector has used, its start included.
func cpuMicroseconds(b *testing.B, c *collector) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.process))
	require.NoError(b, err)
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+2:]))
	user, err := strconv.ParseFloat(fields[11], 64)
	require.NoError(b, err)
	system, err := strconv.ParseFloat(fields[12], 64)
	require.NoError(b, err)
	return (user + system) * 10_000 // from ticks of 10 ms
}

func httpSink(b *testing.B) string {
	return between(b, "", nil)
}

func rate(b *testing.B, c *collector, body []byte) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	before, began := exported(b, c), time.Now()
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for range requests / senders {
				for {
					answer, err := client.Post("http://"+c.http+"/v1/traces", "application/x-protobuf", bytes.NewReader(body))
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
					if answer.StatusCode == http.StatusOK {
						break
					}
				}
			}
		})
	}
	group.Wait()
	await(b, "all spans are exported", func() bool { return exported(b, c)-before >= requests*spans })
	return requests * spans / time.Since(began).Seconds()
}

var sentSpans = regexp.MustCompile(`(?m)^otelcol_exporter_sent_spans(?:_total|__spans__total)?\{.*\} (\S+)$`)

// exported is how many spans a Collector says it has sent on.
func exported(b *testing.B, c *collector) float64 {
	found := sentSpans.FindStringSubmatch(metrics(b, c))
	if found == nil {
		return 0
	}
	count, err := strconv.ParseFloat(found[1], 64)
	require.NoError(b, err)
	return count
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func typicalRequest(b *testing.B) []byte {
	traces := shop(spans)
	for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		for i := range 18 {
			span.Attributes().PutStr(fmt.Sprintf("attribute.%d", i), "0123456789abcdef0123456789abcdef")
		}
	}
	body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
	require.NoError(b, err)
	return body
}
