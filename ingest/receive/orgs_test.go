package receive_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// secretive is a source whose callbacks begin with its org's secret.
type secretive struct {
	plain
	secret, account string
	asked, parsed   *int
	fails           error // in place of a wrong secret
}

func (s secretive) Verify(_ context.Context, cb ingest.Callback) error {
	*s.asked++
	text, _ := ingest.ParseOnce(cb, func(cb ingest.Callback) (string, error) {
		*s.parsed++
		return string(cb.Body), nil
	})
	if shown, _, _ := strings.Cut(text, " "); ingest.MatchesAny(shown, []string{s.secret}) {
		return nil
	}
	if s.fails != nil {
		return s.fails
	}
	return fmt.Errorf("%w: it shows no secret of BRIDGE_PLAIN_TOKENS", ingest.ErrForged)
}

func (s secretive) Secrets() ingest.Secrets { return ingest.Secrets{Values: []string{s.secret}} }

func (s secretive) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	if strings.HasSuffix(string(cb.Body), "malformed") {
		return nil, ingest.ErrMalformed
	}
	return []ingest.Change{{Module: "Deals", Operation: "edit", IDs: []string{"1"}, Account: s.account}}, nil
}

// orgs are three orgs of one CRM, and what became of their callbacks.
type orgs struct {
	*bench
	asked, parsed int
	changes       []ingest.Change
	kept          []ingest.Callback
	missed        []string
}

func openOrgs(change func(*receive.Handler)) *orgs {
	o := &orgs{}
	source := func(account string) secretive {
		return secretive{secret: account + "-secret", account: account, asked: &o.asked, parsed: &o.parsed}
	}
	o.bench = open(func(h *receive.Handler) {
		h.Sources = []ingest.Source{source("default")}
		for _, org := range []string{"emea", "us_east"} {
			rename := strings.NewReplacer("BRIDGE_PLAIN_TOKENS", "BRIDGE_PLAIN_"+strings.ToUpper(org)+"_TOKENS").Replace
			h.Further = append(h.Further, &ingest.CRM{Provider: "plain", Org: org, Account: org, Rename: rename, Sources: []ingest.Source{source(org)}})
		}
		h.Accept = func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
			o.changes = append(o.changes, changes...)
			return accept(ctx, changes)
		}
		h.Quarantine = func(_ context.Context, cb ingest.Callback, _ error) (string, error) {
			o.kept = append(o.kept, cb)
			return "q1", nil
		}
		h.Missed = func(key, account string, _ time.Time) { o.missed = append(o.missed, key+"/"+account) }
		if change != nil {
			change(h)
		}
	})
	return o
}

// The secret of a callback says of which org it is: that org decodes it, and its name is in the changes and in quarantine.
func TestSecretNamesTheOrg(t *testing.T) {
	for account, org := range map[string]string{"default": "", "emea": "emea", "us_east": "us_east"} {
		o := openOrgs(nil)
		if answer := o.post(account + "-secret ok"); answer.Code != http.StatusOK {
			t.Fatalf("%s: answered %d %s", account, answer.Code, answer.Body)
		}
		if answer := o.post(account + "-secret malformed"); answer.Code != http.StatusBadRequest {
			t.Fatalf("%s: answered %d %s", account, answer.Code, answer.Body)
		}
		if len(o.changes) != 1 || o.changes[0].Account != account || o.changes[0].Org != org {
			t.Errorf("%s: decoded to %+v", account, o.changes)
		}
		if len(o.kept) != 1 || o.kept[0].Org != org {
			t.Errorf("%s: kept %+v", account, o.kept)
		}
	}
}

// A callback that no org accepts costs one parse and a look of each org; the log names each org's own variable, and the answer none.
func TestNoOrgAccepts(t *testing.T) {
	o := openOrgs(nil)
	answer := o.post("guessed x")
	if answer.Code != http.StatusUnauthorized || strings.Contains(answer.Body.String(), "BRIDGE_") {
		t.Fatalf("answered %d %s", answer.Code, answer.Body)
	}
	if o.asked != 2*3 || o.parsed != 2 { // before the body, and with it
		t.Errorf("%d looks, %d parses", o.asked, o.parsed)
	}
	for _, variable := range []string{"BRIDGE_PLAIN_TOKENS", "BRIDGE_PLAIN_EMEA_TOKENS", "BRIDGE_PLAIN_US_EAST_TOKENS"} {
		if !strings.Contains(o.log.String(), variable) {
			t.Errorf("the log does not name %s: %s", variable, o.log.String())
		}
	}
}

// The log names what a callback claims to be, clipped, and shows no secret in its place, whichever org's it is.
func TestClaimsHoldNoSecret(t *testing.T) {
	long := strings.Repeat("x", 30) // what is clipped, too, must not hold a part of a secret
	for claim, want := range map[string]string{
		"7": `names no channel \"7\"`, strings.Repeat("a", 60): `names no channel \"` + strings.Repeat("a", 40) + `...\"`,
		"default-secret": `names no channel \"***\"`, long + "emea-secret": `names no channel \"***\"`, long + "us_east-secret": `names no channel \"***\"`,
	} {
		o := openOrgs(func(h *receive.Handler) {
			for _, crm := range h.Further {
				source := crm.Sources[0].(secretive)
				source.fails = ingest.Claimed{Err: fmt.Errorf("%w: BRIDGE_PLAIN_TOKENS names no channel", ingest.ErrForged), ID: claim}
				crm.Sources[0] = source
			}
		})
		if answer := o.post("guessed x"); answer.Code != http.StatusUnauthorized || !strings.Contains(o.log.String(), want) {
			t.Errorf("%s: answered %d, and logged %s", claim, answer.Code, o.log.String())
		}
	}
}

// Every org is asked, whichever accepts: the duration does not show which.
func TestEveryOrgIsAsked(t *testing.T) {
	for _, account := range []string{"default", "emea", "us_east"} {
		o := openOrgs(nil)
		if o.post(account + "-secret ok"); o.asked != 2*3 {
			t.Errorf("%s: %d looks", account, o.asked)
		}
	}
}

// A callback that two orgs accept is of neither.
func TestTwoOrgsAccept(t *testing.T) {
	o := openOrgs(func(h *receive.Handler) { h.Further = append(h.Further, h.Further[0]) })
	if answer := o.post("emea-secret ok"); answer.Code != http.StatusUnauthorized || len(o.changes) > 0 || !strings.Contains(o.log.String(), "2 orgs accept it") {
		t.Errorf("answered %d %s: %s", answer.Code, answer.Body, o.log.String())
	}
}

// Where one org cannot judge a callback now, another one that accepts it decides; else it is answered with 503, and each org may have
// missed it.
func TestOneOrgCannotJudge(t *testing.T) {
	unasked := func(h *receive.Handler) {
		source := h.Further[0].Sources[0].(secretive)
		source.fails = ingest.ErrUnasked
		h.Further[0].Sources[0] = source
	}
	o := openOrgs(unasked)
	if answer := o.post("us_east-secret ok"); answer.Code != http.StatusOK || len(o.missed) > 0 {
		t.Errorf("answered %d %s, missed by %v", answer.Code, answer.Body, o.missed)
	}
	o = openOrgs(unasked)
	if answer := o.post("emea's x"); answer.Code != http.StatusServiceUnavailable || !slices.Equal(o.missed, []string{"plain/", "plain.emea/", "plain.us_east/"}) {
		t.Errorf("answered %d %s, missed by %v", answer.Code, answer.Body, o.missed)
	}
}

// A callback that cannot be stored is missed by its own org and account alone.
func TestOneOrgMisses(t *testing.T) {
	o := openOrgs(func(h *receive.Handler) {
		h.Accept = func(context.Context, []ingest.Change) ([]ingest.Ack, error) { return nil, ingest.ErrRetry }
	})
	if answer := o.post("emea-secret ok"); answer.Code != http.StatusServiceUnavailable || !slices.Equal(o.missed, []string{"plain.emea/emea"}) {
		t.Errorf("answered %d, missed by %v", answer.Code, o.missed)
	}
}

// batch is a source of malformed parts, one for each word.
type batch struct{ plain }

func (batch) Decode(cb ingest.Callback) ([]ingest.Change, error) {
	words, _ := ingest.ParseOnce(cb, func(cb ingest.Callback) ([]string, error) { return strings.Fields(string(cb.Body)), nil })
	var parts ingest.Partly
	for _, word := range words {
		parts = append(parts, ingest.Part{Body: []byte(word), Reason: ingest.ErrMalformed})
	}
	return nil, parts
}

// Parts that are quarantined at the same time are each parsed as what they are.
func TestPartsAreParsedApart(t *testing.T) {
	words := strings.Repeat("ab cd ef ", 11)
	b := open(func(h *receive.Handler) {
		h.Sources = []ingest.Source{batch{}}
		h.Quarantine = func(_ context.Context, cb ingest.Callback, _ error) (string, error) {
			for range 2 {
				text, _ := ingest.ParseOnce(cb, func(cb ingest.Callback) (string, error) { return string(cb.Body), nil })
				if text != string(cb.Body) {
					t.Errorf("%s is parsed as %s", cb.Body, text)
				}
			}
			return "q1", nil
		}
	})
	if answer := b.post(words); answer.Code != http.StatusBadRequest {
		t.Errorf("answered %d %s", answer.Code, answer.Body)
	}
}
