package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
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

// BenchmarkThroughput sends the same spans through a Collector with a signer and one without, in turn.
func BenchmarkThroughput(b *testing.B) {
	sink := httpSink(b)
	with := start(b, program(b, "SIGNER_OTELCOL"), "  spansigner: "+keys+"}\n  batch: {timeout: 50ms}", "spansigner, batch", httpTo(sink))
	without := start(b, program(b, "SIGNER_OTELCOL"), "  batch: {timeout: 50ms}", "batch", httpTo(sink))
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
}

func httpSink(b *testing.B) string {
	return between(b, "", nil)
}

func rate(b *testing.B, c *collector, body []byte) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	defer client.CloseIdleConnections()
	began := time.Now()
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
	return requests * spans / time.Since(began).Seconds()
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
