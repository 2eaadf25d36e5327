package e2e

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Posts are CloudEvents in either mode, carry the headers of a file, and no secret of theirs is shown.
func TestReplayOverHTTP(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	env := onBridge(b, dir)
	var want []string
	for i := range 5 {
		want = append(want, post(t, b.Callbacks+path, distinct(i)).Events[0].ID)
	}
	endpoint := &endpoint{}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	secret := strings.Replace(server.URL, "http://", "http://user:planted-password@", 1) + "/hooks/planted-path?key=planted-query"
	file := writeFile(t, "# for the endpoint\n\nAuthorization: Bearer planted-token\nX-Team: crm\n")
	for _, mode := range []string{"structured", "binary"} {
		endpoint.reset()
		r := replay(t, env, "--to", secret, "--job", mode, "--content-mode", mode, "--header-file", file)
		if r.code != 0 || !strings.Contains(r.out, `"events":5`) || strings.Contains(r.out+r.errs, "planted") {
			t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
		}
		if diff := cmp.Diff(want, endpoint.taken()); diff != "" {
			t.Errorf("%s: %s", mode, diff)
		}
		post := endpoint.first()
		if post.header.Get("Authorization") != "Bearer planted-token" || post.header.Get("X-Team") != "crm" || post.uri != "/hooks/planted-path?key=planted-query" {
			t.Errorf("%s: %s %v", mode, post.uri, post.header)
		}
		if mode == "binary" && (post.header.Get("Content-Type") != "application/json" || post.header.Get("ce-type") != "crm.zoho.Contacts.edit" || !strings.HasPrefix(post.body, `{"provider"`)) {
			t.Errorf("%v %s", post.header, post.body)
		}
	}

	endpoint.reset()
	endpoint.answers(func(n int) int { return map[int]int{2: 400, 4: 302}[n] })
	r := replay(t, env, "--to", secret, "--job", "refused")
	if r.code != 1 || !strings.Contains(r.errs, "event "+want[1]+" (crm.zoho.Contacts.edit, sequence 2): the endpoint answered 400 Bad Request; run the same command with --job refused --skip-refused to resume without it") || strings.Contains(r.errs, "planted") {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	endpoint.answers(func(n int) int { return map[int]int{3: 422, 5: 302}[n] }) // the third post is the second event again
	r = replay(t, env, "--to", secret, "--job", "refused", "--skip-refused")
	if r.code != 0 || !strings.Contains(r.out, `"events":3,"refused":2`) || !strings.Contains(r.errs, "redirects are not followed") || strings.Contains(r.errs, "planted") {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if diff := cmp.Diff([]string{want[0], want[2], want[4]}, endpoint.taken()); diff != "" {
		t.Error(diff)
	}
	server.Close()
	r = replay(t, env, "--to", secret, "--job", "away", "--retry-for", "1s")
	if r.code != 1 || !strings.Contains(r.errs, "run the same command with --job away to resume") || !strings.Contains(r.errs, want[0]) || strings.Contains(r.errs, "planted") {
		t.Errorf("without an endpoint it ended with %d: %s", r.code, r.errs)
	}
	wrong := writeFile(t, "Authorization Bearer planted-token\n")
	if r = replay(t, env, "--to", secret, "--header-file", wrong); r.code != 1 || !strings.Contains(r.errs, "line 1") || strings.Contains(r.errs, "planted") {
		t.Errorf("with a wrong file it ended with %d: %s", r.code, r.errs)
	}
	if slices.Contains(endpoint.methods(), http.MethodGet) {
		t.Error("a redirect was followed")
	}
}
