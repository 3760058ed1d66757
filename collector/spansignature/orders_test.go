package spansignature

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func TestWhatAnEncoderRemembersOfOtherSpansChangesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var old Encoder
	for seed := range uint64(1000) {
		traces := generated(seed % 50)
		for _, attributes := range maps(traces) {
			shuffle(random, attributes)
		}
		require.Equal(t, say(t, &Encoder{}, traces), say(t, &old, traces))
	}
}

func TestKeysThatLookLikeThoseRememberedAreSortedAnew(t *testing.T) {
	long := strings.Repeat("x", maxOrderKeys)
	var old Encoder
	for _, keys := range [][]string{
		{"b", "a"}, {"a", "b"}, {"b", "a"}, {"c", "a"}, {"a", "c"},
		{"bc", "a"}, {"b", "ac"}, {"", "bca"}, {"bca", ""},
		{long + "b", "a"}, {long + "a", "b"}, {"b", long + "a"},
	} {
		traces := keyed(t, keys...)
		require.Equal(t, say(t, &Encoder{}, traces), say(t, &old, traces), keys)
	}
}

func TestNoMoreIsRememberedThanTypicalMapsNeed(t *testing.T) {
	var keys []string
	for i := range 20_000 {
		keys = append(keys, strconv.Itoa(i))
	}
	var encoder Encoder
	say(t, &encoder, keyed(t, keys...))
	for _, each := range encoder.orders {
		require.Less(t, cap(each.places), maxOrderKeys)
		require.LessOrEqual(t, cap(each.keys), 2*maxOrderKeys)
	}
}

func TestAKeyThatStandsTwiceIsFoundAmongRememberedKeys(t *testing.T) {
	var encoder Encoder
	for range 2 {
		say(t, &encoder, keyed(t, "b", "a", "c"))
		for _, keys := range [][]string{{"b", "a", "b"}, {"a", "a", "b"}, {"b", "c", "c"}} {
			begin(&encoder, keyed(t, keys...))
			_, err := encoder.Span(first(keyed(t, keys...)))
			require.ErrorIs(t, err, ErrDuplicateKey)
		}
	}
}

// keyed is a span with these keys, which may stand twice.
func keyed(t *testing.T, keys ...string) ptrace.Traces {
	var attributes []map[string]any
	for i, key := range keys {
		attributes = append(attributes, map[string]any{"key": key, "value": map[string]int{"intValue": i}})
	}
	text, err := json.Marshal(attributes)
	require.NoError(t, err)
	document := `{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": ` + string(text) + `}]}]}]}`
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(document))
	require.NoError(t, err)
	require.Equal(t, len(keys), first(traces).Attributes().Len())
	return traces
}

func begin(encoder *Encoder, traces ptrace.Traces) {
	resource := traces.ResourceSpans().At(0)
	encoder.Begin(fullHeader, resource.Resource(), resource.SchemaUrl(), scopeOf(traces).Scope(), scopeOf(traces).SchemaUrl())
}

func say(t *testing.T, encoder *Encoder, traces ptrace.Traces) string {
	begin(encoder, traces)
	message, err := encoder.Span(first(traces))
	require.NoError(t, err)
	return string(message)
}
