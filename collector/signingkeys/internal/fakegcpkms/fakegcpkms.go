// Package fakegcpkms is a server of as much of Google Cloud KMS as signing keys need, as there is none to run: MacSign
// with HMAC-SHA256, Encrypt and Decrypt with AES-GCM, checksums and the errors of disabled and absent keys.
package fakegcpkms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"net"
	"sync"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Server serves the keys that were put into it.
type Server struct {
	kmspb.UnimplementedKeyManagementServiceServer
	Address string

	mutex  sync.Mutex
	keys   map[string][]byte // by resource name: of a version for MacSign, of a key else
	fail   map[string]codes.Code
	damage bool
	calls  int
	grpc   *grpc.Server
}

// Start serves on loopback until Stop.
func Start() (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{Address: listener.Addr().String(), keys: map[string][]byte{}, fail: map[string]codes.Code{}, grpc: grpc.NewServer()}
	kmspb.RegisterKeyManagementServiceServer(s.grpc, s)
	go func() { _ = s.grpc.Serve(listener) }()
	return s, nil
}

// Stop ends it.
func (s *Server) Stop() { s.grpc.Stop() }

// Put adds a key of 32 bytes.
func (s *Server) Put(name string, key []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.keys[name] = key
}

// Fail answers with a code for a name from now on, codes.OK for no longer.
func (s *Server) Fail(name string, code codes.Code) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.fail[name] = code
}

// Damage makes answers with wrong checksums.
func (s *Server) Damage(damage bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.damage = damage
}

// Calls is how many there were.
func (s *Server) Calls() int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.calls
}

func (s *Server) key(name string) ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls++
	if code := s.fail[name]; code != codes.OK {
		return nil, status.Error(code, name)
	}
	key, found := s.keys[name]
	if !found {
		return nil, status.Error(codes.NotFound, name)
	}
	return key, nil
}

func (s *Server) sum(data []byte) *wrapperspb.Int64Value {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	if s.damage {
		sum ^= 1
	}
	return wrapperspb.Int64(int64(sum))
}

func (s *Server) intact(data []byte, sum *wrapperspb.Int64Value) bool {
	return sum != nil && int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))) == sum.Value
}

// MacSign authenticates with HMAC-SHA256.
func (s *Server) MacSign(_ context.Context, request *kmspb.MacSignRequest) (*kmspb.MacSignResponse, error) {
	key, err := s.key(request.Name)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(request.Data)
	sum := mac.Sum(nil)
	return &kmspb.MacSignResponse{
		Name: request.Name, Mac: sum, MacCrc32C: s.sum(sum), VerifiedDataCrc32C: s.intact(request.Data, request.DataCrc32C),
	}, nil
}

// Encrypt wraps with AES-GCM, the nonce first.
func (s *Server) Encrypt(_ context.Context, request *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	sealer, err := s.sealer(request.Name)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, sealer.NonceSize())
	_, _ = rand.Read(nonce)
	sealed := sealer.Seal(nonce, nonce, request.Plaintext, request.AdditionalAuthenticatedData)
	return &kmspb.EncryptResponse{Name: request.Name, Ciphertext: sealed, CiphertextCrc32C: s.sum(sealed)}, nil
}

// Decrypt opens what Encrypt has wrapped.
func (s *Server) Decrypt(_ context.Context, request *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	sealer, err := s.sealer(request.Name)
	if err != nil {
		return nil, err
	}
	size := sealer.NonceSize()
	if len(request.Ciphertext) < size || !s.intact(request.Ciphertext, request.CiphertextCrc32C) {
		return nil, status.Error(codes.InvalidArgument, "ciphertext")
	}
	opened, err := sealer.Open(nil, request.Ciphertext[:size], request.Ciphertext[size:], request.AdditionalAuthenticatedData)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "decryption failed")
	}
	return &kmspb.DecryptResponse{Plaintext: opened, PlaintextCrc32C: s.sum(opened)}, nil
}

func (s *Server) sealer(name string) (cipher.AEAD, error) {
	key, err := s.key(name)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
