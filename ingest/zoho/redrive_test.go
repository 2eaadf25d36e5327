package zoho_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// What waits in quarantine, whatever its bytes, reads as it would have read on arrival once the code understands it.
func TestQuarantinedReadsTheSame(t *testing.T) {
	for name, cb := range map[string]ingest.Callback{
		"a URL":                     webhook("GET", "", "id=+&disc=50%&u=%u041F&a=M%fcller&b=M\xfcller&%zz=1&c;d=e", ""),
		"a URL in another charset":  webhook("POST", "text/plain; charset=windows-1251", "id=+&a=%C8", "\xc8"),
		"a form":                    webhook("POST", form, "x=%ff", "id=+&disc=50%&a=M%fcller&b=M\xfcller&%zz=%4&c=\x01"),
		"a form in another charset": webhook("POST", form+"; charset=gb2312", "", "id=+&a=%BD%F0&b=%ff&c=\xbd\xf0"),
		"multipart":                 webhook("POST", "multipart/form-data; boundary=xyz", "", strings.NewReplacer("77", " ", `"secret"`, `"note"`, webhookSecret, "kept").Replace(multipartBody)),
		"JSON":                      webhook("POST", "application/json; charset=windows-1251", "", "{\"id\":\"\",\"a\":\"\xc8\"}"),
		"JSON in UTF-16":            webhook("POST", "", "", "\xfe\xff\x00{\x00\"\x00i\x00d\x00\"\x00:\x00\"\x00\"\x00,\x00\"\x00a\x00\"\x00:\x00\"\x00\xfc\x00\"\x00}"),
		"JSON in UTF-16, of a form": webhook("POST", form, "", "\xff\xfe"+wide(`{"id":"","a":1}`)),
		"XML that declares Latin-1": webhook("POST", "text/xml", "", "<?xml version='1.0' encoding='iso-8859-1'?><a><id/><b>\xfc</b></a>"),
		"XML of no type":            webhook("POST", "", "", "<?xml version='1.0' encoding='iso-8859-1'?><a><id/><b>\xfc</b></a>"),
	} {
		t.Run(name, func(t *testing.T) {
			s := webhooks()
			_, reason := s.Decode(cb)
			if !errors.Is(reason, ingest.ErrMalformed) {
				t.Fatalf("it is understood: %v", reason)
			}
			kept, err := webhookMapping(t, s).Redact.Quarantine("id", cb, reason)
			if err != nil {
				t.Fatal(err)
			}
			var q transform.Quarantined
			if err := json.Unmarshal(kept, &q); err != nil {
				t.Fatal(err)
			}
			s.IDParams = nil // the later code
			want, err := s.Decode(cb)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Decode(q.Callback())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("kept as %s\nit reads (-want +got):\n%s", kept, diff)
			}
		})
	}
}
