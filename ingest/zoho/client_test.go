package zoho_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// Twenty replicas over a day share their access tokens: one is made for each hour, and never more than Zoho allows.
func TestReplicasShareAccessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		var replicas []*zoho.Channels
		for range 20 {
			replicas = append(replicas, channels(t, crm, "v8", state, "Deals.all"))
		}
		for range 24 * 4 {
			var all sync.WaitGroup
			for _, replica := range replicas {
				all.Go(func() {
					for _, err := range replica.Changed(t.Context(), ingest.Query{Module: "Deals", Since: time.Now().Add(-time.Hour), Until: time.Now()}) {
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			time.Sleep(15 * time.Minute)
		}
		if made, refused := crm.TokensMade(); made > 28 || refused > 0 {
			t.Errorf("%d tokens were made and %d refused", made, refused)
		}
		if strings.Contains(state.Shared.(*ingesttest.FailingMemory).Dump(), "1000.access") {
			t.Error("the access token is in the store that anyone reads")
		}
	})
}

// A token that Zoho does not take any more is replaced once. When none is taken, the limit is kept, and said.
func TestRefusedAccessTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all")
		watch(t, c, state)
		crm.RevokeTokens()
		if _, err := c.Renew(t.Context(), state); err != nil {
			t.Fatal(err)
		}
		if made, _ := crm.TokensMade(); made != 2 {
			t.Errorf("%d tokens were made", made)
		}
		var err error
		for range 30 {
			crm.RevokeTokens()
			if _, err = c.Renew(t.Context(), state); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), "access tokens were requested within 10 minutes") {
			t.Errorf("the limit: %v", err)
		}
		if made, refused := crm.TokensMade(); made > 9 || refused > 0 {
			t.Errorf("%d tokens were made and %d refused", made, refused)
		}
		time.Sleep(11 * time.Minute)
		if _, err := c.Renew(t.Context(), state); err != nil {
			t.Errorf("after ten minutes: %v", err)
		}
	})
}

// Whatever goes wrong, the error says what was done and shows no secret.
func TestErrorsShowNoSecret(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the nastiest answer: all that was sent, in an error
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"` + strings.ReplaceAll(string(body), `"`, "") + `","code":"` + r.Header.Get("Authorization") + `","message":"` + strings.ReplaceAll(string(body), `"`, "") + `"}`))
	})
	crm := newCRM()
	for name, handler := range map[string]http.Handler{
		"the accounts server echoes": echo,
		"the API echoes": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/token") {
				crm.ServeHTTP(w, r)
				return
			}
			echo(w, r)
		}),
		"the connection breaks": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		"it redirects": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/?"+r.Header.Get("Authorization"), http.StatusTemporaryRedirect)
		}),
		"it hangs":          http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"a page of a proxy": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>\x00\xff</html>")) }),
		"the client is wrong": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := r.ParseForm(); err == nil {
				r.Form.Set("client_secret", "x")
			}
			crm.ServeHTTP(w, r)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				state := ingesttest.State()
				c := channels(t, crm, "v8", state, "Deals.all")
				c.Client.HTTP = &http.Client{Transport: ingesttest.Direct(handler)}
				_, err := watchOnce(t.Context(), c, state)
				if err == nil {
					t.Fatal("no error")
				}
				t.Log(err)
				checkNoSecret(t, crm, err.Error())
				if strings.Contains(err.Error(), "elsewhere") {
					t.Error("shows where it was redirected to")
				}
				checkNoSecret(t, crm, state.Shared.(*ingesttest.FailingMemory).Dump())
			})
		})
	}
}

// What fails for a while is tried again, with pauses; what fails for long is given up, and the context ends it at once.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm, state := newCRM(), ingesttest.State()
		c := channels(t, crm, "v8", state, "Deals.all")
		q := ingest.Query{Module: "Deals", Since: time.Now(), Until: time.Now().Add(time.Hour)}
		crm.Fail(zohotest.ZohoHang, zohotest.ZohoBroken, zohotest.Failure{}, zohotest.ZohoBusy, zohotest.ZohoProxy, zohotest.ZohoLost, zohotest.ZohoHang)
		begin := time.Now()
		changed(t, c, q)
		if took := time.Since(begin); took < 60*time.Second || took > 3*time.Minute {
			t.Errorf("took %s", took)
		}
		for range 20 {
			crm.Fail(zohotest.ZohoBusy)
		}
		for _, err := range c.Changed(t.Context(), q) {
			if err == nil || !strings.Contains(err.Error(), "429 TOO_MANY_REQUESTS") {
				t.Errorf("gave %v", err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begin = time.Now()
		for _, err := range c.Changed(ctx, q) {
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > time.Second {
				t.Errorf("after %s: %v", time.Since(begin), err)
			}
		}
	})
}

// An answer without an end is not read to it.
func TestEndlessAnswer(t *testing.T) {
	crm, state := newCRM(), ingesttest.State()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for chunk := make([]byte, 1<<20); ; {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	c := client(crm, "v8", state)
	c.HTTP, c.TokenURL, c.Attempts = endless.Client(), endless.URL+"/oauth/v2/token", 1
	list := &zoho.Channels{Client: c, Account: "default", Secrets: ingest.SecretList{tokenSecret}}
	if _, err := watchOnce(t.Context(), list, state); err == nil || !strings.Contains(err.Error(), "more than 16384 KiB") {
		t.Errorf("gave %v", err)
	}
}

// Over a real connection, with callbacks to the real source: what changes in the CRM is proven and decoded.
func TestChannelsTellTheSource(t *testing.T) {
	crm, state := newCRM(), ingesttest.State()
	source := &zoho.Notifications{Account: "default", TokenSecrets: ingest.SecretList{tokenSecret}}
	var heard []string
	crm.Callbacks = ingesttest.Direct(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		cb := callback(body, r.URL.RawQuery)
		if err := source.Verify(r.Context(), cb); err != nil || r.URL.Path != cb.Path {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		changes, err := source.Decode(cb)
		if err != nil {
			t.Error(err)
		}
		for _, change := range changes {
			heard = append(heard, change.Module+"."+change.Operation)
		}
		w.WriteHeader(http.StatusOK)
	}))
	server := httptest.NewServer(crm)
	defer server.Close()
	for _, version := range everyVersion {
		heard = nil
		c := channels(t, crm, version, state, "Deals.all,Contacts.create")
		c.Client.HTTP, c.Client.TokenURL, c.Client.APIURL = server.Client(), server.URL+"/oauth/v2/token", server.URL
		watch(t, c, state)
		id := create(t, crm, "Deals")
		edit(t, crm, "Deals", id)
		remove(t, crm, "Deals", id)
		edit(t, crm, "Contacts", create(t, crm, "Contacts"))
		if got := strings.Join(heard, " "); got != "Deals.create Deals.edit Deals.delete Contacts.create" {
			t.Errorf("%s: heard %s", version, got)
		}
	}
}
