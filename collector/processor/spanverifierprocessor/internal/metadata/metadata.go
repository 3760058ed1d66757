// Package metadata is what mdatagen would make of metadata.yaml, by hand.
package metadata

import (
	"errors"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/metric"

	"betrace/collector/signingkeys"
)

// Of the component.
var (
	Type      = component.MustNewType("spanverifier")
	ScopeName = "betrace/collector/processor/spanverifierprocessor"
)

// TracesStability is that of traces.
const TracesStability = component.StabilityLevelAlpha

// Telemetry is the processor's metrics.
type Telemetry struct {
	Spans metric.Int64Counter
	Age   metric.Float64Histogram
	Keys  *signingkeys.Telemetry
}

// NewTelemetry makes the metrics.
func NewTelemetry(settings component.TelemetrySettings) (*Telemetry, error) {
	meter := settings.MeterProvider.Meter(ScopeName)
	const prefix = "otelcol_processor_spanverifier"
	made := &Telemetry{}
	var errs [3]error
	made.Spans, errs[0] = meter.Int64Counter(prefix+"_spans",
		metric.WithDescription("Spans by what came of their verification [Alpha]"), metric.WithUnit("{span}"))
	made.Age, errs[1] = meter.Float64Histogram(prefix+"_signature_age",
		metric.WithDescription("How long ago verified spans were signed [Alpha]"), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0.1, 1, 10, 60, 600, 3600, 86400, 604800, 2592000, 31536000))
	made.Keys, errs[2] = signingkeys.NewTelemetry(meter, prefix)
	return made, errors.Join(errs[:]...)
}
