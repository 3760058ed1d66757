package spansignature

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

type vectors struct {
	KeyHex string         `json:"key_hex"`
	Cases  []vector       `json:"cases"`
	KDF    []kdfVector    `json:"kdf"`
	Verify []verifyVector `json:"verify"`
	Text   []textVector   `json:"coverage"`
}

type vector struct {
	Name      string          `json:"name"`
	Resource  json.RawMessage `json:"resource"`
	Scope     json.RawMessage `json:"scope"`
	Span      json.RawMessage `json:"span"`
	SpanHex   string          `json:"span_hex"` // protobuf of TracesData, for what JSON cannot say
	LongBytes int             `json:"long_bytes"`
	Schema    [2]string       `json:"schema"`
	Header    vectorHeader    `json:"header"`
	Canonical string          `json:"canonical_hex"`
	Hash      string          `json:"canonical_sha256"`
	Tag       string          `json:"tag_b64"`
	Legacy    string          `json:"legacy_tag_b64"`
	Error     string          `json:"error"`
}

type vectorHeader struct {
	Algorithm    string   `json:"alg"`
	KeyID        string   `json:"kid"`
	Timestamp    int64    `json:"ts"`
	Coverage     uint32   `json:"cov"`
	ResourceKeys []string `json:"resource_keys"`
	Exclude      []string `json:"exclude"`
}

type kdfVector struct {
	Format Format `json:"format"`
	Tenant string `json:"tenant"`
	Epoch  string `json:"epoch"`
	Info   string `json:"info_hex"`
	Secret string `json:"secret_hex"`
}

type verifyVector struct {
	vector
	Reason Reason `json:"reason"`
}

type textVector struct {
	Text         string   `json:"text"`
	Coverage     uint32   `json:"cov"`
	ResourceKeys []string `json:"resource_keys"`
	Exclude      []string `json:"exclude"`
	Error        bool     `json:"error"`
}

func load(t testing.TB, file string) vectors {
	data, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	var read vectors
	require.NoError(t, json.Unmarshal(data, &read))
	return read
}

func (v *vector) traces(t testing.TB) ptrace.Traces {
	if v.SpanHex != "" {
		data, err := hex.DecodeString(v.SpanHex)
		require.NoError(t, err)
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(data)
		require.NoError(t, err)
		return traces
	}
	text, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource": v.Resource, "schemaUrl": v.Schema[0], "scopeSpans": []any{map[string]any{"scope": v.Scope, "schemaUrl": v.Schema[1], "spans": []any{v.Span}}},
	}}})
	require.NoError(t, err)
	traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(text)
	require.NoError(t, err)
	if v.LongBytes > 0 {
		first(traces).Attributes().PutStr("long", strings.Repeat("a", v.LongBytes))
	}
	return traces
}

func first(traces ptrace.Traces) ptrace.Span {
	return traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0)
}

func (h *vectorHeader) header() *Header {
	return &Header{Algorithm: h.Algorithm, KeyID: h.KeyID, Timestamp: h.Timestamp, Selection: Selection{Coverage(h.Coverage), h.ResourceKeys, h.Exclude}}
}

func encode(traces ptrace.Traces, header *Header) ([]byte, error) {
	var encoder Encoder
	resource := traces.ResourceSpans().At(0)
	scope := resource.ScopeSpans().At(0)
	encoder.Begin(header, resource.Resource(), resource.SchemaUrl(), scope.Scope(), scope.SchemaUrl())
	return encoder.Span(scope.Spans().At(0))
}

func TestVectors(t *testing.T) {
	for _, file := range []string{"v1.json", "more.json"} {
		read := load(t, file)
		secret, err := hex.DecodeString(read.KeyHex)
		require.NoError(t, err)
		key := NewKey("", "", secret)
		for _, each := range read.Cases {
			t.Run(file+"/"+each.Name, func(t *testing.T) {
				traces := each.traces(t)
				message, err := encode(traces, each.Header.header())
				if each.Error != "" {
					require.EqualError(t, err, each.Error)
					return
				}
				require.NoError(t, err)
				hash := sha256.Sum256(message)
				if each.Canonical != "" {
					assert.Equal(t, each.Canonical, hex.EncodeToString(message))
				}
				assert.Equal(t, each.Hash, hex.EncodeToString(hash[:]))
				tag := key.Tag(message)
				assert.Equal(t, each.Tag, base64.StdEncoding.EncodeToString(tag[:]))
				if each.Legacy != "" {
					tag = key.Tag(LegacyMessage(first(traces)))
					assert.Equal(t, each.Legacy, base64.StdEncoding.EncodeToString(tag[:]))
				}
			})
		}
	}
}

func TestKeyDerivationVectors(t *testing.T) {
	read := load(t, "more.json")
	master, err := hex.DecodeString(read.KeyHex)
	require.NoError(t, err)
	require.NotEmpty(t, read.KDF)
	for _, each := range read.KDF {
		info := Info(each.Format, each.Tenant, each.Epoch)
		assert.Equal(t, each.Info, hex.EncodeToString(info))
		assert.Equal(t, each.Secret, hex.EncodeToString(Derive(master, info)))
	}
}

func TestCoverageVectors(t *testing.T) {
	read := load(t, "more.json")
	require.NotEmpty(t, read.Text)
	for _, each := range read.Text {
		selection, err := ParseSelection(each.Text)
		if each.Error {
			assert.Error(t, err, each.Text)
			continue
		}
		require.NoError(t, err, each.Text)
		assert.EqualValues(t, each.Coverage, selection.Coverage)
		assert.ElementsMatch(t, each.ResourceKeys, selection.ResourceKeys)
		assert.ElementsMatch(t, each.Exclude, selection.Exclude)
		assert.Equal(t, each.Text, selection.String())
	}
}

type keyring map[string]*Key

func (k keyring) VerificationKey(_ context.Context, _ Format, id string) (*Key, error) {
	if key := k[id]; key != nil {
		return key, nil
	}
	return nil, ErrUnknownKey
}

func TestVerificationVectors(t *testing.T) {
	read := load(t, "more.json")
	secret, err := hex.DecodeString(read.KeyHex)
	require.NoError(t, err)
	require.NotEmpty(t, read.Verify)
	key := NewKey("tenant-abc/1/2026-11-23", "", secret)
	for _, each := range read.Verify {
		t.Run(each.Name, func(t *testing.T) {
			policy := &Policy{Formats: []Format{V1, ADR024}, MinCoverage: Storage, MaxFutureSkew: 5 * time.Minute, TruncatedAt: 2048}
			verifier := NewVerifier(policy, keyring{key.ID: key})
			traces := each.traces(t)
			resource := traces.ResourceSpans().At(0)
			verifier.Scope(resource, resource.ScopeSpans().At(0))
			_, reason := verifier.Span(context.Background(), first(traces), nil, time.Unix(1737580900, 0))
			assert.Equal(t, each.Reason, reason)
		})
	}
}

func TestStripRemovesOnlyWhatIsReserved(t *testing.T) {
	attributes := pcommon.NewMap()
	attributes.PutBool(AttributeVerified, true)
	attributes.PutStr("span.signatures", "kept")
	assert.False(t, Strip(attributes))
	assert.Equal(t, map[string]any{"span.signatures": "kept"}, attributes.AsRaw())
	attributes.PutStr(AttributeTag, "x")
	assert.True(t, Strip(attributes))
}
