package ingest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
)

// The fates of a callback that is not accepted. Every error that leaves a Source or an Accept wraps one of them; what
// wraps none is treated as ErrRetry.
var (
	ErrForged    = errors.New("not authenticated")  // refused with 401, nothing kept
	ErrMalformed = errors.New("malformed")          // kept in quarantine, answered with 400
	ErrTooLarge  = errors.New("too large to store") // answered with 413: sending it again would fail again
	ErrRetry     = errors.New("not stored")         // answered with 503: sending it again is right
)

// ErrIgnored says that a callback is authenticated, but of an account that is not configured: it is answered with 200, and nothing is
// kept.
var ErrIgnored = errors.New("of an account that is not configured")

// ErrUnasked is an ErrRetry of Verify: nothing can be said of the proof, for a reason of our own, such as a store that is
// unreachable. Such a callback may have been the CRM's.
var ErrUnasked = fmt.Errorf("%w: the proof cannot be judged now", ErrRetry)

// ErrUnanswered is an ErrRetry of Accept: NATS has not answered, and may still hold what was sent of the callback.
var ErrUnanswered = fmt.Errorf("%w: NATS has not answered", ErrRetry)

// ErrUnread is an ErrForged of Verify before the body is read: neither the URL nor the headers authenticate the callback.
var ErrUnread = fmt.Errorf("%w: its body is not read yet", ErrForged)

// Source understands the callbacks of one kind that a CRM sends.
type Source interface {
	Label() string   // names the kind, and the family of its events' schema: <provider>-<word>
	Routes() []Route // method and path patterns that it answers
	// Verify returns ErrForged unless cb proves that the CRM sent it. It is called twice: before the body is read, with a
	// nil Body, when nil means that the URL and the headers authenticate the callback; and with the body, which decides.
	Verify(ctx context.Context, cb Callback) error
	// Decode returns what the callback reports. ErrMalformed names what is wrong, without quoting it. Of a batch that is malformed in
	// part it returns the changes of the other parts beside a Partly. Parts of accounts that are not configured are left out; if nothing
	// else is left, it returns ErrIgnored.
	Decode(cb Callback) ([]Change, error)
	Secrets() Secrets // what must never leave the bridge
}

// Partly is an ErrMalformed of Decode for parts of a batch. The changes beside it are those of the other parts.
type Partly []Part

// Part is a malformed part of a batch.
type Part struct {
	Body   []byte // a body that Decode takes, of this part alone
	Reason error  // ErrMalformed, which names what is wrong
}

// Error implements error.
func (p Partly) Error() string {
	switch len(p) {
	case 0:
		return ErrMalformed.Error()
	case 1:
		return p[0].Reason.Error()
	}
	return fmt.Sprintf("%d parts of the batch are malformed, the first: %v", len(p), p[0].Reason)
}

// Unwrap makes it an ErrMalformed.
func (p Partly) Unwrap() error { return ErrMalformed }

// Forgiving marks a Source whose CRM would repeat a callback that is answered with 400, or end the subscription. What is in quarantine
// is answered with 200.
type Forgiving interface{ ForgivesQuarantined() }

// Learner is a Source that may learn secrets from its CRM while it runs, as from an installation: it can authenticate callbacks although
// Secrets has no values.
type Learner interface{ LearnsSecrets() bool }

// Sampler makes the callback that the CRM would send for a change: the inverse of Decode. A Source that is one serves the
// commands send, demo and check.
type Sampler interface {
	// Sample authenticates the callback with token, or with what the source is configured with where token is empty. What the
	// change leaves open, such as its module, is filled in with the CRM's own.
	Sample(change Change, token string) (Callback, error)
	// Proof says what Sample authenticates with where token is empty: the variable that sets it, and the file of the data
	// folder that holds a secret in its place where the variable is not set; empty: none does.
	Proof() (variable, file string)
}

// Signer is a Sampler of a source whose callbacks are authenticated by a signature over their body and their URL.
type Signer interface {
	// Sign authenticates a sample that is about to be posted to a URL, as it is now, with token, or with what the source is configured
	// with where token is empty.
	Sign(cb *Callback, url, token string) error
}

// Route is a method and a path pattern such as "/acme/webhooks/{module}/{operation}".
type Route struct {
	Method, Path string
}

// Secrets says where the callbacks of a source carry what must never be kept or shown.
type Secrets struct {
	// Names are members of a JSON body that are removed: glob patterns in lower case, one for each step of the path,
	// joined by dots ("token", "auth.*_token"); they match in any letter case and look through arrays. The step
	// "<secret>" stands for every name that sounds like a secret's.
	Names []string
	// Records are paths, written likewise, below which everything is the CRM's own data: nothing there is removed for
	// its name.
	Records []string
	// Params are members and parameters at the top level that are data, whatever they are called; as they are written.
	Params []string
	// Hides reports whether a member is removed, where that takes more than a pattern; nil where it does not. The path leads
	// to it from the root, in lower case; object says that an object stands there.
	Hides func(path []string, object bool) bool
	// ValuesAt leads to the record whose values a change repeats: what is removed of the record there is removed of the
	// values too. Empty: nothing is.
	ValuesAt []string
	// Values are configured secrets, masked wherever they appear.
	Values []string
	// Credentials are what authenticates a callback, whole, where Values has parts of it; nil: Values do.
	Credentials []string
	// Looks are credentials of the CRM that give themselves away by their look, masked wherever they appear.
	Looks []Look
	// Derived returns the secrets that are computed for what a callback names, such as a channel's token; nil where
	// there are none. They are masked in what is quarantined; a Change brings its own.
	Derived func(cb Callback) []string
}

// Look is a pattern of credentials.
type Look struct {
	Pattern *regexp.Regexp // its first group stays, and its second is masked
	Words   []string       // in lower case; one of them stands wherever Pattern matches
	Shaped  bool           // only what has letters and digits is masked: the rest may be words
}
