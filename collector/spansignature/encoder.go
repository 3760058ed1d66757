package spansignature

import (
	"encoding/binary"
	"errors"
	"math"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Limits of what can be signed.
const (
	MaxDepth = 32      // of values within one another; an attribute's own value is at depth 1
	MaxBytes = 1 << 20 // of the message that is authenticated
)

// Why a span cannot be signed.
var (
	ErrDuplicateKey = errors.New("duplicate_key")
	ErrTooDeep      = errors.New("too_deep")
	ErrTooLarge     = errors.New("too_large")
	ErrInvalidUTF8  = errors.New("invalid_utf8")
)

const (
	magic      = "otel-span-signature/v1\x00"
	canonicNaN = 0x7ff8000000000000
)

// Header is what a signature says of itself; all of it is authenticated.
type Header struct {
	Algorithm string
	KeyID     string
	Timestamp int64 // Unix seconds
	Selection Selection
}

// Encoder builds the bytes that are authenticated. It may be used again and again, by one goroutine at a time.
//
// Its methods append to the bytes that they are given. They note the first error, and append little after it.
type Encoder struct {
	buffer []byte
	prefix int // bytes of the buffer that all spans of a scope share
	header *Header
	failed error // of the prefix
	err    error
	depth  int    // of arrays and maps within one another
	pairs  []pair // of the maps that are being written, the innermost last
	orders orders
}

// Begin writes what all spans of a scope share. The header must not change before the last Span.
// What is wrong with the resource or scope is told by each Span.
func (e *Encoder) Begin(header *Header, resource pcommon.Resource, resourceSchema string, scope pcommon.InstrumentationScope, scopeSchema string) {
	e.header, e.err, e.depth = header, nil, 0
	selection := &header.Selection
	out := append(e.buffer[:0], magic...)
	out = e.text(out, header.Algorithm)
	out = e.text(out, header.KeyID)
	out = u64(out, uint64(header.Timestamp))
	out = u32(out, uint32(selection.Coverage))
	if selection.ResourceKeys == nil {
		out = append(out, 0)
	} else {
		out = e.texts(append(out, 1), selection.ResourceKeys)
	}
	out = e.texts(out, selection.Exclude)
	if selection.Coverage&Resource != 0 {
		out = e.attributes(append(out, 0x01), resource.Attributes(), nil, selection.ResourceKeys)
	}
	if selection.Coverage&Scope != 0 {
		out = e.text(append(out, 0x02), scope.Name())
		out = e.text(out, scope.Version())
		out = e.mapping(out, scope.Attributes())
	}
	if selection.Coverage&Schema != 0 {
		out = e.text(append(out, 0x03), resourceSchema)
		out = e.text(out, scopeSchema)
	}
	e.buffer, e.prefix, e.failed = out, len(out), e.err
}

// Span is the message of one span, valid until the next call. The error is one of those above.
func (e *Encoder) Span(span ptrace.Span) ([]byte, error) {
	if e.failed != nil {
		return nil, e.failed
	}
	e.err, e.depth = nil, 0
	e.buffer = e.span(e.buffer[:e.prefix], span)
	if e.err != nil {
		return nil, e.err
	}
	if len(e.buffer) > MaxBytes {
		return nil, ErrTooLarge
	}
	return e.buffer, nil
}

func (e *Encoder) span(out []byte, span ptrace.Span) []byte {
	coverage := e.header.Selection.Coverage
	out = e.core(out, span)
	if coverage&TraceState != 0 {
		out = e.text(append(out, 0x11), span.TraceState().AsRaw())
	}
	if coverage&Flags != 0 {
		out = u32(append(out, 0x12), span.Flags())
	}
	if coverage&Dropped != 0 {
		out = u32(append(out, 0x13), span.DroppedAttributesCount())
		out = u32(out, span.DroppedEventsCount())
		out = u32(out, span.DroppedLinksCount())
	}
	if coverage&Attributes != 0 {
		out = e.attributes(append(out, 0x14), span.Attributes(), e.header.Selection.Exclude, nil)
	}
	if coverage&Events != 0 {
		out = e.events(append(out, 0x15), span.Events())
	}
	if coverage&Links != 0 {
		out = e.links(append(out, 0x16), span.Links(), coverage&Flags != 0)
	}
	return out
}

func (e *Encoder) core(out []byte, span ptrace.Span) []byte {
	traceID, spanID, parent := span.TraceID(), span.SpanID(), span.ParentSpanID()
	out = append(out, 0x10)
	out = append(out, traceID[:]...)
	out = append(out, spanID[:]...)
	out = append(out, parent[:]...)
	out = e.text(out, span.Name())
	out = u32(out, uint32(span.Kind()))
	out = u64(out, uint64(span.StartTimestamp()))
	out = u64(out, uint64(span.EndTimestamp()))
	out = u32(out, uint32(span.Status().Code()))
	return e.text(out, span.Status().Message())
}

func (e *Encoder) events(out []byte, events ptrace.SpanEventSlice) []byte {
	out = u32(out, uint32(events.Len()))
	for i := 0; i < events.Len() && e.fits(out); i++ {
		event := events.At(i)
		out = u64(out, uint64(event.Timestamp()))
		out = e.text(out, event.Name())
		out = e.mapping(out, event.Attributes())
	}
	return out
}

func (e *Encoder) links(out []byte, links ptrace.SpanLinkSlice, flags bool) []byte {
	out = u32(out, uint32(links.Len()))
	for i := 0; i < links.Len() && e.fits(out); i++ {
		link := links.At(i)
		traceID, spanID := link.TraceID(), link.SpanID()
		out = append(out, traceID[:]...)
		out = append(out, spanID[:]...)
		out = e.text(out, link.TraceState().AsRaw())
		if flags {
			out = u32(out, link.Flags())
		}
		out = e.mapping(out, link.Attributes())
	}
	return out
}

func (e *Encoder) value(out []byte, value pcommon.Value) []byte {
	if e.depth == MaxDepth {
		return e.fail(out, ErrTooDeep)
	}
	switch value.Type() {
	case pcommon.ValueTypeStr:
		return e.text(append(out, 0x01), value.Str())
	case pcommon.ValueTypeBool:
		if value.Bool() {
			return append(out, 0x02, 1)
		}
		return append(out, 0x02, 0)
	case pcommon.ValueTypeInt:
		return u64(append(out, 0x03), uint64(value.Int()))
	case pcommon.ValueTypeDouble:
		return u64(append(out, 0x04), bits(value.Double()))
	case pcommon.ValueTypeSlice:
		return e.array(append(out, 0x05), value.Slice())
	case pcommon.ValueTypeMap:
		e.depth++
		out = e.mapping(append(out, 0x06), value.Map())
		e.depth--
		return out
	case pcommon.ValueTypeBytes:
		return e.bytes(append(out, 0x07), value.Bytes())
	default:
		return append(out, 0x00)
	}
}

func bits(number float64) uint64 {
	if number != number {
		return canonicNaN
	}
	return math.Float64bits(number)
}

func (e *Encoder) array(out []byte, values pcommon.Slice) []byte {
	out = u32(out, uint32(values.Len()))
	e.depth++
	for i := 0; i < values.Len() && e.fits(out); i++ {
		out = e.value(out, values.At(i))
	}
	e.depth--
	return out
}

func (e *Encoder) bytes(out []byte, data pcommon.ByteSlice) []byte {
	if len(out)+data.Len() > MaxBytes {
		return e.fail(out, ErrTooLarge)
	}
	out = u32(out, uint32(data.Len()))
	for i := range data.Len() {
		out = append(out, data.At(i))
	}
	return out
}

func (e *Encoder) texts(out []byte, texts []string) []byte {
	out = u32(out, uint32(len(texts)))
	for _, text := range texts {
		out = e.text(out, text)
	}
	return out
}

func (e *Encoder) text(out []byte, text string) []byte {
	if len(out)+len(text) > MaxBytes {
		return e.fail(out, ErrTooLarge)
	}
	if !utf8.ValidString(text) {
		return e.fail(out, ErrInvalidUTF8)
	}
	return append(u32(out, uint32(len(text))), text...)
}

// fits says whether it makes sense to go on.
func (e *Encoder) fits(out []byte) bool {
	if len(out) > MaxBytes {
		e.fail(out, ErrTooLarge)
	}
	return e.err == nil
}

func (e *Encoder) fail(out []byte, err error) []byte {
	if e.err == nil {
		e.err = err
	}
	return out
}

func u32(out []byte, value uint32) []byte { return binary.BigEndian.AppendUint32(out, value) }
func u64(out []byte, value uint64) []byte { return binary.BigEndian.AppendUint64(out, value) }
