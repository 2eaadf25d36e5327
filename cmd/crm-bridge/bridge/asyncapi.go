package bridge

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/receive"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// contract is the AsyncAPI document of this bridge, and the same as a page. Anyone may request it, so it asks NATS at most once
// in contractAge, is written again only when something has changed, and remembers at most maxSubjects subjects.
type contract struct {
	always asyncapi.Facts // with the subjects of what is subscribed to
	store  *store.EventStore
	log    *slog.Logger

	making sync.Mutex // held while it is made again
	made   atomic.Pointer[made]

	mu       sync.RWMutex
	subjects map[string]bool // seen in the stream, or published since the start
}

func newContract(s config.Settings, crms CRMs, in *store.EventStore, log *slog.Logger) *contract {
	c := &contract{store: in, log: log, always: asyncapi.Facts{
		Version: config.Release, Servers: consumersConnect(s, in.URL), Stream: s.Stream, Prefix: s.SubjectPrefix, Binary: s.EventMode == publish.Binary,
	}}
	for _, crm := range crms {
		for _, subject := range crm.Subjects {
			c.always.Subjects = append(c.always.Subjects, s.SubjectPrefix+"."+crm.Provider+"."+subject)
		}
		for _, module := range crm.KeptModules {
			c.always.Records = append(c.always.Records, crm.Provider+"."+module)
		}
	}
	return c
}

// made is a contract as it was at a moment. Each form of it is written when it is first asked for.
type made struct {
	at   time.Time
	of   asyncapi.Facts
	yaml func() ([]byte, error)
	page func() (page, error)
}

// page is a contract for people.
type page struct {
	html   []byte
	policy string // of its content
}

const (
	contractAge     = 5 * time.Second
	contractTimeout = 2 * time.Second
	maxSubjects     = 20_000
)

// note remembers the subjects of published events.
func (c *contract) note(acks []ingest.Ack) {
	for _, ack := range acks {
		c.mu.RLock()
		known := c.subjects[ack.Subject]
		c.mu.RUnlock()
		if !known {
			c.add(ack.Subject)
		}
	}
}

func (c *contract) add(subjects ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.subjects == nil {
		c.subjects = map[string]bool{}
	}
	for _, subject := range subjects {
		if len(c.subjects) < maxSubjects {
			c.subjects[subject] = true
		}
	}
}

func (c *contract) seen() []string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]string, 0, len(c.subjects))
	for subject := range c.subjects {
		all = append(all, subject)
	}
	return all
}

// now returns the contract, at most contractAge old; while it is made again others get the one before.
func (c *contract) now() (*made, error) {
	last := c.made.Load()
	if last != nil && (time.Since(last.at) < contractAge || !c.making.TryLock()) {
		return last, nil
	}
	if last == nil {
		c.making.Lock()
	}
	defer c.making.Unlock()
	if now := c.made.Load(); now != last { // another request has made it meanwhile
		return now, nil
	}
	c.look()
	next, err := remake(last, c.described())
	if err != nil {
		return nil, err
	}
	c.made.Store(next)
	return next, nil
}

// remake makes the contract of a bridge, or returns the last one where nothing has changed.
func remake(last *made, of asyncapi.Facts) (*made, error) {
	if last != nil && reflect.DeepEqual(last.of, of) {
		same := *last
		same.at = time.Now()
		return &same, nil
	}
	document, err := asyncapi.New(of)
	if err != nil {
		return nil, err
	}
	return &made{
		at: time.Now(), of: of, yaml: sync.OnceValues(document.YAML),
		page: sync.OnceValues(func() (page, error) {
			html, policy, err := document.Page()
			return page{html, policy}, err
		}),
	}, nil
}

// look remembers the subjects that the stream holds. Where it cannot be asked, as while a remote NATS is unreachable, those that
// were seen before have to do.
func (c *contract) look() {
	ctx, cancel := context.WithTimeout(context.Background(), contractTimeout)
	defer cancel()
	conn, err := c.store.Reach()
	if err == nil {
		var held []string
		held, err = conn.Subjects(ctx, c.always.Stream, c.always.Prefix+".>", maxSubjects)
		c.add(held...)
	}
	if err != nil {
		c.log.Debug("the stream's subjects cannot be listed for /asyncapi.yaml", "error", err)
	}
}

// described is the bridge as the document shows it.
func (c *contract) described() asyncapi.Facts {
	now := c.always
	now.Subjects = append(c.seen(), c.always.Subjects...)
	slices.Sort(now.Subjects)
	return now
}

// document serves it.
func (c *contract) document(string) (http.Header, []byte, bool) {
	now, err := c.now()
	var text []byte
	if err == nil {
		text, err = now.yaml()
	}
	if err != nil {
		c.log.Error("the AsyncAPI document cannot be made", "error", err)
		return nil, nil, false
	}
	return briefly("application/vnd.aai.asyncapi+yaml;version=3.1.0"), text, true
}

// page serves the same for people.
func (c *contract) page(string) (http.Header, []byte, bool) {
	now, err := c.now()
	var shown page
	if err == nil {
		shown, err = now.page()
	}
	if err != nil {
		c.log.Error("the page of the AsyncAPI document cannot be made", "error", err)
		return nil, nil, false
	}
	header := briefly("text/html; charset=utf-8")
	header.Set("Content-Security-Policy", shown.policy)
	header.Set("Referrer-Policy", "no-referrer")
	return header, shown.html, true
}

func briefly(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "Cache-Control": {"public, max-age=60"}}
}

// schemaOf serves the schemas of families.
func schemaOf(set schemas.Set) receive.PublicFile {
	return func(path string) (http.Header, []byte, bool) {
		contentType, body, ok := set.Document(path)
		return http.Header{"Content-Type": {contentType}}, body, ok
	}
}
