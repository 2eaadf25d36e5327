package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	prefixPattern = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)
	streamPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// Load reads the bridge's own variables and checks each, and all of them together. It returns all problems.
func Load(env *Environment) (s Settings, err error) {
	var found Problems
	found.Add(env.Load(&s))
	found.Add(s.check())
	found.Add(s.checkEffects(env))
	s.Traces.load(env)
	return s, found.Err()
}

// check returns all problems of the settings; each names its variables.
func (s Settings) check() error {
	var found Problems
	found.Add(broken([]rule{
		{OneOf(s.LogFormat, "auto", "text", "json"), "BRIDGE_LOG_FORMAT must be auto, text or json"},
		{OneOf(s.Delivery, "journal", "direct"), "BRIDGE_DELIVERY must be journal or direct"},
		{OneOf(s.EventPer, "callback", "record"), "BRIDGE_EVENT_PER must be callback or record"},
		{streamPattern.MatchString(s.Stream), "BRIDGE_STREAM must be 1 to 64 of the characters A-Z a-z 0-9 _ -"},
		{prefixPattern.MatchString(s.SubjectPrefix), "BRIDGE_SUBJECT_PREFIX must be one token: 1 to 64 of the characters a-z 0-9 _ -"},
		{s.StreamReplicas >= 1 && s.StreamReplicas <= 5, "BRIDGE_STREAM_REPLICAS must be from 1 to 5"},
		{s.NATS.URL != "" || s.StreamReplicas == 1, "BRIDGE_STREAM_REPLICAS must be 1 with the embedded server: set BRIDGE_NATS_URL to a cluster for more"},
		{s.StreamDuplicates == 0 || time.Duration(s.StreamDuplicates) >= 100*time.Millisecond, "BRIDGE_STREAM_DUPLICATES must be at least 100ms"},
		{s.StreamMaxAge == 0 || s.StreamDuplicates <= s.StreamMaxAge, "BRIDGE_STREAM_DUPLICATES must not be longer than BRIDGE_STREAM_MAX_AGE"},
		{len(s.FieldsHash) == 0 || len(s.FieldsKey) >= 16, "BRIDGE_FIELDS_HASH needs BRIDGE_FIELDS_KEY, a secret of at least 16 characters"},
		{s.RecordsHistory <= 64, "BRIDGE_RECORDS_HISTORY must be from 1 to 64"},
		{s.MaxBody <= 32<<20, "BRIDGE_MAX_BODY must not be more than 32MiB"},
		{s.MaxInFlight >= 1, "BRIDGE_MAX_IN_FLIGHT must be at least 1"},
		{int64(s.MaxBody) <= s.InFlightBytes(ProcessMemory()), "BRIDGE_MAX_BODY must not be more than BRIDGE_MAX_IN_FLIGHT_BYTES, " +
			Size(s.InFlightBytes(ProcessMemory())).String() + ": a body of that length could never be held"},
		{time.Duration(s.AnswerTimeout) >= time.Millisecond, "BRIDGE_ANSWER_TIMEOUT must be at least 1ms"},
		{paired(s.ListenCert, s.ListenKey), "BRIDGE_LISTEN_CERT and BRIDGE_LISTEN_KEY must be set together"},
		{paired(s.NATS.ListenCert, s.NATS.ListenKey), "BRIDGE_NATS_LISTEN_CERT and BRIDGE_NATS_LISTEN_KEY must be set together"},
		{paired(s.NATS.ListenUser, s.NATS.ListenPassword), "BRIDGE_NATS_LISTEN_USER and BRIDGE_NATS_LISTEN_PASSWORD must be set together"},
		{paired(s.NATS.Cert, s.NATS.Key), "BRIDGE_NATS_CERT and BRIDGE_NATS_KEY must be set together"},
		{AreNATS(s.NATS.URL), "BRIDGE_NATS_URL must be one or more URLs such as nats://host:4222, separated by commas; percent-encode what is special in a user or a password, or set BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD"},
	}))
	for _, address := range [][2]string{{"BRIDGE_LISTEN", s.Listen}, {"BRIDGE_ADMIN_LISTEN", s.AdminListen}, {"BRIDGE_NATS_LISTEN", s.NATS.Listen}} {
		if _, err := net.ResolveTCPAddr("tcp", address[1]); err != nil {
			found.Add(fmt.Errorf("%s must be an address of the form host:port, such as 127.0.0.1:8080", address[0]))
		}
	}
	return found.Err()
}

// AreNATS reports whether each of a list is a URL of a NATS server.
func AreNATS(list string) bool {
	if list == "" {
		return true
	}
	for one := range strings.SplitSeq(list, ",") {
		if one = strings.TrimSpace(one); !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil || u.Hostname() == "" || !OneOf(u.Scheme, "nats", "tls", "ws", "wss") || strings.Count(one, "@") > 1 {
			return false
		}
	}
	return true
}
