// Command dshost stands in for Grafana's server in tests: it starts the built datasource as Grafana does, and serves the
// addresses under /api that its front asks, with the forms and statuses of Grafana.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "dshost:", err)
		os.Exit(1)
	}
}

func run() error {
	binary := flag.String("plugin", "", "the built datasource, gpx_betrace_…")
	listen := flag.String("listen", "127.0.0.1:0", "where to serve; what it became is printed")
	file := flag.String("settings", "", "a file of the datasource's settings: {uid, url, jsonData, secureJsonData}")
	flag.Parse()
	if *binary == "" || *file == "" || flag.NArg() > 0 {
		flag.Usage()
		return errors.New("-plugin and -settings are needed")
	}
	text, err := os.ReadFile(*file)
	if err != nil {
		return err
	}
	var settings settings
	if err := json.Unmarshal(text, &settings); err != nil {
		return fmt.Errorf("%s: %w", *file, err)
	}
	plugin, err := start(*binary)
	if err != nil {
		return err
	}
	defer plugin.stop()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	server := &http.Server{Handler: newHost(plugin, settings), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
