package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const (
	rounds   = 15
	requests = 100 // a round
	spans    = 200 // a request
	senders  = 4
	distinct = 10 // requests
)

// setup is how spans come to a Collector and leave it.
type setup struct {
	name     string
	shape    shape
	protocol string
	in, out  string // how they are compressed
}

var (
	typical  = shape{attributes: 20, fresh: 10, letters: 32}
	repeated = shape{attributes: 20, fresh: 0, letters: 32}
	fresh    = shape{attributes: 20, fresh: 20, letters: 32}
	small    = shape{attributes: 5, fresh: 2, letters: 20}
	large    = shape{attributes: 100, fresh: 50, letters: 50}

	setups = []setup{
		{"typical", typical, "grpc", "none", "gzip"},
		{"typical", typical, "grpc", "gzip", "gzip"},
		{"typical", typical, "grpc", "none", "zstd"},
		{"typical", typical, "grpc", "none", "snappy"},
		{"typical", typical, "grpc", "none", "none"},
		{"typical", typical, "http", "none", "gzip"},
		{"typical", typical, "http", "none", "none"},
		{"repeated", repeated, "grpc", "none", "gzip"},
		{"fresh", fresh, "grpc", "none", "gzip"},
		{"small", small, "grpc", "none", "gzip"},
		{"small", small, "grpc", "none", "none"},
		{"large", large, "grpc", "none", "gzip"},
	}
)

// BenchmarkThroughput sends the same spans through a Collector with a signer and one without, in turn. Each has one
// core at most, and what counts are spans per second of its own CPU: the sender and the receiver of the spans, which run
// beside it, do not. The ratio is the median of those of rounds next to each other, as the machine may be busy; what else
// runs can only add to CPU times, so that the least ones and their ratio are told too.
func BenchmarkThroughput(b *testing.B) {
	for _, each := range setups {
		b.Run(fmt.Sprintf("%s/%s/in=%s/out=%s", each.name, each.protocol, each.in, each.out), func(b *testing.B) {
			b.Setenv("GOMAXPROCS", "1")
			bodies := each.shape.requests(b, distinct, spans)
			if each.in == "gzip" {
				for i := range bodies {
					bodies[i] = zipped(b, bodies[i])
				}
			}
			without := each.start(b, bodies, "  batch: ", "batch")
			with := each.start(b, bodies, "  spansigner: "+keys+"}\n  batch: ", "spansigner, batch")
			for b.Loop() {
				for i := range rounds {
					for j := range 2 {
						[]*measured{without, with}[(i+j)%2].round(b)
					}
				}
			}
			require.EqualValues(b, (1+rounds)*requests*spans, counter(b, with.collector, "processor_spansigner_signed_spans"))
			without.report(b, "without")
			with.report(b, "with")
			b.ReportMetric(ratio(b, without.cpu, with.cpu), "ratio")
			b.ReportMetric(slices.Min(without.cpu)/slices.Min(with.cpu), "least-ratio")
			b.ReportMetric(ratio(b, with.rates, without.rates), "clock-ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measured is a Collector and what its rounds gave.
type measured struct {
	*collector
	send       func([]byte) error
	bodies     [][]byte
	taken      *atomic.Int64
	cpu, rates []float64
}

const batches = "{send_batch_size: 2000, send_batch_max_size: 2000}"

// start has a Collector running that has taken one round of spans.
func (s *setup) start(b *testing.B, bodies [][]byte, processors, order string) *measured {
	m := &measured{bodies: bodies}
	var exporter, address string
	if s.protocol == "grpc" {
		address, m.taken = grpcSink(b)
		exporter = strings.Replace(grpcTo(address), "{endpoint", "{compression: "+s.out+", endpoint", 1)
	} else {
		address, m.taken = httpSink(b)
		exporter = strings.Replace(httpTo("http://"+address), "compression: none", "compression: "+s.out, 1)
	}
	m.collector = start(b, program(b, "SIGNER_OTELCOL"), processors+batches, order, exporter)
	if s.protocol == "grpc" {
		m.send = grpcSender(b, m.collector, s.in)
	} else {
		m.send = httpSender(b, m.collector, s.in)
	}
	m.round(b)
	m.cpu, m.rates = nil, nil
	m.taken.Store(0)
	return m
}

func (m *measured) round(b *testing.B) {
	before, used, began := counter(b, m.collector, "exporter_sent_spans"), m.used(b), time.Now()
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() {
			for i := range requests / senders {
				if err := m.send(m.bodies[(sender+i)%len(m.bodies)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	await(b, "all spans are exported", func() bool {
		return counter(b, m.collector, "exporter_sent_spans")-before == requests*spans
	})
	m.rates = append(m.rates, requests*spans/time.Since(began).Seconds())
	m.cpu = append(m.cpu, (m.used(b)-used)/(requests*spans))
}

func (m *measured) report(b *testing.B, name string) {
	b.ReportMetric(slices.Min(m.cpu), "least-cpu-us/span-"+name)
	b.ReportMetric(median(m.cpu), "cpu-us/span-"+name)
	b.ReportMetric(median(m.rates), "spans/s-"+name)
	b.ReportMetric(float64(m.taken.Load())/(rounds*requests*spans), "bytes/span-"+name)
}

// used is the CPU time of the Collector in microseconds.
func (m *measured) used(b *testing.B) float64 {
	const ofThreads = 2 // CPUCLOCK_SCHED of Linux: what clock_getcpuclockid makes of a process
	var spent unix.Timespec
	require.NoError(b, unix.ClockGettime(int32(^m.process<<3|ofThreads), &spent))
	return float64(spent.Nano()) / 1000
}

// counter is the value of one of a Collector's own metrics, 0 before there is any.
func counter(b *testing.B, c *collector, name string) float64 {
	found := regexp.MustCompile(`(?m)^otelcol_` + name + `(?:\{.*\})? (\S+)$`).FindStringSubmatch(metrics(b, c))
	if found == nil {
		return 0
	}
	count, err := strconv.ParseFloat(found[1], 64)
	require.NoError(b, err)
	return count
}

// ratio is the median of those of each round.
func ratio(b *testing.B, over, under []float64) float64 {
	var ratios []float64
	for i := range over {
		ratios = append(ratios, over[i]/under[i])
	}
	slices.Sort(ratios)
	b.Logf("ratios %.3f", ratios)
	return median(ratios)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
