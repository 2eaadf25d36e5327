package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// mostText is more than any value has.
const mostText = 1 << 20

// readText reads the file of a variable. Its errors do not show the path, which may be the secret itself, put into the wrong
// variable.
func readText(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", WithoutPath(err))
	}
	content, err := io.ReadAll(io.LimitReader(file, mostText+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("cannot be read: %w", WithoutPath(err))
	}
	if len(content) > mostText {
		return "", errors.New("is larger than 1 MiB")
	}
	return string(content), nil
}

const byteOrderMark = "\ufeff"

// lineBreaks makes every kind of line break one.
var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// parseText returns the value that a text holds: without a byte order mark and without white space around it. The lines of a
// list become its entries. Its errors never show the text.
func parseText(text string, list bool) (string, error) {
	if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
		return "", errors.New("is UTF-16: save it as UTF-8")
	}
	if !utf8.ValidString(text) {
		return "", errors.New("is not UTF-8: save it as UTF-8")
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, byteOrderMark))
	if text == "" {
		return "", errors.New("is empty")
	}
	text = lineBreaks.Replace(text)
	if strings.Contains(text, "\n") && !list {
		return "", errors.New("holds several lines, and the variable takes one value")
	}
	var entries []string
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if list {
			line = strings.Trim(line, ", \t"+byteOrderMark)
		}
		for _, r := range line {
			switch {
			case unicode.IsControl(r) && (r != '\t' || !list):
				return "", fmt.Errorf("has a control character (U+%04X) in line %d: remove it", r, number)
			case unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp): // comes along with what is copied from a web page
				return "", fmt.Errorf("has an invisible character (U+%04X) in line %d: remove it", r, number)
			}
		}
		if !list {
			return line, nil
		}
		if line != "" {
			entries = append(entries, line)
		}
	}
	if len(entries) == 0 {
		return "", errors.New("holds no entry")
	}
	return strings.Join(entries, ","), nil
}

// WithoutPath leaves out the path that an error of the file system names: it may be the secret itself, put into the wrong
// variable.
func WithoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
