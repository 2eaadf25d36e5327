package bitrix24_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

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
				time.Sleep(15 * time.Minute) // a portal that did not answer is not called for so long at most
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
