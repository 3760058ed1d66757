package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/grafana/grafana-plugin-sdk-go/backend/grpcplugin"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
)

// protocol is that of Grafana's plugins of today.
const protocol = 2

// started is a plugin that runs, as Grafana holds it.
type started struct {
	client      *plugin.Client
	data        grpcplugin.DataClient
	diagnostics grpcplugin.DiagnosticsClient
	resources   grpcplugin.ResourceClient
}

func start(binary string) (*started, error) {
	handshake := plugin.HandshakeConfig{
		ProtocolVersion:  protocol,
		MagicCookieKey:   grpcplugin.MagicCookieKey,
		MagicCookieValue: grpcplugin.MagicCookieValue,
	}
	client := plugin.NewClient(&plugin.ClientConfig{
		Cmd:             exec.Command(binary),
		HandshakeConfig: handshake,
		VersionedPlugins: map[int]plugin.PluginSet{protocol: {
			"data":        &grpcplugin.DataGRPCPlugin{},
			"diagnostics": &grpcplugin.DiagnosticsGRPCPlugin{},
			"resource":    &grpcplugin.ResourceGRPCPlugin{},
		}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn}),
	})
	made := &started{client: client}
	if err := made.dispense(); err != nil {
		client.Kill()
		return nil, fmt.Errorf("%s does not start as a plugin: %w", binary, err)
	}
	return made, nil
}

func (s *started) dispense() error {
	protocol, err := s.client.Client()
	if err != nil {
		return err
	}
	parts := map[string]any{}
	for _, name := range []string{"data", "diagnostics", "resource"} {
		if parts[name], err = protocol.Dispense(name); err != nil {
			return err
		}
	}
	var isData, isDiagnostics, isResource bool
	s.data, isData = parts["data"].(grpcplugin.DataClient)
	s.diagnostics, isDiagnostics = parts["diagnostics"].(grpcplugin.DiagnosticsClient)
	s.resources, isResource = parts["resource"].(grpcplugin.ResourceClient)
	if !isData || !isDiagnostics || !isResource {
		return fmt.Errorf("it lacks data, diagnostics or resources: %T", parts)
	}
	return nil
}

func (s *started) stop() {
	s.client.Kill()
}
