package spansignature

import (
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// change is one way to alter what a signature covers.
type change struct {
	what  string
	apply func(ptrace.Traces)
}

// changes are all single changes to the fields, leaves and lengths of the one span of a trace, full coverage.
func changes(traces ptrace.Traces) []change {
	var found []change
	add := func(what string, apply func(ptrace.Traces)) { found = append(found, change{what, apply}) }
	onSpan := func(what string, apply func(ptrace.Span)) {
		add(what, func(t ptrace.Traces) { apply(first(t)) })
	}
	onSpan("trace id", func(s ptrace.Span) { id := s.TraceID(); id[15] ^= 1; s.SetTraceID(id) })
	onSpan("span id", func(s ptrace.Span) { id := s.SpanID(); id[0] ^= 1; s.SetSpanID(id) })
	onSpan("parent id", func(s ptrace.Span) { id := s.ParentSpanID(); id[7] ^= 1; s.SetParentSpanID(id) })
	onSpan("name", func(s ptrace.Span) { s.SetName(s.Name() + "x") })
	onSpan("kind", func(s ptrace.Span) { s.SetKind(s.Kind() ^ 1) })
	onSpan("start", func(s ptrace.Span) { s.SetStartTimestamp(s.StartTimestamp() ^ 1) })
	onSpan("end", func(s ptrace.Span) { s.SetEndTimestamp(s.EndTimestamp() ^ 1<<63) })
	onSpan("status", func(s ptrace.Span) { s.Status().SetCode(s.Status().Code() ^ 1) })
	onSpan("status message", func(s ptrace.Span) { s.Status().SetMessage(s.Status().Message() + "\x00") })
	onSpan("trace state", func(s ptrace.Span) { s.TraceState().FromRaw(s.TraceState().AsRaw() + "x") })
	onSpan("flags", func(s ptrace.Span) { s.SetFlags(s.Flags() ^ 1) })
	onSpan("dropped attributes", func(s ptrace.Span) { s.SetDroppedAttributesCount(s.DroppedAttributesCount() + 1) })
	onSpan("dropped events", func(s ptrace.Span) { s.SetDroppedEventsCount(s.DroppedEventsCount() + 1) })
	onSpan("dropped links", func(s ptrace.Span) { s.SetDroppedLinksCount(s.DroppedLinksCount() + 1) })
	onSpan("new event", func(s ptrace.Span) { s.Events().AppendEmpty() })
	onSpan("new link", func(s ptrace.Span) { s.Links().AppendEmpty() })
	add("resource schema", func(t ptrace.Traces) { r := t.ResourceSpans().At(0); r.SetSchemaUrl(r.SchemaUrl() + "x") })
	add("scope schema", func(t ptrace.Traces) { s := scopeOf(t); s.SetSchemaUrl(s.SchemaUrl() + "x") })
	add("scope name", func(t ptrace.Traces) { s := scopeOf(t).Scope(); s.SetName(s.Name() + "x") })
	add("scope version", func(t ptrace.Traces) { s := scopeOf(t).Scope(); s.SetVersion(s.Version() + "x") })
	for i := range first(traces).Events().Len() {
		at := "event " + strconv.Itoa(i)
		onSpan(at+" name", func(s ptrace.Span) { e := s.Events().At(i); e.SetName(e.Name() + "x") })
		onSpan(at+" time", func(s ptrace.Span) { e := s.Events().At(i); e.SetTimestamp(e.Timestamp() ^ 1) })
	}
	for i := range first(traces).Links().Len() {
		at := "link " + strconv.Itoa(i)
		onSpan(at+" trace", func(s ptrace.Span) { l := s.Links().At(i); id := l.TraceID(); id[0] ^= 1; l.SetTraceID(id) })
		onSpan(at+" span", func(s ptrace.Span) { l := s.Links().At(i); id := l.SpanID(); id[0] ^= 1; l.SetSpanID(id) })
		onSpan(at+" state", func(s ptrace.Span) { l := s.Links().At(i); l.TraceState().FromRaw(l.TraceState().AsRaw() + "x") })
		onSpan(at+" flags", func(s ptrace.Span) { l := s.Links().At(i); l.SetFlags(l.Flags() ^ 1) })
	}
	for i := range maps(traces) {
		inMap(maps(traces)[i], func(t ptrace.Traces) pcommon.Map { return maps(t)[i] }, "map "+strconv.Itoa(i), add)
	}
	return found
}

func scopeOf(traces ptrace.Traces) ptrace.ScopeSpans {
	return traces.ResourceSpans().At(0).ScopeSpans().At(0)
}

// maps are all attribute maps that a signature covers.
func maps(traces ptrace.Traces) []pcommon.Map {
	found := []pcommon.Map{traces.ResourceSpans().At(0).Resource().Attributes(), scopeOf(traces).Scope().Attributes()}
	for attributes := range attributeMaps(first(traces)) {
		found = append(found, attributes)
	}
	return found
}

func inMap(values pcommon.Map, in func(ptrace.Traces) pcommon.Map, at string, add func(string, func(ptrace.Traces))) {
	add(at+" new key", func(t ptrace.Traces) { in(t).PutEmpty("a new key") })
	for key, value := range values.All() {
		add(at+" without "+key, func(t ptrace.Traces) { in(t).Remove(key) })
		add(at+" renamed "+key, func(t ptrace.Traces) {
			old, _ := in(t).Get(key)
			kept := pcommon.NewValueEmpty()
			old.CopyTo(kept)
			in(t).Remove(key)
			kept.CopyTo(in(t).PutEmpty(key + "x"))
		})
		inValue(value, func(t ptrace.Traces) pcommon.Value { v, _ := in(t).Get(key); return v }, at+"."+key, add)
	}
}

func inValue(value pcommon.Value, in func(ptrace.Traces) pcommon.Value, at string, add func(string, func(ptrace.Traces))) {
	add(at+" of another type", func(t ptrace.Traces) {
		if in(t).Type() == pcommon.ValueTypeStr {
			in(t).SetInt(0)
		} else {
			in(t).SetStr(in(t).AsString())
		}
	})
	switch value.Type() {
	case pcommon.ValueTypeStr:
		add(at+" text", func(t ptrace.Traces) { in(t).SetStr(in(t).Str() + "x") })
	case pcommon.ValueTypeBool:
		add(at+" bool", func(t ptrace.Traces) { in(t).SetBool(!in(t).Bool()) })
	case pcommon.ValueTypeInt:
		add(at+" int", func(t ptrace.Traces) { in(t).SetInt(in(t).Int() ^ 1) })
	case pcommon.ValueTypeDouble:
		add(at+" double", func(t ptrace.Traces) { in(t).SetDouble(12345.5) })
		add(at+" to int", func(t ptrace.Traces) { in(t).SetInt(int64(in(t).Double())) })
	case pcommon.ValueTypeBytes:
		add(at+" bytes", func(t ptrace.Traces) { in(t).Bytes().Append(0) })
	case pcommon.ValueTypeSlice:
		add(at+" longer", func(t ptrace.Traces) { in(t).Slice().AppendEmpty() })
		for i := range value.Slice().Len() {
			inValue(value.Slice().At(i), func(t ptrace.Traces) pcommon.Value { return in(t).Slice().At(i) }, at+"["+strconv.Itoa(i)+"]", add)
		}
	case pcommon.ValueTypeMap:
		inMap(value.Map(), func(t ptrace.Traces) pcommon.Map { return in(t).Map() }, at, add)
	}
}
