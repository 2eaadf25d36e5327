package publish

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
)

// Sealed is a Bucket with encrypted values: AES-256-GCM, bound to the key of each value, so that values cannot be swapped.
type Sealed struct {
	Bucket *Bucket
	aead   cipher.AEAD
}

// ErrSealed says that a value cannot be decrypted.
var ErrSealed = errors.New("it was encrypted with another BRIDGE_STATE_KEY")

// sealedPrefix separates the keys of sealed values from those of plain ones.
const sealedPrefix = "sealed."

// NewSealed returns a Bucket that is encrypted with a key derived from a secret of any length.
func NewSealed(bucket *Bucket, secret string) (*Sealed, error) {
	if secret == "" {
		return nil, errors.New("the secret of encrypted state is empty")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "crm-bridge state v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &Sealed{bucket, aead}, err
}

// Load is Bucket.Load, decrypted. A value that was encrypted with another secret is an error.
func (s *Sealed) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	sealed, revision, err := s.Bucket.Load(ctx, sealedPrefix+key)
	if err != nil || sealed == nil {
		return nil, revision, err
	}
	value, err := s.aead.Open(nil, nil, sealed, []byte(key))
	if err != nil {
		return nil, revision, fmt.Errorf("key %s: %w", key, ErrSealed)
	}
	return value, revision, nil
}

// Save is Bucket.Save, encrypted.
func (s *Sealed) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	return s.Bucket.Save(ctx, sealedPrefix+key, s.aead.Seal(nil, nil, value, []byte(key)), revision) //nolint:gosec // the cipher generates a random nonce
}
