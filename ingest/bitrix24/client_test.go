package bitrix24_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
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

// Where the portal asks for patience, or cannot be reached, the client waits and goes on; and it gives up in the end.
func TestPatience(t *testing.T) {
	for name, test := range map[string]struct {
		inject func(w *world, times int)
		least  time.Duration
	}{
		"too many requests":    {func(w *world, n int) { w.crm.Refuse("event.get", n, 503, "QUERY_LIMIT_EXCEEDED", "Too many requests") }, time.Second},
		"too long in all":      {func(w *world, n int) { w.crm.Refuse("event.get", n, 429, "OPERATION_TIME_LIMIT", "Method is blocked") }, 30 * time.Second},
		"a broken connection":  {func(w *world, n int) { w.crm.Break("event.get", n) }, time.Second},
		"a lost answer":        {func(w *world, n int) { w.crm.LoseAnswers("event.get", n) }, time.Second},
		"an error of its own":  {func(w *world, n int) { w.crm.Refuse("event.get", n, 500, "INTERNAL_SERVER_ERROR", "") }, time.Second},
		"a gateway in between": {func(w *world, n int) { w.crm.Refuse("event.get", n, 502, "", "") }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := installed(t, "", false)
				client := w.client()
				test.inject(w, 3)
				start := time.Now()
				if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took < test.least || took > 10*time.Minute {
					t.Errorf("it took %s", took)
				}
				calls := w.crm.Calls("event.get")
				test.inject(w, 1000)
				if err := client.Call(t.Context(), member, "event.get", nil, nil); err == nil || w.crm.Calls("event.get")-calls != 8 {
					t.Errorf("after %d tries: %v", w.crm.Calls("event.get")-calls, err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				if err := client.Call(ctx, member, "event.get", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("out of time: %v", err)
				}
			})
		})
	}
}

// However many calls there are, a portal's bucket never runs over.
func TestOwnBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		client := w.client()
		start := time.Now()
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if err := client.Call(t.Context(), member, "event.get", nil, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(start); took < 95*time.Second || took > 100*time.Second {
			t.Errorf("200 calls took %s", took)
		}
		if calls := w.crm.Calls("event.get"); calls != 200 {
			t.Errorf("%d calls: the portal had to refuse some", calls)
		}
	})
}

// Whatever goes wrong, neither an error nor the log shows a secret, even where Bitrix24 repeats it.
func TestNoSecretLeaks(t *testing.T) {
	faults := map[string]func(w *world, echo string){
		"an echo of tokens":        func(w *world, echo string) { w.crm.Refuse("event.get", 99, 400, "ERROR "+echo, echo) },
		"a broken connection":      func(w *world, _ string) { w.crm.Break("event.get", 99) },
		"the OAuth server is away": func(w *world, _ string) { w.portal.ExpireAccess(); w.crm.Break("oauth", 99) },
		"the OAuth server refuses": func(w *world, echo string) {
			w.portal.ExpireAccess()
			w.crm.Refuse("oauth", 99, 400, "invalid_grant", echo)
		},
		"the OAuth server breaks": func(w *world, echo string) { w.portal.ExpireAccess(); w.crm.Refuse("oauth", 99, 500, "", echo) },
		"a store that fails": func(w *world, _ string) {
			w.portal.ExpireAccess()
			w.secret.fail = func(string, []byte) error { return errors.New("no") }
		},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := installed(t, "Deal.all", false)
				tokens := w.tokens(t)
				secrets := []string{tokens.AccessToken, tokens.RefreshToken, tokens.ApplicationToken, w.crm.ClientSecret}
				fault(w, strings.Join(secrets, " and "))
				_, watched := watchOnce(t.Context(), w)
				called := w.client().Call(t.Context(), member, "event.get", nil, nil)
				if called == nil || watched == nil {
					t.Fatal("nothing went wrong")
				}
				after := w.tokens(t)
				secrets = append(secrets, after.AccessToken, after.RefreshToken)
				for where, text := range map[string]string{"error of a call": called.Error(), "error of Watch": watched.Error(), "log": w.log.String(), "shared state": w.shared.text()} {
					for _, secret := range secrets {
						if strings.Contains(text, secret) {
							t.Errorf("the %s shows %q: %s", where, secret, text)
						}
					}
				}
			})
		})
	}
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

// A redirect is an answer like another: nobody follows it with a token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	w := installed(t, "", false)
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer elsewhere.Close()
	client := w.client()
	client.HTTP = &http.Client{Transport: wire{http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect)}}
	if err := client.Call(t.Context(), member, "event.get", nil, nil); err == nil || followed {
		t.Errorf("followed: %t, %v", followed, err)
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
