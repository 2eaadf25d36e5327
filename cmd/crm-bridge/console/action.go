package console

import (
	"context"
	"net/url"
)

// Action is a change that an operator makes.
type Action struct {
	Label string // of the button that confirms it
	// Ask returns what the operator confirms, as a question and what follows from a yes; nil: it is made without one.
	Ask func(ctx context.Context, form url.Values) (Question, error)
	// Do makes the change, and returns what was done as a sentence. The browser then goes to the path back, or to the page if it is empty.
	Do func(ctx context.Context, form url.Values) (done, back string, err error)
	// Show takes the place of Do where what it returns is secret, or too long for a sentence: that is the answer.
	Show func(ctx context.Context, form url.Values) (Shown, error)
}

// Shown is what answers a change in place of a page.
type Shown struct {
	Title, Template string
	Data            any
	From            string // path of the page that the live parts are refreshed from; empty: they are not
}

// Question is what an operator confirms.
type Question struct {
	Text      string   // such as "Drop callback 0198…?"
	Details   []string // what follows from a yes
	Permanent bool     // it cannot be undone
	Back      string   // path of the page that a no leads to; empty: that of the action
}
