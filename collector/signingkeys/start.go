package signingkeys

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
)

// Component is the part of a processor's life that has to do with keys.
type Component struct {
	*Keys
	host     component.Host
	degraded atomic.Bool
}

// Start starts the keys. Whether it fails without them is on_startup_failure.
func (c *Component) Start(ctx context.Context, host component.Host) error {
	if err := c.Keys.Start(ctx); err != nil {
		return err
	}
	err := c.Prefetch(ctx)
	if err == nil {
		return nil
	}
	if c.config.OnStartupFailure == "fail" {
		return errors.Join(err, c.Shutdown(ctx))
	}
	c.host = host
	c.degraded.Store(true)
	componentstatus.ReportStatus(host, componentstatus.NewRecoverableErrorEvent(err))
	return nil
}

// Recovered says to the host that keys can be had, if it was told that they cannot.
func (c *Component) Recovered() {
	if c.degraded.CompareAndSwap(true, false) {
		componentstatus.ReportStatus(c.host, componentstatus.NewEvent(componentstatus.StatusOK))
	}
}
