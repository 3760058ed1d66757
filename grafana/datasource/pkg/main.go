// Command gpx_betrace is the backend of the BeTrace datasource: Grafana starts it and speaks to it by gRPC.
package main

import (
	"os"

	"github.com/grafana/grafana-plugin-sdk-go/backend/datasource"
	"github.com/grafana/grafana-plugin-sdk-go/backend/log"

	"betrace/grafana/datasource/pkg/plugin"
)

func main() {
	if err := datasource.Manage("betrace-datasource", plugin.New, datasource.ManageOpts{}); err != nil {
		log.DefaultLogger.Error("The BeTrace datasource stops", "error", err)
		os.Exit(1)
	}
}
