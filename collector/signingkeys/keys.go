package signingkeys

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"betrace/collector/spansignature"
)

const (
	attempts       = 3 // of one request, where the provider fails in a way that may pass
	leastBackoff   = 100 * time.Millisecond
	longestBackoff = 5 * time.Second
	prefetchAt     = 0.9 // of an epoch
)

var errTooManyRequests = errors.New("more requests to the key provider than request::per_second")

// Observer hears of each request to the provider.
type Observer interface {
	KeyRequest(provider, outcome string, took time.Duration)
}

// record is a key as it is configured.
type record struct {
	tenant      string
	id          string
	version     int // that key ids name; 0 for any
	wrapped     string
	wrappedFile string
	retired     bool
}

// Keys gives out keys. Once started it may be used by many goroutines.
type Keys struct {
	config   *Config
	format   spansignature.Format // to sign in
	observer Observer
	log      *zap.Logger
	backend  backend
	records  map[string][]record // by the name of the key, the one to sign by first
	names    map[string]string   // of keys, by tenant
	cache    *cache
	limiter  *rate.Limiter
	now      func() time.Time
	early    time.Duration // jitter of the prefetch
	context  context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// New makes keys of a configuration that is valid.
func New(config *Config, format spansignature.Format, observer Observer, log *zap.Logger) *Keys {
	made := &Keys{
		config: config, format: format, observer: observer, log: log, now: time.Now,
		records: map[string][]record{}, names: map[string]string{},
		cache:   newCache(config.Cache.MaxKeys),
		limiter: rate.NewLimiter(rate.Limit(config.Request.PerSecond), max(1, int(config.Request.PerSecond))),
		early:   time.Duration(rand.Float64() * 0.05 * float64(config.RotationInterval)),
	}
	made.context, made.stop = context.WithCancel(context.Background())
	made.add("", &config.Default, config.Default.Name)
	for tenant, key := range config.Tenants {
		made.add(tenant, key, config.nameOf(tenant, key))
	}
	for _, retired := range config.Retired {
		made.retire(&retired)
	}
	return made
}

func (k *Keys) add(tenant string, key *KeyConfig, name string) {
	k.names[tenant] = name
	added := record{tenant: tenant, id: k.config.idOf(key), version: k.version(key), wrapped: key.Wrapped, wrappedFile: key.WrappedFile}
	if providers[k.config.Provider] == providerLocal {
		added.id = ""
	}
	k.records[name] = append(k.records[name], added)
}

// version is that of a key whose provider does not number its versions.
func (k *Keys) version(key *KeyConfig) int {
	numbered := providers[k.config.Provider] == providerVault || providers[k.config.Provider] == providerGCP
	if numbered && k.config.Mode == modeDerive {
		return 0
	}
	return max(1, key.Version)
}

func (k *Keys) retire(key *RetiredKey) {
	id := key.ID
	if providers[k.config.Provider] == providerLocal {
		id = key.KeyFile
	}
	retired := record{tenant: key.Tenant, id: id, version: key.Version, wrapped: key.Wrapped, wrappedFile: key.WrappedFile, retired: true}
	k.records[key.Name] = append(k.records[key.Name], retired)
}

// Start makes the client of the provider, which fails only by the configuration.
func (k *Keys) Start(ctx context.Context) (err error) {
	if k.backend, err = newBackend(ctx, k.config); err != nil {
		return fmt.Errorf("%s: %w", k.config.Provider, err)
	}
	if providers[k.config.Provider] == providerLocal {
		k.log.Warn("signing keys come from the configuration, which is for trying things out: use a key management service")
	}
	return nil
}

// Prefetch asks for the keys of now, so that what is wrong with them shows at the start.
func (k *Keys) Prefetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, k.config.StartupTimeout)
	defer cancel()
	var errs []error
	for tenant := range k.names {
		if _, err := k.SigningKey(ctx, tenant); err != nil {
			errs = append(errs, fmt.Errorf("key %s: %w", k.names[tenant], err))
		}
	}
	return errors.Join(errs...)
}

// Shutdown waits for the requests on their way, at most until the context ends.
func (k *Keys) Shutdown(ctx context.Context) error {
	k.stop()
	done := make(chan struct{})
	go func() { k.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if k.backend == nil {
		return nil
	}
	return k.backend.close()
}

// Knows says whether a tenant has a key of its own.
func (k *Keys) Knows(tenant string) bool {
	_, known := k.names[tenant]
	return known
}

// TenantOfKey is the tenant whose key signs for a tenant: itself, or none.
func (k *Keys) TenantOfKey(tenant string) string {
	if k.Knows(tenant) {
		return tenant
	}
	return ""
}

// SigningKey is the key that a tenant's spans are signed by now. It does not wait for the provider while there is a key
// that was confirmed within max_stale, though it be of the epoch before.
func (k *Keys) SigningKey(ctx context.Context, tenant string) (*spansignature.Key, error) {
	now, interval := k.now(), k.config.RotationInterval
	epoch, start := epochAt(now, interval)
	at := slot{k.format, k.names[k.TenantOfKey(tenant)], 0, epoch}
	if elapsed := now.Sub(start); elapsed > time.Duration(prefetchAt*float64(interval))+k.early {
		next := at
		next.epoch, _ = epochAt(start.Add(interval), interval)
		k.prefetch(next)
	}
	before := at
	before.epoch, _ = epochAt(start.Add(-1), interval)
	if k.cache.known(at, now, k.config.Cache.MaxStale) == nil {
		if old := k.cache.known(before, now, k.config.Cache.MaxStale); old != nil {
			k.prefetch(at)
			if k.cache.refused(at) {
				return k.get(ctx, at)
			}
			if key := k.cache.known(at, now, k.config.Cache.MaxStale); key != nil {
				return key, nil
			}
			return old, nil
		}
	}
	return k.get(ctx, at)
}

// prefetch asks for a key without waiting for it.
func (k *Keys) prefetch(at slot) {
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = k.get(expired, at)
}

// VerificationKey is the key of an id that a span names. Only configured names are looked up.
func (k *Keys) VerificationKey(ctx context.Context, format spansignature.Format, text string) (*spansignature.Key, error) {
	id, begins, err := parseKeyID(text)
	if err != nil || !k.mayVerify(id, begins) {
		return nil, spansignature.ErrUnknownKey
	}
	key, err := k.get(ctx, slot{format, id.name, id.version, id.epoch})
	if outcomeOf(err) == absent {
		return nil, fmt.Errorf("%w: %w", spansignature.ErrUnknownKey, err)
	}
	return key, err
}

// mayVerify turns down what no signer with this configuration can have used, so that made-up ids cost no request.
func (k *Keys) mayVerify(id keyID, begins time.Time) bool {
	if _, known := k.record(id.name, id.version); !known {
		return false
	}
	now := k.now()
	return begins.Before(now.Add(k.config.RotationInterval)) &&
		(k.config.MaxKeyAge == 0 || begins.After(now.Add(-k.config.MaxKeyAge)))
}

// record is the configured key of a name. Version 0 asks for the one to sign by.
func (k *Keys) record(name string, version int) (record, bool) {
	for _, each := range k.records[name] {
		if version == 0 && !each.retired || version != 0 && (each.version == 0 || each.version == version) {
			return each, true
		}
	}
	return record{}, false
}

func (k *Keys) fetchPatiently(at slot) (key *spansignature.Key, err error) {
	ctx, cancel := context.WithTimeout(k.context, k.config.Request.Timeout)
	defer cancel()
	for attempt := range attempts {
		started := time.Now()
		key, err = k.fetch(ctx, at)
		k.observer.KeyRequest(providers[k.config.Provider], string(outcomeOf(err)), time.Since(started))
		if outcomeOf(err) != transient || attempt == attempts-1 {
			break
		}
		select {
		case <-time.After(backoff(attempt)):
		case <-ctx.Done():
			return nil, err
		}
	}
	if err != nil {
		k.log.Warn("no key from the provider", zap.String("key", at.name), zap.Error(err))
	}
	return key, err
}

func (k *Keys) fetch(ctx context.Context, at slot) (*spansignature.Key, error) {
	from, known := k.record(at.name, at.version)
	if !known {
		return nil, &failure{absent, spansignature.ErrUnknownKey}
	}
	info := spansignature.Info(at.format, from.tenant, at.epoch)
	version := at.version
	if version == 0 {
		version = from.version
	}
	secret, used, err := []byte(nil), version, error(nil)
	if k.config.Mode == modeWrapped {
		secret, err = k.unwrapped(ctx, from, info)
	} else {
		secret, used, err = k.backend.mac(ctx, from.id, version, info)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) != masterBytes {
		return nil, &failure{refused, fmt.Errorf("the provider's MAC has %d bytes instead of %d: the key has to be for HMAC-SHA256", len(secret), masterBytes)}
	}
	return spansignature.NewKey(keyID{at.name, used, at.epoch}.String(), from.tenant, secret), nil
}

// unwrapped derives from a data key, which a file gives anew each time, so that it can be exchanged.
func (k *Keys) unwrapped(ctx context.Context, from record, info []byte) ([]byte, error) {
	wrapped := from.wrapped
	if from.wrappedFile != "" {
		text, err := os.ReadFile(from.wrappedFile)
		if err != nil {
			return nil, &failure{refused, err}
		}
		wrapped = string(text)
	}
	master, err := k.backend.unwrap(ctx, from.id, from.tenant, wrapped)
	if err != nil {
		return nil, err
	}
	if len(master) != masterBytes {
		return nil, &failure{refused, fmt.Errorf("the data key has %d bytes instead of %d", len(master), masterBytes)}
	}
	return spansignature.Derive(master, info), nil
}

// Count is how many keys are held, and since when the oldest of those in use to sign has not been confirmed.
func (k *Keys) Count() (keys int, age time.Duration) { return k.cache.count(k.now()) }

func backoff(failures int) time.Duration {
	wait := min(longestBackoff, leastBackoff<<min(failures, 10))
	return wait/2 + time.Duration(rand.Int64N(int64(wait/2)+1))
}
