package hubspot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// The headers of signature v3. Each webhook also has those of v1 or v2, which hash the secret without a timestamp and are ignored.
const (
	signatureHeader = "X-Hubspot-Signature-V3"
	timestampHeader = "X-Hubspot-Request-Timestamp"
)

// replayWindow is how old a signature may be (Validating requests), and how far a clock may be ahead.
const replayWindow = 300_000 * time.Millisecond

// unescaped are the escapes that HubSpot decodes in a URL before it signs it; all others stay (Validating requests).
var unescaped = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

// signature returns that of a request to a URL, version 3.
func signature(secret, method, url, timestamp string, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(method + unescaped.Replace(url)))
	mac.Write(body)
	mac.Write([]byte(timestamp))
	return mac.Sum(nil)
}

// verify checks the signature of a callback against each URL and each secret, in time that does not depend on which one is right.
func verify(cb ingest.Callback, urls, secrets []string) error {
	sent := cb.Header.Values(signatureHeader) // of several, as a proxy may add one, one that is right is enough
	if len(sent) == 0 {
		return fmt.Errorf("%w: it has no %s (versions 1 and 2 are not accepted)", ingest.ErrForged, signatureHeader)
	}
	timestamp := cb.Header.Get(timestampHeader)
	at, err := strconv.ParseUint(timestamp, 10, 64)
	if err != nil || len(timestamp) != 13 {
		return fmt.Errorf("%w: its %s is not 13 digits", ingest.ErrForged, timestampHeader)
	}
	if age := cb.At.Truncate(time.Millisecond).Sub(time.UnixMilli(int64(at))); age > replayWindow || age < -replayWindow {
		return fmt.Errorf("%w: its timestamp is %s from this machine's clock, more than 5 minutes", ingest.ErrForged, age.Abs().Round(time.Second))
	}
	if len(secrets) == 0 {
		return fmt.Errorf("%w: no client secret is configured", ingest.ErrForged)
	}
	found := false
	for _, secret := range secrets {
		for _, url := range urls {
			right := base64.StdEncoding.EncodeToString(signature(secret, cb.Method, url, timestamp, cb.Body))
			for _, one := range sent {
				if hmac.Equal([]byte(one), []byte(right)) {
					found = true
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("%w: its signature does not match: it must be made with BRIDGE_HUBSPOT_CLIENT_SECRET over the URL below BRIDGE_PUBLIC_URL", ingest.ErrForged)
	}
	return nil
}

// urlsOf returns the URLs under which a callback may have been sent: below each public URL, whose path a proxy may have removed. Without
// a public URL it is the one that the request names, by http or https.
func urlsOf(cb ingest.Callback, public []string) []string {
	if len(public) == 0 {
		return []string{"https://" + cb.Host + cb.URI, "http://" + cb.Host + cb.URI}
	}
	var urls []string
	for _, base := range public {
		urls = append(urls, base+cb.URI)
		if u, err := url.Parse(base); err == nil && u.EscapedPath() != "" && strings.HasPrefix(cb.URI, u.EscapedPath()+"/") {
			urls = append(urls, strings.TrimSuffix(base, u.EscapedPath())+cb.URI)
		}
	}
	return urls
}
