package bitrix24

import (
	"regexp"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// harmless are the members of auth that are kept. Any other member may be a credential: an access token is there when a known user
// made the change, and later versions of Bitrix24 may add more.
var harmless = []string{"domain", "member_id", "server_endpoint", "server_domain", "client_endpoint", "status", "scope", "expires", "expires_in", "user_id"}

// credentialNames are Bitrix24's own names of credentials. No custom field has one of them: their names start with UF_.
var credentialNames = []string{
	"access_token", "refresh_token", "application_token", "client_secret", "authorization",
	"token", "auth_token", "event_token", "auth_id", "refresh_id", "app_sid", "sessid",
}

var (
	// credentialName matches names that a credential may have beside the record: event_token of a robot, a property api_key.
	credentialName = regexp.MustCompile(`token|secret|passw|passphrase|^pass$|pwd|credential|authorization|^bearer$|^cookies?$|(?:api|access|private|auth).?key|auth.?(?:id|code)|refresh.?id|sess(?:ion)?.?id|(?:^|[^a-z])sid$|^jwt$`)
	// credentialHints are parts of every such name.
	credentialHints = []string{"token", "secret", "pass", "pwd", "cred", "auth", "bearer", "cookie", "key", "refresh", "sess", "sid", "jwt"}
	// harmlessName matches those of them that only describe a credential, or sound like one.
	harmlessName = regexp.MustCompile(`(?:count|type|ttl|length|expires|expires_in|expiry)$|secretar`)
)

// looks is that of the code in the URL of an inbound webhook, /rest/1/…/.
var looks = []ingest.Look{{Pattern: regexp.MustCompile(`(?i)(/rest/[0-9]{1,10}/)([a-z0-9]{10,64})(?:$|[^a-z0-9.])`), Words: strings.Fields("/rest/0 /rest/1 /rest/2 /rest/3 /rest/4 /rest/5 /rest/6 /rest/7 /rest/8 /rest/9"), Shaped: true}}

// secrets returns where the callbacks of Bitrix24 carry credentials.
func secrets(configured []string) ingest.Secrets {
	return ingest.Secrets{Values: configured, Looks: looks, Hides: hides, ValuesAt: []string{"data", "fields"}}
}

// hides reports whether there is a credential at a path, in the envelope of a callback or in its record: data.FIELDS, or EVENT_DATA of
// an offline event. In auth everything is one that is not known to be harmless; elsewhere the name decides.
func hides(path []string, object bool) bool {
	if path = unbracketed(path); len(path) == 0 {
		return false
	}
	inRecord := len(path) > 1 && path[0] == "event_data" || len(path) > 2 && path[0] == "data" && path[1] == "fields"
	if inRecord {
		return slices.ContainsFunc(path[1:], func(step string) bool { return slices.Contains(credentialNames, step) })
	}
	if path[0] == "event_additional" && len(path) > 1 { // of an offline event; authorization data by the documents
		return path[1] != "user_id"
	}
	if at := slices.Index(path, "auth"); at >= 0 {
		switch below := path[at+1:]; len(below) {
		case 0:
			return !object
		case 1:
			return !slices.Contains(harmless, below[0])
		default:
			return true
		}
	}
	return slices.ContainsFunc(path, isCredentialName)
}

func isCredentialName(name string) bool {
	return slices.ContainsFunc(credentialHints, func(hint string) bool { return strings.Contains(name, hint) }) &&
		credentialName.MatchString(name) && !harmlessName.MatchString(name)
}

// unbracketed returns the steps of a path, including those within one name of a form: auth[access_token], also if that was encoded twice.
func unbracketed(path []string) []string {
	if !slices.ContainsFunc(path, func(step string) bool { return strings.ContainsAny(step, "[].%") }) {
		return path
	}
	var steps []string
	for _, step := range path {
		steps = append(steps, strings.FieldsFunc(ingest.Unescape(step), func(r rune) bool { return strings.ContainsRune("[].", r) })...)
	}
	return steps
}
