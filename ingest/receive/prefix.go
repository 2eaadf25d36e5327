package receive

import (
	"iter"
	"net/http"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// withoutPrefixes has the routes of next, whose paths are known, answered below prefixes too: a proxy may keep the path of a public URL. A
// path that is a route as it is stays. Request.RequestURI remains as the sender wrote it, for signatures.
func withoutPrefixes(prefixes []string, known patterns, next http.Handler) http.Handler {
	if len(prefixes) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if sent := r.URL.EscapedPath(); !known.match(sent) {
			for _, prefix := range prefixes {
				rest, found := strings.CutPrefix(sent, prefix)
				if path, err := url.PathUnescape(rest); found && err == nil && known.match(rest) {
					below := *r
					below.URL = new(*r.URL)
					below.URL.Path, below.URL.RawPath = path, ""
					if below.URL.EscapedPath() != rest {
						below.URL.RawPath = rest
					}
					r = &below
					break
				}
			}
		}
		next.ServeHTTP(w, r)
	})
}

// patterns are the segments of the paths of routes.
type patterns [][]string

// patternsOf returns those of the routes of sources, and of other paths.
func patternsOf(sources []ingest.Source, others iter.Seq[string]) (all patterns) {
	for _, source := range sources {
		for _, route := range source.Routes() {
			all = append(all, strings.Split(route.Path, "/"))
		}
	}
	for path := range others {
		all = append(all, strings.Split(path, "/"))
	}
	return all
}

// match reports whether a path may be that of a route.
func (p patterns) match(path string) bool {
	segments := strings.Split(path, "/")
	for _, pattern := range p {
		same := len(pattern) == len(segments)
		for i := 0; same && i < len(pattern); i++ {
			same = pattern[i] == segments[i] || strings.Contains(pattern[i], "{")
		}
		if same {
			return true
		}
	}
	return false
}
