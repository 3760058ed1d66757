// Package doubles starts real stand-ins for key management services, for tests: moto for AWS KMS and OpenBao for Vault,
// from the folder of programs that BETRACE_SIGNER_DOUBLES names, and a proxy before them that makes faults.
package doubles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Token is OpenBao's root token.
const Token = "root"

const (
	patience = 60 * time.Second
	pause    = 50 * time.Millisecond
)

// Moto starts moto's server, and says its address.
func Moto(t testing.TB) string {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	port := freePort(t)
	address := "http://127.0.0.1:" + port
	start(t, "moto_server", nil, "-H", "127.0.0.1", "-p", port)
	await(t, address+"/moto-api/")
	return address
}

// Bao starts OpenBao with a transit engine, and says its address.
func Bao(t testing.TB) string {
	port := freePort(t)
	address := "http://127.0.0.1:" + port
	home := t.TempDir()
	start(t, "bao", []string{"HOME=" + home}, "server", "-dev", "-dev-root-token-id="+Token, "-dev-listen-address=127.0.0.1:"+port, "-dev-no-store-token")
	await(t, address+"/v1/sys/health")
	BaoWrite(t, address, "sys/mounts/transit", map[string]any{"type": "transit"})
	return address
}

// BaoWrite posts to OpenBao with the root token.
func BaoWrite(t testing.TB, address, path string, body map[string]any) map[string]any {
	data, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequest(http.MethodPost, address+"/v1/"+path, bytes.NewReader(data))
	require.NoError(t, err)
	request.Header.Set("X-Vault-Token", Token)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Less(t, answer.StatusCode, 300, "%s: %s", path, text)
	read := map[string]any{}
	if len(text) > 0 {
		require.NoError(t, json.Unmarshal(text, &read))
	}
	return read
}

func start(t testing.TB, program string, environment []string, arguments ...string) {
	folder := os.Getenv("BETRACE_SIGNER_DOUBLES")
	path := filepath.Join(folder, program)
	if _, err := os.Stat(path); folder == "" || err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: `make -C collector test` installs it", program)
		}
		t.Skipf("LEFT OUT: %s is missing: `make -C collector test` installs it", program)
	}
	command := exec.Command(path, arguments...)
	command.Env = append(os.Environ(), environment...)
	log, err := os.Create(filepath.Join(t.TempDir(), program+".log"))
	require.NoError(t, err)
	command.Stdout, command.Stderr = log, log
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		_ = log.Close()
	})
}

func freePort(t testing.TB) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func await(t testing.TB, address string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pause) {
		if answer, err := http.Get(address); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
	}
	t.Fatalf("%s does not answer", address)
}

// Proxy passes requests on, or makes a fault of them.
type Proxy struct {
	*httptest.Server
	fault atomic.Pointer[http.HandlerFunc]
	calls atomic.Int64
	ended chan struct{}
	once  sync.Once
}

// NewProxy is a proxy before an address.
func NewProxy(t testing.TB, address string) *Proxy {
	target, err := url.Parse(address)
	require.NoError(t, err)
	p := &Proxy{ended: make(chan struct{})}
	forward := httputil.NewSingleHostReverseProxy(target)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		if fault := p.fault.Load(); fault != nil {
			(*fault)(w, r)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { p.once.Do(func() { close(p.ended) }); p.Close() })
	return p
}

// Calls is how many requests there were.
func (p *Proxy) Calls() int { return int(p.calls.Load()) }

// Heal passes requests on again.
func (p *Proxy) Heal() { p.fault.Store(nil) }

// Answer answers all requests with a status and body.
func (p *Proxy) Answer(status int, body string) {
	fault := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	p.fault.Store(&fault)
}

// Hang lets all requests wait for an answer that never comes.
func (p *Proxy) Hang() {
	fault := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-p.ended:
		}
	})
	p.fault.Store(&fault)
}
