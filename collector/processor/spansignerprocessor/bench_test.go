package spansignerprocessor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"betrace/collector/processor/spansignerprocessor/internal/metadata"
)

const batchSpans = 50

func typical(spans, count, length int) ptrace.Traces {
	traces := batch(spans)
	value := string(make([]byte, length))
	for _, span := range traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().All() {
		for i := range count - 1 {
			span.Attributes().PutStr(fmt.Sprintf("attribute.%d", i), value)
		}
		span.Events().AppendEmpty().SetName("exception")
	}
	return traces
}

func unsunk(b *testing.B, config *Config) processor.Traces {
	made, err := NewFactory().CreateTraces(context.Background(), processortest.NewNopSettings(metadata.Type), config, consumertest.NewNop())
	require.NoError(b, err)
	require.NoError(b, made.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { require.NoError(b, made.Shutdown(context.Background())) })
	return made
}

// BenchmarkProcessor is of whole batches through the processor; ns/span is what counts. Each batch is signed anew.
func BenchmarkProcessor(b *testing.B) {
	for _, shape := range []struct {
		name          string
		count, length int
	}{{"small-5x20", 5, 20}, {"typical-20x32", 20, 32}, {"large-100x50", 100, 50}} {
		b.Run(shape.name, func(b *testing.B) {
			made := unsunk(b, localConfig(b))
			traces := typical(batchSpans, shape.count, shape.length)
			for b.Loop() {
				if err := made.ConsumeTraces(context.Background(), traces); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batchSpans, "ns/span")
		})
	}
}

// BenchmarkWithVault signs one span a time with OpenBao behind, whose key is asked for anew each 10 ms.
func BenchmarkWithVault(b *testing.B) {
	config, proxy := vaulted(b)
	config.Cache.RefreshInterval, config.Cache.MaxStale, config.Request.PerSecond = 10*time.Millisecond, time.Hour, 1000
	made := unsunk(b, config)
	traces := typical(1, 20, 32)
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		if err := made.ConsumeTraces(context.Background(), traces); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns/span")
	b.ReportMetric(float64(took[len(took)*999/1000].Nanoseconds()), "p99.9-ns/span")
	b.ReportMetric(float64(proxy.Calls()), "requests")
}
