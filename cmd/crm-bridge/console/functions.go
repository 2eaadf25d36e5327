package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// functions are what templates can call.
var functions = template.FuncMap{
	"ago": ago, "at": at, "count": count, "bytes": size, "share": share, "seconds": seconds, "pretty": pretty, "line": line, "dict": dict, "join": strings.Join, "capital": capital,
}

// ago shows a time, a time.Time or a *time.Time, as a span before or after now; its title is the time itself.
func ago(at any) template.HTML {
	var t time.Time
	switch at := at.(type) {
	case time.Time:
		t = at
	case *time.Time:
		if at != nil {
			t = *at
		}
	}
	if t.IsZero() {
		return `<span class="faint">never</span>`
	}
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // no text of others is in it
		t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05 MST"), fromNow(time.Since(t))))
}

// at shows a time as it is, for what does not age on the page.
func at(t time.Time) template.HTML {
	t = t.UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, //nolint:gosec // no text of others is in it
		t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05.000 MST"), t.Format(time.DateTime)))
}

// fromNow writes a span that has passed since, or is left until, something.
func fromNow(passed time.Duration) string {
	if passed < 0 {
		return "in " + inWords(-passed)
	}
	if passed < time.Second {
		return "now"
	}
	return inWords(passed) + " ago"
}

// inWords writes a span in its largest unit.
func inWords(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days"
}

// count writes a number with a space between thousands, which a line is not broken at.
func count(n any) string {
	text := fmt.Sprint(n)
	whole, fraction, _ := strings.Cut(text, ".")
	var out []byte
	for i, digit := range []byte(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 && whole[i-1] != '-' {
			out = append(out, "\u202f"...)
		}
		out = append(out, digit)
	}
	if fraction != "" {
		return string(out) + "." + fraction
	}
	return string(out)
}

// size writes bytes with a unit.
func size(n any) string {
	switch n := n.(type) {
	case int64:
		return config.Size(n).String()
	case uint64:
		return config.Size(min(n, math.MaxInt64)).String()
	case int:
		return config.Size(n).String()
	}
	return fmt.Sprint(n)
}

// share returns how much of a whole a part is, in percent.
func share(part, whole any) int {
	var a, b float64
	if _, err := fmt.Sscan(fmt.Sprint(part), &a); err != nil {
		return 0
	}
	if _, err := fmt.Sscan(fmt.Sprint(whole), &b); err != nil || b <= 0 {
		return 0
	}
	return int(math.Round(100 * a / b))
}

// seconds writes a number of seconds in a readable unit.
func seconds(n float64) string {
	if n < 1 {
		return strconv.FormatFloat(n*1000, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(n, 'f', 1, 64) + " s"
}

// capital begins a text with a capital letter.
func capital(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// pretty indents JSON; what is not JSON is returned as it is.
func pretty(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

// The box of a chart in SVG units.
const width, height = 300.0, 60.0

// line returns the points of an SVG polyline for values, the largest of which reaches the top of the box.
func line(values []float64) string {
	var most float64
	for _, v := range values {
		most = max(most, v)
	}
	var points strings.Builder
	for i, v := range values {
		x, y := width, height-1
		if len(values) > 1 {
			x = width * float64(i) / float64(len(values)-1)
		}
		if most > 0 {
			y = height - 1 - (height-2)*v/most
		}
		fmt.Fprintf(&points, "%.1f,%.1f ", x, y)
	}
	return strings.TrimSpace(points.String())
}

// dict returns names with values, for a template that takes more than one.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("dict takes names and values")
	}
	all := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("%v is not a name", pairs[i])
		}
		all[name] = pairs[i+1]
	}
	return all, nil
}
