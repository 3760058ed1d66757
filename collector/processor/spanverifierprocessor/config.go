package spanverifierprocessor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"

	"betrace/collector/signingkeys"
	"betrace/collector/spansignature"
)

// Config is the processor's configuration; README.md tells each key.
type Config struct {
	signingkeys.Config     `mapstructure:",squash"`
	MinCoverage            string                   `mapstructure:"min_coverage"`
	AcceptVersions         []string                 `mapstructure:"accept_versions"`
	LegacyCountsAsVerified bool                     `mapstructure:"legacy_counts_as_verified"`
	MaxAge                 time.Duration            `mapstructure:"max_age"`
	MaxFutureSkew          time.Duration            `mapstructure:"max_future_skew"`
	ReplayCache            int                      `mapstructure:"replay_cache"`
	StorageValueLimit      int                      `mapstructure:"storage_value_limit"`
	Tenant                 signingkeys.TenantConfig `mapstructure:"tenant"`
	OnInvalid              string                   `mapstructure:"on_invalid"`
	OnUnsigned             string                   `mapstructure:"on_unsigned"`
}

// What to do with spans; not every one is for every case.
const (
	markIt   = "mark"
	dropIt   = "drop"
	rejectIt = "reject"
	allowIt  = "allow"
)

func createDefaultConfig() component.Config {
	return &Config{
		Config:            signingkeys.DefaultConfig(),
		MinCoverage:       "storage",
		AcceptVersions:    []string{string(spansignature.V1)},
		MaxFutureSkew:     5 * time.Minute,
		StorageValueLimit: 2048,
		OnInvalid:         markIt,
		OnUnsigned:        markIt,
	}
}

// Validate says everything that is wrong, each with its key.
func (c *Config) Validate() error {
	errs := []error{c.Config.Validate()}
	if err := c.Tenant.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("tenant::%w", err))
	}
	coverage, err := spansignature.ParseCoverage(c.MinCoverage)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("min_coverage: %w", err))
	case coverage&^spansignature.Full != 0:
		errs = append(errs, fmt.Errorf("min_coverage: %s has bits that mean nothing", c.MinCoverage))
	}
	if len(c.AcceptVersions) == 0 {
		errs = append(errs, errors.New("accept_versions: is empty"))
	}
	for _, version := range c.AcceptVersions {
		errs = append(errs, oneOf("accept_versions", version, string(spansignature.V1), string(spansignature.ADR024)))
	}
	if c.LegacyCountsAsVerified && !slices.Contains(c.AcceptVersions, string(spansignature.ADR024)) {
		errs = append(errs, errors.New("legacy_counts_as_verified: has no effect unless accept_versions has adr024"))
	}
	if c.MaxAge < 0 || c.MaxFutureSkew < 0 || c.ReplayCache < 0 || c.StorageValueLimit < 0 {
		errs = append(errs, errors.New("max_age, max_future_skew, replay_cache, storage_value_limit: none may be negative"))
	}
	errs = append(errs, oneOf("on_invalid", c.OnInvalid, markIt, dropIt, rejectIt), oneOf("on_unsigned", c.OnUnsigned, markIt, dropIt, allowIt))
	return errors.Join(errs...)
}

func oneOf(key, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(known, ", "))
}

func (c *Config) policy() *spansignature.Policy {
	coverage, _ := spansignature.ParseCoverage(c.MinCoverage)
	made := &spansignature.Policy{
		MinCoverage: coverage, MaxAge: c.MaxAge, MaxFutureSkew: c.MaxFutureSkew, TruncatedAt: c.StorageValueLimit,
	}
	for _, version := range c.AcceptVersions {
		made.Formats = append(made.Formats, spansignature.Format(version))
	}
	return made
}
