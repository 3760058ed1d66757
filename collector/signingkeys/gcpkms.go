package signingkeys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	kmsapi "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type gcpKMS struct{ client *kmsapi.KeyManagementClient }

func newGCP(ctx context.Context, config *GCPConfig) (*gcpKMS, error) {
	var options []option.ClientOption
	if config.Endpoint != "" {
		options = append(options, option.WithEndpoint(config.Endpoint))
	}
	if config.Insecure {
		options = append(options, option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	}
	client, err := kmsapi.NewKeyManagementClient(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &gcpKMS{client}, nil
}

// mac takes the version that the id pins, or another version of the same key.
func (g *gcpKMS) mac(ctx context.Context, id string, version int, message []byte) ([]byte, int, error) {
	key, pinned, err := gcpVersion(id)
	if err != nil {
		return nil, 0, &failure{refused, err}
	}
	if version == 0 {
		version = pinned
	}
	name := fmt.Sprintf("%s/cryptoKeyVersions/%d", key, version)
	answer, err := g.client.MacSign(ctx, &kmspb.MacSignRequest{Name: name, Data: message, DataCrc32C: checksum(message)})
	if status.Code(err) == codes.NotFound && version != pinned {
		return nil, 0, &failure{absent, err}
	}
	if err != nil {
		return nil, 0, gcpFailure(err)
	}
	if !answer.GetVerifiedDataCrc32C() || answer.GetMacCrc32C().GetValue() != checksum(answer.GetMac()).GetValue() || answer.GetName() != name {
		return nil, 0, &failure{transient, errors.New("damaged on the way: a checksum or the key's name is wrong")}
	}
	return answer.GetMac(), version, nil
}

func (g *gcpKMS) unwrap(ctx context.Context, id, tenant, wrapped string) ([]byte, error) {
	ciphertext, err := base64.StdEncoding.DecodeString(strings.TrimSpace(wrapped))
	if err != nil {
		return nil, &failure{refused, err}
	}
	bound := []byte(tenant)
	answer, err := g.client.Decrypt(ctx, &kmspb.DecryptRequest{
		Name: id, Ciphertext: ciphertext, CiphertextCrc32C: checksum(ciphertext),
		AdditionalAuthenticatedData: bound, AdditionalAuthenticatedDataCrc32C: checksum(bound),
	})
	if err != nil {
		return nil, gcpFailure(err)
	}
	if answer.GetPlaintextCrc32C().GetValue() != checksum(answer.GetPlaintext()).GetValue() {
		return nil, &failure{transient, errors.New("damaged on the way: the checksum is wrong")}
	}
	return answer.GetPlaintext(), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, castagnoli)))
}

func gcpFailure(err error) error {
	switch status.Code(err) {
	case codes.NotFound, codes.FailedPrecondition, codes.InvalidArgument:
		return &failure{refused, err}
	case codes.PermissionDenied, codes.Unauthenticated:
		return &failure{denied, err}
	}
	return &failure{transient, err}
}

func (g *gcpKMS) close() error { return g.client.Close() }
