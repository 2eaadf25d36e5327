package bitrix24_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// storedTokens are what the world's state holds for its portal.
type storedTokens struct {
	Endpoint         string `json:"endpoint"`
	AccessToken      string `json:"access_token"`
	RefreshToken     string `json:"refresh_token"`
	ApplicationToken string `json:"application_token"`
}

func (w *world) tokens(t *testing.T) storedTokens {
	t.Helper()
	raw, _, _ := w.secret.Load(t.Context(), "bitrix24.credentials."+member)
	var tokens storedTokens
	if err := json.Unmarshal(raw, &tokens); err != nil {
		t.Fatal(err)
	}
	return tokens
}

// An access token that has expired is renewed once, the new pair is stored, and the call is made with it. Nothing is
// renewed before it has expired.
func TestExpiredTokenIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		client := w.client()
		before := w.tokens(t)
		asked := w.crm.Calls("oauth")
		if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil || w.crm.Calls("oauth") != asked {
			t.Fatalf("with a fresh token the OAuth server was asked %d times: %v", w.crm.Calls("oauth")-asked, err)
		}
		time.Sleep(2 * time.Hour)
		if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
			t.Fatal(err)
		}
		after := w.tokens(t)
		if after.AccessToken == before.AccessToken || after.RefreshToken == before.RefreshToken || w.crm.Calls("oauth") != asked+1 {
			t.Errorf("the tokens are not new ones, or the OAuth server was asked %d times", w.crm.Calls("oauth")-asked)
		}
		if after.ApplicationToken != w.portal.ApplicationToken() || after.Endpoint != w.portal.Endpoint {
			t.Errorf("the rest has changed: %+v", after)
		}
	})
}

// Four replicas whose access token expires at the same moment show the refresh token once, and all go on.
func TestReplicasDoNotLoseARotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		asked := w.crm.Calls("oauth")
		time.Sleep(2 * time.Hour)
		var all sync.WaitGroup
		for range 4 {
			client := w.client()
			client.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/oauth/") {
					time.Sleep(3 * time.Second)
				}
				return wire{w.crm}.RoundTrip(r)
			})
			all.Go(func() {
				if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if w.crm.Calls("oauth") != asked+1 {
			t.Errorf("the OAuth server was asked %d times", w.crm.Calls("oauth")-asked)
		}
	})
}

// While new tokens cannot be stored nobody uses them; they are not lost, and the first call after the store is back stores
// them and goes on.
func TestTokensAreStoredBeforeTheyAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		client := w.client()
		time.Sleep(2 * time.Hour)
		saves := 0
		w.secret.fail = func(string, []byte) error {
			if saves++; saves > 1 { // the first is the claim
				return errors.New("the store is away")
			}
			return nil
		}
		for range 2 {
			if err := client.Call(t.Context(), member, "event.get", nil, nil); err == nil || !strings.Contains(err.Error(), "store is away") {
				t.Fatalf("with a store that is away: %v", err)
			}
		}
		calls := w.crm.Calls("oauth")
		w.secret.fail = nil
		if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
			t.Fatal(err)
		}
		if w.crm.Calls("oauth") != calls {
			t.Error("the refresh token was shown again")
		}
	})
}

// A caller that gives up while the OAuth server is asked does not lose the tokens that it answers with.
func TestGivingUpLosesNoTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		client := w.client()
		ctx, cancel := context.WithCancel(t.Context())
		inner := client.HTTP.Transport
		client.HTTP.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			response, err := inner.RoundTrip(r)
			if strings.HasPrefix(r.URL.Path, "/oauth/") {
				if cancel(); r.Context().Err() != nil {
					return nil, r.Context().Err()
				}
			}
			return response, err
		})
		time.Sleep(2 * time.Hour)
		_ = client.Call(ctx, member, "event.get", nil, nil)
		if err := w.client().Call(t.Context(), member, "event.get", nil, nil); err != nil {
			t.Error(err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// A bridge that dies between the OAuth server's answer and the store leaves a refresh token that no longer works: the
// error says what to do, the OAuth server is not asked again within the hour, and a new installation mends it.
func TestALostRotationSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		time.Sleep(2 * time.Hour)
		w.crm.LoseAnswers("oauth", 1)
		client := w.client()
		for range 3 {
			err := client.Call(t.Context(), member, "event.get", nil, nil)
			if err == nil || !strings.Contains(err.Error(), "install the application again") {
				t.Fatalf("a lost rotation: %v", err)
			}
		}
		asked := w.crm.Calls("oauth")
		if err := w.client().Call(t.Context(), member, "event.get", nil, nil); err == nil || w.crm.Calls("oauth") != asked {
			t.Errorf("another replica asked %d times: %v", w.crm.Calls("oauth")-asked, err)
		}
		w.portal.Install(handler)
		if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
			t.Error(err)
		}
	})
}

// Only https addresses that are not this machine are called, where the OAuth server is reached over https.
func TestWhereTokensGo(t *testing.T) {
	for endpoint, fine := range map[string]bool{
		"https://some-domain.bitrix24.com/rest/": true, "https://crm.example.com:8443/rest/": true, "https://192.168.1.7/rest/": true,
		"http://some-domain.bitrix24.com/rest/": false, "https://user@some-domain.bitrix24.com/rest/": false, "https://127.0.0.1/rest/": false,
		"https://[::1]/rest/": false, "https://[::ffff:127.0.0.1]/rest/": false, "https://localhost/rest/": false, "https://LOCALHOST./rest/": false,
		"https://169.254.169.254/rest/": false, "https://0.0.0.0/rest/": false, "file:///rest/": false, "": false,
		"https://some-domain.bitrix24.com/rest/?a=": false, "https://some-domain.bitrix24.com/": false, "//some-domain.bitrix24.com/rest/": false,
	} {
		w := newWorld(t, "", false)
		w.portal.Endpoint = endpoint
		client := w.client()
		client.OAuthURL = "https://oauth.bitrix24.test"
		installations := &bitrix24.Installations{Client: client, Portals: []string{member}}
		_, refresh := w.portal.Grant()
		err := installations.Install(t.Context(), bitrix24.Installation{MemberID: member, ApplicationToken: "a-token", RefreshToken: refresh})
		if (err == nil) != fine || err != nil && !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

// A portal that has moved is found again at the OAuth server, not where it redirects to.
func TestPortalThatHasMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		asked := w.crm.Calls("oauth")
		w.portal.Move("new-domain.bitrix24.test")
		client := w.client()
		for range 3 {
			if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if w.crm.Calls("oauth") != asked+1 || !strings.Contains(w.tokens(t).Endpoint, "new-domain") {
			t.Errorf("the OAuth server was asked %d times, and the portal is at %s", w.crm.Calls("oauth")-asked, w.tokens(t).Endpoint)
		}
	})
}
