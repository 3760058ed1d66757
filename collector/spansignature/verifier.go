package spansignature

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// ErrUnknownKey is of a key id that names no key that is configured. Any other error of a Keys means that the
// key cannot be had now.
var ErrUnknownKey = errors.New("no such key is configured")

// Keys finds the keys to verify by. It must look up configured names only, as a key id comes from a span.
type Keys interface {
	VerificationKey(ctx context.Context, format Format, id string) (*Key, error)
}

// Policy says which signatures are taken for good.
type Policy struct {
	Formats       []Format
	MinCoverage   Coverage
	MaxAge        time.Duration // 0: any
	MaxFutureSkew time.Duration
	TruncatedAt   int // bytes at which a storage behind the signer cuts strings; 0: none
}

// Verifier checks spans of one scope after the other, in one goroutine.
type Verifier struct {
	policy   *Policy
	keys     Keys
	encoder  Encoder
	header   Header
	coverage string // the text of header.Selection
	begun    bool   // the encoder has begun with this scope and header
	resource ptrace.ResourceSpans
	scope    ptrace.ScopeSpans
}

// NewVerifier makes a verifier. The policy must not change.
func NewVerifier(policy *Policy, keys Keys) *Verifier {
	return &Verifier{policy: policy, keys: keys}
}

// Scope says where the next spans are from.
func (v *Verifier) Scope(resource ptrace.ResourceSpans, scope ptrace.ScopeSpans) {
	v.resource, v.scope, v.begun = resource, scope, false
}

// Span checks one span of the scope. A tenant that is not nil has to be that of the key.
func (v *Verifier) Span(ctx context.Context, span ptrace.Span, tenant *string, now time.Time) (Signature, Reason) {
	signature, reason := Read(span.Attributes())
	if reason != OK {
		return signature, reason
	}
	if !v.accepts(signature.Format) {
		return signature, UnsupportedVersion
	}
	if signature.Format == V1 {
		if reason := v.readCoverage(signature); reason != OK {
			return signature, reason
		}
	}
	key, err := v.keys.VerificationKey(ctx, signature.Format, signature.KeyID)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return signature, UnknownKey
	case err != nil:
		return signature, KeyUnavailable
	case key.Algorithm != signature.Algorithm:
		return signature, UnsupportedAlgorithm
	case tenant != nil && key.Tenant != *tenant:
		return signature, TenantMismatch
	}
	message, reason := v.message(span, signature)
	if reason != OK {
		return signature, reason
	}
	if !key.Matches(message, signature.Tag) {
		return signature, v.mismatch(span)
	}
	return signature, v.timely(signature, now)
}

func (v *Verifier) accepts(format Format) bool {
	for _, accepted := range v.policy.Formats {
		if accepted == format {
			return true
		}
	}
	return false
}

// readCoverage keeps what it has parsed, as neighbouring spans mostly say the same.
func (v *Verifier) readCoverage(signature Signature) Reason {
	if signature.Coverage != v.coverage || v.coverage == "" {
		selection, err := ParseSelection(signature.Coverage)
		if err != nil || selection.Coverage&Core == 0 {
			return Malformed
		}
		v.header.Selection, v.coverage, v.begun = selection, signature.Coverage, false
	}
	coverage := v.header.Selection.Coverage
	if coverage&^Full != 0 {
		return UnsupportedVersion
	}
	if coverage&v.policy.MinCoverage != v.policy.MinCoverage {
		return CoverageTooLow
	}
	return OK
}

func (v *Verifier) message(span ptrace.Span, signature Signature) ([]byte, Reason) {
	if signature.Format == ADR024 {
		return LegacyMessage(span), OK
	}
	header := &v.header
	if !v.begun || header.KeyID != signature.KeyID || header.Timestamp != signature.Timestamp {
		header.Algorithm, header.KeyID, header.Timestamp = signature.Algorithm, signature.KeyID, signature.Timestamp
		v.encoder.Begin(header, v.resource.Resource(), v.resource.SchemaUrl(), v.scope.Scope(), v.scope.SchemaUrl())
		v.begun = true
	}
	message, err := v.encoder.Span(span)
	if err != nil {
		return nil, Unsignable
	}
	return message, OK
}

func (v *Verifier) timely(signature Signature, now time.Time) Reason {
	signed := time.Unix(signature.Timestamp, 0)
	if signed.After(now.Add(v.policy.MaxFutureSkew)) {
		return Future
	}
	if v.policy.MaxAge > 0 && signed.Before(now.Add(-v.policy.MaxAge)) {
		return Expired
	}
	if signature.Format == ADR024 {
		return LegacyOK
	}
	return OK
}

func (v *Verifier) mismatch(span ptrace.Span) Reason {
	length := v.policy.TruncatedAt
	if length == 0 {
		return Mismatch
	}
	for attributes := range attributeMaps(span) {
		if hasLength(attributes, length) {
			return MismatchPossibleTruncation
		}
	}
	if hasLength(v.resource.Resource().Attributes(), length) || hasLength(v.scope.Scope().Attributes(), length) {
		return MismatchPossibleTruncation
	}
	return Mismatch
}

func hasLength(attributes pcommon.Map, length int) bool {
	for key, value := range attributes.All() {
		if !IsReserved(key) && (len(key) == length || value.Type() == pcommon.ValueTypeStr && len(value.Str()) == length) {
			return true
		}
	}
	return false
}
