package console

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"
)

// maxStreams bounds how many pages are sent what happens, at once.
const maxStreams = 8

// streamWrite bounds how long one message may take to be written.
const streamWrite = 10 * time.Second

// stream sends what happens to a page, as server-sent events whose data is HTML, until the page is closed.
func (c *Console) stream(w http.ResponseWriter, r *http.Request, run func(*http.Request, func(string, any) error) error) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-c.ended:
			cancel()
		case <-stop:
		}
	}()
	r = r.WithContext(ctx)
	w.Header().Set("Content-Type", "text/event-stream")
	writer := http.NewResponseController(w)
	write := func(event, text string) error {
		if err := writer.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\ndata: ")); err != nil {
			return err
		}
		return writer.Flush()
	}
	if err := write("open", ""); err != nil {
		return
	}
	err := run(r, func(name string, data any) error {
		var part bytes.Buffer
		if err := templates["problem"].ExecuteTemplate(&part, name, data); err != nil {
			return err
		}
		return write("part", part.String())
	})
	if err != nil && r.Context().Err() == nil {
		_ = write("problem", template.HTMLEscapeString(sentence(err)))
	}
}
