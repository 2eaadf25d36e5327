package console_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// visitor asks a console without a network, so that its clock can be a test's.
type visitor struct {
	handler http.Handler
	cookies []*http.Cookie
}

// visit returns the status of a page, and keeps the cookies that it sets.
func (v *visitor) visit(path string) int {
	r := httptest.NewRequest(http.MethodGet, "http://localhost:9090"+path, nil)
	for _, cookie := range v.cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	v.handler.ServeHTTP(w, r)
	if set := w.Result().Cookies(); len(set) > 0 {
		v.cookies = set
	}
	return w.Code
}

// quiet returns a console and its handler.
func quiet() (*console.Console, http.Handler) {
	c := &console.Console{Log: slog.New(slog.DiscardHandler), Pages: []console.Page{console.Overview(reporting(status.Report{Ready: true}))}}
	return c, c.Handler()
}

// A link signs in for five minutes.
func TestLinksExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, handler := quiet()
		early, late := c.Link(), c.Link()
		time.Sleep(5*time.Minute - time.Second)
		if code := (&visitor{handler: handler}).visit(early); code != http.StatusSeeOther {
			t.Errorf("a link of almost five minutes: %d", code)
		}
		time.Sleep(2 * time.Second)
		v := &visitor{handler: handler}
		if code := v.visit(late); code != http.StatusUnauthorized || len(v.cookies) > 0 {
			t.Errorf("a link older than five minutes: %d, cookies %v", code, v.cookies)
		}
	})
}

// A session ends after two hours without a request, and after twelve in any case.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, handler := quiet()
		idle, busy := &visitor{handler: handler}, &visitor{handler: handler}
		idle.visit(c.Link())
		busy.visit(c.Link())
		for range 7 {
			time.Sleep(100 * time.Minute)
			if code := busy.visit("/"); code != http.StatusOK {
				t.Fatalf("a busy session ended: %d", code)
			}
		}
		if code := idle.visit("/"); code != http.StatusSeeOther {
			t.Errorf("a session that was idle for hours: %d", code)
		}
		time.Sleep(21 * time.Minute)
		if code := busy.visit("/"); code != http.StatusSeeOther {
			t.Errorf("a session of more than twelve hours: %d", code)
		}
	})
}

// Only so many sessions and links are kept: those that were idle longest, and those that end first, make room.
func TestSessionsAndLinksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, handler := quiet()
		var all []*visitor
		for range 65 {
			v := &visitor{handler: handler}
			v.visit(c.Link())
			all = append(all, v)
			time.Sleep(time.Second)
		}
		if first, second := all[0].visit("/"), all[1].visit("/"); first != http.StatusSeeOther || second != http.StatusOK {
			t.Errorf("of 65 sessions the first is answered with %d, the second with %d", first, second)
		}
		var links []string
		for range 17 {
			links = append(links, c.Link())
			time.Sleep(time.Second)
		}
		if first, second := (&visitor{handler: handler}).visit(links[0]), (&visitor{handler: handler}).visit(links[1]); first != http.StatusUnauthorized || second != http.StatusSeeOther {
			t.Errorf("of 17 links the first is answered with %d, the second with %d", first, second)
		}
	})
}
