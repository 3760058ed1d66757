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
type Encoder struct {
	buffer []byte
	pairs  []pair       // of the maps that are being written, the innermost last
	placed []pair       // of the map that is being sorted
	orders [128][]int32 // how the last unsorted map of so many keys was to be sorted
	prefix int          // bytes of the buffer that all spans of a scope share
	header *Header
	failed error // of the prefix
	depth  int   // of arrays and maps within one another
}

// Begin writes what all spans of a scope share. The header must not change before the last Span.
// What is wrong with the resource or scope is told by each Span.
func (e *Encoder) Begin(header *Header, resource pcommon.Resource, resourceSchema string, scope pcommon.InstrumentationScope, scopeSchema string) {
	e.header = header
	e.buffer = append(e.buffer[:0], magic...)
	e.failed = e.begin(header, resource, resourceSchema, scope, scopeSchema)
	e.prefix = len(e.buffer)
}

func (e *Encoder) begin(header *Header, resource pcommon.Resource, resourceSchema string, scope pcommon.InstrumentationScope, scopeSchema string) error {
	selection := &header.Selection
	if err := e.texts(header.Algorithm, header.KeyID); err != nil {
		return err
	}
	e.u64(uint64(header.Timestamp))
	e.u32(uint32(selection.Coverage))
	if selection.ResourceKeys == nil {
		e.byte(0)
	} else {
		e.byte(1)
		e.u32(uint32(len(selection.ResourceKeys)))
		if err := e.texts(selection.ResourceKeys...); err != nil {
			return err
		}
	}
	e.u32(uint32(len(selection.Exclude)))
	if err := e.texts(selection.Exclude...); err != nil {
		return err
	}
	if selection.Coverage&Resource != 0 {
		e.byte(0x01)
		if err := e.attributes(resource.Attributes(), nil, selection.ResourceKeys); err != nil {
			return err
		}
	}
	if selection.Coverage&Scope != 0 {
		e.byte(0x02)
		if err := e.texts(scope.Name(), scope.Version()); err != nil {
			return err
		}
		if err := e.mapping(scope.Attributes()); err != nil {
			return err
		}
	}
	if selection.Coverage&Schema != 0 {
		e.byte(0x03)
		return e.texts(resourceSchema, scopeSchema)
	}
	return nil
}

// Span is the message of one span, valid until the next call. The error is one of those above.
func (e *Encoder) Span(span ptrace.Span) ([]byte, error) {
	if e.failed != nil {
		return nil, e.failed
	}
	e.buffer = e.buffer[:e.prefix]
	e.pairs, e.depth = e.pairs[:0], 0
	if err := e.span(span); err != nil {
		return nil, err
	}
	if len(e.buffer) > MaxBytes {
		return nil, ErrTooLarge
	}
	return e.buffer, nil
}

func (e *Encoder) span(span ptrace.Span) error {
	coverage := e.header.Selection.Coverage
	if err := e.core(span); err != nil {
		return err
	}
	if coverage&TraceState != 0 {
		e.byte(0x11)
		if err := e.text(span.TraceState().AsRaw()); err != nil {
			return err
		}
	}
	if coverage&Flags != 0 {
		e.byte(0x12)
		e.u32(span.Flags())
	}
	if coverage&Dropped != 0 {
		e.byte(0x13)
		e.u32(span.DroppedAttributesCount())
		e.u32(span.DroppedEventsCount())
		e.u32(span.DroppedLinksCount())
	}
	if coverage&Attributes != 0 {
		e.byte(0x14)
		if err := e.attributes(span.Attributes(), e.header.Selection.Exclude, nil); err != nil {
			return err
		}
	}
	if coverage&Events != 0 {
		e.byte(0x15)
		if err := e.events(span.Events()); err != nil {
			return err
		}
	}
	if coverage&Links != 0 {
		e.byte(0x16)
		return e.links(span.Links(), coverage&Flags != 0)
	}
	return nil
}

func (e *Encoder) core(span ptrace.Span) error {
	e.byte(0x10)
	traceID, spanID, parent := span.TraceID(), span.SpanID(), span.ParentSpanID()
	e.buffer = append(e.buffer, traceID[:]...)
	e.buffer = append(e.buffer, spanID[:]...)
	e.buffer = append(e.buffer, parent[:]...)
	if err := e.text(span.Name()); err != nil {
		return err
	}
	e.u32(uint32(span.Kind()))
	e.u64(uint64(span.StartTimestamp()))
	e.u64(uint64(span.EndTimestamp()))
	e.u32(uint32(span.Status().Code()))
	return e.text(span.Status().Message())
}

func (e *Encoder) events(events ptrace.SpanEventSlice) error {
	e.u32(uint32(events.Len()))
	for i := range events.Len() {
		event := events.At(i)
		e.u64(uint64(event.Timestamp()))
		if err := e.text(event.Name()); err != nil {
			return err
		}
		if err := e.mapping(event.Attributes()); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) links(links ptrace.SpanLinkSlice, flags bool) error {
	e.u32(uint32(links.Len()))
	for i := range links.Len() {
		link := links.At(i)
		traceID, spanID := link.TraceID(), link.SpanID()
		e.buffer = append(e.buffer, traceID[:]...)
		e.buffer = append(e.buffer, spanID[:]...)
		if err := e.text(link.TraceState().AsRaw()); err != nil {
			return err
		}
		if flags {
			e.u32(link.Flags())
		}
		if err := e.mapping(link.Attributes()); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) value(value pcommon.Value) error {
	if e.depth == MaxDepth {
		return ErrTooDeep
	}
	if len(e.buffer) > MaxBytes {
		return ErrTooLarge
	}
	switch value.Type() {
	case pcommon.ValueTypeStr:
		e.byte(0x01)
		return e.text(value.Str())
	case pcommon.ValueTypeBool:
		e.byte(0x02)
		if value.Bool() {
			e.byte(1)
		} else {
			e.byte(0)
		}
	case pcommon.ValueTypeInt:
		e.byte(0x03)
		e.u64(uint64(value.Int()))
	case pcommon.ValueTypeDouble:
		e.byte(0x04)
		if number := value.Double(); number != number {
			e.u64(canonicNaN)
		} else {
			e.u64(math.Float64bits(number))
		}
	case pcommon.ValueTypeBytes:
		e.byte(0x07)
		return e.blob(value.Bytes())
	case pcommon.ValueTypeSlice, pcommon.ValueTypeMap:
		e.depth++
		err := e.nested(value)
		e.depth--
		return err
	default:
		e.byte(0x00)
	}
	return nil
}

func (e *Encoder) nested(value pcommon.Value) error {
	if value.Type() == pcommon.ValueTypeMap {
		e.byte(0x06)
		return e.mapping(value.Map())
	}
	e.byte(0x05)
	return e.array(value.Slice())
}

func (e *Encoder) array(values pcommon.Slice) error {
	e.u32(uint32(values.Len()))
	for i := range values.Len() {
		if err := e.value(values.At(i)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) blob(data pcommon.ByteSlice) error {
	if len(e.buffer)+data.Len() > MaxBytes {
		return ErrTooLarge
	}
	e.u32(uint32(data.Len()))
	for i := range data.Len() {
		e.buffer = append(e.buffer, data.At(i))
	}
	return nil
}

func (e *Encoder) texts(texts ...string) error {
	for _, text := range texts {
		if err := e.text(text); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encoder) text(text string) error {
	if len(e.buffer)+len(text) > MaxBytes {
		return ErrTooLarge
	}
	if !utf8.ValidString(text) {
		return ErrInvalidUTF8
	}
	e.u32(uint32(len(text)))
	e.buffer = append(e.buffer, text...)
	return nil
}

func (e *Encoder) byte(value byte)  { e.buffer = append(e.buffer, value) }
func (e *Encoder) u32(value uint32) { e.buffer = binary.BigEndian.AppendUint32(e.buffer, value) }
func (e *Encoder) u64(value uint64) { e.buffer = binary.BigEndian.AppendUint64(e.buffer, value) }
