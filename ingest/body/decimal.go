package body

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// maxDecimal bounds the digits and the exponent of a number that Decimal writes out.
const maxDecimal = 40

// Decimal returns a JSON number, or a string that holds one, in plain notation with every digit: 1.718115953625E12 is
// "1718115953625". ok is false for anything else, and for more than 40 digits or an exponent beyond 40.
func Decimal(raw []byte) (plain string, ok bool) {
	text := string(raw)
	if said, isString := jsontext.StringOf(raw); isString {
		text = said
	}
	text = strings.TrimSpace(text)
	if len(text) <= maxDecimal && (text == "0" || isDigits(text) && text[0] != '0') {
		return text, true
	}
	digits := strings.TrimPrefix(text, "-")
	for len(digits) > 1 && digits[0] == '0' && '0' <= digits[1] && digits[1] <= '9' {
		digits = digits[1:] // JSON has no such zeros, a string may
	}
	if digits == "" || digits[0] < '0' || digits[0] > '9' || jsontext.Check(digits) != nil {
		return "", false
	}
	mantissa, exponent := digits, 0
	if e := strings.IndexAny(digits, "eE"); e >= 0 {
		var err error
		if exponent, err = strconv.Atoi(digits[e+1:]); err != nil || exponent > maxDecimal || exponent < -maxDecimal {
			return "", false
		}
		mantissa = digits[:e]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if len(whole)+len(fraction) > maxDecimal {
		return "", false
	}
	point := len(whole) + exponent
	all := whole + fraction
	if point < 0 {
		all, point = strings.Repeat("0", -point)+all, 0
	}
	all += strings.Repeat("0", max(0, point-len(all)))
	if plain = strings.TrimLeft(all[:point], "0"); plain == "" {
		plain = "0"
	}
	if fraction = strings.TrimRight(all[point:], "0"); fraction != "" {
		plain += "." + fraction
	}
	if plain != "0" && strings.HasPrefix(text, "-") {
		plain = "-" + plain
	}
	return plain, true
}

// IsInteger reports whether a JSON value is a whole number of up to 30 digits.
func IsInteger(raw []byte) bool {
	digits := bytes.TrimPrefix(raw, []byte("-"))
	return len(digits) <= 30 && isDigits(digits)
}

// isDigits reports whether text is one or more decimal digits.
func isDigits[T ~string | ~[]byte](text T) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) > 0
}

// TextOrInteger returns a JSON string, or a whole number with all its digits: an id that a CRM sends as either. ok is false for anything
// else.
func TextOrInteger(raw []byte) (text string, ok bool) {
	if IsInteger(raw) {
		return string(raw), true
	}
	return jsontext.StringOf(raw)
}

// lastSecond is the end of the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// SinceEpoch returns the time that is a positive number of units, seconds or milliseconds, after the beginning of 1970, as
// Decimal writes it; zero for any other number, and beyond the year 9999. Digits below a nanosecond are cut off.
func SinceEpoch(plain string, unit time.Duration) time.Time {
	whole, fraction, _ := strings.Cut(plain, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	perSecond := int64(time.Second / unit)
	if err != nil || n <= 0 || n/perSecond > lastSecond {
		return time.Time{}
	}
	below, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}
	}
	nanoseconds := n%perSecond*int64(unit) + below/perSecond
	return time.Unix(n/perSecond, nanoseconds).UTC()
}
