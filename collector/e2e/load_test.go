package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
)

// shape is of made-up spans: so many attributes of so many letters, of which some have a value of their own in each
// span and the others always the same.
type shape struct{ attributes, fresh, letters int }

// requests are bodies of so many spans each, all different.
func (s shape) requests(b *testing.B, count, spans int) (bodies [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for range count {
		traces := ptrace.NewTraces()
		resource := traces.ResourceSpans().AppendEmpty()
		resource.Resource().Attributes().PutStr("service.name", "payment")
		scope := resource.ScopeSpans().AppendEmpty()
		scope.Scope().SetName("shop")
		for range spans {
			s.fill(random, scope.Spans().AppendEmpty())
		}
		body, err := ptraceotlp.NewExportRequestFromTraces(traces).MarshalProto()
		require.NoError(b, err)
		bodies = append(bodies, body)
	}
	return bodies
}

func (s shape) fill(random *rand.Rand, span ptrace.Span) {
	span.SetTraceID(pcommon.TraceID([]byte(letters(random, 16))))
	span.SetSpanID(pcommon.SpanID([]byte(letters(random, 8))))
	span.SetParentSpanID(pcommon.SpanID([]byte(letters(random, 8))))
	span.SetName("payment.charge_card")
	span.SetKind(ptrace.SpanKindServer)
	begun := time.Now().Add(time.Duration(random.Int64N(int64(time.Second))))
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(begun))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(begun.Add(time.Duration(random.Int64N(int64(time.Second))))))
	same := rand.New(rand.NewPCG(3, 4))
	for i := range s.attributes {
		value := letters(same, s.letters)
		if i < s.fresh {
			value = letters(random, s.letters)
		}
		span.Attributes().PutStr(fmt.Sprintf("attribute.%d", i), value)
	}
	event := span.Events().AppendEmpty()
	event.SetName("exception")
	event.SetTimestamp(pcommon.NewTimestampFromTime(begun))
	event.Attributes().PutStr("exception.type", "Timeout")
}

func letters(random *rand.Rand, count int) string {
	text := make([]byte, count)
	for i := range text {
		text[i] = byte('a' + random.IntN(26))
	}
	return string(text)
}

func zipped(b *testing.B, body []byte) []byte {
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	_, err := writer.Write(body)
	require.NoError(b, err)
	require.NoError(b, writer.Close())
	return out.Bytes()
}

// asIs lets the load pass as the bytes it is, so that sending and taking it costs little beside the Collector.
type asIs struct{ name string }

func (asIs) Marshal(message any) ([]byte, error)          { return message.([]byte), nil }
func (asIs) Unmarshal(data []byte, message any) error     { return nil }
func (asIs) Compress(w io.Writer) (io.WriteCloser, error) { return unclosed{w}, nil }
func (asIs) Decompress(r io.Reader) (io.Reader, error)    { return r, nil }
func (a asIs) Name() string                               { return a.name }

type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }

func init() {
	for _, name := range []string{"gzip", "snappy", "zstd"} {
		encoding.RegisterCompressor(asIs{name})
	}
}

// grpcSender sends bodies, which are compressed already if so said, to a Collector.
func grpcSender(b testing.TB, c *collector, compression string) func([]byte) error {
	options := []grpc.CallOption{grpc.ForceCodec(asIs{"proto"})}
	if compression != "none" {
		options = append(options, grpc.UseCompressor(compression))
	}
	connection, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(options...))
	require.NoError(b, err)
	b.Cleanup(func() { _ = connection.Close() })
	return func(body []byte) error {
		return connection.Invoke(context.Background(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export", body, nil)
	}
}

func httpSender(b testing.TB, c *collector, compression string) func([]byte) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	b.Cleanup(client.CloseIdleConnections)
	return func(body []byte) error {
		request, err := http.NewRequest(http.MethodPost, "http://"+c.http+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/x-protobuf")
		if compression != "none" {
			request.Header.Set("Content-Encoding", compression)
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return errors.New(answer.Status)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
}

// grpcSink takes everything, and adds up the bytes.
func grpcSink(b *testing.B) (address string, taken *atomic.Int64) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	taken = &atomic.Int64{}
	server := grpc.NewServer(grpc.ForceServerCodec(counting{taken: taken}), grpc.MaxRecvMsgSize(64<<20),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(nil); err != nil {
				return err
			}
			return stream.SendMsg([]byte{})
		}))
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(server.Stop)
	return listener.Addr().String(), taken
}

type counting struct {
	asIs
	taken *atomic.Int64
}

func (c counting) Unmarshal(data []byte, _ any) error {
	c.taken.Add(int64(len(data)))
	return nil
}
func (counting) Name() string { return "proto" }

func httpSink(b *testing.B) (address string, taken *atomic.Int64) {
	taken = &atomic.Int64{}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		count, _ := io.Copy(io.Discard, r.Body)
		taken.Add(count)
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String(), taken
}
