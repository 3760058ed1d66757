package signingkeys

import (
	"bytes"
	"context"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"betrace/collector/signingkeys/doubles"
	"betrace/collector/signingkeys/internal/fakegcpkms"
	"betrace/collector/spansignature"
)

// started makes keys with short times, and a clock that a test moves.
func started(t *testing.T, config Config) *bench {
	require.NoError(t, config.Validate())
	made := &bench{clock: &clock{time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, requests: &requests{seen: map[string]int{}}}
	made.Keys = New(&config, spansignature.V1, made.requests, zap.NewNop())
	made.now = made.clock.now
	require.NoError(t, made.Start(context.Background()))
	require.NoError(t, made.Prefetch(context.Background()))
	t.Cleanup(func() { require.NoError(t, made.Shutdown(context.Background())) })
	return made
}

func (b *bench) refresh() { b.clock.advance(b.config.Cache.RefreshInterval + time.Second) }

func (b *bench) pastStale() { b.clock.advance(b.config.Cache.MaxStale + time.Second) }

// sameKey says that another instance, such as a verifier's, comes to the same key by its id.
func sameKey(t *testing.T, config Config, key *spansignature.Key) {
	other := started(t, config)
	found, err := other.VerificationKey(context.Background(), spansignature.V1, key.ID)
	require.NoError(t, err)
	require.Equal(t, key.Tag([]byte("x")), found.Tag([]byte("x")))
	require.Equal(t, key.Tenant, found.Tenant)
}

func awsConfigured(t *testing.T) (Config, *doubles.Proxy, *kms.Client) {
	address := doubles.Moto(t)
	proxy := doubles.NewProxy(t, address)
	backend, err := newAWS(context.Background(), &AWSConfig{Region: "us-east-1", Endpoint: address})
	require.NoError(t, err)
	config := DefaultConfig()
	config.Provider = "aws-kms"
	config.AWS = AWSConfig{Region: "us-east-1", Endpoint: proxy.URL}
	config.Request.Timeout = 3 * time.Second
	return config, proxy, backend.client
}

func hmacKey(t *testing.T, client *kms.Client) string {
	made, err := client.CreateKey(context.Background(), &kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac})
	require.NoError(t, err)
	return *made.KeyMetadata.Arn
}

func TestAWSDerivesKeysAndBearsItsFaults(t *testing.T) {
	config, proxy, client := awsConfigured(t)
	config.Default.ID = hmacKey(t, client)
	config.Tenants = map[string]*KeyConfig{"a": {}, "b": {ID: hmacKey(t, client)}}
	b := started(t, config)
	key := b.signing(t, "a")
	sameKey(t, config, key)
	sameKey(t, config, b.signing(t, "b"))

	faults := []struct {
		name, outcome string
		spoil         func()
		goesOn        bool // with the key that it has
	}{
		{"throttled", "transient", func() { proxy.Answer(400, `{"__type":"ThrottlingException","message":"slow down"}`) }, true},
		{"internal error", "transient", func() { proxy.Answer(500, `{"__type":"KMSInternalException"}`) }, true},
		{"time-out", "transient", proxy.Hang, true},
		{"token expired", "denied", func() { proxy.Answer(400, `{"__type":"ExpiredTokenException"}`) }, true},
		{"access denied", "denied", func() { proxy.Answer(400, `{"__type":"AccessDeniedException"}`) }, true},
		{"disabled", "refused", func() { proxy.Answer(400, `{"__type":"DisabledException"}`) }, false},
		{"pending deletion", "refused", func() { proxy.Answer(400, `{"__type":"KMSInvalidStateException"}`) }, false},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			b.signing(t, "")
			before := b.requests.count(fault.outcome)
			fault.spoil()
			b.refresh()
			_, err := b.SigningKey(context.Background(), "")
			require.NoError(t, err, "the first does not wait")
			eventually(t, func() bool { return b.requests.count(fault.outcome) > before })
			if fault.goesOn {
				b.signing(t, "")
				b.pastStale()
			}
			eventually(t, func() bool { _, err := b.SigningKey(context.Background(), ""); return err != nil })
			proxy.Heal()
			b.clock.advance(31 * time.Second)
			eventually(t, func() bool {
				_, err := b.SigningKey(context.Background(), "")
				b.clock.advance(time.Second)
				return err == nil
			})
		})
	}
}

func TestAWSUnwrapsKeysBoundToTheirTenant(t *testing.T) {
	config, _, client := awsConfigured(t)
	made, err := client.CreateKey(context.Background(), &kms.CreateKeyInput{})
	require.NoError(t, err)
	config.Mode, config.Default.ID = "wrapped", *made.KeyMetadata.Arn
	wrap := func(tenant string) string {
		data, err := client.GenerateDataKeyWithoutPlaintext(context.Background(), &kms.GenerateDataKeyWithoutPlaintextInput{
			KeyId: made.KeyMetadata.Arn, NumberOfBytes: aws.Int32(32), EncryptionContext: awsContext(tenant),
		})
		require.NoError(t, err)
		return base64.StdEncoding.EncodeToString(data.CiphertextBlob)
	}
	config.Default.Wrapped = wrap("")
	config.Tenants = map[string]*KeyConfig{"a": {Wrapped: wrap("a")}}
	b := started(t, config)
	sameKey(t, config, b.signing(t, "a"))
	config.Tenants["a"].Wrapped = wrap("b")
	wrong := New(&config, spansignature.V1, &requests{seen: map[string]int{}}, zap.NewNop())
	defer func() { require.NoError(t, wrong.Shutdown(context.Background())) }()
	require.NoError(t, wrong.Start(context.Background()))
	require.ErrorContains(t, wrong.Prefetch(context.Background()), "refused")
}

func vaultConfigured(t *testing.T) (Config, *doubles.Proxy, string) {
	address := doubles.Bao(t)
	proxy := doubles.NewProxy(t, address)
	doubles.BaoWrite(t, address, "transit/keys/spans", map[string]any{"type": "hmac", "key_size": 32})
	config := DefaultConfig()
	config.Provider, config.Default.ID = "vault", "spans"
	config.Vault.Address, config.Vault.Token = proxy.URL, doubles.Token
	config.Request.Timeout = 3 * time.Second
	return config, proxy, address
}

func TestVaultRotatesAndRetiresVersionsWithoutARestart(t *testing.T) {
	config, _, address := vaultConfigured(t)
	b := started(t, config)
	first := b.signing(t, "")
	require.Contains(t, first.ID, "default/1/")
	doubles.BaoWrite(t, address, "transit/keys/spans/rotate", nil)
	b.refresh()
	eventually(t, func() bool { return strings.Contains(b.signing(t, "").ID, "default/2/") })
	sameKey(t, config, first)
	sameKey(t, config, b.signing(t, ""))
	doubles.BaoWrite(t, address, "transit/keys/spans/config", map[string]any{"min_decryption_version": 2})
	other := started(t, config)
	_, err := other.VerificationKey(context.Background(), spansignature.V1, first.ID)
	require.ErrorIs(t, err, spansignature.ErrUnknownKey)
}

func TestVaultSealedAwayOrWithAnExpiredTokenIsRecoveredFrom(t *testing.T) {
	config, proxy, address := vaultConfigured(t)
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(doubles.Token+"\n"), 0o600))
	config.Vault.Token, config.Vault.TokenFile = "", file
	b := started(t, config)

	doubles.BaoWrite(t, address, "sys/seal", nil)
	b.refresh()
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("transient") > 0 })
	b.pastStale()
	_, err := b.SigningKey(context.Background(), "")
	require.ErrorContains(t, err, "503")

	fresh, _, _ := vaultConfigured(t)
	fresh.Vault.Token, fresh.Vault.TokenFile = "", file
	b = started(t, fresh)
	require.NoError(t, os.WriteFile(file, []byte("expired"), 0o600))
	b.refresh()
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("denied") > 0 })
	require.NoError(t, os.WriteFile(file, []byte(doubles.Token), 0o600))
	b.clock.advance(31 * time.Second)
	before := b.requests.count("ok")
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("ok") > before })
	proxy.Answer(http.StatusBadGateway, "")
}

func TestVaultLogsInByAppRoleAndAgainWhenTheTokenIsRevoked(t *testing.T) {
	config, _, address := vaultConfigured(t)
	policy := `path "transit/hmac/spans/*" { capabilities = ["update"] }`
	doubles.BaoWrite(t, address, "sys/policies/acl/signer", map[string]any{"policy": policy})
	doubles.BaoWrite(t, address, "sys/auth/approle", map[string]any{"type": "approle"})
	doubles.BaoWrite(t, address, "auth/approle/role/signer", map[string]any{"token_policies": "signer", "token_ttl": "1h"})
	secret := doubles.BaoWrite(t, address, "auth/approle/role/signer/secret-id", nil)["data"].(map[string]any)["secret_id"].(string)
	doubles.BaoWrite(t, address, "auth/approle/role/signer/role-id", map[string]any{"role_id": "signer-role"})
	file := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(file, []byte(secret), 0o600))
	config.Vault.Token = ""
	config.Vault.Auth = VaultAuth{Method: "approle", RoleID: "signer-role", SecretIDFile: file}
	b := started(t, config)
	b.signing(t, "")
	doubles.BaoWrite(t, address, "auth/token/revoke", map[string]any{"token": b.backend.(*vault).client.Token()})
	before := b.requests.count("ok")
	b.refresh()
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("ok") > before })
	require.Zero(t, b.requests.count("denied"))

	doubles.BaoWrite(t, address, "auth/token/revoke", map[string]any{"token": b.backend.(*vault).client.Token()})
	require.NoError(t, os.WriteFile(file, []byte("no longer good"), 0o600))
	b.refresh()
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("denied") > 0 })
	b.signing(t, "")
	require.Zero(t, b.requests.count("refused"), "the login is, not the key, which goes on")
}

func TestVaultUnwrapsKeysBoundToTheirTenant(t *testing.T) {
	config, _, address := vaultConfigured(t)
	doubles.BaoWrite(t, address, "transit/keys/wrapping", map[string]any{"type": "aes256-gcm96"})
	wrap := func(tenant string) string {
		body := map[string]any{}
		if tenant != "" {
			body["associated_data"] = base64.StdEncoding.EncodeToString([]byte(tenant))
		}
		return doubles.BaoWrite(t, address, "transit/datakey/wrapped/wrapping", body)["data"].(map[string]any)["ciphertext"].(string)
	}
	config.Mode, config.Default.ID, config.Default.Wrapped = "wrapped", "wrapping", wrap("")
	config.Tenants = map[string]*KeyConfig{"a": {Wrapped: wrap("a")}}
	b := started(t, config)
	sameKey(t, config, b.signing(t, ""))
	sameKey(t, config, b.signing(t, "a"))
	config.Tenants["a"].Wrapped = wrap("b")
	wrong := New(&config, spansignature.V1, &requests{seen: map[string]int{}}, zap.NewNop())
	defer func() { require.NoError(t, wrong.Shutdown(context.Background())) }()
	require.NoError(t, wrong.Start(context.Background()))
	require.ErrorContains(t, wrong.Prefetch(context.Background()), "refused")
}

const gcpKey = "projects/p/locations/l/keyRings/r/cryptoKeys/spans"

func gcpConfigured(t *testing.T) (Config, *fakegcpkms.Server) {
	server, err := fakegcpkms.Start()
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	server.Put(gcpKey+"/cryptoKeyVersions/1", bytes.Repeat([]byte{1}, 32))
	server.Put(gcpKey+"/cryptoKeyVersions/2", bytes.Repeat([]byte{2}, 32))
	config := DefaultConfig()
	config.Provider, config.Default.ID = "gcp-kms", gcpKey+"/cryptoKeyVersions/1"
	config.GCP = GCPConfig{Endpoint: server.Address, Insecure: true}
	config.Request.Timeout = 3 * time.Second
	return config, server
}

func TestGCPDerivesKeysOfPinnedVersionsAndChecksSums(t *testing.T) {
	config, server := gcpConfigured(t)
	b := started(t, config)
	first := b.signing(t, "")
	require.Contains(t, first.ID, "default/1/")
	config.Default.ID = gcpKey + "/cryptoKeyVersions/2"
	sameKey(t, config, first)
	_, err := b.VerificationKey(context.Background(), spansignature.V1, strings.Replace(first.ID, "/1/", "/9/", 1))
	require.ErrorIs(t, err, spansignature.ErrUnknownKey)

	server.Damage(true)
	b.refresh()
	b.signing(t, "")
	eventually(t, func() bool { return b.requests.count("transient") == attempts })
	server.Damage(false)
	for code, outcome := range map[codes.Code]string{
		codes.ResourceExhausted: "transient", codes.PermissionDenied: "denied", codes.FailedPrecondition: "refused",
	} {
		server.Fail(gcpKey+"/cryptoKeyVersions/1", code)
		before := b.requests.count(outcome)
		b.clock.advance(time.Minute)
		b.refresh()
		_, _ = b.SigningKey(context.Background(), "")
		eventually(t, func() bool { return b.requests.count(outcome) > before })
		server.Fail(gcpKey+"/cryptoKeyVersions/1", codes.OK)
		b.clock.advance(time.Minute)
		eventually(t, func() bool {
			_, err := b.SigningKey(context.Background(), "")
			b.clock.advance(time.Second)
			return err == nil
		})
	}
}

func TestGCPUnwrapsKeysBoundToTheirTenant(t *testing.T) {
	config, server := gcpConfigured(t)
	server.Put(gcpKey, bytes.Repeat([]byte{3}, 32))
	config.Mode, config.Default.ID = "wrapped", gcpKey
	wrap := func(tenant string) string {
		client, err := newGCP(context.Background(), &config.GCP)
		require.NoError(t, err)
		defer func() { require.NoError(t, client.close()) }()
		return gcpWrap(t, client, gcpKey, tenant)
	}
	config.Default.Wrapped = wrap("")
	config.Tenants = map[string]*KeyConfig{"a": {Wrapped: wrap("a")}}
	b := started(t, config)
	sameKey(t, config, b.signing(t, "a"))
	config.Tenants["a"].Wrapped = wrap("b")
	wrong := New(&config, spansignature.V1, &requests{seen: map[string]int{}}, zap.NewNop())
	defer func() { require.NoError(t, wrong.Shutdown(context.Background())) }()
	require.NoError(t, wrong.Start(context.Background()))
	require.ErrorContains(t, wrong.Prefetch(context.Background()), "refused")
}
