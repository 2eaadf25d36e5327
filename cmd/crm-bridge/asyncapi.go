package main

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// contract is what consumers are told of this bridge: its AsyncAPI document, and the same as a page. Everyone may ask for
// it, so it asks NATS once in contractAge, whoever asks and how often, is written anew only when something has changed, and
// remembers maxTold subjects.
type contract struct {
	making sync.Mutex // held while it is made anew
	made   atomic.Pointer[made]

	mu       sync.RWMutex
	subjects map[string]bool // seen in the stream, or published since the start
}

// made is a contract as it was at a moment.
type made struct {
	at         time.Time
	of         asyncapi.Bridge
	yaml, page []byte
	policy     string // of the page's content
}

const (
	contractAge     = 5 * time.Second
	contractTimeout = 2 * time.Second
	maxTold         = 10_000
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
		if len(c.subjects) < maxTold {
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

// contract returns what consumers are told, at most contractAge old; while it is made anew others get the one before.
func (b *bridge) contract() (*made, error) {
	c := &b.told
	last := c.made.Load()
	if last != nil && (time.Since(last.at) < contractAge || !c.making.TryLock()) {
		return last, nil
	}
	if last == nil {
		c.making.Lock()
	}
	defer c.making.Unlock()
	if now := c.made.Load(); now != last { // somebody has made it meanwhile
		return now, nil
	}
	b.look()
	next, err := remake(last, b.described())
	if err != nil {
		return nil, err
	}
	c.made.Store(next)
	return next, nil
}

// remake writes what is told of a bridge, anew only where it is not as it was before.
func remake(last *made, of asyncapi.Bridge) (*made, error) {
	if last != nil && reflect.DeepEqual(last.of, of) {
		same := *last
		same.at = time.Now()
		return &same, nil
	}
	document, err := asyncapi.New(of)
	if err != nil {
		return nil, err
	}
	next := &made{of: of}
	if next.yaml, err = document.YAML(); err != nil {
		return nil, err
	}
	if next.page, next.policy, err = document.Page(); err != nil {
		return nil, err
	}
	next.at = time.Now()
	return next, nil
}

// look remembers the subjects that the stream holds. Where it cannot be asked, as while a remote NATS is away, those that were
// seen before have to do.
func (b *bridge) look() {
	ctx, cancel := context.WithTimeout(context.Background(), contractTimeout)
	defer cancel()
	conn, err := b.streamConn()
	if err == nil {
		var held []string
		held, err = conn.Subjects(ctx, b.settings.Stream, b.settings.SubjectPrefix+".>", maxTold)
		b.told.add(held...)
	}
	if err != nil {
		b.log.Debug("the stream's subjects cannot be listed for /asyncapi.yaml", "error", err)
	}
}

// streamConn is the connection to the NATS that keeps the stream.
func (b *bridge) streamConn() (*publish.Conn, error) {
	if b.forwarder != nil {
		return b.forwarder.Reach()
	}
	return b.conn, nil
}

// described is the bridge as the document shows it.
func (b *bridge) described() asyncapi.Bridge {
	s := b.settings
	subjects := b.told.seen()
	for _, crm := range b.crms {
		for _, subject := range crm.Subjects {
			subjects = append(subjects, s.SubjectPrefix+"."+crm.Provider+"."+subject)
		}
	}
	slices.Sort(subjects)
	return asyncapi.Bridge{
		Version: config.Release, Servers: b.consumersConnect(), Stream: s.Stream, Prefix: s.SubjectPrefix, Binary: s.EventMode == publish.Binary, Subjects: subjects,
	}
}

// asyncAPI serves the document.
func (b *bridge) asyncAPI(string) (http.Header, []byte, bool) {
	now, err := b.contract()
	if err != nil {
		b.log.Error("the AsyncAPI document cannot be made", "error", err)
		return nil, nil, false
	}
	return briefly("application/vnd.aai.asyncapi+yaml;version=3.1.0"), now.yaml, true
}

// asyncAPIPage serves the same for people.
func (b *bridge) asyncAPIPage(string) (http.Header, []byte, bool) {
	now, err := b.contract()
	if err != nil {
		b.log.Error("the page of the AsyncAPI document cannot be made", "error", err)
		return nil, nil, false
	}
	header := briefly("text/html; charset=utf-8")
	header.Set("Content-Security-Policy", now.policy)
	header.Set("Referrer-Policy", "no-referrer")
	return header, now.page, true
}

func briefly(contentType string) http.Header {
	return http.Header{"Content-Type": {contentType}, "Cache-Control": {"public, max-age=60"}}
}

// schema serves the schema of a family.
func (b *bridge) schema(path string) (http.Header, []byte, bool) {
	contentType, body, ok := b.mapping.Schemas.Document(path)
	return http.Header{"Content-Type": {contentType}}, body, ok
}
