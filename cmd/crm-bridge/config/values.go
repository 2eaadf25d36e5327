package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Size is a number of bytes: "512KiB", "1MiB", "10GiB", "1MB" or plain digits.
type Size int64

var units = map[string]float64{
	"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40,
}

var sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$`)

// Decode reads a size from an environment variable.
func (s *Size) Decode(value string) error {
	parts := sizePattern.FindStringSubmatch(strings.TrimSpace(value))
	if parts == nil {
		return errors.New("must be a size such as 512KiB, 1MiB or 10GiB")
	}
	unit, ok := units[strings.ToUpper(parts[2])]
	number, err := strconv.ParseFloat(parts[1], 64)
	if !ok || err != nil || number*unit < 1 || number*unit > math.MaxInt64/2 {
		return errors.New("must be a size such as 512KiB, 1MiB or 10GiB")
	}
	*s = Size(number * unit)
	return nil
}

func (s Size) String() string { return publish.RoundBytes(int64(s)) }

// Count is a number from 1; 0: it is not set.
type Count int

// Decode reads a number from an environment variable.
func (c *Count) Decode(value string) error {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	if err != nil || n < 1 {
		return errors.New("must be a whole number from 1")
	}
	*c = Count(n)
	return nil
}

// Names are names of hosts, or addresses, without a port.
type Names []string

// Decode reads names from an environment variable.
func (n *Names) Decode(value string) error {
	*n = nil
	for name := range strings.SplitSeq(value, ",") {
		name = strings.Trim(strings.TrimSpace(name), "[]")
		switch {
		case name == "":
			continue
		case strings.ContainsAny(name, "/ *?#@") || strings.Contains(name, ":") && net.ParseIP(name) == nil:
			return errors.New("must be names of hosts without a port, such as crm.example.com,10.0.0.7")
		}
		*n = append(*n, name)
	}
	return nil
}

// Duration is a length of time: "500ms", "36h", "7d", "1d12h".
type Duration time.Duration

var daysPattern = regexp.MustCompile(`^([0-9]+)d`)

// Decode reads a span from an environment variable.
func (s *Duration) Decode(value string) error {
	wrong := errors.New("must be a span of time such as 5s, 36h or 7d")
	rest, days := strings.TrimSpace(value), 0
	if parts := daysPattern.FindStringSubmatch(rest); parts != nil {
		rest = strings.TrimPrefix(rest, parts[0])
		var err error
		if days, err = strconv.Atoi(parts[1]); err != nil || days > 36500 {
			return wrong
		}
		if rest == "" {
			rest = "0s"
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return wrong
	}
	*s = Duration(time.Duration(days)*24*time.Hour + d)
	return nil
}

func (s Duration) String() string { return time.Duration(s).String() }

// Rate is a number of callbacks a second: "200" or "0.5".
type Rate float64

// Decode reads a rate from an environment variable.
func (r *Rate) Decode(value string) error {
	rate, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), "/s"), 64)
	if err != nil || !(rate > 0) || math.IsInf(rate, 0) {
		return errors.New("must be a number of callbacks a second, such as 200")
	}
	*r = Rate(rate)
	return nil
}

// PublicURLs are where the CRMs reach the bridge.
type PublicURLs []string

// Decode reads URLs, separated by commas, from an environment variable. They end without a slash.
func (p *PublicURLs) Decode(value string) error {
	var all PublicURLs
	for i, entry := range strings.Split(value, ",") {
		entry = strings.TrimRight(strings.TrimSpace(entry), "/")
		if entry == "" {
			continue
		}
		u, err := url.Parse(entry)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
			return fmt.Errorf("entry %d must be an http or https URL without a query, such as https://crm.example.com", i+1)
		case slices.Contains(all, entry):
			return fmt.Errorf("entry %d is there twice", i+1)
		}
		all = append(all, entry)
	}
	*p = all
	return nil
}

// Paths returns the paths of the URLs that have one, percent-encoded and without a slash at the end.
func (p PublicURLs) Paths() (paths []string) {
	for _, one := range p {
		if u, err := url.Parse(one); err == nil && u.EscapedPath() != "" && !slices.Contains(paths, u.EscapedPath()) {
			paths = append(paths, u.EscapedPath())
		}
	}
	return paths
}

// ParseWhen reads a moment: RFC 3339, a date (its midnight here), or a span back from now.
func ParseWhen(value string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, value); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, value, now.Location()); err == nil {
		return t, nil
	}
	var span Duration
	if span.Decode(value) == nil {
		return now.Add(-time.Duration(span)), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time: give RFC 3339 (2026-11-01T12:00:00Z), a date (2026-11-01) or a span back from now (36h, 7d)", value)
}
