// Package plugin answers Grafana: queries, the health check, and what filters are completed with.
package plugin

import (
	"context"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/httpclient"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"
	"github.com/grafana/grafana-plugin-sdk-go/backend/resource/httpadapter"

	"betrace/grafana/datasource/pkg/betrace"
	"betrace/grafana/datasource/pkg/models"
)

const defaultTimeout = 30 * time.Second

var (
	_ backend.QueryDataHandler      = (*Datasource)(nil)
	_ backend.CheckHealthHandler    = (*Datasource)(nil)
	_ backend.CallResourceHandler   = (*Datasource)(nil)
	_ instancemgmt.InstanceDisposer = (*Datasource)(nil)
)

// Datasource is one that somebody configured. Without a usable URL, problem says what is to be done.
type Datasource struct {
	backend.CallResourceHandler
	settings models.Settings
	client   *betrace.Client
	timeout  time.Duration // of a query or a check, with all of its requests
	problem  error
}

// New makes the instance for stored settings; wrong ones are told when something is asked, so that Grafana shows it.
func New(ctx context.Context, stored backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	made := &Datasource{timeout: defaultTimeout}
	made.CallResourceHandler = httpadapter.New(made.resources())
	if made.settings, made.problem = models.SettingsOf(stored); made.problem != nil {
		return made, nil
	}
	if made.settings.URL == nil {
		made.problem = fmt.Errorf("enter the URL of BeTrace's API, such as http://betrace-api:12011")
		return made, nil
	}
	options, err := stored.HTTPClientOptions(ctx)
	if err != nil {
		made.problem = fmt.Errorf("the datasource's HTTP settings cannot be used: %w", err)
		return made, nil
	}
	if options.Timeouts.Timeout > 0 {
		made.timeout = options.Timeouts.Timeout
	}
	client, err := httpclient.New(options)
	if err != nil {
		made.problem = fmt.Errorf("the datasource's TLS or proxy settings cannot be used: %w", err)
		return made, nil
	}
	made.client = betrace.New(made.settings.URL, made.settings.Token, client)
	return made, nil
}

// Dispose gives up connections, before settings that changed are used.
func (d *Datasource) Dispose() {
	if d.client != nil {
		d.client.Close()
	}
}
