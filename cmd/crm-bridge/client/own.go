package client

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
)

// notSecret are the variables that another command needs to find this bridge; they are safe to print.
var notSecret = []string{"BRIDGE_LISTEN", "BRIDGE_ADMIN_LISTEN", "BRIDGE_NATS_LISTEN", "BRIDGE_DATA_DIR", "BRIDGE_STREAM", "BRIDGE_SUBJECT_PREFIX"}

// OwnCommand returns the command line that starts this program again, for a person to copy.
func OwnCommand() string {
	var words []string
	for _, name := range notSecret {
		if value := os.Getenv(name); value != "" {
			words = append(words, name+"="+quoted(value))
		}
	}
	program := os.Args[0]
	switch {
	case strings.Contains(program, "go-build"):
		program = "go run ./cmd/crm-bridge"
	default:
		program = quoted(program)
		if found, err := exec.LookPath("crm-bridge"); err == nil && sameFile(found, os.Args[0]) {
			program = "crm-bridge"
		}
	}
	return strings.Join(append(words, program), " ")
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./:@%+-]+$`)

// quoted returns a word quoted for a shell.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	if path, err := exec.LookPath(b); err == nil {
		b = path
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
