package console

import "net/http"

// Guarded protects a page beside the console, such as that of the demo, as the console protects its own: strict headers, only names of
// loopback, and no form that a page of another site has sent. Posted forms are parsed.
func Guarded(next http.Handler) http.Handler {
	return (&Console{}).guarded(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isChange(r) || readForm(w, r) {
			next.ServeHTTP(w, r)
		}
	}))
}

// Asset answers GET /console/assets/{file}: the style sheet, the script and the icon.
func Asset(w http.ResponseWriter, r *http.Request) { asset(w, r) }

// AssetURL returns where Asset has a file; it changes with the file.
func AssetURL(name string) string { return assetURL(name) }
