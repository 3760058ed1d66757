package signingkeys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/openbao/openbao/api/v2"
)

const kubernetesJWT = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// vault is the transit engine of Vault or OpenBao.
type vault struct {
	config *VaultConfig
	client *api.Client

	mutex sync.Mutex
	again time.Time // when to log in again; zero for not logged in
}

func newVault(ctx context.Context, config *VaultConfig) (*vault, error) {
	settings := api.DefaultConfig()
	if settings.Error != nil {
		return nil, settings.Error
	}
	settings.Address = config.Address
	settings.MaxRetries = 0
	transport := http.DefaultTransport.(*http.Transport).Clone()
	var err error
	if transport.TLSClientConfig, err = config.TLS.LoadTLSConfig(ctx); err != nil {
		return nil, fmt.Errorf("vault::tls: %w", err)
	}
	settings.HttpClient = &http.Client{Transport: transport}
	client, err := api.NewClient(settings)
	if err != nil {
		return nil, err
	}
	if config.Namespace != "" {
		client.SetNamespace(config.Namespace)
	}
	return &vault{config: config, client: client}, nil
}

func (v *vault) mac(ctx context.Context, id string, version int, message []byte) ([]byte, int, error) {
	body := map[string]any{"input": base64.StdEncoding.EncodeToString(message)}
	if version > 0 {
		body["key_version"] = version
	}
	answer, err := v.write(ctx, v.config.Mount+"/hmac/"+id+"/sha2-256", body)
	if outcomeOf(err) == refused && version > 0 {
		return nil, 0, &failure{absent, err}
	}
	if err != nil {
		return nil, 0, err
	}
	text, _ := answer.Data["hmac"].(string)
	prefix, encoded, found := cutLast(text, ":")
	used, err := strconv.Atoi(strings.TrimPrefix(prefix, "vault:v"))
	if !found || err != nil {
		return nil, 0, &failure{transient, errors.New("an answer without hmac")}
	}
	sum, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, 0, &failure{transient, err}
	}
	return sum, used, nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	at := strings.LastIndex(text, separator)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(separator):], true
}

func (v *vault) unwrap(ctx context.Context, id, tenant, wrapped string) ([]byte, error) {
	body := map[string]any{"ciphertext": strings.TrimSpace(wrapped)}
	if tenant != "" {
		body["associated_data"] = base64.StdEncoding.EncodeToString([]byte(tenant))
	}
	answer, err := v.write(ctx, v.config.Mount+"/decrypt/"+id, body)
	if err != nil {
		return nil, err
	}
	encoded, _ := answer.Data["plaintext"].(string)
	plaintext, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(plaintext) == 0 {
		return nil, &failure{transient, errors.New("an answer without plaintext")}
	}
	return plaintext, nil
}

// write asks with a token that is good, and once more with a new one where the login's was not.
func (v *vault) write(ctx context.Context, path string, body map[string]any) (*api.Secret, error) {
	if err := v.authenticate(ctx, false); err != nil {
		return nil, loginFailure(err)
	}
	answer, err := v.client.Logical().WriteWithContext(ctx, path, body)
	if isDenied(err) && v.config.Auth.Method != "token" {
		if err := v.authenticate(ctx, true); err != nil {
			return nil, loginFailure(err)
		}
		answer, err = v.client.Logical().WriteWithContext(ctx, path, body)
	}
	if err != nil {
		return nil, vaultFailure(err)
	}
	if answer == nil {
		return nil, &failure{transient, errors.New("an empty answer")}
	}
	return answer, nil
}

// authenticate sees to a token: of the configuration, of a file that an agent keeps fresh, or of a login, which is
// made anew when two thirds of its time are over.
func (v *vault) authenticate(ctx context.Context, anew bool) error {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.config.Auth.Method == "token" {
		token, err := v.token()
		v.client.SetToken(token)
		return err
	}
	if !anew && time.Now().Before(v.again) {
		return nil
	}
	path, body, err := v.login()
	if err != nil {
		return err
	}
	answer, err := v.client.Logical().WriteWithContext(ctx, path, body)
	if err != nil {
		return err
	}
	if answer == nil || answer.Auth == nil {
		return errors.New("a login without a token")
	}
	v.client.SetToken(answer.Auth.ClientToken)
	v.again = time.Now().Add(time.Duration(answer.Auth.LeaseDuration) * time.Second * 2 / 3)
	return nil
}

func (v *vault) token() (string, error) {
	if v.config.TokenFile == "" {
		return string(v.config.Token), nil
	}
	return readText(v.config.TokenFile)
}

func readText(file string) (string, error) {
	text, err := os.ReadFile(file)
	return strings.TrimSpace(string(text)), err
}

func (v *vault) login() (path string, body map[string]any, err error) {
	auth := &v.config.Auth
	mount := auth.Mount
	if mount == "" {
		mount = auth.Method
	}
	if auth.Method == "approle" {
		secret, err := readText(auth.SecretIDFile)
		return "auth/" + mount + "/login", map[string]any{"role_id": auth.RoleID, "secret_id": secret}, err
	}
	file := auth.JWTFile
	if file == "" {
		file = kubernetesJWT
	}
	jwt, err := readText(file)
	return "auth/" + mount + "/login", map[string]any{"role": auth.Role, "jwt": jwt}, err
}

func isDenied(err error) bool {
	var answer *api.ResponseError
	return errors.As(err, &answer) && answer.StatusCode == http.StatusForbidden
}

func vaultFailure(err error) error {
	var answer *api.ResponseError
	if !errors.As(err, &answer) {
		return &failure{transient, err}
	}
	switch answer.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound:
		return &failure{refused, err}
	case http.StatusForbidden, http.StatusUnauthorized:
		return &failure{denied, err}
	}
	return &failure{transient, err}
}

// loginFailure never says that the key is refused: a login that is turned down says nothing of it.
func loginFailure(err error) error {
	if outcome := outcomeOf(vaultFailure(err)); outcome != refused {
		return &failure{outcome, err}
	}
	return &failure{denied, err}
}

func (v *vault) close() error {
	v.client.CloneConfig().HttpClient.CloseIdleConnections()
	return nil
}
