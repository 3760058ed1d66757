package spanverifierprocessor

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap/confmaptest"
)

func TestConfigurationsAreRead(t *testing.T) {
	require.NoError(t, componenttest.CheckConfigStruct(createDefaultConfig()))
	all, err := confmaptest.LoadConf("testdata/config.yaml")
	require.NoError(t, err)
	config := createDefaultConfig().(*Config)
	sub, err := all.Sub("spanverifier/vault")
	require.NoError(t, err)
	require.NoError(t, sub.Unmarshal(config))
	require.NoError(t, config.Validate())
	require.Equal(t, 1_000_000, config.ReplayCache)
}

func TestConfigurationsThatAreWrongNameTheKey(t *testing.T) {
	cases := map[string]func(*Config){
		"min_coverage: \"all\"":                    func(c *Config) { c.MinCoverage = "all" },
		"min_coverage: 0x400 has bits":             func(c *Config) { c.MinCoverage = "0x400" },
		"accept_versions: is empty":                func(c *Config) { c.AcceptVersions = nil },
		"accept_versions: \"v2\"":                  func(c *Config) { c.AcceptVersions = []string{"v2"} },
		"legacy_counts_as_verified: has no effect": func(c *Config) { c.LegacyCountsAsVerified = true },
		"max_age, max_future_skew":                 func(c *Config) { c.MaxAge = -1 },
		"tenant::from: is missing":                 func(c *Config) { c.Tenant.Key = "x" },
		"on_invalid: \"allow\"":                    func(c *Config) { c.OnInvalid = "allow" },
		"on_unsigned: \"reject\"":                  func(c *Config) { c.OnUnsigned = "reject" },
		"key_provider: azure-kv is not supported":  func(c *Config) { c.Provider = "azure-kv" },
		"local: needs one of key_file and key":     func(c *Config) { c.Local.Key = "" },
	}
	for text, spoil := range cases {
		config := localConfig()
		spoil(config)
		require.ErrorContains(t, config.Validate(), text)
	}
}
