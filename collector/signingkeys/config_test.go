package signingkeys

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
)

func TestConfigurationsThatAreWrongNameTheKey(t *testing.T) {
	cases := map[string]func(*Config){
		"key_provider: \"\" is none of":                             func(c *Config) { c.Provider = "" },
		"key_provider: azure-keyvault is not supported":             func(c *Config) { c.Provider = "azure-keyvault" },
		"key_mode: \"both\"":                                        func(c *Config) { c.Mode = "both" },
		"key_id: is missing":                                        func(c *Config) { c.Default.ID = "" },
		"key_name: \"a b\"":                                         func(c *Config) { c.Default.Name = "a b" },
		"key_version: is negative":                                  func(c *Config) { c.Default.Version = -1 },
		"key_id: alias/spans is an alias":                           func(c *Config) { c.Provider = "aws-kms"; c.Default.ID = "alias/spans" },
		"key_id: projects/p does not end in":                        func(c *Config) { c.Provider = "gcp-kms"; c.Default.ID = "projects/p" },
		"wrapped_key: mode wrapped needs one of":                    func(c *Config) { c.Mode = "wrapped" },
		"local: needs one of key_file and key":                      func(c *Config) { c.Provider = "local" },
		"vault::address: is missing":                                func(c *Config) { c.Vault.Address = "" },
		"vault: needs one of token and token_file":                  func(c *Config) { c.Vault.Token = "" },
		"vault::auth: approle needs role_id":                        func(c *Config) { c.Vault.Auth.Method = "approle" },
		"vault::auth::role: is missing":                             func(c *Config) { c.Vault.Auth.Method = "kubernetes" },
		"vault::auth::method: \"ldap\"":                             func(c *Config) { c.Vault.Auth.Method = "ldap" },
		"rotation_interval: has to be":                              func(c *Config) { c.RotationInterval = time.Minute },
		"cache::refresh_interval: has to be positive":               func(c *Config) { c.Cache.RefreshInterval = 0 },
		"cache::max_stale: is less than":                            func(c *Config) { c.Cache.MaxStale = time.Second },
		"cache::max_keys: has to hold":                              func(c *Config) { c.Cache.MaxKeys = 1 },
		"request::timeout":                                          func(c *Config) { c.Request.Timeout = 0 },
		"on_startup_failure: \"panic\"":                             func(c *Config) { c.OnStartupFailure = "panic" },
		"tenant_key_mapping::a: names no key":                       func(c *Config) { c.Tenants = map[string]*KeyConfig{"a": nil} },
		"tenant_key_mapping: a tenant has 1":                        func(c *Config) { c.Tenants = map[string]*KeyConfig{"": {}} },
		"tenant_key_mapping::ü::key_name: \"ü\" is not":             func(c *Config) { c.Tenants = map[string]*KeyConfig{"ü": {}} },
		"tenant_key_mapping::default::key_name: \"default\" is the": func(c *Config) { c.Tenants = map[string]*KeyConfig{"default": {}} },
		"retired_keys::0::key_version: has to be":                   func(c *Config) { c.Retired = []RetiredKey{{KeyConfig: KeyConfig{ID: "x", Name: "default"}}} },
		"retired_keys::0::key_id: is missing":                       func(c *Config) { c.Retired = []RetiredKey{{KeyConfig: KeyConfig{Name: "default", Version: 1}}} },
		"max_key_age not negative":                                  func(c *Config) { c.MaxKeyAge = -1 },
		"startup_timeout: have to be positive":                      func(c *Config) { c.StartupTimeout = 0 },
	}
	for text, spoil := range cases {
		config := valid()
		spoil(&config)
		require.ErrorContains(t, config.Validate(), text)
	}
	config := valid()
	require.NoError(t, config.Validate())
}

func TestOldProviderNamesAndBareKeysAreRead(t *testing.T) {
	for _, name := range []string{"aws-kms", "aws", "vault", "openbao"} {
		config := valid()
		config.Provider = name
		require.NoError(t, config.Validate(), name)
	}
	for _, name := range []string{"gcp", "gcp-kms"} {
		config := valid()
		config.Provider, config.Default.ID = name, "projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3"
		require.NoError(t, config.Validate(), name)
	}
	config := DefaultConfig()
	read := confmap.NewFromStringMap(map[string]any{
		"key_provider": "aws-kms", "key_id": "arn:default",
		"tenant_key_mapping": map[string]any{"a": "arn:a", "b": map[string]any{"key_id": "arn:b", "key_name": "bee"}},
	})
	require.NoError(t, read.Unmarshal(&config))
	require.NoError(t, config.Validate())
	require.Equal(t, &KeyConfig{ID: "arn:a"}, config.Tenants["a"])
	require.Equal(t, &KeyConfig{ID: "arn:b", Name: "bee"}, config.Tenants["b"])
}
