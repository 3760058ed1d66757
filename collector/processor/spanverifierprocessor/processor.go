package spanverifierprocessor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"betrace/collector/processor/spanverifierprocessor/internal/metadata"
	"betrace/collector/signingkeys"
	"betrace/collector/spansignature"
)

const eventInterval = 10 * time.Second

type verifier struct {
	config    *Config
	policy    *spansignature.Policy
	keys      signingkeys.Component
	telemetry *metadata.Telemetry
	events    signingkeys.Events
	replays   *replays
	now       func() time.Time
}

func newVerifier(config *Config, settings component.TelemetrySettings) (*verifier, error) {
	telemetry, err := metadata.NewTelemetry(settings)
	if err != nil {
		return nil, err
	}
	made := &verifier{
		config: config, policy: config.policy(), telemetry: telemetry, now: time.Now,
		events: signingkeys.Events{Log: settings.Logger, Interval: eventInterval},
	}
	if config.ReplayCache > 0 {
		made.replays = newReplays(config.ReplayCache)
	}
	made.keys.Keys = signingkeys.New(&config.Config, spansignature.V1, telemetry.Keys, settings.Logger)
	return made, nil
}

func (v *verifier) start(ctx context.Context, host component.Host) error {
	if err := v.keys.Start(ctx, host); err != nil {
		return err
	}
	return v.telemetry.Keys.Observe(v.keys.Keys)
}

func (v *verifier) shutdown(ctx context.Context) error {
	return errors.Join(v.telemetry.Keys.Stop(), v.keys.Shutdown(ctx))
}

// batch keeps what is known while a batch is verified: the last key, as neighbours mostly have the same, and results.
type batch struct {
	*verifier
	waiting context.Context // ends when the batch has waited long enough for keys
	now     time.Time
	reasons map[spansignature.Reason]int
	bad     spansignature.Reason // one that on_invalid: reject is for
	format  spansignature.Format
	id      string
	key     *spansignature.Key
}

// VerificationKey is that of the provider, asked once for a run of spans. All spans of a batch together wait no longer
// for the provider than one request may take, whatever keys they name.
func (b *batch) VerificationKey(_ context.Context, format spansignature.Format, id string) (*spansignature.Key, error) {
	if b.key != nil && b.id == id && b.format == format {
		return b.key, nil
	}
	key, err := b.keys.VerificationKey(b.waiting, format, id)
	if err == nil {
		b.keys.Recovered()
		b.format, b.id, b.key = format, id, key
	}
	return key, err
}

// process marks or drops the spans of a batch.
func (v *verifier) process(ctx context.Context, traces ptrace.Traces) (ptrace.Traces, error) {
	waiting, stop := context.WithTimeout(ctx, v.config.Request.Timeout)
	defer stop()
	b := &batch{verifier: v, waiting: waiting, now: v.now(), reasons: map[spansignature.Reason]int{}}
	verifier := spansignature.NewVerifier(v.policy, b)
	traces.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool {
		tenant := v.tenant(ctx, resource.Resource())
		resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool {
			verifier.Scope(resource, scope)
			scope.Spans().RemoveIf(func(span ptrace.Span) bool { return b.span(ctx, verifier, span, tenant) })
			return scope.Spans().Len() == 0
		})
		return resource.ScopeSpans().Len() == 0
	})
	b.count(ctx)
	switch {
	case b.bad != "":
		return traces, consumererror.NewPermanent(fmt.Errorf("a span's signature does not hold: %s", b.bad))
	case traces.ResourceSpans().Len() == 0:
		return traces, processorhelper.ErrSkipProcessingData
	}
	return traces, nil
}

// tenant is whose key has to have signed, nil if that does not matter.
func (v *verifier) tenant(ctx context.Context, resource pcommon.Resource) *string {
	if v.config.Tenant.From == "" {
		return nil
	}
	tenant := v.keys.TenantOfKey(v.config.Tenant.Of(ctx, resource))
	return &tenant
}

// span verifies and marks one span, and says whether it is to be dropped.
func (b *batch) span(ctx context.Context, verifier *spansignature.Verifier, span ptrace.Span, tenant *string) bool {
	signature, reason := verifier.Span(ctx, span, tenant, b.now)
	if reason == spansignature.OK {
		if b.replays != nil && !b.replays.isNew(signature.Tag) {
			reason = spansignature.Replay
		} else {
			b.telemetry.Age.Record(ctx, b.now.Sub(time.Unix(signature.Timestamp, 0)).Seconds())
		}
	}
	b.reasons[reason]++
	attributes := span.Attributes()
	spansignature.StripVerdict(attributes)
	switch b.result(reason) {
	case verified:
		attributes.PutBool(spansignature.AttributeVerified, true)
	case unverified:
		if reason == spansignature.Missing && b.config.OnUnsigned == allowIt {
			return false
		}
		attributes.PutBool(spansignature.AttributeVerified, false)
	}
	attributes.PutStr(spansignature.AttributeReason, string(reason))
	return b.drops(reason)
}

// The results.
const (
	verified      = "verified"
	unverified    = "unverified"
	indeterminate = "indeterminate"
)

func (b *batch) result(reason spansignature.Reason) string {
	switch {
	case reason == spansignature.OK, reason == spansignature.LegacyOK && b.config.LegacyCountsAsVerified:
		return verified
	case reason == spansignature.KeyUnavailable:
		return indeterminate
	}
	return unverified
}

func (b *batch) drops(reason spansignature.Reason) bool {
	switch {
	case b.result(reason) != unverified, reason == spansignature.LegacyOK:
		return false
	case reason == spansignature.Missing:
		return b.config.OnUnsigned == dropIt
	case b.config.OnInvalid == rejectIt:
		b.bad = reason
	}
	return b.config.OnInvalid == dropIt
}

func (b *batch) count(ctx context.Context) {
	for reason, spans := range b.reasons {
		result := b.result(reason)
		b.telemetry.Spans.Add(ctx, int64(spans), metric.WithAttributes(attribute.String("result", result), attribute.String("reason", string(reason))))
		if result != verified {
			b.events.Happened(result, string(reason), spans, b.now)
		}
	}
}
