package main

import "net/http"

// sendOn has every answer that is given during the drain say that its connection ends. A client that keeps its connection,
// such as the proxy of a cluster, then comes back over a new one, which leads to a bridge that is ready; else the end of the
// drain would close the old one just when the next callback is on its way.
func (b *bridge) sendOn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.state.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
