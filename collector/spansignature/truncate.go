package spansignature

import (
	"iter"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// TruncateSpan cuts the keys and strings of a span's attributes, and of its events' and links', that are longer
// than limit bytes, at the end of a character. It says how many it cut.
func TruncateSpan(span ptrace.Span, limit int) (cut int) {
	for attributes := range attributeMaps(span) {
		cut += Truncate(attributes, limit)
	}
	return cut
}

// Truncate does so with one map. Values within arrays and maps are left alone, as Tempo leaves them.
func Truncate(attributes pcommon.Map, limit int) (cut int) {
	longKey := false
	for key, value := range attributes.All() {
		longKey = longKey || len(key) > limit
		if value.Type() == pcommon.ValueTypeStr && len(value.Str()) > limit {
			value.SetStr(shortened(value.Str(), limit))
			cut++
		}
	}
	if longKey {
		cut += truncateKeys(attributes, limit)
	}
	return cut
}

// truncateKeys writes the map anew, as keys cannot be changed in place.
func truncateKeys(attributes pcommon.Map, limit int) (cut int) {
	old := pcommon.NewMap()
	attributes.MoveTo(old)
	attributes.EnsureCapacity(old.Len())
	for key, value := range old.All() {
		if len(key) > limit {
			key = shortened(key, limit)
			cut++
		}
		value.CopyTo(attributes.PutEmpty(key))
	}
	return cut
}

// shortened cuts at the end of a character; bytes that are no UTF-8 are cut anywhere.
func shortened(text string, limit int) string {
	end := limit
	for end > 0 && end > limit-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func attributeMaps(span ptrace.Span) iter.Seq[pcommon.Map] {
	return func(yield func(pcommon.Map) bool) {
		if !yield(span.Attributes()) {
			return
		}
		for i := range span.Events().Len() {
			if !yield(span.Events().At(i).Attributes()) {
				return
			}
		}
		for i := range span.Links().Len() {
			if !yield(span.Links().At(i).Attributes()) {
				return
			}
		}
	}
}
