package bridge

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// A probe is a GET of a public schema by which somebody who has a secret of its source learns that a bridge has it too. Nobody learns
// anything else: only who shows that they have the secret is shown the same.
const (
	probeHeader = "X-Crm-Bridge-Probe" // a random text, a dot, and its HMAC
	proofHeader = "X-Crm-Bridge-Proof" // the other HMAC of that text
)

// maxProbe bounds the length of a probe.
const maxProbe = 200

// probeMAC returns the HMAC of a probe's random text: one of the question, and another of the answer.
func probeMAC(secret, direction, random string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("crm-bridge connect\n" + direction + "\n" + random))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// answerProbes has the answers to probes prove themselves, with the secrets of the source whose schema is asked for.
func (c CRMs) answerProbes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if probe := r.Header.Get(probeHeader); probe != "" && len(probe) <= maxProbe && r.Method == http.MethodGet {
			if proof := c.proofOf(strings.TrimSuffix(path.Base(r.URL.Path), ".json"), probe); proof != "" {
				w.Header().Set(proofHeader, proof)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// proofOf returns the answer to a probe of a source; empty if the probe was made with none of its secrets.
func (c CRMs) proofOf(label, probe string) (proof string) {
	random, shown, _ := strings.Cut(probe, ".")
	for _, source := range c.Sources() {
		if source.Label() != label {
			continue
		}
		for _, secret := range source.Secrets().Values {
			if hmac.Equal([]byte(shown), []byte(probeMAC(secret, "question", random))) {
				proof = probeMAC(secret, "answer", random)
			}
		}
	}
	return proof
}

// Probe returns nil if the bridge that answers at a public URL has the secrets of crm; it changes nothing there. Of a CRM without secrets it
// checks that a bridge answers. It follows no redirect, because CRMs follow none.
func Probe(ctx context.Context, client *http.Client, publicURL string, crm *ingest.CRM) error {
	label, secret := crm.Sources[0].Label(), ""
	for _, source := range crm.Sources {
		if values := source.Secrets().Values; len(values) > 0 {
			label, secret = source.Label(), values[0]
			break
		}
	}
	random := rand.Text()
	target := publicURL + schemas.Path(label)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return fmt.Errorf("BRIDGE_PUBLIC_URL: %w", err)
	}
	if secret != "" {
		request.Header.Set(probeHeader, random+"."+probeMAC(secret, "question", random))
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := direct.Do(request)
	if err != nil {
		return fmt.Errorf("BRIDGE_PUBLIC_URL: %s does not answer: %w; start the bridge, and check the name, the proxy and the firewall in front of it", publish.HideUser(publicURL), errors.Unwrap(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("BRIDGE_PUBLIC_URL: %s: %w", publish.HideUser(publicURL), err)
	}
	if err := checkProbed(response, body); err != nil {
		return fmt.Errorf("BRIDGE_PUBLIC_URL: %s answers %s to a GET of its schemas: %w", publish.HideUser(publicURL), response.Status, err)
	}
	proof := response.Header.Get(proofHeader)
	if secret != "" && !hmac.Equal([]byte(proof), []byte(probeMAC(secret, "answer", random))) {
		return fmt.Errorf("BRIDGE_PUBLIC_URL: a crm-bridge answers at %s, but with other secrets of %s: it is another bridge, an older release, or was started before the secret was made or changed; restart it with the configuration of this command", publish.HideUser(publicURL), label)
	}
	return nil
}

// DoubtURL says why a CRM probably cannot call a public URL, whatever this machine can; empty: nothing is known against it.
func DoubtURL(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast()):
		return "a CRM in the internet cannot reach " + u.Hostname()
	case u.Scheme != "https":
		return "most CRMs call https URLs only"
	}
	return ""
}

// checkProbed returns why an answer is not that of a bridge.
func checkProbed(response *http.Response, body []byte) error {
	var schema struct {
		ID string `json:"$id"`
	}
	switch {
	case response.StatusCode/100 == 3:
		return errors.New("it redirects, which CRMs do not follow; set BRIDGE_PUBLIC_URL to where it leads")
	case response.StatusCode != http.StatusOK:
		return errors.New("the path does not lead to a crm-bridge; check the routes of the proxy")
	case json.Unmarshal(body, &schema) != nil || !strings.Contains(schema.ID, "crm-bridge"):
		return errors.New("another program answers there; check the routes of the proxy")
	}
	return nil
}
