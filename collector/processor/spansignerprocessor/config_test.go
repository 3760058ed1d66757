package spansignerprocessor

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"

	"betrace/collector/processor/spansignerprocessor/internal/metadata"
	"betrace/collector/signingkeys"
)

func TestTheDefaultConfigurationIsWellFormed(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
}

func TestConfigurationsAreRead(t *testing.T) {
	all, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	for _, name := range []string{"local", "aws", "gcp", "vault"} {
		config := createDefaultConfig().(*Config)
		sub, err := all.Sub(component.NewIDWithName(metadata.Type, name).String())
		require.NoError(t, err)
		require.NoError(t, sub.Unmarshal(config), name)
		require.NoError(t, config.Validate(), name)
		if name == "aws" {
			require.Equal(t, signingkeys.TenantConfig{From: "client_metadata", Key: "x-scope-orgid"}, config.Tenant)
			require.Equal(t, &signingkeys.KeyConfig{ID: "arn:aws:kms:us-east-1:123456789012:key/b"}, config.Tenants["tenant-b"])
			require.Equal(t, 6*time.Hour, config.Cache.MaxStale)
		}
	}
}

func TestConfigurationsThatAreWrongNameTheKey(t *testing.T) {
	cases := map[string]func(*Config){
		"algorithm: \"RS256\"":                           func(c *Config) { c.Algorithm = "RS256" },
		"format: \"v2\"":                                 func(c *Config) { c.Format = "v2" },
		"coverage: \"everything\"":                       func(c *Config) { c.Coverage = "everything" },
		"coverage: 0x2 has bits":                         func(c *Config) { c.Coverage = "0x2" },
		"resource_attributes::mode: \"some\"":            func(c *Config) { c.ResourceAttributes.Mode = "some" },
		"resource_attributes::list: has no effect":       func(c *Config) { c.ResourceAttributes.List = []string{"a"} },
		"exclude: has an empty key":                      func(c *Config) { c.Exclude = []string{""} },
		"existing: \"trust\"":                            func(c *Config) { c.Existing = "trust" },
		"tenant::from: \"header\"":                       func(c *Config) { c.Tenant.From = "header" },
		"tenant::key: is missing":                        func(c *Config) { c.Tenant.From = "client_metadata" },
		"tenant::value: is missing":                      func(c *Config) { c.Tenant.From = "static" },
		"unknown_tenant: \"sign\"":                       func(c *Config) { c.UnknownTenant = "sign" },
		"on_key_error: \"mark\"":                         func(c *Config) { c.OnKeyError = "mark" },
		"on_unsignable: \"reject\"":                      func(c *Config) { c.OnUnsignable = "reject" },
		"attribute_value_limit: is negative":             func(c *Config) { c.AttributeValueLimit = -1 },
		"attribute_value_limit: would break":             func(c *Config) { c.AttributeValueLimit = 2048; c.Existing = "keep" },
		"key_provider: azure is not supported":           func(c *Config) { c.Provider = "azure" },
		"cache::max_stale: is less than cache::refresh_": func(c *Config) { c.Cache.MaxStale = 1 },
	}
	for text, spoil := range cases {
		config := localConfig(t)
		spoil(config)
		require.ErrorContains(t, config.Validate(), text)
	}
	require.NoError(t, localConfig(t).Validate())
	require.NoError(t, (&Config{}).Validate(), "what is not enabled is not looked at")
}
