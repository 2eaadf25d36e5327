package hubspot_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
)

// A file that is compressed is read, whatever its headers say. One that is not valid gzip, is cut, expands without end, or is missing is
// skipped with a gap, and what follows is read.
func TestJournalOfCompressedFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake()
		opened, state, k := subscribed(t, crm)
		zip := func(id int, more string) []byte {
			var zipped bytes.Buffer
			writer := gzip.NewWriter(&zipped)
			_, _ = fmt.Fprintf(writer, `{"journalEvents":[{"type":"crmObject","portalId":44001122,"action":"CREATE","objectTypeId":"0-1","objectId":%d}],"x":%q}`, id, more)
			_ = writer.Close()
			return zipped.Bytes()
		}
		whole := zip(2, "")
		crm.PublishFile(zip(1, ""))
		for _, broken := range []any{[]byte("\x1f\x8b\x08 not gzip, but said to be"), whole[:len(whole)-9], zip(3, strings.Repeat("x", 17<<20)), nil} {
			crm.PublishFile(broken)
		}
		crm.PublishFile(whole)
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err != nil {
			t.Fatal(err)
		}
		if got := records(k.taken); !slices.Equal(got, []string{"1", "2"}) || len(k.gaps) != 8 { // four files, two objects
			t.Errorf("accepted %v, gaps %v", got, k.gaps)
		}
	})
}

// A file is downloaded over https alone, for it is not authenticated otherwise; in a test whose API is at http also over that.
func TestJournalFilesAreEncrypted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := fake() // its files are at http
		opened, state, k := subscribed(t, crm, func(c *hubspot.Config) { c.Hubspot.API.URL = "https://api.test" })
		crm.Create("deals", "0-3", map[string]string{"amount": "1"})
		crm.Publish()
		if err := opened.Drainer.Drain(t.Context(), state, k.accept, k.note); err == nil || !strings.Contains(err.Error(), "not at an https URL") || len(k.taken) > 0 {
			t.Errorf("%d events, %v", len(k.taken), err)
		}
	})
}
