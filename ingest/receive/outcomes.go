package receive

// accepted is the outcome of nearly all callbacks.
const accepted = "accepted"

// outcomes are what becomes of callbacks, by the status of their answers.
var outcomes = map[int]string{
	200: accepted, 400: "malformed", 401: "forged", 404: "not_found", 408: "slow", 413: "too_large", 415: "encoded", 429: "limited", 500: "failed", 503: "retry",
}

// whys say in words why a callback was not accepted, by outcome.
var whys = map[string]string{
	"malformed": "authenticated, but could not be parsed: it is in quarantine", "unreadable": "the request could not be read", "forged": "not authenticated",
	"not_found": "there is nothing at that path", "slow": "the body did not arrive in time", "too_large": "larger than the bridge or the stream accepts",
	"encoded": "the body is compressed", "limited": "more a second than BRIDGE_RATE", "failed": "the bridge failed on it: the log says how",
	"retry": "could not be stored in time", "ignored": "of an account that is not configured",
}
