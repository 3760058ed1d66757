package spansignature

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"betrace/collector/spansignature/internal/spangen"
)

var shapes = []struct {
	name          string
	count, length int
}{{"small-5x20", 5, 20}, {"typical-20x32", 20, 32}, {"large-100x50", 100, 50}}

// batch is 50 spans of one scope.
func batch(count, length int) ptrace.ScopeSpans {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "checkout")
	scope := resource.ScopeSpans().AppendEmpty()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		spangen.Typical(random, scope.Spans().AppendEmpty(), count, length)
	}
	return scope
}

func BenchmarkEncode(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			scope := batch(shape.count, shape.length)
			header := *fullHeader
			header.Selection = NewSelection(Storage, nil, nil)
			var encoder Encoder
			encoder.Begin(&header, ptrace.NewResourceSpans().Resource(), "", scope.Scope(), "")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := encoder.Span(scope.Spans().At(i % 50)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSign is all there is to it: encoding, the MAC, and the attributes on the span, which are taken off again.
func BenchmarkSign(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			scope := batch(shape.count, shape.length)
			header := *fullHeader
			header.Selection = NewSelection(Storage, nil, nil)
			coverage := header.Selection.String()
			key := NewKey("k", "", []byte("secret"))
			var encoder Encoder
			encoder.Begin(&header, ptrace.NewResourceSpans().Resource(), "", scope.Scope(), "")
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				span := scope.Spans().At(i % 50)
				Strip(span.Attributes())
				message, err := encoder.Span(span)
				if err != nil {
					b.Fatal(err)
				}
				Write(span.Attributes(), &header, coverage, key.Tag(message))
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			scope := batch(shape.count, shape.length)
			resource := ptrace.NewResourceSpans()
			header := *fullHeader
			header.Selection = NewSelection(Storage, nil, nil)
			key := NewKey(header.KeyID, "", []byte("secret"))
			var encoder Encoder
			encoder.Begin(&header, resource.Resource(), "", scope.Scope(), "")
			for _, span := range scope.Spans().All() {
				message, _ := encoder.Span(span)
				Write(span.Attributes(), &header, "storage", key.Tag(message))
			}
			policy := &Policy{Formats: []Format{V1}, MinCoverage: Storage}
			verifier := NewVerifier(policy, keyring{header.KeyID: key})
			verifier.Scope(resource, scope)
			now := time.Unix(header.Timestamp, 0)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, reason := verifier.Span(context.Background(), scope.Spans().At(i%50), nil, now); reason != OK {
					b.Fatal(reason)
				}
			}
		})
	}
}
