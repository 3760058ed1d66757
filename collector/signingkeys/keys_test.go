package signingkeys

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"betrace/collector/spansignature"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// clock is a time that a test sets.
type clock struct {
	mutex sync.Mutex
	time  time.Time
}

func (c *clock) now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.time
}

func (c *clock) advance(by time.Duration) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.time = c.time.Add(by)
}

// requests counts what the provider was asked.
type requests struct {
	mutex sync.Mutex
	seen  map[string]int
}

func (r *requests) KeyRequest(_, outcome string, _ time.Duration) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.seen[outcome]++
}

func (r *requests) count(outcome string) int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.seen[outcome]
}

// fake is a provider in memory whose behaviour a test sets.
type fake struct {
	mutex   sync.Mutex
	err     error
	version int
	calls   int
	short   int // bytes that are missing from a MAC
}

func (f *fake) mac(_ context.Context, id string, version int, message []byte) ([]byte, int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.calls++
	if f.err != nil {
		return nil, 0, f.err
	}
	if version > f.version {
		return nil, 0, &failure{absent, errors.New("no such version")}
	}
	if version == 0 {
		version = f.version
	}
	return spansignature.Derive([]byte(fmt.Sprint(id, version)), message)[f.short:], version, nil
}

func (f *fake) unwrap(context.Context, string, string, string) ([]byte, error) {
	return nil, errors.New("not here")
}
func (f *fake) close() error { return nil }

func (f *fake) set(err error, version int) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.err, f.version = err, version
}

func (f *fake) asked() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.calls
}

type bench struct {
	*Keys
	clock    *clock
	requests *requests
	fake     *fake
}

func valid() Config {
	config := DefaultConfig()
	config.Provider = "vault"
	config.Default.ID = "spans"
	config.Vault.Address, config.Vault.Token = "http://127.0.0.1:1", "t"
	config.Request.Timeout = 2 * time.Second
	return config
}

func faked(t *testing.T, config Config) *bench {
	require.NoError(t, config.Validate())
	made := &bench{clock: &clock{time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}, requests: &requests{seen: map[string]int{}}, fake: &fake{version: 1}}
	made.Keys = New(&config, spansignature.V1, made.requests, zap.NewNop())
	made.now, made.backend = made.clock.now, made.fake
	t.Cleanup(func() { require.NoError(t, made.Shutdown(context.Background())) })
	return made
}

func (b *bench) signing(t *testing.T, tenant string) *spansignature.Key {
	key, err := b.SigningKey(context.Background(), tenant)
	require.NoError(t, err)
	return key
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 5*time.Millisecond)
}

func TestAKeyIsAskedForOnce(t *testing.T) {
	b := faked(t, valid())
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { b.signing(t, "") })
	}
	group.Wait()
	require.Equal(t, "default/1/2026-11-23", b.signing(t, "").ID)
	require.Equal(t, 1, b.fake.asked())
}

func TestAnEpochRollsWithTheNextKeyAlreadyThere(t *testing.T) {
	b := faked(t, valid())
	b.signing(t, "")
	b.clock.advance(11*time.Hour + 50*time.Minute)
	b.signing(t, "")
	eventually(t, func() bool { keys, _ := b.Count(); return keys == 2 })
	b.fake.set(errors.New("away"), 1)
	b.clock.advance(11 * time.Minute)
	require.Equal(t, "default/1/2026-11-24", b.signing(t, "").ID)
}

func TestARotatedKeyIsTakenWithoutARestart(t *testing.T) {
	b := faked(t, valid())
	old := b.signing(t, "")
	b.fake.set(nil, 2)
	b.clock.advance(61 * time.Minute)
	eventually(t, func() bool { return b.signing(t, "").ID == "default/2/2026-11-23" })
	again, err := b.VerificationKey(context.Background(), spansignature.V1, old.ID)
	require.NoError(t, err)
	require.Equal(t, old.Tag([]byte("x")), again.Tag([]byte("x")))
}

func TestAnOutageIsBridgedUpToMaxStale(t *testing.T) {
	b := faked(t, valid())
	b.signing(t, "")
	b.fake.set(errors.New("away"), 1)
	for range 23 {
		b.clock.advance(time.Hour)
		b.signing(t, "") // over the roll at midnight with the key of the day before
	}
	b.clock.advance(2 * time.Hour)
	_, err := b.SigningKey(context.Background(), "")
	require.ErrorContains(t, err, "away")
	b.fake.set(nil, 1)
	b.clock.advance(10 * time.Second)
	require.Equal(t, "default/1/2026-11-24", b.signing(t, "").ID)
}

func TestADisabledKeyIsNotUsedOnceThatIsKnown(t *testing.T) {
	b := faked(t, valid())
	b.signing(t, "")
	b.fake.set(&failure{refused, errors.New("disabled")}, 1)
	b.clock.advance(61 * time.Minute)
	eventually(t, func() bool { _, err := b.SigningKey(context.Background(), ""); return err != nil })
	asked := b.fake.asked()
	_, err := b.SigningKey(context.Background(), "")
	require.ErrorContains(t, err, "disabled")
	require.Equal(t, asked, b.fake.asked(), "what is refused is not asked again at once")
	b.fake.set(nil, 1)
	b.clock.advance(31 * time.Second)
	b.signing(t, "")
}

func TestADisabledKeyIsNotReplacedByThatOfTheDayBefore(t *testing.T) {
	b := faked(t, valid())
	b.signing(t, "")
	b.fake.set(&failure{refused, errors.New("disabled")}, 1)
	b.clock.advance(12*time.Hour + time.Minute)
	eventually(t, func() bool { _, err := b.SigningKey(context.Background(), ""); return err != nil })
}

func TestTenantsHaveKeysOfTheirOwn(t *testing.T) {
	config := valid()
	config.Tenants = map[string]*KeyConfig{"a": {}, "b": {ID: "other", Name: "b-key"}}
	b := faked(t, config)
	a, other, none := b.signing(t, "a"), b.signing(t, "b"), b.signing(t, "c")
	require.Equal(t, []string{"a/1/2026-11-23", "b-key/1/2026-11-23", "default/1/2026-11-23"}, []string{a.ID, other.ID, none.ID})
	require.Equal(t, []string{"a", "b", ""}, []string{a.Tenant, other.Tenant, none.Tenant})
	require.NotEqual(t, a.Tag(nil), other.Tag(nil))
	require.NotEqual(t, a.Tag(nil), none.Tag(nil))
}

func TestMadeUpKeyIDsCostABoundedNumberOfRequests(t *testing.T) {
	b := faked(t, valid())
	for i := range 2000 {
		day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -i).Format(dayLayout)
		for _, id := range []string{"default/1/" + day, "default/999/" + day, "other/1/" + day} {
			_, _ = b.VerificationKey(context.Background(), spansignature.V1, id)
		}
	}
	require.LessOrEqual(t, b.fake.asked(), 50)
	for _, id := range []string{"default/1/2026-11-26", "default/01/2026-11-23", "default/1/yesterday", "arn:aws:kms:x/1/2026-11-23", "default"} {
		_, err := b.VerificationKey(context.Background(), spansignature.V1, id)
		require.ErrorIs(t, err, spansignature.ErrUnknownKey, id)
	}
}

func TestAVersionThatDoesNotExistIsUnknownAndAnOutageIsNot(t *testing.T) {
	b := faked(t, valid())
	_, err := b.VerificationKey(context.Background(), spansignature.V1, "default/7/2026-11-23")
	require.ErrorIs(t, err, spansignature.ErrUnknownKey)
	b.fake.set(&failure{refused, errors.New("disabled")}, 1)
	_, err = b.VerificationKey(context.Background(), spansignature.V1, "default/1/2026-11-23")
	require.Error(t, err)
	require.NotErrorIs(t, err, spansignature.ErrUnknownKey)
}

func TestTheCacheHoldsItsLimit(t *testing.T) {
	config := valid()
	config.Cache.MaxKeys, config.Request.PerSecond = 10, 1000
	b := faked(t, config)
	for i := range 100 {
		_, err := b.VerificationKey(context.Background(), spansignature.V1, "default/1/"+b.clock.now().AddDate(0, 0, -i).Format(dayLayout))
		require.NoError(t, err)
	}
	keys, _ := b.Count()
	require.Equal(t, 10, keys)
}

func TestTransientFailuresAreTriedAgainAtOnceAndOthersAreNot(t *testing.T) {
	b := faked(t, valid())
	b.fake.set(errors.New("away"), 1)
	_, err := b.SigningKey(context.Background(), "")
	require.Error(t, err)
	require.Equal(t, attempts, b.requests.count("transient"))
	other := faked(t, valid())
	other.fake.set(&failure{denied, errors.New("no")}, 1)
	_, err = other.SigningKey(context.Background(), "")
	require.Error(t, err)
	require.Equal(t, 1, other.requests.count("denied"))
}

func TestEpochsOfHoursAreNamedByTheMinute(t *testing.T) {
	config := valid()
	config.RotationInterval = 90 * time.Minute
	b := faked(t, config)
	require.Equal(t, "default/1/2026-11-23T12:00Z", b.signing(t, "").ID)
	_, err := b.VerificationKey(context.Background(), spansignature.V1, "default/1/2026-11-23T12:00Z")
	require.NoError(t, err)
}

func TestLocalKeysWithARetiredOne(t *testing.T) {
	folder := t.TempDir()
	now, old := filepath.Join(folder, "now"), filepath.Join(folder, "old")
	require.NoError(t, os.WriteFile(now, bytes.Repeat([]byte{1}, 32), 0o600))
	require.NoError(t, os.WriteFile(old, bytes.Repeat([]byte{2}, 32), 0o600))
	config := DefaultConfig()
	config.Provider, config.Local.KeyFile, config.Default.Version = "local", now, 2
	config.Retired = []RetiredKey{{KeyConfig: KeyConfig{Name: "default", Version: 1}, KeyFile: old}}
	require.NoError(t, config.Validate())
	keys := New(&config, spansignature.V1, &requests{seen: map[string]int{}}, zap.NewNop())
	require.NoError(t, keys.Start(context.Background()))
	defer func() { require.NoError(t, keys.Shutdown(context.Background())) }()
	signing, err := keys.SigningKey(context.Background(), "")
	require.NoError(t, err)
	require.Contains(t, signing.ID, "default/2/")
	retired, err := keys.VerificationKey(context.Background(), spansignature.V1, "default/1/2026-11-23")
	require.NoError(t, err)
	expected := spansignature.NewKey("", "", spansignature.Derive(bytes.Repeat([]byte{2}, 32), spansignature.Info(spansignature.V1, "", "2026-11-23")))
	require.Equal(t, expected.Tag(nil), retired.Tag(nil))
}

func TestWrappedLocalKeysAreReadAnewAtARefresh(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wrapped")
	write := func(fill byte) {
		text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
		require.NoError(t, os.WriteFile(file, []byte(text+"\n"), 0o600))
	}
	write(1)
	config := DefaultConfig()
	config.Provider, config.Mode, config.Default.WrappedFile = "local", "wrapped", file
	require.NoError(t, config.Validate())
	moment := &clock{time: time.Now()}
	keys := New(&config, spansignature.V1, &requests{seen: map[string]int{}}, zap.NewNop())
	keys.now = moment.now
	require.NoError(t, keys.Start(context.Background()))
	defer func() { require.NoError(t, keys.Shutdown(context.Background())) }()
	first, err := keys.SigningKey(context.Background(), "")
	require.NoError(t, err)
	write(2)
	moment.advance(config.Cache.RefreshInterval + time.Second)
	eventually(t, func() bool {
		key, err := keys.SigningKey(context.Background(), "")
		return err == nil && key.Tag(nil) != first.Tag(nil)
	})
}

func TestAnAnswerThatIsNoKeyIsNotUsedAsOne(t *testing.T) {
	for _, short := range []int{12, 32} {
		b := faked(t, valid())
		b.fake.short = short
		_, err := b.SigningKey(context.Background(), "")
		require.ErrorContains(t, err, fmt.Sprintf("%d bytes instead of 32", 32-short))
		require.Equal(t, 1, b.requests.count("refused"))
	}
}
