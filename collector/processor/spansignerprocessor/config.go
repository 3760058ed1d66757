package spansignerprocessor

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/component"

	"betrace/collector/signingkeys"
	"betrace/collector/spansignature"
)

// Config is the processor's configuration; README.md tells each key.
type Config struct {
	signingkeys.Config  `mapstructure:",squash"`
	Enabled             bool                     `mapstructure:"enabled"`
	Algorithm           string                   `mapstructure:"algorithm"`
	Format              string                   `mapstructure:"format"`
	Coverage            string                   `mapstructure:"coverage"`
	ResourceAttributes  ResourceAttributes       `mapstructure:"resource_attributes"`
	Exclude             []string                 `mapstructure:"exclude"`
	AttributeValueLimit int                      `mapstructure:"attribute_value_limit"`
	Existing            string                   `mapstructure:"existing"`
	Tenant              signingkeys.TenantConfig `mapstructure:"tenant"`
	UnknownTenant       string                   `mapstructure:"unknown_tenant"`
	OnKeyError          string                   `mapstructure:"on_key_error"`
	OnUnsignable        string                   `mapstructure:"on_unsignable"`
}

// ResourceAttributes says which of a resource's attributes are covered.
type ResourceAttributes struct {
	Mode string   `mapstructure:"mode"`
	List []string `mapstructure:"list"`
}

// What to do with spans; not every one is for every case.
const (
	replaceIt    = "replace"
	keepIt       = "keep"
	defaultKey   = "default_key"
	passUnsigned = "pass_unsigned"
	dropIt       = "drop"
	rejectIt     = "reject"
)

func createDefaultConfig() component.Config {
	return &Config{
		Config:             signingkeys.DefaultConfig(),
		Enabled:            true,
		Algorithm:          spansignature.HMACSHA256,
		Format:             string(spansignature.V1),
		Coverage:           "storage",
		ResourceAttributes: ResourceAttributes{Mode: "all"},
		Existing:           replaceIt,
		UnknownTenant:      defaultKey,
		OnKeyError:         rejectIt,
		OnUnsignable:       passUnsigned,
	}
}

// Validate says everything that is wrong, each with its key.
func (c *Config) Validate() error {
	if !c.Enabled {
		return nil
	}
	errs := []error{c.Config.Validate()}
	if err := c.Tenant.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("tenant::%w", err))
	}
	errs = append(errs,
		oneOf("algorithm", c.Algorithm, spansignature.HMACSHA256),
		oneOf("format", c.Format, string(spansignature.V1), string(spansignature.ADR024)),
		oneOf("existing", c.Existing, replaceIt, keepIt, rejectIt),
		oneOf("unknown_tenant", c.UnknownTenant, defaultKey, passUnsigned, dropIt, rejectIt),
		oneOf("on_key_error", c.OnKeyError, rejectIt, passUnsigned, dropIt),
		oneOf("on_unsignable", c.OnUnsignable, passUnsigned, dropIt),
		c.validateSelection(),
	)
	if c.AttributeValueLimit < 0 {
		errs = append(errs, errors.New("attribute_value_limit: is negative"))
	}
	if c.AttributeValueLimit > 0 && c.Existing == keepIt {
		errs = append(errs, errors.New("attribute_value_limit: would break the signatures that existing: keep keeps"))
	}
	return errors.Join(errs...)
}

func (c *Config) validateSelection() error {
	var errs []error
	coverage, err := spansignature.ParseCoverage(c.Coverage)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("coverage: %w", err))
	case coverage&^spansignature.Full != 0 || coverage&spansignature.Core == 0:
		errs = append(errs, fmt.Errorf("coverage: %s has bits that mean nothing, or lacks 1, the core", c.Coverage))
	}
	errs = append(errs, oneOf("resource_attributes::mode", c.ResourceAttributes.Mode, "all", "list"))
	if c.ResourceAttributes.Mode != "list" && len(c.ResourceAttributes.List) > 0 {
		errs = append(errs, errors.New("resource_attributes::list: has no effect without mode list"))
	}
	if slices.Contains(c.Exclude, "") {
		errs = append(errs, errors.New("exclude: has an empty key"))
	}
	return errors.Join(errs...)
}

func oneOf(key, value string, known ...string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(known, ", "))
}

func (c *Config) selection() spansignature.Selection {
	coverage, _ := spansignature.ParseCoverage(c.Coverage)
	var resourceKeys []string
	if c.ResourceAttributes.Mode == "list" {
		resourceKeys = append([]string{}, c.ResourceAttributes.List...)
	}
	return spansignature.NewSelection(coverage, resourceKeys, c.Exclude)
}
