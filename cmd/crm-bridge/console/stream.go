package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxStreams bounds how many pages are sent what happens, at once.
const maxStreams = 8

// streamWrite bounds how long one message may take to be written.
const streamWrite = 10 * time.Second

// inLines has each line of a text begin as the data of an event does: all three are ends of a line there.
var inLines = strings.NewReplacer("\r\n", "\ndata: ", "\r", "\ndata: ", "\n", "\ndata: ")

var errSignedOut = errors.New("your session has ended: sign in again")

// stream sends what happens to a page, as server-sent events whose data is HTML, until the page is closed or its session has ended.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, s *session, run func(*http.Request, func(string, any) error) error) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(c.open, cancel)()
	r = r.WithContext(ctx)
	w.Header().Set("Content-Type", "text/event-stream")
	writer := http.NewResponseController(w)
	if err := writer.SetReadDeadline(time.Time{}); err != nil { // or the page would be lost after the time that a request may take to come
		http.Error(w, "This page cannot be sent what happens.", http.StatusInternalServerError)
		return
	}
	write := func(event, text string) error {
		if err := writer.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, inLines.Replace(strings.TrimSpace(text))); err != nil {
			return err
		}
		return writer.Flush()
	}
	if err := write("open", ""); err != nil {
		return
	}
	err := run(r, func(name string, data any) error {
		if !c.sessions.holds(s, time.Now()) {
			return errSignedOut
		}
		var part bytes.Buffer
		if err := templates["problem"].ExecuteTemplate(&part, name, data); err != nil {
			return err
		}
		return write("part", part.String())
	})
	if err != nil && r.Context().Err() == nil {
		_ = write("problem", sentence(err))
	}
}
