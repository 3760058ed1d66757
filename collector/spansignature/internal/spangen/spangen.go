// Package spangen makes random spans with every kind of value.
package spangen

import (
	"math"
	"math/rand/v2"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const deepest = 4

var words = []string{"", "a", "ab|c", "é", "e\u0301", "😀", "\ue000", "\u2028", "null", "0", "span.signatures", "日本語"}

// Traces makes traces of some resources and scopes with so many spans in all.
func Traces(random *rand.Rand, spans int) ptrace.Traces {
	traces := ptrace.NewTraces()
	for spans > 0 {
		resource := traces.ResourceSpans().AppendEmpty()
		resource.SetSchemaUrl(word(random))
		attributes(random, resource.Resource().Attributes(), 0)
		for range 1 + random.IntN(2) {
			scope := resource.ScopeSpans().AppendEmpty()
			scope.SetSchemaUrl(word(random))
			scope.Scope().SetName(word(random))
			scope.Scope().SetVersion(word(random))
			attributes(random, scope.Scope().Attributes(), 0)
			for range min(spans, 1+random.IntN(5)) {
				Span(random, scope.Spans().AppendEmpty())
				spans--
			}
		}
	}
	return traces
}

// Span fills in a span.
func Span(random *rand.Rand, span ptrace.Span) {
	span.SetTraceID(traceID(random))
	span.SetSpanID(spanID(random))
	if random.IntN(3) > 0 {
		span.SetParentSpanID(spanID(random))
	}
	span.SetName(word(random))
	span.SetKind(ptrace.SpanKind(random.IntN(6)))
	span.SetStartTimestamp(pcommon.Timestamp(random.Uint64()))
	span.SetEndTimestamp(pcommon.Timestamp(random.Uint64()))
	span.Status().SetCode(ptrace.StatusCode(random.IntN(3)))
	span.Status().SetMessage(word(random))
	span.TraceState().FromRaw(word(random))
	span.SetFlags(random.Uint32())
	span.SetDroppedAttributesCount(random.Uint32N(3))
	span.SetDroppedEventsCount(random.Uint32N(3))
	span.SetDroppedLinksCount(random.Uint32N(3))
	attributes(random, span.Attributes(), 0)
	for range random.IntN(3) {
		event := span.Events().AppendEmpty()
		event.SetName(word(random))
		event.SetTimestamp(pcommon.Timestamp(random.Uint64()))
		attributes(random, event.Attributes(), 0)
	}
	for range random.IntN(3) {
		link := span.Links().AppendEmpty()
		link.SetTraceID(traceID(random))
		link.SetSpanID(spanID(random))
		link.TraceState().FromRaw(word(random))
		link.SetFlags(random.Uint32())
		attributes(random, link.Attributes(), 0)
	}
}

// Typical fills in a span with so many attributes of so many bytes, and one event.
func Typical(random *rand.Rand, span ptrace.Span, count, length int) {
	span.SetTraceID(traceID(random))
	span.SetSpanID(spanID(random))
	span.SetParentSpanID(spanID(random))
	span.SetName("POST /api/checkout")
	span.SetKind(ptrace.SpanKindServer)
	span.SetStartTimestamp(pcommon.Timestamp(random.Uint64()))
	span.SetEndTimestamp(pcommon.Timestamp(random.Uint64()))
	text := make([]byte, length)
	for i := range count {
		for j := range text {
			text[j] = byte('a' + random.IntN(26))
		}
		span.Attributes().PutStr("attribute."+strconv.Itoa(i), string(text))
	}
	event := span.Events().AppendEmpty()
	event.SetName("exception")
	event.Attributes().PutStr("exception.type", "Timeout")
}

func traceID(random *rand.Rand) (id pcommon.TraceID) {
	for i := range id {
		id[i] = byte(1 + random.IntN(255))
	}
	return id
}

func spanID(random *rand.Rand) (id pcommon.SpanID) {
	for i := range id {
		id[i] = byte(1 + random.IntN(255))
	}
	return id
}

func word(random *rand.Rand) string {
	text := words[random.IntN(len(words))]
	if random.IntN(3) == 0 {
		text += words[random.IntN(len(words))]
	}
	return text
}

func attributes(random *rand.Rand, into pcommon.Map, depth int) {
	for i := range random.IntN(6) {
		value(random, into.PutEmpty(word(random)+strconv.Itoa(i)), depth+1)
	}
}

var numbers = []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, 1 << 53, 0.1}

func value(random *rand.Rand, into pcommon.Value, depth int) {
	kinds := 8
	if depth == deepest {
		kinds = 6
	}
	switch random.IntN(kinds) {
	case 0: // empty
	case 1:
		into.SetStr(word(random))
	case 2:
		into.SetBool(random.IntN(2) == 0)
	case 3:
		into.SetInt(int64(random.Uint64()))
	case 4:
		into.SetDouble(numbers[random.IntN(len(numbers))])
	case 5:
		data := into.SetEmptyBytes()
		for range random.IntN(5) {
			data.Append(byte(random.IntN(256)))
		}
	case 6:
		list := into.SetEmptySlice()
		for range random.IntN(4) {
			value(random, list.AppendEmpty(), depth+1)
		}
	case 7:
		attributes(random, into.SetEmptyMap(), depth)
	}
}
