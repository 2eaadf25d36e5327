package bitrix24_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
)

// An installation is believed once the OAuth server has confirmed it; its application_token then proves the portal's
// events, in every replica, and its credentials work.
func TestInstallation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "Deal.edit", false)
		if w.app.Proves(t.Context(), member, "anything") || w.app.TokensFor(t.Context(), member) != nil {
			t.Error("something is proven before the installation")
		}
		other := w.replica(t, "Deal.edit", false)
		if other.Proves(t.Context(), member, "anything") {
			t.Error("something is proven before the installation")
		}
		if status := w.portal.Install(handler); status != http.StatusOK {
			t.Fatalf("answered %d: %s", status, w.log)
		}
		token := w.portal.ApplicationToken()
		if !w.app.Proves(t.Context(), member, token) || !other.Proves(t.Context(), member, token) {
			t.Error("its token proves nothing")
		}
		if w.app.Proves(t.Context(), member, token+"x") || w.app.Proves(t.Context(), member, "") || w.app.Proves(t.Context(), "another", token) {
			t.Error("another token proves something")
		}
		if err := w.client().Call(t.Context(), member, "event.get", nil, nil); err != nil {
			t.Error(err)
		}
	})
}

// What a stranger can know or make up installs nothing: no question goes anywhere but to the OAuth server, and what is
// stored stays.
func TestForgedInstallations(t *testing.T) {
	genuine := func(w *world) bitrix24.Installation {
		_, refresh := w.portal.Grant()
		return bitrix24.Installation{MemberID: member, ApplicationToken: "51856fefc120afa4b628cc82d3935cce", RefreshToken: refresh}
	}
	for name, forge := range map[string]func(_ *testing.T, w *world, from *bitrix24.Installation){
		"a refresh token of another portal": func(_ *testing.T, w *world, from *bitrix24.Installation) {
			_, from.RefreshToken = w.crm.Portal("010b6886ebc205e43ae65000ee00addb").Grant()
		},
		"a made-up refresh token": func(_ *testing.T, _ *world, from *bitrix24.Installation) { from.RefreshToken = strings.Repeat("a", 32) },
		"no refresh token":        func(_ *testing.T, _ *world, from *bitrix24.Installation) { from.RefreshToken = "" },
		"a very long refresh token": func(_ *testing.T, _ *world, from *bitrix24.Installation) {
			from.RefreshToken = strings.Repeat("a", 5000)
		},
		"no application token":        func(_ *testing.T, _ *world, from *bitrix24.Installation) { from.ApplicationToken = "" },
		"a strange application token": func(_ *testing.T, _ *world, from *bitrix24.Installation) { from.ApplicationToken = "a b" },
		"a portal that is not ours": func(_ *testing.T, w *world, from *bitrix24.Installation) {
			from.MemberID = "010b6886ebc205e43ae65000ee00addb"
			_, from.RefreshToken = w.crm.Portal(from.MemberID).Grant()
		},
		"no portal":           func(_ *testing.T, _ *world, from *bitrix24.Installation) { from.MemberID = "" },
		"another application": func(_ *testing.T, w *world, _ *bitrix24.Installation) { w.crm.ClientSecret = "another" },
		"a refresh token used before": func(t *testing.T, w *world, from *bitrix24.Installation) {
			if err := w.app.Install(t.Context(), *from); err != nil {
				t.Error(err)
			}
			from.ApplicationToken = "another-token"
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, "", false)
				from := genuine(w)
				forge(t, w, &from)
				before := w.secret.text()
				err := w.app.Install(t.Context(), from)
				if !errors.Is(err, ingest.ErrForged) {
					t.Errorf("%v", err)
				}
				if w.secret.text() != before || w.app.Proves(t.Context(), from.MemberID, from.ApplicationToken) {
					t.Error("it is believed all the same")
				}
			})
		})
	}
}

// An installation that could not be checked is no forgery, and nothing of it is believed.
func TestInstallationThatCannotBeChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "", false)
		_, refresh := w.portal.Grant()
		from := bitrix24.Installation{MemberID: member, ApplicationToken: "a-token", RefreshToken: refresh}
		w.crm.Break("oauth", 3)
		if err := w.app.Install(t.Context(), from); !errors.Is(err, ingest.ErrRetry) || errors.Is(err, ingest.ErrForged) {
			t.Errorf("%v", err)
		}
		if w.app.Proves(t.Context(), member, "a-token") {
			t.Error("it is believed all the same")
		}
		if err := w.app.Install(t.Context(), from); err != nil {
			t.Errorf("the second time: %v", err)
		}
	})
}

// The end of an installation is believed from who has its token, and then nothing is left: no proof, no credentials. The
// other replicas know within half a minute.
func TestUninstallation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "", false)
		token := w.portal.ApplicationToken()
		other := w.replica(t, "", false)
		if !other.Proves(t.Context(), member, token) {
			t.Fatal("not installed")
		}
		forged, err := (&http.Client{Transport: wire{http.HandlerFunc(w.callback)}}).PostForm(handler, map[string][]string{
			"event": {"ONAPPUNINSTALL"}, "auth[member_id]": {member}, "auth[application_token]": {"made-up"},
		})
		if err != nil || forged.StatusCode != http.StatusUnauthorized || !w.app.Proves(t.Context(), member, token) {
			t.Fatalf("a forged end: %v %v", forged, err)
		}
		if status := w.portal.Uninstall(handler); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
		if w.app.Proves(t.Context(), member, token) {
			t.Error("its token still proves something")
		}
		time.Sleep(31 * time.Second)
		if other.Proves(t.Context(), member, token) {
			t.Error("its token still proves something to another replica")
		}
		if strings.Contains(w.secret.text(), token) {
			t.Errorf("something is left: %s", w.secret.text())
		}
		if err := w.client().Call(t.Context(), member, "event.get", nil, nil); !errors.Is(err, bitrix24.ErrNotInstalled) {
			t.Errorf("%v", err)
		}
		if status := w.portal.Install(handler); status != http.StatusOK || !w.app.Proves(t.Context(), member, w.portal.ApplicationToken()) {
			t.Errorf("installed again: %d", status)
		}
	})
}

// A new version of the application brings a new token and loses all handlers: both are made good, and the handlers'
// absence is a gap.
func TestUpdateOfTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := installed(t, "Deal.edit", false)
		watch(t, w)
		old := w.portal.ApplicationToken()
		time.Sleep(time.Minute)
		if status := w.portal.Update(handler); status != http.StatusOK {
			t.Fatalf("answered %d", status)
		}
		if w.app.Proves(t.Context(), member, old) || !w.app.Proves(t.Context(), member, w.portal.ApplicationToken()) {
			t.Error("the old token proves something, or the new one nothing")
		}
		if watched := watch(t, w); len(watched.Gaps) != 1 || watched.Gaps[0].Module != "Deal" {
			t.Errorf("%+v", watched.Gaps)
		}
	})
}

// Without a configured application every installation is refused, and nothing else is wrong.
func TestNoApplication(t *testing.T) {
	app, err := bitrix24.NewApplication(bitrix24.Config{}, bridgeURL, ingest.State{}, nil, nil)
	if app != nil || err != nil {
		t.Errorf("%v, %v", app, err)
	}
	for name, change := range map[string]func(*bitrix24.Config){
		"CLIENT_SECRET": func(c *bitrix24.Config) { c.Bitrix24.ClientSecret = "" },
		"PORTALS":       func(c *bitrix24.Config) { c.Bitrix24.Portals = nil },
		"EVENTS":        func(c *bitrix24.Config) { c.Bitrix24.Offline, c.Bitrix24.Events = true, nil },
	} {
		var config bitrix24.Config
		c := &config.Bitrix24
		c.ClientID, c.ClientSecret, c.Portals, c.Events = "local.1", "secret-of-ours", ingest.AccountIDs{member}, bitrix24.Wanted{"ONCRMDEALADD"}
		if app, err := bitrix24.NewApplication(config, bridgeURL, ingest.State{}, nil, nil); app == nil || err != nil {
			t.Fatalf("complete: %v", err)
		}
		change(&config)
		if _, err := bitrix24.NewApplication(config, bridgeURL, ingest.State{}, nil, nil); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret-of-ours") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var config bitrix24.Config
	c := &config.Bitrix24
	c.ClientID, c.ClientSecret, c.Portals, c.Events = "local.1", "x", ingest.AccountIDs{member}, bitrix24.Wanted{"ONCRMDEALADD"}
	if _, err := bitrix24.NewApplication(config, "", ingest.State{}, nil, nil); err == nil || !strings.Contains(err.Error(), "PUBLIC_URL") {
		t.Errorf("without a public URL: %v", err)
	}
}

// Portals and the OAuth server are checked, without quoting what may be a secret in the wrong place.
func TestConfig(t *testing.T) {
	var portals ingest.AccountIDs
	if err := portals.Decode(" " + member + " , b "); err != nil || len(portals) != 2 || portals[0] != member {
		t.Errorf("%v, %v", portals, err)
	}
	for _, text := range []string{"some-domain.bitrix24.com", "a b", "a/b"} {
		if err := portals.Decode(text); err == nil || strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	var oauth ingest.BaseURL
	if err := oauth.Decode("https://oauth.bitrix.info/"); err != nil || oauth != "https://oauth.bitrix.info" {
		t.Errorf("%q, %v", oauth, err)
	}
	for _, text := range []string{"oauth.bitrix.info", "ftp://a", "https://u:p@a", "https://a?b", "%"} {
		if err := oauth.Decode(text); err == nil || strings.Contains(err.Error(), text+" ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Events whose application is installed by portals learn their tokens: that none is configured does not mean that all are rejected.
func TestEventsLearnTokens(t *testing.T) {
	if (&bitrix24.Events{}).LearnsSecrets() {
		t.Error("without an application tokens are learnt")
	}
	if !(&bitrix24.Events{Installations: &bitrix24.Installations{}}).LearnsSecrets() {
		t.Error("with an application no token is learnt")
	}
}
