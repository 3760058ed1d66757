// Package signingkeys gives the keys that spans are signed and verified by, derived from or unwrapped by a key
// management service, and keeps them.
package signingkeys

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configtls"

	"betrace/collector/spansignature"
)

// Config is what both processors say of their keys.
type Config struct {
	Provider         string                `mapstructure:"key_provider"`
	Mode             string                `mapstructure:"key_mode"`
	Default          KeyConfig             `mapstructure:",squash"`
	Tenants          map[string]*KeyConfig `mapstructure:"tenant_key_mapping"`
	Retired          []RetiredKey          `mapstructure:"retired_keys"`
	RotationInterval time.Duration         `mapstructure:"rotation_interval"`
	MaxKeyAge        time.Duration         `mapstructure:"max_key_age"`
	Cache            CacheConfig           `mapstructure:"cache"`
	Request          RequestConfig         `mapstructure:"request"`
	StartupTimeout   time.Duration         `mapstructure:"startup_timeout"`
	OnStartupFailure string                `mapstructure:"on_startup_failure"`
	Local            LocalConfig           `mapstructure:"local"`
	AWS              AWSConfig             `mapstructure:"aws"`
	GCP              GCPConfig             `mapstructure:"gcp"`
	Vault            VaultConfig           `mapstructure:"vault"`
}

// KeyConfig names one key at the provider. As text it is the provider's id alone.
type KeyConfig struct {
	ID          string `mapstructure:"key_id"`
	Name        string `mapstructure:"key_name"`
	Version     int    `mapstructure:"key_version"`
	Wrapped     string `mapstructure:"wrapped_key"`
	WrappedFile string `mapstructure:"wrapped_key_file"`
}

// UnmarshalText reads the bare id that older configurations have.
func (k *KeyConfig) UnmarshalText(text []byte) error {
	k.ID = string(text)
	return nil
}

// RetiredKey is one that nothing is signed by any more, but much may still be verified by.
type RetiredKey struct {
	KeyConfig `mapstructure:",squash"`
	Tenant    string `mapstructure:"tenant"`
	KeyFile   string `mapstructure:"key_file"` // of provider local
}

// CacheConfig says how long a key is used without asking the provider again.
type CacheConfig struct {
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	MaxStale        time.Duration `mapstructure:"max_stale"`
	RefusedFor      time.Duration `mapstructure:"refused_for"`
	MaxKeys         int           `mapstructure:"max_keys"`
}

// RequestConfig bounds what is asked of the provider.
type RequestConfig struct {
	Timeout   time.Duration `mapstructure:"timeout"`
	PerSecond float64       `mapstructure:"per_second"`
}

// LocalConfig is of a key beside the Collector, for trying things out.
type LocalConfig struct {
	KeyFile string              `mapstructure:"key_file"`
	Key     configopaque.String `mapstructure:"key"` // base64
}

// AWSConfig is of AWS KMS. Credentials come by the SDK's own chain.
type AWSConfig struct {
	Region   string `mapstructure:"region"`
	Endpoint string `mapstructure:"endpoint"`
}

// GCPConfig is of Google Cloud KMS. Credentials come by the SDK's own chain.
type GCPConfig struct {
	Endpoint string `mapstructure:"endpoint"`
	Insecure bool   `mapstructure:"insecure"`
}

// VaultConfig is of Vault or OpenBao.
type VaultConfig struct {
	Address   string                 `mapstructure:"address"`
	Namespace string                 `mapstructure:"namespace"`
	Mount     string                 `mapstructure:"mount"`
	Token     configopaque.String    `mapstructure:"token"`
	TokenFile string                 `mapstructure:"token_file"`
	Auth      VaultAuth              `mapstructure:"auth"`
	TLS       configtls.ClientConfig `mapstructure:"tls"`
}

// VaultAuth is how to get a token where none is given.
type VaultAuth struct {
	Method       string `mapstructure:"method"` // token, approle, kubernetes
	Mount        string `mapstructure:"mount"`
	Role         string `mapstructure:"role"`
	RoleID       string `mapstructure:"role_id"`
	SecretIDFile string `mapstructure:"secret_id_file"`
	JWTFile      string `mapstructure:"jwt_file"`
}

// Providers and modes.
const (
	providerLocal = "local"
	providerAWS   = "aws-kms"
	providerGCP   = "gcp-kms"
	providerVault = "vault"

	modeDerive  = "derive"
	modeWrapped = "wrapped"
)

var providers = map[string]string{
	"local": providerLocal, "aws-kms": providerAWS, "aws": providerAWS, "gcp-kms": providerGCP, "gcp": providerGCP,
	"vault": providerVault, "openbao": providerVault,
}

// DefaultConfig is what holds where nothing is said.
func DefaultConfig() Config {
	return Config{
		Mode:             modeDerive,
		Default:          KeyConfig{Name: "default"},
		RotationInterval: 24 * time.Hour,
		Cache:            CacheConfig{RefreshInterval: time.Hour, MaxStale: 24 * time.Hour, RefusedFor: 30 * time.Second, MaxKeys: 10_000},
		Request:          RequestConfig{Timeout: 5 * time.Second, PerSecond: 50},
		StartupTimeout:   10 * time.Second,
		OnStartupFailure: "fail",
		Vault:            VaultConfig{Mount: "transit", Auth: VaultAuth{Method: "token"}},
	}
}

// Validate says everything that is wrong, each with its key.
func (c *Config) Validate() error {
	errs := []error{c.validateProvider(), c.validateTimes()}
	errs = append(errs, c.validateKey("", &c.Default))
	names := map[string]string{c.Default.Name: "key_name"}
	for tenant, key := range c.Tenants {
		at := "tenant_key_mapping::" + tenant + "::"
		if tenant == "" || len(tenant) > 256 {
			errs = append(errs, errors.New("tenant_key_mapping: a tenant has 1 to 256 bytes"))
			continue
		}
		if key == nil {
			errs = append(errs, fmt.Errorf("tenant_key_mapping::%s: names no key", tenant))
			continue
		}
		name := c.nameOf(tenant, key)
		if other, taken := names[name]; taken {
			errs = append(errs, fmt.Errorf("%skey_name: %q is the name of %s too", at, name, other))
		}
		names[name] = at + "key_name"
		errs = append(errs, c.validateKey(at, &KeyConfig{c.idOf(key), name, key.Version, key.Wrapped, key.WrappedFile}))
	}
	for i, retired := range c.Retired {
		at := fmt.Sprintf("retired_keys::%d::", i)
		if retired.Version < 1 {
			errs = append(errs, errors.New(at+"key_version: has to be the version that key ids name, 1 or more"))
		}
		errs = append(errs, c.validateKey(at, &retired.KeyConfig))
	}
	return errors.Join(errs...)
}

func (c *Config) nameOf(tenant string, key *KeyConfig) string {
	if key.Name != "" {
		return key.Name
	}
	return tenant
}

// idOf is the key at the provider; one key can serve all tenants, as each derives its own from it.
func (c *Config) idOf(key *KeyConfig) string {
	if key.ID != "" {
		return key.ID
	}
	return c.Default.ID
}

func (c *Config) validateProvider() error {
	if strings.HasPrefix(c.Provider, "azure") {
		return fmt.Errorf("key_provider: %s is not supported, as its Key Vault has no HMAC keys: use aws-kms, gcp-kms, vault or local", c.Provider)
	}
	provider, known := providers[c.Provider]
	if !known {
		return fmt.Errorf("key_provider: %q is none of local, aws-kms, gcp-kms, vault", c.Provider)
	}
	var errs []error
	if c.Mode != modeDerive && c.Mode != modeWrapped {
		errs = append(errs, fmt.Errorf("key_mode: %q is neither derive nor wrapped", c.Mode))
	}
	switch {
	case provider == providerLocal && c.Mode == modeDerive && (c.Local.KeyFile == "") == (c.Local.Key == ""):
		errs = append(errs, errors.New("local: needs one of key_file and key"))
	case provider == providerVault:
		errs = append(errs, c.Vault.validate())
	}
	return errors.Join(errs...)
}

func (v *VaultConfig) validate() error {
	var errs []error
	if v.Address == "" {
		errs = append(errs, errors.New("vault::address: is missing"))
	}
	switch v.Auth.Method {
	case "token":
		if (v.Token == "") == (v.TokenFile == "") {
			errs = append(errs, errors.New("vault: needs one of token and token_file"))
		}
	case "approle":
		if v.Auth.RoleID == "" || v.Auth.SecretIDFile == "" {
			errs = append(errs, errors.New("vault::auth: approle needs role_id and secret_id_file"))
		}
	case "kubernetes":
		if v.Auth.Role == "" {
			errs = append(errs, errors.New("vault::auth::role: is missing"))
		}
	default:
		errs = append(errs, fmt.Errorf("vault::auth::method: %q is none of token, approle, kubernetes", v.Auth.Method))
	}
	return errors.Join(errs...)
}

func (c *Config) validateKey(at string, key *KeyConfig) error {
	var errs []error
	if !spansignature.IsKeyID(key.Name) || len(key.Name) > 200 {
		errs = append(errs, fmt.Errorf("%skey_name: %q is not 1 to 200 of A-Z a-z 0-9 . _ : / @ -", at, key.Name))
	}
	if key.Version < 0 {
		errs = append(errs, fmt.Errorf("%skey_version: is negative", at))
	}
	provider := providers[c.Provider]
	if provider != providerLocal && provider != "" && key.ID == "" {
		errs = append(errs, fmt.Errorf("%skey_id: is missing: the key at %s", at, c.Provider))
	}
	if provider == providerAWS && key.ID != "" && strings.HasPrefix(key.ID, "alias/") {
		errs = append(errs, fmt.Errorf("%skey_id: %s is an alias, behind which keys change unseen: give the key's ARN", at, key.ID))
	}
	if provider == providerGCP && c.Mode == modeDerive && key.ID != "" {
		if _, _, err := gcpVersion(key.ID); err != nil {
			errs = append(errs, fmt.Errorf("%skey_id: %w", at, err))
		}
	}
	if c.Mode == modeWrapped && (key.Wrapped == "") == (key.WrappedFile == "") {
		errs = append(errs, fmt.Errorf("%swrapped_key: mode wrapped needs one of wrapped_key and wrapped_key_file", at))
	}
	return errors.Join(errs...)
}

func (c *Config) validateTimes() error {
	var errs []error
	if c.RotationInterval < time.Hour || c.RotationInterval > 30*24*time.Hour || c.RotationInterval%time.Minute != 0 {
		errs = append(errs, errors.New("rotation_interval: has to be whole minutes from 1h to 720h"))
	}
	if c.Cache.RefreshInterval <= 0 {
		errs = append(errs, errors.New("cache::refresh_interval: has to be positive"))
	}
	if c.Cache.MaxStale < c.Cache.RefreshInterval {
		errs = append(errs, errors.New("cache::max_stale: is less than cache::refresh_interval"))
	}
	if c.Cache.MaxKeys < 2*(1+len(c.Tenants)) {
		errs = append(errs, errors.New("cache::max_keys: has to hold two keys for each tenant"))
	}
	if c.Cache.RefusedFor <= 0 || c.MaxKeyAge < 0 {
		errs = append(errs, errors.New("cache::refused_for has to be positive, max_key_age not negative"))
	}
	if c.Request.Timeout <= 0 || c.Request.PerSecond <= 0 || c.StartupTimeout <= 0 {
		errs = append(errs, errors.New("request::timeout, request::per_second, startup_timeout: have to be positive"))
	}
	if !slices.Contains([]string{"fail", "degrade"}, c.OnStartupFailure) {
		errs = append(errs, fmt.Errorf("on_startup_failure: %q is neither fail nor degrade", c.OnStartupFailure))
	}
	return errors.Join(errs...)
}

// gcpVersion splits the resource name of a key's version.
func gcpVersion(id string) (key string, version int, err error) {
	key, number, found := strings.Cut(id, "/cryptoKeyVersions/")
	version, err = strconv.Atoi(number)
	if !found || err != nil || version < 1 {
		return "", 0, fmt.Errorf("%s does not end in /cryptoKeyVersions/ and a number: the version has to be pinned", id)
	}
	return key, version, nil
}
