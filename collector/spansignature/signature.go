package spansignature

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The attributes of a signature.
const (
	AttributeTag       = "span.signature"
	AttributeVersion   = "span.signature.version"
	AttributeAlgorithm = "span.signature.algorithm"
	AttributeKeyID     = "span.signature.key_id"
	AttributeTimestamp = "span.signature.timestamp"
	AttributeCoverage  = "span.signature.coverage"
	AttributeError     = "span.signature.error"
	AttributeVerified  = "span.signature.verified"
	AttributeReason    = "span.signature.verify_reason"
)

const encodedTag = (sha256.Size + 2) / 3 * 4 // bytes of a tag in padded base64

// Reason is the result of a verification.
type Reason string

// The results. Only OK means verified; KeyUnavailable means neither.
const (
	OK                         Reason = "ok"
	LegacyOK                   Reason = "legacy_ok"
	Missing                    Reason = "missing"
	Malformed                  Reason = "malformed"
	UnsupportedVersion         Reason = "unsupported_version"
	UnsupportedAlgorithm       Reason = "unsupported_algorithm"
	CoverageTooLow             Reason = "coverage_too_low"
	UnknownKey                 Reason = "unknown_key"
	KeyUnavailable             Reason = "key_unavailable"
	TenantMismatch             Reason = "tenant_mismatch"
	Expired                    Reason = "expired"
	Future                     Reason = "future"
	Replay                     Reason = "replay"
	Unsignable                 Reason = "unsignable"
	Mismatch                   Reason = "mismatch"
	MismatchPossibleTruncation Reason = "mismatch_possible_truncation"
)

// IsReserved says whether an attribute belongs to the signature, and so is not covered by it.
func IsReserved(key string) bool {
	return strings.HasPrefix(key, AttributeTag) && (len(key) == len(AttributeTag) || key[len(AttributeTag)] == '.')
}

// Strip removes all reserved attributes, and says whether there was a signature.
func Strip(attributes pcommon.Map) (signed bool) {
	reserved := false
	for key := range attributes.All() {
		if IsReserved(key) {
			reserved, signed = true, signed || key == AttributeTag
		}
	}
	if reserved {
		attributes.RemoveIf(func(key string, _ pcommon.Value) bool { return IsReserved(key) })
	}
	return signed
}

// StripVerdict removes what only a verifier may say.
func StripVerdict(attributes pcommon.Map) {
	attributes.RemoveIf(func(key string, _ pcommon.Value) bool { return key == AttributeVerified || key == AttributeReason })
}

// Write puts a signature on a span that has no reserved attributes. Coverage is header.Selection as a string. What spans
// have in common comes first, in one piece up to the tag's key: gzip then finds it at once.
func Write(attributes pcommon.Map, header *Header, coverage string, tag [sha256.Size]byte) {
	attributes.EnsureCapacity(attributes.Len() + 6)
	attributes.PutStr(AttributeVersion, string(V1))
	attributes.PutStr(AttributeCoverage, coverage)
	writeCommon(attributes, header, tag)
}

func encoded(tag [sha256.Size]byte) string {
	var text [encodedTag]byte
	base64.StdEncoding.Encode(text[:], tag[:])
	return string(text[:])
}

func writeCommon(attributes pcommon.Map, header *Header, tag [sha256.Size]byte) {
	attributes.PutStr(AttributeAlgorithm, header.Algorithm)
	attributes.PutStr(AttributeKeyID, header.KeyID)
	attributes.PutInt(AttributeTimestamp, header.Timestamp)
	attributes.PutStr(AttributeTag, encoded(tag))
}

// WriteLegacy puts a signature of format ADR024 on a span.
func WriteLegacy(attributes pcommon.Map, header *Header, tag [sha256.Size]byte) {
	attributes.EnsureCapacity(attributes.Len() + 4)
	writeCommon(attributes, header, tag)
}

// LegacyMessage is what a signature of format ADR024 is of.
func LegacyMessage(span ptrace.Span) []byte {
	message := span.TraceID().String() + ":" + span.SpanID().String() + ":" + span.Name() + ":"
	return strconv.AppendUint([]byte(message), uint64(span.StartTimestamp()), 10)
}

// Signature is what a span carries.
type Signature struct {
	Format    Format
	Algorithm string
	KeyID     string
	Timestamp int64
	Coverage  string // of format V1, not yet parsed
	Tag       [sha256.Size]byte
}

// Read takes the signature off a span's attributes. The reason is OK, Missing, Malformed, UnsupportedVersion or
// UnsupportedAlgorithm.
func Read(attributes pcommon.Map) (Signature, Reason) {
	raw, reason := collect(attributes)
	if reason != OK {
		return Signature{}, reason
	}
	signature := Signature{Format: V1}
	if !raw.has(version) {
		signature.Format = ADR024
	} else if text, ok := raw.text(version); !ok {
		return Signature{}, Malformed
	} else if text != string(V1) {
		return Signature{}, UnsupportedVersion
	}
	var ok [4]bool
	signature.Algorithm, ok[0] = raw.text(algorithm)
	signature.KeyID, ok[1] = raw.text(keyID)
	signature.Timestamp, ok[2] = raw.integer(timestamp)
	signature.Coverage, ok[3] = raw.text(coverage)
	ok[3] = ok[3] || signature.Format == ADR024
	if ok != [4]bool{true, true, true, true} || !IsKeyID(signature.KeyID) || !raw.tag(&signature.Tag) {
		return Signature{}, Malformed
	}
	if signature.Algorithm != HMACSHA256 {
		return Signature{}, UnsupportedAlgorithm
	}
	return signature, OK
}

const (
	tag = iota
	version
	algorithm
	keyID
	timestamp
	coverage
	signatureError
	verified
	verifyReason
	count
)

// names are the reserved attributes in the order of the constants above.
var names = [count]string{
	AttributeTag, AttributeVersion, AttributeAlgorithm, AttributeKeyID, AttributeTimestamp, AttributeCoverage,
	AttributeError, AttributeVerified, AttributeReason,
}

type raw struct {
	values  [count]pcommon.Value
	present [count]bool
}

// collect finds the reserved attributes; one that stands twice makes the signature malformed.
func collect(attributes pcommon.Map) (raw, Reason) {
	var found raw
	var others []string
	reason := OK
	for key, value := range attributes.All() {
		if !IsReserved(key) {
			continue
		}
		name := slices.Index(names[:], key)
		if name < 0 {
			if slices.Contains(others, key) {
				reason = Malformed
			}
			others = append(others, key)
			continue
		}
		if found.present[name] {
			reason = Malformed
		}
		found.values[name], found.present[name] = value, true
	}
	if reason == OK && !found.present[tag] {
		reason = Missing
	}
	return found, reason
}

func (r *raw) has(name int) bool { return r.present[name] }

func (r *raw) text(name int) (string, bool) {
	if !r.present[name] || r.values[name].Type() != pcommon.ValueTypeStr {
		return "", false
	}
	return r.values[name].Str(), true
}

func (r *raw) integer(name int) (int64, bool) {
	if !r.present[name] || r.values[name].Type() != pcommon.ValueTypeInt {
		return 0, false
	}
	return r.values[name].Int(), true
}

// tag reads exactly 32 bytes of padded standard base64.
func (r *raw) tag(into *[sha256.Size]byte) bool {
	text, ok := r.text(tag)
	if !ok || len(text) != encodedTag || strings.ContainsAny(text, "\r\n") {
		return false
	}
	var decoded [sha256.Size + 1]byte
	length, err := base64.StdEncoding.Strict().Decode(decoded[:], []byte(text))
	copy(into[:], decoded[:])
	return err == nil && length == sha256.Size
}

// IsKeyID says whether a text can name a key.
func IsKeyID(text string) bool {
	for i := range len(text) {
		letter := text[i] | 0x20
		if letter >= 'a' && letter <= 'z' && text[i] >= 'A' || text[i] >= '0' && text[i] <= '9' {
			continue
		}
		if !strings.ContainsRune("._:/@-", rune(text[i])) {
			return false
		}
	}
	return len(text) >= 1 && len(text) <= 256
}
