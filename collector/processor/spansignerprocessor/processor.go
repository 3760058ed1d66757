package spansignerprocessor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"betrace/collector/processor/spansignerprocessor/internal/metadata"
	"betrace/collector/signingkeys"
	"betrace/collector/spansignature"
)

const (
	eventInterval  = 10 * time.Second
	keyUnavailable = "key_unavailable"
	unknownTenant  = "unknown_tenant"
)

var errUnknownTenant = errors.New("a tenant without a key, and unknown_tenant is reject")

type signer struct {
	config    *Config
	keys      signingkeys.Component
	telemetry *metadata.Telemetry
	events    signingkeys.Events
	selection spansignature.Selection
	coverage  string
	encoders  sync.Pool
	now       func() time.Time
}

func newSigner(config *Config, settings component.TelemetrySettings) (*signer, error) {
	telemetry, err := metadata.NewTelemetry(settings)
	if err != nil {
		return nil, err
	}
	made := &signer{
		config: config, telemetry: telemetry, selection: config.selection(), now: time.Now,
		events: signingkeys.Events{Log: settings.Logger, Interval: eventInterval},
	}
	made.coverage = made.selection.String()
	made.keys.Keys = signingkeys.New(&config.Config, spansignature.Format(config.Format), telemetry.Keys, settings.Logger)
	made.encoders.New = func() any { return &spansignature.Encoder{} }
	return made, nil
}

func (s *signer) start(ctx context.Context, host component.Host) error {
	if err := s.keys.Start(ctx, host); err != nil {
		return err
	}
	return s.telemetry.Keys.Observe(s.keys.Keys)
}

func (s *signer) shutdown(ctx context.Context) error {
	return errors.Join(s.telemetry.Keys.Stop(), s.keys.Shutdown(ctx))
}

func unchanged(_ context.Context, traces ptrace.Traces) (ptrace.Traces, error) { return traces, nil }

// tally is what became of a batch.
type tally struct {
	signed, truncated, replaced int
	unsigned                    map[string]int // by reason
}

func (t *tally) without(reason string, spans int) {
	if t.unsigned == nil {
		t.unsigned = map[string]int{}
	}
	t.unsigned[reason] += spans
}

// fate is what is to become of the spans of a resource: they are signed by a key or, without one, they pass or are
// dropped for a reason.
type fate struct {
	key    *spansignature.Key
	reason string
	drop   bool
}

// process signs a batch, or leaves it as it came and says why.
func (s *signer) process(ctx context.Context, traces ptrace.Traces) (ptrace.Traces, error) {
	fates, err := s.fates(ctx, traces)
	if err != nil {
		return traces, err
	}
	now := s.now()
	encoder := s.encoders.Get().(*spansignature.Encoder)
	var tally tally
	next := 0
	traces.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool {
		fate := fates[next]
		next++
		return s.resource(encoder, resource, fate, now, &tally)
	})
	s.encoders.Put(encoder)
	s.count(ctx, &tally, now)
	if traces.ResourceSpans().Len() == 0 {
		return traces, processorhelper.ErrSkipProcessingData
	}
	return traces, nil
}

// fates finds all keys before anything is changed, as a batch that is rejected will come again. For all of them together
// it waits no longer than one request may take.
func (s *signer) fates(ctx context.Context, traces ptrace.Traces) ([]fate, error) {
	ctx, stop := context.WithTimeout(ctx, s.config.Request.Timeout)
	defer stop()
	fates := make([]fate, 0, traces.ResourceSpans().Len())
	for _, resource := range traces.ResourceSpans().All() {
		fate, err := s.fate(ctx, resource)
		if err != nil {
			return nil, err
		}
		fates = append(fates, fate)
	}
	return fates, nil
}

func (s *signer) fate(ctx context.Context, resource ptrace.ResourceSpans) (fate, error) {
	tenant := ""
	if s.config.Tenant.From != "" {
		tenant = s.config.Tenant.Of(ctx, resource.Resource())
		if (tenant == "" || !s.keys.Knows(tenant)) && s.config.UnknownTenant != defaultKey {
			if s.config.UnknownTenant == rejectIt {
				return fate{}, consumererror.NewPermanent(errUnknownTenant)
			}
			return fate{reason: unknownTenant, drop: s.config.UnknownTenant == dropIt}, nil
		}
	}
	key, err := s.keys.SigningKey(ctx, tenant)
	if err == nil {
		s.keys.Recovered()
		return fate{key: key}, nil
	}
	if s.config.OnKeyError == rejectIt {
		s.events.Happened("rejected", keyUnavailable, spansOf(resource), s.now())
		return fate{}, fmt.Errorf("spans cannot be signed now: %w", err)
	}
	return fate{reason: keyUnavailable, drop: s.config.OnKeyError == dropIt}, nil
}

func spansOf(resource ptrace.ResourceSpans) (spans int) {
	for _, scope := range resource.ScopeSpans().All() {
		spans += scope.Spans().Len()
	}
	return spans
}

// resource signs the spans of one resource, and says whether none is left.
func (s *signer) resource(encoder *spansignature.Encoder, resource ptrace.ResourceSpans, fate fate, now time.Time, tally *tally) bool {
	if fate.drop {
		tally.without(fate.reason, spansOf(resource))
		return true
	}
	header := &spansignature.Header{Algorithm: s.config.Algorithm, Timestamp: now.Unix(), Selection: s.selection}
	if fate.key != nil {
		header.KeyID = fate.key.ID
		s.truncate(resource, tally)
	}
	resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool {
		encoder.Begin(header, resource.Resource(), resource.SchemaUrl(), scope.Scope(), scope.SchemaUrl())
		scope.Spans().RemoveIf(func(span ptrace.Span) bool { return s.span(encoder, header, span, fate, tally) })
		return scope.Spans().Len() == 0
	})
	return resource.ScopeSpans().Len() == 0
}

func (s *signer) truncate(resource ptrace.ResourceSpans, tally *tally) {
	limit := s.config.AttributeValueLimit
	if limit == 0 {
		return
	}
	tally.truncated += spansignature.Truncate(resource.Resource().Attributes(), limit)
	for _, scope := range resource.ScopeSpans().All() {
		tally.truncated += spansignature.Truncate(scope.Scope().Attributes(), limit)
		for _, span := range scope.Spans().All() {
			tally.truncated += spansignature.TruncateSpan(span, limit)
		}
	}
}

// span signs one span, and says whether it is to be dropped.
func (s *signer) span(encoder *spansignature.Encoder, header *spansignature.Header, span ptrace.Span, fate fate, tally *tally) bool {
	attributes := span.Attributes()
	if s.config.Existing != replaceIt {
		if _, signed := attributes.Get(spansignature.AttributeTag); signed {
			tally.without("existing", 1)
			spansignature.StripVerdict(attributes)
			return s.config.Existing == rejectIt
		}
	}
	if spansignature.Strip(attributes) {
		tally.replaced++
	}
	if fate.key == nil {
		tally.without(fate.reason, 1)
		attributes.PutStr(spansignature.AttributeError, fate.reason)
		return false
	}
	if s.config.Format == string(spansignature.ADR024) {
		spansignature.WriteLegacy(attributes, header, fate.key.Tag(spansignature.LegacyMessage(span)))
		tally.signed++
		return false
	}
	message, err := encoder.Span(span)
	if err != nil {
		tally.without(err.Error(), 1)
		attributes.PutStr(spansignature.AttributeError, err.Error())
		return s.config.OnUnsignable == dropIt
	}
	spansignature.Write(attributes, header, s.coverage, fate.key.Tag(message))
	tally.signed++
	return false
}

func (s *signer) count(ctx context.Context, tally *tally, now time.Time) {
	s.telemetry.Signed.Add(ctx, int64(tally.signed))
	if tally.truncated > 0 {
		s.telemetry.Truncated.Add(ctx, int64(tally.truncated))
	}
	if tally.replaced > 0 {
		s.telemetry.Replaced.Add(ctx, int64(tally.replaced))
		s.events.Happened("replaced", "existing_signature", tally.replaced, now)
	}
	for reason, spans := range tally.unsigned {
		s.telemetry.Unsigned.Add(ctx, int64(spans), metric.WithAttributes(attribute.String("reason", reason)))
		s.events.Happened("unsigned", reason, spans, now)
	}
}
