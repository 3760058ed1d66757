package signingkeys

import (
	"context"
	"errors"
	"fmt"
)

// backend is one key management service. Its calls may block until the context ends.
type backend interface {
	// mac is HMAC-SHA256 of a message under a key, and the version of the key that it took. Version 0 asks for the
	// one to sign by now.
	mac(ctx context.Context, id string, version int, message []byte) (sum []byte, used int, err error)
	// unwrap opens a data key that was wrapped for a tenant.
	unwrap(ctx context.Context, id, tenant, wrapped string) ([]byte, error)
	close() error
}

// outcome sorts what a provider answers, by what is to be done about it.
type outcome string

const (
	succeeded outcome = "ok"
	transient outcome = "transient" // may go well soon: tried again, and the old key goes on meanwhile
	denied    outcome = "denied"    // of credentials: not tried at once, and the old key goes on meanwhile
	refused   outcome = "refused"   // of the key: disabled, gone, of the wrong kind; the old key is dropped
	absent    outcome = "absent"    // there is no such version of the key
)

// failure is an error of a provider.
type failure struct {
	outcome outcome
	err     error
}

func (f *failure) Error() string { return fmt.Sprintf("%s: %v", f.outcome, f.err) }
func (f *failure) Unwrap() error { return f.err }

func outcomeOf(err error) outcome {
	var known *failure
	switch {
	case err == nil:
		return succeeded
	case errors.As(err, &known):
		return known.outcome
	}
	return transient
}

func newBackend(ctx context.Context, config *Config) (backend, error) {
	switch providers[config.Provider] {
	case providerLocal:
		return newLocal(config)
	case providerAWS:
		return newAWS(ctx, &config.AWS)
	case providerGCP:
		return newGCP(ctx, &config.GCP)
	case providerVault:
		return newVault(ctx, &config.Vault)
	}
	return nil, fmt.Errorf("key_provider: %q", config.Provider)
}
