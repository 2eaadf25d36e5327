package hubspot

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

const (
	journalPath = "/webhooks-journal/journal/" + version
	// maxFile bounds a file of the journal, which holds 10,000 events or 5 MB (Webhooks journal).
	maxFile = 16 << 20
)

// file is a file of the journal.
type file struct {
	offset    string    // of the journal, behind it
	published time.Time // zero: unknown
	events    []rawJSON
	broken    error // why it cannot be read; nil: it can
}

// pointer is where a file can be downloaded from, for a short time.
type pointer struct {
	URL           string    `json:"url"`
	ExpiresAt     time.Time `json:"expiresAt"`
	CurrentOffset string    `json:"currentOffset"`
}

// fetch downloads the file behind an offset, or the earliest one if there is no offset. nil: there is none yet. An offset of which the
// journal has lost the files is a 404.
func (a *app) fetch(ctx context.Context, offset string) (got *file, err error) {
	path := journalPath + "/earliest"
	if offset != "" {
		path = journalPath + "/offset/" + url.PathEscape(offset) + "/next"
	}
	err = retry.Policy{Attempts: 3}.Do(ctx, func() (again bool, after time.Duration, err error) {
		var at pointer
		got = nil
		status, err := a.call(ctx, a.bearer, http.MethodGet, path, nil, &at)
		if err != nil || status == http.StatusNoContent {
			return false, 0, err
		}
		got = &file{offset: at.CurrentOffset}
		if at.CurrentOffset == "" || at.CurrentOffset == offset {
			return false, 0, errors.New("the journal returned a file without an offset of its own")
		}
		err = a.download(ctx, at, got)
		return true, 0, err
	})
	if got != nil && got.broken != nil {
		err = nil // the file reports it
	}
	return got, err
}

// download reads a file from where it is kept, which gets no access token of ours.
func (a *app) download(ctx context.Context, at pointer, into *file) error {
	u, err := url.Parse(at.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !strings.HasPrefix(a.url, "http:")) {
		return errors.New("the journal's file is not at an https URL")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.URL, nil)
	if err != nil {
		return errors.New("the journal's file is not at a URL")
	}
	request.Header.Set("Accept-Encoding", "gzip") // so that a file that is not valid gzip is distinguished from a broken connection
	got, err := rest.Sender{HTTP: a.http, Timeout: time.Minute, MaxAnswer: maxFile}.Do(request)
	var away *rest.Unreachable
	switch {
	case errors.As(err, &away):
		return fmt.Errorf("download the journal's file: %w", err)
	case err != nil:
		into.broken = err
		return err
	case got.Status == http.StatusNotFound || got.Status == http.StatusGone:
		into.broken = fmt.Errorf("its download was answered with %d", got.Status)
		return into.broken
	case got.Status != http.StatusOK: // its URL may have expired
		return fmt.Errorf("download the journal's file: answered %d; its URL expires at %s", got.Status, at.ExpiresAt.Format(time.RFC3339))
	}
	var content struct {
		Events    *[]rawJSON `json:"journalEvents"`
		Published string     `json:"publishedAt"`
	}
	text, err := unzip(got.Body)
	if err != nil {
		into.broken = err
		return err
	}
	if json.Unmarshal(text, &content) != nil || content.Events == nil {
		into.broken = errors.New("the journal's file is not of the documented shape")
		return into.broken
	}
	into.events, into.published, into.broken = *content.Events, parseTime(content.Published), nil
	return nil
}

// unzip returns what is compressed with gzip, whether or not a header said so; anything else as it is.
func unzip(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return raw, nil
	}
	var text []byte
	zipped, err := gzip.NewReader(bytes.NewReader(raw))
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(zipped, maxFile+1))
	}
	switch {
	case err != nil:
		return nil, errors.New("the journal's file is not valid gzip, or is cut")
	case len(text) > maxFile:
		return nil, fmt.Errorf("the journal's file has more than %d KiB", maxFile>>10)
	}
	return text, nil
}
