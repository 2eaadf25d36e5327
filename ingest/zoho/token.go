package zoho

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// derivedLength is the length of a token in characters. Zoho accepts at most 50 (actions/watch, token).
const derivedLength = 43

// channelToken derives the token of a channel from a secret.
func channelToken(secret, channel string) string { return derive(secret, channel) }

// channelProof derives the second proof of a channel, which is part of its notify URL. It authenticates callbacks without a token
// (seen on channels whose token a later PATCH or PUT dropped).
func channelProof(secret, channel string) string { return derive(secret, "proof\n"+channel) }

const notificationsPath = "/zoho/notifications"

// notifyURL returns where a channel posts, with the second proof in its query. It is percent-encoded: an example in Zoho's documents
// has a raw space in such a URL, which HTTP refuses.
func notifyURL(publicURL, secret, channel string) string {
	query := url.Values{"channel": {channel}, "proof": {channelProof(secret, channel)}}
	return strings.TrimRight(publicURL, "/") + notificationsPath + "?" + query.Encode()
}

// looks is that of OAuth tokens, such as 1000.abc.def.
var looks = []ingest.Look{{Pattern: regexp.MustCompile(`()(\b1000\.[0-9A-Za-z]{8,}\.[0-9A-Za-z]{8,})`), Words: []string{"1000."}}}

func derive(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))[:derivedLength]
}

// maxDerivations bounds the channels in derivations.
const maxDerivations = 1024

// derivations caches the tokens and proofs of channels, which cost two HMACs for each secret; callbacks name few channels. Only those of
// authenticated callbacks are added.
type derivations struct {
	mu       sync.Mutex
	channels map[string]*derived
}

// derived are the tokens and proofs of a channel under each secret. Nobody changes them.
type derived struct{ tokens, proofs, all []string }

// known returns what is derived for a channel; nil if it is not in the cache.
func (d *derivations) known(channel string) *derived {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channels[channel]
}

// of returns what is derived for a channel, and adds it to the cache.
func (d *derivations) of(channel string, secrets ingest.SecretList) *derived {
	if known := d.known(channel); known != nil {
		return known
	}
	made := &derived{}
	for _, secret := range secrets {
		made.tokens = append(made.tokens, channelToken(secret, channel))
		made.proofs = append(made.proofs, channelProof(secret, channel))
	}
	made.all = slices.Clip(slices.Concat(made.tokens, made.proofs)) // it is handed out
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.channels == nil || len(d.channels) >= maxDerivations {
		d.channels = map[string]*derived{}
	}
	d.channels[channel] = made
	return made
}
