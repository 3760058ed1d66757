package signingkeys

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// Telemetry is the metrics of keys.
type Telemetry struct {
	requests metric.Int64Counter
	duration metric.Float64Histogram
	age      metric.Float64ObservableGauge
	cached   metric.Int64ObservableGauge
	meter    metric.Meter
	observed metric.Registration
}

// NewTelemetry names them after a processor, such as otelcol_processor_spansigner.
func NewTelemetry(meter metric.Meter, prefix string) (*Telemetry, error) {
	made := &Telemetry{meter: meter}
	var errs [4]error
	made.requests, errs[0] = meter.Int64Counter(prefix+"_key_requests",
		metric.WithDescription("Requests to the key provider, by outcome [Alpha]"), metric.WithUnit("{request}"))
	made.duration, errs[1] = meter.Float64Histogram(prefix+"_key_request_duration",
		metric.WithDescription("How long the key provider took to answer [Alpha]"), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
	made.age, errs[2] = meter.Float64ObservableGauge(prefix+"_key_age",
		metric.WithDescription("Since when the provider has not confirmed the oldest key in use to sign [Alpha]"), metric.WithUnit("s"))
	made.cached, errs[3] = meter.Int64ObservableGauge(prefix+"_cached_keys",
		metric.WithDescription("Keys held in memory [Alpha]"), metric.WithUnit("{key}"))
	return made, errors.Join(errs[:]...)
}

// Observe reports on keys from now on.
func (t *Telemetry) Observe(keys *Keys) (err error) {
	t.observed, err = t.meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		count, age := keys.Count()
		observer.ObserveInt64(t.cached, int64(count))
		observer.ObserveFloat64(t.age, age.Seconds())
		return nil
	}, t.age, t.cached)
	return err
}

// Stop ends Observe.
func (t *Telemetry) Stop() error {
	if t.observed == nil {
		return nil
	}
	return t.observed.Unregister()
}

// KeyRequest counts a request.
func (t *Telemetry) KeyRequest(provider, outcome string, took time.Duration) {
	attributes := metric.WithAttributes(attribute.String("provider", provider), attribute.String("outcome", outcome))
	t.requests.Add(context.Background(), 1, attributes)
	t.duration.Record(context.Background(), took.Seconds(), metric.WithAttributes(attribute.String("provider", provider)))
}

// Events tells of what happened to signatures: one log record a kind and interval, with the number of spans, and
// nothing of what is in them.
type Events struct {
	Log      *zap.Logger
	Interval time.Duration

	mutex sync.Mutex
	kinds map[string]*event
}

type event struct {
	told  time.Time
	spans int
}

// Happened notes an event.
func (e *Events) Happened(kind, reason string, spans int, now time.Time) {
	if spans == 0 {
		return
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.kinds == nil {
		e.kinds = map[string]*event{}
	}
	at := e.kinds[kind+reason]
	if at == nil {
		at = &event{}
		e.kinds[kind+reason] = at
	}
	at.spans += spans
	if now.Sub(at.told) < e.Interval {
		return
	}
	e.Log.Warn("signature event", zap.String("event", kind), zap.String("reason", reason), zap.Int("spans", at.spans))
	at.told, at.spans = now, 0
}
