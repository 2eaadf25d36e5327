package receive

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"
)

// refusals limits how often equal refusals, which anyone can cause, are logged: the first of a kind, then one line a minute with their
// number. The metrics count each.
type refusals struct {
	mu    sync.Mutex
	kinds map[refusalKind]*repeated
	timer *time.Timer // runs while there are kinds
}

// refusalKind identifies equal refusals. Its reason is without quotations of the request.
type refusalKind struct {
	source string
	status int
	reason string
}

// repeated are the refusals of a kind since its last line.
type repeated struct {
	count  int
	reason string // of the last one
	from   netip.Addr
}

const (
	// refusalsEvery is the interval at which equal refusals are logged. A kind that did not occur in one is forgotten.
	refusalsEvery = time.Minute
	// maxKinds limits the kinds that are counted separately; all others of a source and a status count as one.
	maxKinds = 128
)

var quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// repeats reports whether a refusal is only counted for a later line. An authenticated callback is always logged, except beyond the
// rate.
func (k *refusals) repeats(h *Handler, r *result) bool {
	if r.authenticated && r.status != http.StatusTooManyRequests {
		return false
	}
	reason, _, _ := strings.Cut(r.err.Error(), "\n") // the stack of a panic follows
	kind := refusalKind{r.label, r.status, strings.Clone(clip(quotation.ReplaceAllString(reason, `""`), 200))}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kinds == nil {
		k.kinds = map[refusalKind]*repeated{}
	}
	if k.kinds[kind] == nil && len(k.kinds) >= maxKinds {
		kind.reason = ""
	}
	if one := k.kinds[kind]; one != nil {
		one.count++
		one.reason, one.from = reason, r.from
		return true
	}
	k.kinds[kind] = &repeated{}
	if k.timer == nil {
		k.timer = time.AfterFunc(refusalsEvery, func() { k.tick(h.Log) })
	}
	return false
}

// tick logs the counts, and forgets kinds that did not occur.
func (k *refusals) tick(log *slog.Logger) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer == nil {
		return // end was called meanwhile
	}
	k.write(log)
	if len(k.kinds) == 0 {
		k.timer = nil
		return
	}
	k.timer.Reset(refusalsEvery)
}

// end logs the counts, and forgets all kinds.
func (k *refusals) end(log *slog.Logger) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	k.write(log)
	clear(k.kinds)
}

func (k *refusals) write(log *slog.Logger) {
	for kind, one := range k.kinds {
		if one.count == 0 {
			delete(k.kinds, kind)
			continue
		}
		log.LogAttrs(context.Background(), slog.LevelWarn, "callbacks refused again", slog.String("source", kind.source), slog.Int("status", kind.status),
			slog.Int("count", one.count), slog.String("last_from", one.from.String()), slog.String("last_reason", one.reason))
		*one = repeated{}
	}
}

func clip(text string, most int) string {
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Flush logs the refusals that were only counted so far, and reports pending misses. Call it after the last request.
func (h *Handler) Flush() {
	h.refusals.end(h.Log)
	if h.Missed != nil {
		h.misses.flush(h.missedByAny)
	}
}
