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
	Type      = component.MustNewType("spansigner")
	ScopeName = "betrace/collector/processor/spansignerprocessor"
)

// TracesStability is that of traces.
const TracesStability = component.StabilityLevelAlpha

// Telemetry is the processor's metrics.
type Telemetry struct {
	Signed    metric.Int64Counter
	Unsigned  metric.Int64Counter
	Truncated metric.Int64Counter
	Replaced  metric.Int64Counter
	Keys      *signingkeys.Telemetry
}

// NewTelemetry makes the metrics.
func NewTelemetry(settings component.TelemetrySettings) (*Telemetry, error) {
	meter := settings.MeterProvider.Meter(ScopeName)
	const prefix = "otelcol_processor_spansigner"
	made := &Telemetry{}
	var errs [5]error
	made.Signed, errs[0] = meter.Int64Counter(prefix+"_signed_spans",
		metric.WithDescription("Spans that were signed [Alpha]"), metric.WithUnit("{span}"))
	made.Unsigned, errs[1] = meter.Int64Counter(prefix+"_unsigned_spans",
		metric.WithDescription("Spans that passed without a signature or were dropped, by reason [Alpha]"), metric.WithUnit("{span}"))
	made.Truncated, errs[2] = meter.Int64Counter(prefix+"_truncated_attributes",
		metric.WithDescription("Keys and strings that were cut to attribute_value_limit [Alpha]"), metric.WithUnit("{attribute}"))
	made.Replaced, errs[3] = meter.Int64Counter(prefix+"_replaced_signatures",
		metric.WithDescription("Spans that came with a signature, which was taken off [Alpha]"), metric.WithUnit("{span}"))
	made.Keys, errs[4] = signingkeys.NewTelemetry(meter, prefix)
	return made, errors.Join(errs[:]...)
}
