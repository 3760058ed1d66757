package signingkeys

import (
	"bytes"
	"context"
	"encoding/base64"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
)

func gcpWrap(t *testing.T, g *gcpKMS, key, tenant string) string {
	answer, err := g.client.Encrypt(context.Background(), &kmspb.EncryptRequest{
		Name: key, Plaintext: bytes.Repeat([]byte{7}, masterBytes), AdditionalAuthenticatedData: []byte(tenant),
	})
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(answer.Ciphertext)
}
