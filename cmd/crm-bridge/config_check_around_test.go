package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// The machine and the streams of the remote are looked at, and nothing of them is changed.
func TestConfigCheckLooksAround(t *testing.T) {
	server, conn := publishtest.Serve(t, nil)
	if _, err := conn.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "FOREIGN", Subjects: []string{"other.>"}}); err != nil {
		t.Fatal(err)
	}
	taken := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(taken.Close)
	for name, test := range map[string]struct {
		change map[string]string
		check  string // the one that fails; empty: none
		says   string
	}{
		"all is right":               {},
		"a key in place of its path": {map[string]string{"BRIDGE_LISTEN_CERT": os.Args[0], "BRIDGE_LISTEN_KEY": planted}, "certificates", "BRIDGE_LISTEN_KEY cannot be read: no such file"},
		"no certificate":             {map[string]string{"BRIDGE_LISTEN_CERT": os.Args[0], "BRIDGE_LISTEN_KEY": os.Args[0]}, "certificates", "BRIDGE_LISTEN_CERT and its key: "},
		"a file that is missing":     {map[string]string{"BRIDGE_NATS_CA": "/nowhere/" + planted}, "nats", "BRIDGE_NATS_CA must be the path of a file"},
		"a stream of somebody else":  {map[string]string{"BRIDGE_STREAM": "FOREIGN"}, "nats", "BRIDGE_NATS_URL: stream FOREIGN does not cover crm.>"},
		"a prefix of somebody else":  {map[string]string{"BRIDGE_SUBJECT_PREFIX": "other"}, "nats", "BRIDGE_NATS_URL: stream FOREIGN already holds subjects of other.>"},
		"an address elsewhere":       {map[string]string{"BRIDGE_LISTEN": "192.0.2.1:80"}, "listen", "BRIDGE_LISTEN: cannot listen on 192.0.2.1:80: this machine does not have that address"},
		"an address in use":          {map[string]string{"BRIDGE_ADMIN_LISTEN": taken.Listener.Addr().String()}, "listen", "BRIDGE_ADMIN_LISTEN: another program listens on"},
		"too many connections":       {map[string]string{"BRIDGE_MAX_CONNECTIONS": "2000000000"}, "machine", "BRIDGE_MAX_CONNECTIONS must be at most"},
		"streams beyond the disk":    {map[string]string{"BRIDGE_JOURNAL_MAX_BYTES": "900TiB"}, "machine", "BRIDGE_JOURNAL_MAX_BYTES (900TiB) must not be more than the disk of"},
		"a file as data folder":      {map[string]string{"BRIDGE_DATA_DIR": filepath.Join(os.Args[0], "data")}, "machine", "BRIDGE_DATA_DIR: " + os.Args[0] + " is not a folder"},
	} {
		env := map[string]string{
			"BRIDGE_NATS_URL": server.ClientURL(), "BRIDGE_NATS_USER": publish.Owner, "BRIDGE_NATS_PASSWORD": publishtest.Password,
			"BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_ADMIN_LISTEN": "127.0.0.1:0",
		}
		maps.Copy(env, test.change)
		got, code := configCheck(t, env)
		for _, one := range got {
			if one.OK == (one.Check == test.check) || !strings.Contains(one.Problem, test.says) && !one.OK {
				t.Errorf("%s: %+v", name, one)
			}
		}
		if failed := code == 1; len(got) < 4 || failed != (test.check != "") {
			t.Errorf("%s: exit %d, %+v", name, code, got)
		}
	}
	if streams, err := conn.Streams(t.Context()); err != nil || len(streams) != 1 {
		t.Errorf("the server has the streams %v: %v", streams, err)
	}
}

// The addresses of the bridge that runs with this configuration are in use, and that is right.
func TestConfigCheckBesideTheBridge(t *testing.T) {
	ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"ready":false,"version":"0.2.0"}`))
	}))
	t.Cleanup(ready.Close)
	env := map[string]string{"BRIDGE_ADMIN_LISTEN": ready.Listener.Addr().String(), "BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_NATS_LISTEN": "127.0.0.1:0"}
	if got, code := configCheck(t, env); code != 0 {
		t.Errorf("exit %d, %+v", code, got)
	}
}
