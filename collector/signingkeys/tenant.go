package signingkeys

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/pdata/pcommon"
)

// TenantConfig says whose a span is.
type TenantConfig struct {
	From  string `mapstructure:"from"` // resource_attribute, client_metadata, static; nothing for no tenants
	Key   string `mapstructure:"key"`
	Value string `mapstructure:"value"`
}

// Validate says what is wrong.
func (c *TenantConfig) Validate() error {
	switch c.From {
	case "":
		if c.Key != "" || c.Value != "" {
			return errors.New("from: is missing")
		}
	case "static":
		if c.Value == "" {
			return errors.New("value: is missing: the tenant of all spans")
		}
	case "resource_attribute", "client_metadata":
		if c.Key == "" {
			return fmt.Errorf("key: is missing: the name of the %s", c.From)
		}
	default:
		return fmt.Errorf("from: %q is none of resource_attribute, client_metadata, static", c.From)
	}
	return nil
}

// Of is the tenant of a resource's spans, empty for none.
func (c *TenantConfig) Of(ctx context.Context, resource pcommon.Resource) string {
	switch c.From {
	case "static":
		return c.Value
	case "client_metadata":
		if values := client.FromContext(ctx).Metadata.Get(c.Key); len(values) > 0 {
			return values[0]
		}
	case "resource_attribute":
		if value, found := resource.Attributes().Get(c.Key); found {
			return value.AsString()
		}
	}
	return ""
}
