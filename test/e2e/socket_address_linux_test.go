package e2e

import (
	"net"
	"strings"
	"syscall"
	"testing"
)

// A socket on all addresses where BRIDGE_LISTEN names one, for a proxy, is warned of: its plain HTTP is open to everybody. One that is as
// narrow is not, nor is one where BRIDGE_LISTEN names the port alone.
func TestSocketWiderThanListenIsWarnedOf(t *testing.T) {
	t.Parallel()
	all, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = all.Close() })
	local := listenTCP(t)
	_, port, _ := net.SplitHostPort(all.Addr().String())
	for _, one := range []struct {
		socket net.Listener
		listen string
		warned bool
	}{
		{all, "127.0.0.1:" + port, true},
		{all, ":" + port, false},
		{local, local.Addr().String(), false},
	} {
		cmd := passed(t, "callbacks", one.socket)
		b := startAs(t, cmd, t.TempDir(), append(cmd.Env, "BRIDGE_LISTEN="+one.listen)...)
		if warned := strings.Contains(b.Log(), "receives callbacks on all addresses"); warned != one.warned {
			t.Errorf("%s in place of %s: warned %t, want %t\n%s", one.socket.Addr(), one.listen, warned, one.warned, last(b.Log()))
		}
		if err := b.stop(t, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

// Before the bridge starts, its socket is systemd's: the check of the configuration does not take it for another program's, and the list of
// variables shows it.
func TestConfigKnowsTheSocket(t *testing.T) {
	t.Parallel()
	socket := listenTCP(t)
	address := socket.Addr().String()
	run := func(args ...string) string {
		cmd := passed(t, "callbacks", socket)
		cmd.Args = append(cmd.Args, args...)
		cmd.Env = append(append(environment(t.TempDir()), cmd.Env...), "BRIDGE_LISTEN="+address)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return string(out)
	}
	if found := run("config", "check"); !strings.Contains(found, `{"check":"listen","ok":true}`) {
		t.Errorf("found %s", found)
	}
	if list := run("config"); !strings.Contains(list, `"name":"BRIDGE_LISTEN","value":"`+address+`","from":"systemd socket"`) {
		t.Errorf("listed %s", list)
	}
}
