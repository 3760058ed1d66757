package spansignature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"
)

// HMACSHA256 is the one algorithm of format v1.
const HMACSHA256 = "HMAC-SHA256"

// Format is a signature format; each has keys of its own.
type Format string

// The formats.
const (
	V1     Format = "v1"
	ADR024 Format = "adr024" // of BeTrace's decision record 24: ids, name and start only
)

// Key signs and verifies. It may be used by many goroutines at once.
type Key struct {
	ID        string
	Algorithm string
	Tenant    string
	Fetched   time.Time // when the provider last vouched for it
	macs      sync.Pool
	secret    []byte
}

// NewKey makes a key of a secret that the caller must not change.
func NewKey(id, tenant string, secret []byte) *Key {
	key := &Key{ID: id, Algorithm: HMACSHA256, Tenant: tenant, secret: secret}
	key.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return key
}

type mac struct {
	hash.Hash
	sum []byte
}

// Tag authenticates a message.
func (k *Key) Tag(message []byte) (tag [sha256.Size]byte) {
	mac := k.macs.Get().(*mac)
	mac.Reset()
	mac.Write(message)
	mac.sum = mac.Sum(mac.sum[:0])
	copy(tag[:], mac.sum)
	k.macs.Put(mac)
	return tag
}

// Matches says whether a tag is that of a message, in constant time.
func (k *Key) Matches(message []byte, tag [sha256.Size]byte) bool {
	expected := k.Tag(message)
	return hmac.Equal(expected[:], tag[:])
}

// Info is the message whose MAC under a provider's key is the key of a tenant and epoch.
func Info(format Format, tenant, epoch string) []byte {
	prefix := "otel-span-signature/" + string(format) + "/kdf"
	info := append([]byte(prefix), 0)
	for _, text := range []string{tenant, epoch} {
		info = binary.BigEndian.AppendUint32(info, uint32(len(text)))
		info = append(info, text...)
	}
	return info
}

// Derive is the secret of a tenant and epoch below a master.
func Derive(master, info []byte) []byte {
	mac := hmac.New(sha256.New, master)
	mac.Write(info)
	return mac.Sum(nil)
}
