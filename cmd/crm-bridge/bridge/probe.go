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
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// probeMAC returns the HMAC of a probe's random text: one of the question, and another of the answer. The value of a probe is the text, a dot
// and the first; the answer is the second. Nobody learns anything else: only who shows that they have the secret is shown the same.
func probeMAC(secret, direction, random string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("crm-bridge connect\n" + direction + "\n" + random))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// provable returns the secrets of a source with which probes are made and answered; none where a secret is short enough to be guessed.
func provable(source ingest.Source) []string {
	of := source.Secrets()
	switch {
	case slices.ContainsFunc(of.Values, isShort):
		return nil
	case of.Credentials != nil:
		return of.Credentials
	}
	return of.Values
}

// maxProbe bounds the length of a probe.
const maxProbe = 200

// prove implements receive.Handler.Prove with the secrets of the source whose schema is asked for.
func (c CRMs) prove(path, probe string) (proof string) {
	random, shown, found := strings.Cut(probe, ".")
	if !found || len(probe) > maxProbe {
		return ""
	}
	for _, source := range c.Sources() {
		if schemas.Path(source.Label()) != path {
			continue
		}
		for _, secret := range provable(source) {
			if hmac.Equal([]byte(shown), []byte(probeMAC(secret, "question", random))) {
				proof = probeMAC(secret, "answer", random)
			}
		}
	}
	return proof
}

// Probe returns nil if a bridge answers at a public URL, and has the secrets of crm; it changes nothing there. Unless unchecked is empty,
// that is why its secrets could not be compared. It follows no redirect, because CRMs follow none.
func Probe(ctx context.Context, client *http.Client, publicURL string, crm *ingest.CRM) (unchecked string, err error) {
	label, secret, unchecked := questionFor(publicURL, crm)
	random := rand.Text()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+schemas.Path(label), nil)
	if err != nil {
		return "", fmt.Errorf("BRIDGE_PUBLIC_URL: %w", err)
	}
	request.Header.Set("Cache-Control", "no-cache")
	if secret != "" {
		request.Header.Set(receive.ProbeHeader, random+"."+probeMAC(secret, "question", random))
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := direct.Do(request)
	if err != nil {
		return "", fmt.Errorf("BRIDGE_PUBLIC_URL: %s does not answer: %w; start the bridge, and check the name, the proxy and the firewall in front of it", publish.HideUser(publicURL), errors.Unwrap(err))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return "", fmt.Errorf("BRIDGE_PUBLIC_URL: %s: %w", publish.HideUser(publicURL), err)
	}
	if err := checkProbed(response, body); err != nil {
		return "", fmt.Errorf("BRIDGE_PUBLIC_URL: %s answers %s to a GET of its schemas: %w", publish.HideUser(publicURL), response.Status, err)
	}
	if secret == "" {
		return unchecked, nil
	}
	switch proof := response.Header.Get(receive.ProofHeader); {
	case hmac.Equal([]byte(proof), []byte(probeMAC(secret, "answer", random))):
		return "", nil
	case proof == receive.ProbeForbidden:
		return "BRIDGE_ALLOW of that bridge does not contain the address of this machine, so whether it has the same secrets is not checked", nil
	case proof == receive.ProbeLimited:
		return "", fmt.Errorf("BRIDGE_PUBLIC_URL: the bridge at %s gets more probes than it answers in a second; run this again", publish.HideUser(publicURL))
	}
	return "", fmt.Errorf("BRIDGE_PUBLIC_URL: a crm-bridge answers at %s, but with other secrets of %s: it is another bridge, an older release, or was started before the secret was made or changed; restart it with the configuration of this command", publish.HideUser(publicURL), label)
}

// questionFor returns the source of crm whose schema is asked for, and the secret of a probe; without one, unchecked says why it has none.
func questionFor(publicURL string, crm *ingest.CRM) (label, secret, unchecked string) {
	label = crm.Sources[0].Label()
	for _, source := range crm.Sources {
		values := provable(source)
		switch {
		case len(values) > 0 && !private(publicURL):
			return source.Label(), "", "it is not an https URL, so whether the bridge there has the same secrets is not checked: a probe could be read on the way, and the secret guessed from it"
		case len(values) > 0:
			return source.Label(), values[0], ""
		case len(source.Secrets().Values) > 0:
			unchecked = fmt.Sprintf("a secret of %s is shorter than %d characters, so whether the bridge there has the same secrets is not checked: it could be guessed from a probe", source.Label(), shortSecret)
		}
	}
	return label, "", unchecked
}

// private reports whether nobody on the way can read what is sent to a URL.
func private(publicURL string) bool {
	u, err := url.Parse(publicURL)
	return err == nil && (u.Scheme == "https" || isLoopback(u.Hostname()))
}

// DoubtURL says why a CRM probably cannot call a public URL, whatever this machine can; empty: nothing is known against it.
func DoubtURL(publicURL string) string {
	u, err := url.Parse(publicURL)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case isLoopback(u.Hostname()) || ip != nil && (ip.IsPrivate() || ip.IsLinkLocalUnicast()):
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
