// Crosscheck signs random spans, and verifies spans that another implementation has signed.
//
//	crosscheck sign SPANS SEED KEY-FILE > spans.binpb
//	crosscheck verify KEY-FILE < spans.binpb
//
// The key is used as it is, with key id cross/1/2026-11-23.
package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"

	"betrace/collector/spansignature"
	"betrace/collector/spansignature/internal/spangen"
)

const keyID = "cross/1/2026-11-23"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crosscheck:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 4 && arguments[0] == "sign":
		return sign(arguments[1], arguments[2], arguments[3])
	case len(arguments) == 2 && arguments[0] == "verify":
		return verify(arguments[1])
	}
	return fmt.Errorf("usage: crosscheck sign SPANS SEED KEY-FILE | crosscheck verify KEY-FILE")
}

func sign(count, seed, keyFile string) error {
	spans, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	seeded, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return err
	}
	secret, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	traces := spangen.Traces(rand.New(rand.NewPCG(seeded, 0)), spans)
	if err := signAll(traces, spansignature.NewKey(keyID, "", secret)); err != nil {
		return err
	}
	data, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(data)
	return err
}

// signAll signs with every coverage and selection in turn.
func signAll(traces ptrace.Traces, key *spansignature.Key) error {
	selections := []spansignature.Selection{
		spansignature.NewSelection(spansignature.Storage, nil, nil),
		spansignature.NewSelection(spansignature.Full, nil, []string{"a0", "é1", "日本語%,;=2"}),
		spansignature.NewSelection(spansignature.Core|spansignature.Events, nil, nil),
		spansignature.NewSelection(spansignature.Storage, []string{"a0", "ab|c1"}, nil),
		spansignature.NewSelection(spansignature.Storage, []string{}, nil),
	}
	var encoder spansignature.Encoder
	for i, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			header := &spansignature.Header{
				Algorithm: spansignature.HMACSHA256, KeyID: keyID, Timestamp: time.Now().Unix(), Selection: selections[i%len(selections)],
			}
			encoder.Begin(header, resource.Resource(), resource.SchemaUrl(), scope.Scope(), scope.SchemaUrl())
			for _, span := range scope.Spans().All() {
				message, err := encoder.Span(span)
				if err != nil {
					return err
				}
				spansignature.Write(span.Attributes(), header, header.Selection.String(), key.Tag(message))
			}
		}
	}
	return nil
}

type oneKey struct{ key *spansignature.Key }

func (k oneKey) VerificationKey(_ context.Context, _ spansignature.Format, id string) (*spansignature.Key, error) {
	if id != keyID {
		return nil, spansignature.ErrUnknownKey
	}
	return k.key, nil
}

func verify(keyFile string) error {
	secret, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
	if err != nil {
		return err
	}
	policy := &spansignature.Policy{Formats: []spansignature.Format{spansignature.V1}, MinCoverage: spansignature.Core, MaxFutureSkew: time.Minute}
	verifier := spansignature.NewVerifier(policy, oneKey{spansignature.NewKey(keyID, "", secret)})
	results := map[spansignature.Reason]int{}
	for _, resource := range traces.ResourceSpans().All() {
		for _, scope := range resource.ScopeSpans().All() {
			verifier.Scope(resource, scope)
			for _, span := range scope.Spans().All() {
				_, reason := verifier.Span(context.Background(), span, nil, time.Now())
				results[reason]++
			}
		}
	}
	fmt.Println(results)
	if results[spansignature.OK] != traces.SpanCount() {
		return fmt.Errorf("%d of %d spans verified", results[spansignature.OK], traces.SpanCount())
	}
	return nil
}
