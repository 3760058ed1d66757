package signingkeys

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	"betrace/collector/spansignature"
)

const masterBytes = 32

// local derives from masters in files.
type local struct{ masters map[string][]byte }

func newLocal(config *Config) (*local, error) {
	made := &local{masters: map[string][]byte{}}
	if config.Mode == modeWrapped {
		return made, nil
	}
	master, err := readMaster(config.Local.KeyFile, string(config.Local.Key))
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	made.masters[""] = master
	for i, retired := range config.Retired {
		if made.masters[retired.KeyFile], err = readMaster(retired.KeyFile, ""); err != nil {
			return nil, fmt.Errorf("retired_keys::%d::key_file: %w", i, err)
		}
	}
	return made, nil
}

func readMaster(file, encoded string) ([]byte, error) {
	master, err := []byte(nil), error(nil)
	if file != "" {
		master, err = os.ReadFile(file)
	} else {
		master, err = base64.StdEncoding.DecodeString(encoded)
	}
	if err == nil && len(master) != masterBytes {
		err = fmt.Errorf("the key has %d bytes instead of %d", len(master), masterBytes)
	}
	return master, err
}

// mac knows the master of now as "", retired ones by their file.
func (l *local) mac(_ context.Context, id string, version int, message []byte) ([]byte, int, error) {
	master, known := l.masters[id]
	if !known {
		return nil, 0, &failure{refused, fmt.Errorf("no key %q", id)}
	}
	return spansignature.Derive(master, message), max(version, 1), nil
}

// unwrap takes a key that is not wrapped at all.
func (l *local) unwrap(_ context.Context, _, _, wrapped string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(wrapped))
	if err != nil {
		return nil, &failure{refused, err}
	}
	return key, nil
}

func (l *local) close() error { return nil }
