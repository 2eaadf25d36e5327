package hubspot_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
)

const (
	sdkSecret  = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
	contact    = `[{"eventId":3181526809,"subscriptionId":7700001,"portalId":44001122,"appId":9001,"occurredAt":1796040000123,"subscriptionType":"contact.propertyChange","attemptNumber":0,"objectId":150712345678,"propertyName":"lifecyclestage","propertyValue":"customer","changeSource":"CRM_UI","sourceId":"userId:5150"}]`
	contactMAC = "LI59ZNg4gynYaFur4Rklw1EbuaAXB1qjoOjtFJ2HTTk="
)

// signedCallback is a callback that arrives when it was signed.
func signedCallback(uri, timestamp, mac, body string) ingest.Callback {
	cb := callback(body)
	at, _ := strconv.ParseInt(timestamp, 10, 64)
	cb.At, cb.URI = time.UnixMilli(at).UTC(), uri
	cb.Header.Set("X-HubSpot-Request-Timestamp", timestamp)
	cb.Header.Set("X-HubSpot-Signature-v3", mac)
	return cb
}

// Each signature of HubSpot's own SDKs, and of a query and of text beyond ASCII, is right; one of another body, method, URL, time or
// secret is not.
func TestSignatures(t *testing.T) {
	for _, test := range []struct{ secret, base, uri, timestamp, body, mac string }{
		{sdkSecret, "https://www.example.com", "/webhook_uri", "1693657560000", `{'example_field':'example_value'}`, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="},
		{sdkSecret, "https://www.example.com", "/webhook_uri", "1700000300000", `{'example_field':'example_value'}`, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="},
		{secret, "https://bridge.example.org", "/hooks/hubspot", "1796040000456", contact, contactMAC},
		{secret, "https://bridge.example.org", "/hooks/hubspot?team=a%2Fb%20c", "1796040000456", `[]`, "UfSXm+PFnYaeYzbug+WmXjIRgHSsTM/tGrzgmOFpPZg="},
		{secret, "https://bridge.example.org", "/hooks/hubspot?team=a%2fb%20c", "1796040000456", `[]`, "UfSXm+PFnYaeYzbug+WmXjIRgHSsTM/tGrzgmOFpPZg="},
		{secret, "https://bridge.example.org", "/hooks/hubspot", "1796040000456", `[{"eventId":1,"propertyValue":"Müller-Żółw"}]`, "ZYxxrr4K5iWKT/SGTIg8oN3IAWtDD1ncZM9PUqB/1Cs="},
	} {
		source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{"another", test.secret}, PublicURLs: []string{"https://old.example.org", test.base}}
		verify := func(cb ingest.Callback) error { return source.Verify(t.Context(), cb) }
		cb := signedCallback(test.uri, test.timestamp, test.mac, test.body)
		if err := verify(cb); err != nil {
			t.Errorf("%s %s: %v", test.uri, test.body, err)
		}
		for what, change := range map[string]func(*ingest.Callback){
			"body":      func(cb *ingest.Callback) { cb.Body = append(cb.Body, ' ') },
			"method":    func(cb *ingest.Callback) { cb.Method = http.MethodPut },
			"path":      func(cb *ingest.Callback) { cb.URI += "x" },
			"timestamp": func(cb *ingest.Callback) { cb.Header.Set("X-HubSpot-Request-Timestamp", test.timestamp[:12]+"1") },
			"signature": func(cb *ingest.Callback) { cb.Header.Set("X-HubSpot-Signature-v3", contactMAC[:42]+"A=") },
			"encoding":  func(cb *ingest.Callback) { cb.Header.Set("X-HubSpot-Signature-v3", test.mac[:43]) },
		} {
			cb := signedCallback(test.uri, test.timestamp, test.mac, test.body)
			if change(&cb); !errors.Is(verify(cb), ingest.ErrForged) {
				t.Errorf("%s: with another %s it is accepted", test.uri, what)
			}
		}
		source.ClientSecrets = ingest.SecretList{"another"}
		if !errors.Is(verify(cb), ingest.ErrForged) {
			t.Errorf("%s: it is accepted with another secret", test.uri)
		}
		source.ClientSecrets = nil
		if !errors.Is(verify(cb), ingest.ErrForged) {
			t.Errorf("%s: it is accepted without a secret", test.uri)
		}
	}
}

// A signature is valid for five minutes, before and after its time by this clock, and its timestamp has 13 digits.
func TestReplayWindow(t *testing.T) {
	source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{secret}, PublicURLs: []string{"https://bridge.example.org"}}
	for late, valid := range map[time.Duration]bool{
		0: true, 300_000 * time.Millisecond: true, 300_001 * time.Millisecond: false, -300_000 * time.Millisecond: true, -300_001 * time.Millisecond: false,
	} {
		cb := signedCallback("/hooks/hubspot", "1796040000456", contactMAC, contact)
		cb.At = cb.At.Add(late)
		if err := source.Verify(t.Context(), cb); (err == nil) != valid {
			t.Errorf("%s late: %v", late, err)
		}
	}
	for _, timestamp := range []string{"", "1796040000", "01796040000456", "+796040000456", "17960400004.6", "1796040000456 "} {
		mac := hubspot.Signature(secret, http.MethodPost, "https://bridge.example.org/hooks/hubspot", timestamp, []byte(contact))
		cb := signedCallback("/hooks/hubspot", timestamp, mac, contact)
		cb.At = time.UnixMilli(1796040000456)
		if err := source.Verify(t.Context(), cb); !errors.Is(err, ingest.ErrForged) {
			t.Errorf("timestamp %q: %v", timestamp, err)
		}
	}
}

// Signatures of versions 1 and 2 have no timestamp, so that they could be replayed at any time. They are not accepted.
func TestOldSignatures(t *testing.T) {
	source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{sdkSecret}, PublicURLs: []string{"https://www.example.com"}}
	for _, test := range []struct{ version, mac, body string }{
		{"v1", "232db2615f3d666fe21a8ec971ac7b5402d33b9a925784df3ca654d05f4817de", `[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`},
		{"v2", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900", `{"example_field":"example_value"}`},
	} {
		cb := signedCallback("/webhook_uri", "1693657560000", test.mac, test.body)
		if err := source.Verify(t.Context(), cb); !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%s instead of v3: %v", test.version, err)
		}
		cb.Header.Del("X-HubSpot-Signature-v3")
		cb.Header.Set("X-HubSpot-Signature", test.mac)
		cb.Header.Set("X-HubSpot-Signature-Version", test.version)
		if err := source.Verify(t.Context(), cb); !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%s: %v", test.version, err)
		}
	}
}

// A signature that cannot be read, beside the right one, does not hide it; two wrong ones are rejected.
func TestSeveralSignatures(t *testing.T) {
	source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{sdkSecret}, PublicURLs: []string{"https://www.example.com"}}
	right := "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="
	for _, sent := range [][]string{{"%%%", right}, {right, "%%%"}, {"", right}} {
		cb := signedCallback("/webhook_uri", "1693657560000", "", `{'example_field':'example_value'}`)
		cb.Header["X-Hubspot-Signature-V3"] = sent
		if err := source.Verify(t.Context(), cb); err != nil {
			t.Errorf("%q: %v", sent, err)
		}
		cb.Body = []byte("another body")
		if err := source.Verify(t.Context(), cb); !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%q of another body: %v", sent, err)
		}
	}
}

// The URL that HubSpot signs is below any of the public URLs, whether or not a proxy removes their path. Without a public URL it is the one
// that the request names.
func TestPublicURLs(t *testing.T) {
	for _, test := range []struct {
		public            []string
		signed, host, uri string
		valid             bool
	}{
		{[]string{public}, "https://crm.example.com/hubspot/webhooks", "10.0.0.7:8080", path, true},
		{[]string{"https://new.example.com", public}, "https://crm.example.com/hubspot/webhooks", "10.0.0.7", path, true},
		{[]string{"https://crm.example.com:8443/a/b"}, "https://crm.example.com:8443/a/b/hubspot/webhooks?x=1", "10.0.0.7", path + "?x=1", true},
		{[]string{"https://crm.example.com:8443/a/b"}, "https://crm.example.com:8443/a/b/hubspot/webhooks", "10.0.0.7", "/a/b" + path, true},
		{[]string{"https://crm.example.com/a"}, "https://crm.example.com/hubspot/webhooks", "crm.example.com", path, false},
		{[]string{public}, "http://crm.example.com/hubspot/webhooks", "crm.example.com", path, false},
		{[]string{public}, "https://other.example.com/hubspot/webhooks", "other.example.com", path, false},
		{nil, "https://other.example.com/hubspot/webhooks", "other.example.com", path, true},
		{nil, "http://127.0.0.1:8080/hubspot/webhooks", "127.0.0.1:8080", path, true},
		{nil, "https://crm.example.com/hubspot/webhooks", "other.example.com", path, false},
	} {
		source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{secret}, PublicURLs: test.public}
		cb := signedCallback(test.uri, "1796040000456", hubspot.Signature(secret, http.MethodPost, test.signed, "1796040000456", []byte(contact)), contact)
		cb.Host = test.host
		if err := source.Verify(t.Context(), cb); (err == nil) != test.valid {
			t.Errorf("%s, signed, came to %s%s, public %v: %v", test.signed, test.host, test.uri, test.public, err)
		}
	}
}

// HubSpot decodes these escapes of a URL before it signs it, in either case of their letters, and no others.
func TestEscapesOfTheURL(t *testing.T) {
	const timestamp = "1796040000456"
	source := &hubspot.Webhooks{ClientSecrets: ingest.SecretList{secret}, PublicURLs: []string{public}}
	for sent, signed := range map[string]string{
		"%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B": ":/?@!$'()*,;",
		"%3a%2f%3f%40%21%24%27%28%29%2a%2c%3b": ":/?@!$'()*,;",
		"%20%25%26%3D%2B%23%5B%c3%bc%252F":     "%20%25%26%3D%2B%23%5B%c3%bc%252F",
	} {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("POST" + public + path + "?x=" + signed + contact + timestamp))
		cb := signedCallback(path+"?x="+sent, timestamp, base64.StdEncoding.EncodeToString(mac.Sum(nil)), contact)
		if err := source.Verify(t.Context(), cb); err != nil {
			t.Errorf("%s: %v", sent, err)
		}
	}
}
