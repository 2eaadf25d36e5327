package ingest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Claimed is the error of a callback that is not authenticated, but names an id, such as its channel or its portal, which helps the
// operator who may have to configure it. Anyone can name one, and a secret of any org may stand in its place, so only Show shows it.
type Claimed struct {
	Err error  // the text before the id
	ID  string // as the callback has it
}

// hiddenID stands for an id that is not shown.
const hiddenID = `"***"`

// Error implements error, without the id.
func (c Claimed) Error() string { return c.Err.Error() + " " + hiddenID }

// Unwrap returns the error without the id.
func (c Claimed) Unwrap() error { return c.Err }

// maxShownID is how much of a claimed id is shown, in characters. Those of CRMs are shorter.
const maxShownID = 40

// Show returns the text of an error with the id that a callback claims, in quotes, escaped and clipped, unless it holds one of secrets.
func Show(err error, secrets []string) string {
	text := err.Error()
	var claimed Claimed
	if !errors.As(err, &claimed) || slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(claimed.ID, secret) }) {
		return text
	}
	id := []rune(claimed.ID)
	if len(id) > maxShownID {
		id = append(id[:maxShownID:maxShownID], []rune("...")...)
	}
	return strings.Replace(text, hiddenID, fmt.Sprintf("%+q", string(id)), 1)
}
