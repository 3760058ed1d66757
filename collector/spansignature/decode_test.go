package spansignature

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// decode reads a message back: that it can shows that no two spans share one.
func decode(t *testing.T, message []byte) (ptrace.Traces, Selection) {
	d := &decoder{t: t, data: message[len(magic):]}
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	scope := resource.ScopeSpans().AppendEmpty()
	span := scope.Spans().AppendEmpty()
	d.text()
	d.text()
	d.u64()
	selection := Selection{Coverage: Coverage(d.u32())}
	if d.u8() == 1 {
		selection.ResourceKeys = d.texts()
	}
	selection.Exclude = d.texts()
	for len(d.data) > 0 {
		d.part(d.u8(), selection.Coverage, resource, scope, span)
	}
	return traces, selection
}

type decoder struct {
	t    *testing.T
	data []byte
}

func (d *decoder) part(kind byte, coverage Coverage, resource ptrace.ResourceSpans, scope ptrace.ScopeSpans, span ptrace.Span) {
	switch kind {
	case 0x01:
		d.mapping(resource.Resource().Attributes())
	case 0x02:
		scope.Scope().SetName(d.text())
		scope.Scope().SetVersion(d.text())
		d.mapping(scope.Scope().Attributes())
	case 0x03:
		resource.SetSchemaUrl(d.text())
		scope.SetSchemaUrl(d.text())
	case 0x10:
		span.SetTraceID(pcommon.TraceID(d.take(16)))
		span.SetSpanID(pcommon.SpanID(d.take(8)))
		span.SetParentSpanID(pcommon.SpanID(d.take(8)))
		span.SetName(d.text())
		span.SetKind(ptrace.SpanKind(d.u32()))
		span.SetStartTimestamp(pcommon.Timestamp(d.u64()))
		span.SetEndTimestamp(pcommon.Timestamp(d.u64()))
		span.Status().SetCode(ptrace.StatusCode(d.u32()))
		span.Status().SetMessage(d.text())
	case 0x11:
		span.TraceState().FromRaw(d.text())
	case 0x12:
		span.SetFlags(d.u32())
	case 0x13:
		span.SetDroppedAttributesCount(d.u32())
		span.SetDroppedEventsCount(d.u32())
		span.SetDroppedLinksCount(d.u32())
	case 0x14:
		d.mapping(span.Attributes())
	case 0x15:
		for range d.u32() {
			event := span.Events().AppendEmpty()
			event.SetTimestamp(pcommon.Timestamp(d.u64()))
			event.SetName(d.text())
			d.mapping(event.Attributes())
		}
	case 0x16:
		for range d.u32() {
			link := span.Links().AppendEmpty()
			link.SetTraceID(pcommon.TraceID(d.take(16)))
			link.SetSpanID(pcommon.SpanID(d.take(8)))
			link.TraceState().FromRaw(d.text())
			if coverage&Flags != 0 {
				link.SetFlags(d.u32())
			}
			d.mapping(link.Attributes())
		}
	default:
		d.t.Fatalf("part %x", kind)
	}
}

func (d *decoder) mapping(into pcommon.Map) {
	for range d.u32() {
		d.value(into.PutEmpty(d.text()))
	}
}

func (d *decoder) value(into pcommon.Value) {
	switch kind := d.u8(); kind {
	case 0:
	case 1:
		into.SetStr(d.text())
	case 2:
		into.SetBool(d.u8() == 1)
	case 3:
		into.SetInt(int64(d.u64()))
	case 4:
		into.SetDouble(math.Float64frombits(d.u64()))
	case 5:
		list := into.SetEmptySlice()
		for range d.u32() {
			d.value(list.AppendEmpty())
		}
	case 6:
		d.mapping(into.SetEmptyMap())
	case 7:
		into.SetEmptyBytes().FromRaw([]byte(d.text()))
	default:
		d.t.Fatalf("value of type %x", kind)
	}
}

func (d *decoder) take(length int) []byte {
	require.GreaterOrEqual(d.t, len(d.data), length)
	taken := d.data[:length]
	d.data = d.data[length:]
	return taken
}

func (d *decoder) u8() byte     { return d.take(1)[0] }
func (d *decoder) u32() uint32  { return binary.BigEndian.Uint32(d.take(4)) }
func (d *decoder) u64() uint64  { return binary.BigEndian.Uint64(d.take(8)) }
func (d *decoder) text() string { return string(d.take(int(d.u32()))) }

func (d *decoder) texts() []string {
	texts := []string{}
	for range d.u32() {
		texts = append(texts, d.text())
	}
	return texts
}
