package publish

import (
	"strconv"
	"strings"
	"time"
)

// age formats how long a stream keeps messages.
func age(d time.Duration) string {
	if d <= 0 {
		return "unlimited"
	}
	return short(d)
}

// short formats a duration as people write it: 720h, 2m, 1m30s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// byteText formats a number of bytes without loss: 10GiB, 1536MiB, 1000000B; at most 0 is no limit.
func byteText(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := int64(1) << (40 - 10*i); n%size == 0 {
			return strconv.FormatInt(n/size, 10) + unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// RoundBytes is a number of bytes to one decimal: 10GiB, 1.5GiB, 976.6KiB.
func RoundBytes(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if size := int64(1) << (40 - 10*i); n >= size {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(size), 'f', 1, 64), ".0") + unit
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}
