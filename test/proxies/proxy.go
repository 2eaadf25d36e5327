//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// proxy is a running proxy.
type proxy struct {
	name, version string
	address       string // where it serves HTTPS
	folder        string // of its files and logs
	site          *site
	kind          kind
	process       *exec.Cmd
	exited        chan struct{}
	log           bytes.Buffer
}

// kind is how a proxy is configured, started and reloaded.
type kind struct {
	files   []string                // in examples/proxies, the one that is changed for a reload last
	replace func(p *proxy) []string // pairs of what in the files is for this machine
	start   func(p *proxy) []string // a command line
	reload  func(p *proxy) []string // empty: it notices the change
	without map[string][2]string    // a recommended setting, and what stands there without it
	changed [2]string               // what a reload changes: how a path that is not the bridge's is answered
	answer  int                     // there, in place of 404
	cuts    bool                    // a reload ends connections with callbacks in flight, and no setting prevents it
	version []string
}

const examples = "examples/proxies"

var kinds = map[string]kind{
	"nginx": {
		files: []string{"nginx.conf"},
		replace: func(p *proxy) []string {
			return []string{"listen 443 ssl", "listen " + p.address + " ssl", "/var/log/nginx/", p.folder + "/"}
		},
		start: func(p *proxy) []string {
			return []string{"nginx", "-p", p.folder, "-e", filepath.Join(p.folder, "error.log"), "-c", p.main("nginx-main.conf", fmt.Sprintf(
				"daemon off; pid %[1]s/pid; worker_processes 2; events { worker_connections 1024; } http { client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxied; include %[1]s/nginx.conf; }", p.folder))}
		},
		reload:  func(p *proxy) []string { return append(p.kind.start(p), "-s", "reload") },
		without: map[string][2]string{"keepalive": {"keepalive_timeout 1s;", "keepalive_timeout 60s;"}, "close": {"keepalive_timeout 0;", "keepalive_timeout 75s;"}},
		changed: [2]string{"return 404;", "return 410;"},
		answer:  http.StatusGone,
		version: []string{"nginx", "-v"},
	},
	"caddy": {
		files: []string{"Caddyfile"},
		replace: func(p *proxy) []string {
			_, port, _ := net.SplitHostPort(p.address)
			return []string{"{\n\tauto_https", "{\n\tadmin unix/" + p.folder + "/admin\n\thttps_port " + port + "\n\tdefault_bind " + peer + "\n\tauto_https", "/var/log/caddy/", p.folder + "/"}
		},
		start: func(p *proxy) []string { return []string{"caddy", "run", "--config", p.folder + "/Caddyfile"} },
		reload: func(p *proxy) []string {
			return []string{"caddy", "reload", "--config", p.folder + "/Caddyfile", "--address", "unix/" + p.folder + "/admin"}
		},
		without: map[string][2]string{"keepalive": {"keepalive 1s", "keepalive 2m"}},
		changed: [2]string{"respond 404", "respond 410"},
		answer:  http.StatusGone,
		cuts:    true,
		version: []string{"caddy", "version"},
	},
	"traefik": {
		files: []string{"traefik/traefik.yaml", "traefik/crm-bridge.yaml"},
		replace: func(p *proxy) []string {
			return []string{`":443"`, `"` + p.address + `"`, "/etc/traefik/", p.folder + "/traefik/", "/var/log/traefik/", p.folder + "/"}
		},
		start: func(p *proxy) []string {
			return []string{"traefik", "--configFile=" + p.folder + "/traefik/traefik.yaml"}
		},
		reload:  func(*proxy) []string { return nil },
		without: map[string][2]string{"keepalive": {"idleConnTimeout: 1s", "idleConnTimeout: 90s"}},
		changed: [2]string{"\n  middlewares:\n", "\n    elsewhere:\n      rule: Path(`/elsewhere`)\n      service: noop@internal\n      tls: {}\n  middlewares:\n"},
		answer:  http.StatusTeapot,
		version: []string{"traefik", "version"},
	},
}

// openProxy starts a proxy with the files of examples/proxies, and returns when the bridge is reached through it.
func openProxy(ctx context.Context, at *site, name string) (*proxy, error) {
	how, known := kinds[name]
	if !known {
		return nil, fmt.Errorf("there is no proxy %q", name)
	}
	listener, err := net.Listen("tcp", peer+":0") //nolint:noctx // at once
	if err != nil {
		return nil, err
	}
	p := &proxy{name: name, site: at, kind: how, address: listener.Addr().String(), folder: filepath.Join(at.folder, "proxy"), exited: make(chan struct{})}
	if err := errors.Join(listener.Close(), os.MkdirAll(p.folder+"/traefik", 0o777), os.Chmod(p.folder, 0o777), p.configure("", "")); err != nil { //nolint:gosec // its own user writes there
		return nil, err
	}
	shown, err := exec.CommandContext(ctx, how.version[0], how.version[1:]...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: install it", name, err)
	}
	p.version = name + " " + strings.TrimPrefix(strings.Fields(strings.TrimPrefix(string(shown), "nginx version: "))[0], "nginx/")
	args := how.start(p)
	p.process = exec.CommandContext(ctx, args[0], args[1:]...)
	p.process.Env = append(os.Environ(), "HOME="+p.folder, "XDG_DATA_HOME="+p.folder, "XDG_CONFIG_HOME="+p.folder)
	p.process.Stdout, p.process.Stderr, p.process.WaitDelay = &p.log, &p.log, time.Second
	if err := p.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.process.Wait()
		close(p.exited)
	}()
	return p, p.answers(ctx, prefix+"/asyncapi.yaml", http.StatusOK)
}

// main writes a file around what stands in examples/proxies, and returns its path.
func (p *proxy) main(name, text string) string {
	path := filepath.Join(p.folder, name)
	_ = os.WriteFile(path, []byte(text), 0o644) //nolint:gosec // a missing one is noticed at the start
	return path
}

// configure writes the proxy's files for this machine, with a further change.
func (p *proxy) configure(before, after string) error {
	pairs := append(p.kind.replace(p), "127.0.0.1:8080", p.site.address, "/etc/ssl/", p.site.folder+"/")
	for name, one := range p.kind.without {
		if p.site.left(name) {
			pairs = append(pairs, one[:]...)
		}
	}
	for _, file := range p.kind.files {
		text, err := os.ReadFile(filepath.Join(examples, file))
		if err != nil {
			return fmt.Errorf("%w: run it in the root of the repository", err)
		}
		whole := strings.NewReplacer(pairs...).Replace(string(text))
		if before != "" {
			whole = strings.Replace(whole, before, after, 1)
		}
		path := filepath.Join(p.folder, file)
		// In one step: whoever watches the file must not see half of it.
		if err := errors.Join(os.WriteFile(path+".new", []byte(whole), 0o644), os.Rename(path+".new", path)); err != nil { //nolint:gosec // the proxy's own user reads it
			return err
		}
	}
	return nil
}

// reload changes the proxy's configuration, or changes it back, and returns when that is in effect.
func (p *proxy) reload(ctx context.Context, change bool) error {
	before, after, want := p.kind.changed[0], p.kind.changed[1], p.kind.answer
	if !change {
		before, after, want = "", "", http.StatusNotFound
	}
	if err := p.configure(before, after); err != nil {
		return err
	}
	if args := p.kind.reload(p); args != nil {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("reload: %w: %s", err, out)
		}
	}
	return p.answers(ctx, "/elsewhere", want)
}

// answers waits until a path is answered with a status.
func (p *proxy) answers(ctx context.Context, path string, want int) error {
	client := newClient(p.site.trust(), p.address, allowed, func(t *http.Transport) { t.DisableKeepAlives = true })
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
		if err != nil {
			return err
		}
		status, _, err := do(client, r)
		if status == want {
			return nil
		}
		last = errors.Join(fmt.Errorf("%s is answered %d, not %d", path, status, want), err)
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", p.name, p.log.String())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return last
}

// leaks returns an error for each file of the proxy, and for what it printed, that has a secret in it.
func (p *proxy) leaks() error {
	marks := [][]byte{[]byte(planted), []byte(base64.StdEncoding.EncodeToString([]byte(planted))[:10])}
	var found []error
	look := func(where string, text []byte) {
		for _, mark := range marks {
			if at := bytes.Index(text, mark); at >= 0 {
				found = append(found, fmt.Errorf("%s has a secret: %q", where, text[max(0, at-200):min(len(text), at+40)]))
				return
			}
		}
	}
	logged := false
	err := filepath.WalkDir(p.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // below a folder of this program
		look(path, text)
		logged = logged || bytes.Contains(text, []byte(prefix+"/")) && strings.HasSuffix(path, ".log")
		return err
	})
	look("its output", p.log.Bytes())
	if !logged {
		found = append(found, errors.New("the access log has no callback"))
	}
	return errors.Join(append(found, err)...)
}

// close ends the proxy.
func (p *proxy) close() {
	_ = p.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.process.Process.Kill()
		<-p.exited
	}
}
