package terminal

import (
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// plainWords are what libraries write about their own calls, with the words for a person.
var plainWords = []struct {
	said  *regexp.Regexp
	plain string
}{
	{regexp.MustCompile(`\b(?:Get|Head|Post|Put|Patch|Delete) "([^"]*)": `), "$1: "},
	{regexp.MustCompile(`\b(?:dial|read|write) (?:tcp|udp|unix)[46]?(?: \S+->| )(\S+): (?:connect|read|write): connection refused`), "$1 refuses the connection"},
	{regexp.MustCompile(`\b(?:dial|read|write) (?:tcp|udp|unix)[46]?:? (?:\S+->)?`), ""},
	{regexp.MustCompile(`\blookup (\S+?)(?: on \S+)?: (?:no such host|server misbehaving|Temporary failure in name resolution)`), "the host $1 is not known"},
	{regexp.MustCompile(`\b(?:connect|read|write|bind|listen|accept): (connection|broken pipe|cannot assign|address already|permission denied|no route|network is)`), "$1"},
	{regexp.MustCompile(`cannot assign requested address`), "this machine does not have that address"},
	{regexp.MustCompile(`context deadline exceeded(?: \([^)]*\))?|i/o timeout|\(Client\.Timeout [^)]*\)|net/http: request canceled[^:;]*|net/http: TLS handshake timeout|nats: timeout`), "no answer in time"},
	{regexp.MustCompile(`context canceled`), "interrupted"},
	{regexp.MustCompile(`nats: no servers available for connection`), "no NATS server answers"},
	{regexp.MustCompile(`nats: no responders available for request`), "nothing answers there: JetStream may be disabled"},
	{regexp.MustCompile(`\bnats: `), ""},
	{regexp.MustCompile(`strconv\.\w+: parsing ("(?:[^"\\]|\\.)*"): value out of range`), "$1 is out of range"},
	{regexp.MustCompile(`strconv\.\w+: parsing ("(?:[^"\\]|\\.)*"): invalid (?:syntax|base \d+|bit size \d+)`), "$1 is not a number"},
	{regexp.MustCompile(`time: (?:invalid|unknown unit "[^"]*" in|missing unit in) duration ("(?:[^"\\]|\\.)*")`), "$1 is not a span of time, such as 30s"},
	{regexp.MustCompile(`parsing time ("(?:[^"\\]|\\.)*")(?: as "[^"]*": cannot parse .*? as "[^"]*"|: .* out of range)`), "$1 is not a time"},
	{regexp.MustCompile(`parse ("(?:[^"\\]|\\.)*"): (?:net/url: )?(?:invalid|missing|first path|empty)[^;]*`), "$1 is not a URL"},
	{regexp.MustCompile(`json: cannot unmarshal (\w+)(?: \S+)? into Go (?:struct field \w*\.(\S+)|value) of type [^\s;]+`), "JSON of another form: a $1 does not belong at $2"},
	{regexp.MustCompile(`invalid character .{1,8} (?:looking for|after|in|exclamation)[^:;]*|unexpected end of JSON input|json: [^:;]*`), "not valid JSON"},
	{regexp.MustCompile(`unexpected EOF|(^|: )EOF\b`), "${1}the connection was closed"},
	{regexp.MustCompile(`tls: failed to verify certificate: (?:x509: )?`), "the certificate is not trusted: "},
	{regexp.MustCompile(`http: server gave HTTP response to HTTPS client|tls: first record does not look like a TLS handshake`), "the other side does not use TLS there"},
	{regexp.MustCompile(`\b(?:x509|tls): |remote error: tls: |net/http: `), ""},
	{regexp.MustCompile(`unsupported protocol scheme "[^"]*"`), "not an http or https URL"},
	{regexp.MustCompile(`invalid argument ("(?:[^"\\]|\\.)*") for "(?:-\w, )?(--[\w-]+)" flag: must be (?:an integer|a non-negative integer)`), "$2 must be a whole number in range, not $1"},
	{regexp.MustCompile(`invalid argument ("(?:[^"\\]|\\.)*") for "(?:-\w, )?(--[\w-]+)" flag: must be `), "$2 is $1, but must be "},
	{regexp.MustCompile(`invalid argument ("(?:[^"\\]|\\.)*") for "(?:-\w, )?(--[\w-]+)" flag: `), "$2: "},
	{regexp.MustCompile(`: invalid argument`), ": the system does not take that"},
	{regexp.MustCompile(`: <nil>|%!\w\(.*?\)`), ""},
}

// Plainly returns an error in words for people who do not read Go. Characters escaped for HTML are shown verbatim.
func Plainly(err error) string {
	text := err.Error()
	for _, word := range plainWords {
		text = word.said.ReplaceAllString(text, word.plain)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text)
}

// WriteJSONLines writes each of all as a line of JSON.
func WriteJSONLines[of any](out io.Writer, all []of) error {
	encoder := JSONEncoder(out)
	for _, one := range all {
		if err := encoder.Encode(one); err != nil {
			return err
		}
	}
	return nil
}

// JSONEncoder writes JSON as people read it: < > and & as they are.
func JSONEncoder(out io.Writer) *json.Encoder {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder
}
