package spansignature

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"betrace/collector/spansignature/internal/spangen"
)

var fullHeader = &Header{Algorithm: HMACSHA256, KeyID: "k/1/2026-11-23", Timestamp: 1737580800, Selection: NewSelection(Full, nil, nil)}

func generated(seed uint64) ptrace.Traces {
	random := rand.New(rand.NewPCG(seed, 1))
	return spangen.Traces(random, 1)
}

func signed(t *testing.T, traces ptrace.Traces, key *Key) {
	message, err := encode(traces, fullHeader)
	require.NoError(t, err)
	Write(first(traces).Attributes(), fullHeader, fullHeader.Selection.String(), key.Tag(message))
}

func verify(traces ptrace.Traces, key *Key) Reason {
	policy := &Policy{Formats: []Format{V1}, MinCoverage: Full}
	verifier := NewVerifier(policy, keyring{fullHeader.KeyID: key})
	resource := traces.ResourceSpans().At(0)
	verifier.Scope(resource, resource.ScopeSpans().At(0))
	_, reason := verifier.Span(context.Background(), first(traces), nil, time.Unix(fullHeader.Timestamp, 0))
	return reason
}

func TestEverySingleChangeIsFound(t *testing.T) {
	key := NewKey(fullHeader.KeyID, "", []byte("secret"))
	tried, types := 0, map[pcommon.ValueType]bool{}
	for seed := range uint64(150) {
		traces := generated(seed)
		for _, attributes := range maps(traces) {
			for _, value := range attributes.All() {
				types[value.Type()] = true
			}
		}
		all := changes(traces)
		signed(t, traces, key)
		require.Equal(t, OK, verify(traces, key))
		for _, each := range all {
			changed := ptrace.NewTraces()
			traces.CopyTo(changed)
			each.apply(changed)
			require.Contains(t, []Reason{Mismatch, Unsignable}, verify(changed, key), "seed %d: %s went unnoticed", seed, each.what)
			tried++
		}
	}
	require.Len(t, types, 8, "all types of values")
	t.Logf("%d changes, all found", tried)
}

func TestAnyOrderOfAttributesVerifies(t *testing.T) {
	key := NewKey(fullHeader.KeyID, "", []byte("secret"))
	random := rand.New(rand.NewPCG(3, 4))
	for seed := range uint64(500) {
		traces := generated(seed)
		signed(t, traces, key)
		for _, attributes := range maps(traces) {
			shuffle(random, attributes)
		}
		require.Equal(t, OK, verify(traces, key))
	}
}

// shuffle puts a map, and all maps within, in a random order.
func shuffle(random *rand.Rand, values pcommon.Map) {
	old := pcommon.NewMap()
	values.MoveTo(old)
	var keys []string
	for key := range old.All() {
		keys = append(keys, key)
	}
	random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	for _, key := range keys {
		value, _ := old.Get(key)
		if value.Type() == pcommon.ValueTypeMap {
			shuffle(random, value.Map())
		}
		value.CopyTo(values.PutEmpty(key))
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	traces := ptrace.NewTraces()
	span := traces.ResourceSpans().AppendEmpty().ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	spangen.Typical(rand.New(rand.NewPCG(1, 2)), span, 20, 32)
	span.Attributes().PutEmptyMap("map").PutEmptySlice("list").AppendEmpty().SetEmptyBytes().Append(1)
	var encoder Encoder
	resource := traces.ResourceSpans().At(0)
	encode := func() {
		encoder.Begin(fullHeader, resource.Resource(), "", resource.ScopeSpans().At(0).Scope(), "")
		if _, err := encoder.Span(span); err != nil {
			t.Error(err)
		}
	}
	encode()
	require.Zero(t, testing.AllocsPerRun(1000, encode))
}

func TestTruncatingLeavesNothingForTheStorageToCut(t *testing.T) {
	traces := generated(1)
	attributes := first(traces).Attributes()
	attributes.PutStr("long", "é"+string(bytes.Repeat([]byte("é"), 2000)))
	attributes.PutStr(string(bytes.Repeat([]byte("k"), 3000)), "v")
	attributes.PutStr("just", string(bytes.Repeat([]byte("k"), 2048)))
	require.Equal(t, 2, TruncateSpan(first(traces), 2048))
	long, _ := attributes.Get("long")
	require.Len(t, long.Str(), 2048)
	require.Equal(t, 3, Truncate(attributes, 2047), "what fits exactly is cut a byte below")
	require.Len(t, long.Str(), 2046)
}

func FuzzEncoder(f *testing.F) {
	for seed := range uint64(20) {
		data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(generated(seed))
		require.NoError(f, err)
		f.Add(data, uint32(Full))
	}
	f.Fuzz(func(t *testing.T, data []byte, coverage uint32) {
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
		if err != nil {
			return
		}
		header := *fullHeader
		header.Selection = NewSelection(Coverage(coverage)&Full, nil, nil)
		var encoder, again Encoder
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				encoder.Begin(&header, resource.Resource(), resource.SchemaUrl(), scope.Scope(), scope.SchemaUrl())
				for _, span := range scope.Spans().All() {
					message, err := encoder.Span(span)
					if err != nil {
						continue
					}
					decoded, selection := decode(t, message)
					require.Equal(t, header.Selection.Coverage, selection.Coverage)
					place := decoded.ResourceSpans().At(0)
					again.Begin(&header, place.Resource(), place.SchemaUrl(), scopeOf(decoded).Scope(), scopeOf(decoded).SchemaUrl())
					twice, err := again.Span(first(decoded))
					require.NoError(t, err)
					require.True(t, bytes.Equal(message, twice), "the message says less than the span")
				}
			}
		}
	})
}

func FuzzVerifier(f *testing.F) {
	key := NewKey(fullHeader.KeyID, "", []byte("secret"))
	for seed := range uint64(20) {
		traces := generated(seed)
		message, err := encode(traces, fullHeader)
		require.NoError(f, err)
		Write(first(traces).Attributes(), fullHeader, "full;r=a,b;x=%2C", key.Tag(message))
		data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		require.NoError(f, err)
		f.Add(data)
	}
	policy := &Policy{Formats: []Format{V1, ADR024}, TruncatedAt: 2048, MaxAge: time.Hour, MaxFutureSkew: time.Minute}
	f.Fuzz(func(t *testing.T, data []byte) {
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
		if err != nil {
			return
		}
		verifier := NewVerifier(policy, keyring{fullHeader.KeyID: NewKey(fullHeader.KeyID, "", []byte("another"))})
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				verifier.Scope(resource, scope)
				for _, span := range scope.Spans().All() {
					_, reason := verifier.Span(context.Background(), span, nil, time.Unix(math.MaxInt32, 0))
					require.NotContains(t, []Reason{OK, LegacyOK}, reason, "forged")
				}
			}
		}
	})
}

func FuzzCoverage(f *testing.F) {
	for _, text := range []string{"storage", "0x3f;r=a,b;x=c", "full;x=%25%2C", "core;r="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		selection, err := ParseSelection(text)
		if err != nil {
			return
		}
		again, err := ParseSelection(selection.String())
		require.NoError(t, err)
		require.Equal(t, selection, again)
	})
}
