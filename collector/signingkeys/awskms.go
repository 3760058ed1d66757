package signingkeys

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
)

type awsKMS struct{ client *kms.Client }

func newAWS(ctx context.Context, config *AWSConfig) (*awsKMS, error) {
	var options []func(*awsconfig.LoadOptions) error
	if config.Region != "" {
		options = append(options, awsconfig.WithRegion(config.Region))
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	client := kms.NewFromConfig(loaded, func(o *kms.Options) {
		o.RetryMaxAttempts = 1 // what is tried again, and when, is decided in keys.go
		if config.Endpoint != "" {
			o.BaseEndpoint = aws.String(config.Endpoint)
		}
	})
	return &awsKMS{client}, nil
}

func (a *awsKMS) mac(ctx context.Context, id string, version int, message []byte) ([]byte, int, error) {
	answer, err := a.client.GenerateMac(ctx, &kms.GenerateMacInput{
		KeyId: aws.String(id), MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message,
	})
	if err != nil {
		return nil, 0, awsFailure(err)
	}
	return answer.Mac, max(version, 1), nil
}

func (a *awsKMS) unwrap(ctx context.Context, id, tenant, wrapped string) ([]byte, error) {
	ciphertext, err := base64.StdEncoding.DecodeString(strings.TrimSpace(wrapped))
	if err != nil {
		return nil, &failure{refused, err}
	}
	answer, err := a.client.Decrypt(ctx, &kms.DecryptInput{
		CiphertextBlob: ciphertext, KeyId: aws.String(id), EncryptionContext: awsContext(tenant),
	})
	if err != nil {
		return nil, awsFailure(err)
	}
	return answer.Plaintext, nil
}

// awsContext is what a data key is bound to when it is made.
func awsContext(tenant string) map[string]string {
	return map[string]string{"betrace:tenant": tenant, "betrace:purpose": "span-signature-v1"}
}

var awsOutcomes = map[string]outcome{
	"DisabledException": refused, "NotFoundException": refused, "InvalidKeyUsageException": refused,
	"KMSInvalidStateException": refused, "InvalidArnException": refused, "InvalidCiphertextException": refused,
	"IncorrectKeyException": refused, "ValidationException": refused,
	"AccessDeniedException": denied, "UnrecognizedClientException": denied, "ExpiredTokenException": denied,
	"InvalidSignatureException": denied, "MissingAuthenticationTokenException": denied, "InvalidClientTokenId": denied,
}

func awsFailure(err error) error {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		if outcome, known := awsOutcomes[answer.ErrorCode()]; known {
			return &failure{outcome, err}
		}
	}
	return &failure{transient, err}
}

func (a *awsKMS) close() error { return nil }
