package bridge

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// served are the sources of all CRMs, by label, with what authenticates their callbacks in each org.
func (b *parts) served() (all []console.Served) {
	for _, crm := range b.CRMs {
		for _, source := range crm.Sources {
			proof := b.proofOf(crm, source)
			i := slices.IndexFunc(all, func(s console.Served) bool { return s.Label == source.Label() })
			if i >= 0 {
				all[i].Proofs = append(all[i].Proofs, proof)
				continue
			}
			all = append(all, console.Served{Label: source.Label(), Routes: routesOf(source), Proofs: []console.Proof{proof}})
		}
	}
	return all
}

// routesOf returns where callbacks of a source go: methods and a path, such as "GET, POST /acme/webhooks".
func routesOf(source ingest.Source) (all []string) {
	methods := map[string]string{}
	var paths []string
	for _, route := range source.Routes() {
		if methods[route.Path] == "" {
			paths, methods[route.Path] = append(paths, route.Path), route.Method
			continue
		}
		methods[route.Path] += ", " + route.Method
	}
	for _, path := range paths {
		all = append(all, methods[path]+" "+path)
	}
	return all
}

// proofOf says what authenticates the callbacks of a source in an org.
func (b *parts) proofOf(crm *ingest.CRM, source ingest.Source) console.Proof {
	values := source.Secrets().Values
	proof := console.Proof{Account: crm.Account, Set: len(values) > 0, Learns: len(values) == 0 && hasSecret(source)}
	variable, file, ok := crm.Proof(source)
	if !ok {
		return proof
	}
	proof.Variable = variable
	if b.data == nil || file == "" {
		return proof
	}
	if made, err := datadir.ReadSecret(b.data.Path, file); err == nil && ingest.MatchesAny(made, values) {
		proof.File = file
	}
	return proof
}

// subscriptions are what the console's page Channels shows and changes.
func (c *channels) subscriptions() console.Subscriptions {
	s := console.Subscriptions{None: Known().noChannels(), Change: c.changeChannels}
	if c.keeper == nil {
		return s
	}
	for _, crm := range c.crms.kept() {
		if crm.Watcher == nil {
			continue
		}
		of := console.Subscriber{Provider: crm.Provider, Name: crm.Words.Name, Account: crm.Account, Target: crm.Words.Target}
		for _, word := range []string{"enable", "renew", "disable"} {
			if crm.Changes[word] != nil {
				of.Changes = append(of.Changes, word)
			}
		}
		s.Of = append(s.Of, of)
	}
	return s
}

// connections returns what tells how the CRMs are connected. The secrets that it makes for variables that are not set are the same each
// time, so that a person who comes back to the page finds those that they have pasted.
func (b *parts) connections() func() ([]console.Connection, error) {
	var mu sync.Mutex
	var made []string
	return func() (all []console.Connection, err error) {
		mu.Lock()
		defer mu.Unlock()
		used := 0
		connections, err := b.CRMs.connections(ingest.Connecting{PublicURL: b.Settings.BaseURL(), Now: time.Now(), NewSecret: func() string {
			if used++; used > len(made) {
				made = append(made, rand.Text())
			}
			return made[used-1]
		}})
		for _, one := range connections {
			all = append(all, console.Connection{
				Provider: one.Provider, Name: b.CRMs.CRM(one.Provider).Words.Name, Account: one.Account,
				PublicURL: one.PublicURL, Placeholder: one.Placeholder, Doubt: doubtOf(one), Steps: one.Instructions,
			})
		}
		return all, err
	}
}

// doubtOf says why a CRM probably cannot call the public URL of a connection.
func doubtOf(one Connection) string {
	if one.Placeholder {
		return ""
	}
	return DoubtURL(one.PublicURL)
}

// probeTimeout bounds how long the public URL may take to answer.
const probeTimeout = 10 * time.Second

// checkURL implements console.ConnectPages.Check for the org of a provider that is called account in events.
func (b *parts) checkURL(ctx context.Context, provider, account string) (unchecked string, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for _, crm := range b.CRMs.OfProvider(provider) {
		if crm.Account == account {
			unchecked, err = Probe(ctx, http.DefaultClient, b.Settings.BaseURL(), crm)
			return unchecked, crm.Explain(err)
		}
	}
	return "", console.ErrNotFound
}
