package status

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// count is a number with what it counts: 1 event, 1,204 events.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}

// number is a number with commas between its thousands.
func number(n uint64) string {
	text := strconv.FormatUint(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func bytes(n uint64) string { return publish.RoundBytes(int64(n)) }

// span is a duration in its two largest units: 3 d 4 h, 12 min, 5 s.
func span(d time.Duration) string {
	units := []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, unit := range units {
		if d < unit.of {
			continue
		}
		text := fmt.Sprintf("%d %s", d/unit.of, unit.name)
		if i+1 < len(units) {
			if rest := d % unit.of / units[i+1].of; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// when is a moment in the time of this machine.
func when(at time.Time) string { return at.Local().Format(time.DateTime) }

// keyOf returns the variable of a certificate's key.
func keyOf(variable string) string { return strings.TrimSuffix(variable, "_CERT") + "_KEY" }
