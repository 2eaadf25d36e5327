package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Conn is a connection to a NATS server with JetStream.
type Conn struct {
	nats *nats.Conn
	js   jetstream.JetStream
	url  string
	hint func(error) error      // what to set if a connection fails over TLS; nil, or a nil result: nothing
	down *atomic.Pointer[error] // why the last attempt to connect failed
}

// Address says where a NATS server is and how to authenticate; empty fields are not used.
type Address struct {
	URL            string
	Creds, Nkey    string // files
	User, Password string
	CA, Cert, Key  string      // PEM files
	TLS            *tls.Config // instead of CA, if set
	TLSFirst       bool        // the server says nothing before the TLS handshake
	Owner          bool        // User is an embedded server's own user
}

// Reach is Dial that ends with ctx.
func (a Address) Reach(ctx context.Context, log *slog.Logger) (*Conn, error) {
	return a.dialWithin(ctx, connOptions(log))
}

// Dial connects. The connection then reconnects by itself, for ever.
func (a Address) Dial(log *slog.Logger) (*Conn, error) { return a.dial(connOptions(log)) }

// Await connects, or returns a connection that comes up as soon as a server is reachable. It returns an error at once if the server
// rejects the credentials or the configuration is unusable.
func (a Address) Await(log *slog.Logger) (*Conn, error) {
	conn, err := a.dial(append(connOptions(log), nats.RetryOnFailedConnect(true)))
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Second); conn.nats.Status() == nats.RECONNECTING && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if first := conn.down.Load(); first == nil {
			continue
		} else if errors.Is(*first, ErrUnauthorized) {
			conn.Close()
			return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), *first)
		}
		break
	}
	return conn, nil
}

// ErrUnauthorized says that a NATS server rejects the user, the password or the key.
var ErrUnauthorized = nats.ErrAuthorization

func (a Address) dial(options []nats.Option) (*Conn, error) {
	if err := a.checkFiles(); err != nil {
		return nil, err
	}
	options = append(options, nats.Timeout(5*time.Second))
	if a.Creds != "" {
		options = append(options, nats.UserCredentials(a.Creds))
	}
	if a.Nkey != "" {
		nkey, err := nats.NkeyOptionFromSeed(a.Nkey)
		if err != nil {
			return nil, errors.New("the NKey file cannot be read or holds no seed") // it may be the seed itself
		}
		options = append(options, nkey)
	}
	switch {
	case a.Owner:
		options = append(options, asOwner(a.Password))
	case a.User != "" || a.Password != "":
		options = append(options, nats.UserInfo(a.User, a.Password))
	}
	if a.TLS != nil {
		options = append(options, nats.Secure(a.TLS))
	}
	if a.CA != "" {
		options = append(options, nats.RootCAs(a.CA))
	}
	if a.TLSFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	if a.Cert != "" {
		options = append(options, nats.ClientCert(a.Cert, a.Key))
	}
	conn, err := open(a.URL, options)
	if err != nil {
		if hint := a.hintTLS(err); hint != nil {
			err = hint
		}
		return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), hideUser(err, a.URL))
	}
	conn.hint = a.hintTLS
	return conn, nil
}

// hintTLS returns err with the variable to set if one side waits for a TLS handshake and the other for NATS' first line; else nil.
func (a Address) hintTLS(err error) error {
	saysNothing := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case a.TLSFirst && errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("BRIDGE_NATS_TLS_FIRST is set, but the server does not begin with TLS (handshake_first): unset it%w", silent{err})
	case !a.TLSFirst && saysNothing && a.TLS == nil && !a.Owner:
		return fmt.Errorf("the server accepted the connection and said nothing; if it expects TLS first (handshake_first), set BRIDGE_NATS_TLS_FIRST=true%w", silent{err})
	}
	return nil
}

// dialWithin is dial that ends with ctx: NATS waits its timeout for each silent server.
func (a Address) dialWithin(ctx context.Context, options []nats.Option) (*Conn, error) {
	type dialled struct {
		conn *Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		conn, err := a.dial(options)
		done <- dialled{conn, err}
	}()
	select {
	case d := <-done:
		return d.conn, d.err
	case <-ctx.Done():
		go func() { // ends when the last server has had its time
			if d := <-done; d.conn != nil {
				d.conn.Close()
			}
		}()
		return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), context.Cause(ctx))
	}
}

// checkFiles returns an error if a configured file cannot be read. It does not show the path, which may be the secret itself by
// mistake.
func (a Address) checkFiles() error {
	for _, one := range [][2]string{
		{"BRIDGE_NATS_CREDS", a.Creds}, {"BRIDGE_NATS_NKEY", a.Nkey}, {"BRIDGE_NATS_CA", a.CA}, {"BRIDGE_NATS_CERT", a.Cert}, {"BRIDGE_NATS_KEY", a.Key},
	} {
		variable, path := one[0], one[1]
		if path == "" {
			continue
		}
		if file, err := os.Open(path); err != nil {
			return misfit("%s must be the path of a file that the bridge may read", variable)
		} else if err := file.Close(); err != nil {
			return misfit("%s: the file cannot be closed", variable)
		}
	}
	return nil
}

// with returns the address with further servers of the same cluster, as NATS reports them.
func (a Address) with(servers []string) Address {
	first, _, _ := strings.Cut(a.URL, ",")
	given, err := url.Parse(first)
	for _, server := range servers {
		if u, failed := url.Parse(server); failed == nil && err == nil && !strings.Contains(a.URL, u.Host) {
			u.User = given.User
			a.URL += "," + u.String()
		}
	}
	return a
}

func open(url string, options []nats.Option) (*Conn, error) {
	down := &atomic.Pointer[error]{}
	nc, err := nats.Connect(url, append(options, nats.ReconnectErrHandler(func(_ *nats.Conn, err error) { down.Store(&err) }))...)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(maxPending), jetstream.WithPublishAsyncTimeout(ackTimeout))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return &Conn{nats: nc, js: js, url: url, down: down}, nil
}

// Up returns nil while the connection is up, else why it is not, in plain words.
func (c *Conn) Up() error {
	if c.nats.IsConnected() {
		return nil
	}
	reason := c.nats.LastError()
	if last := c.down.Load(); reason == nil && last != nil {
		reason = *last
	}
	if reason == nil {
		return errNotConnected
	}
	if c.hint != nil {
		if hint := c.hint(reason); hint != nil {
			return fmt.Errorf("%w: %w", errNotConnected, hint)
		}
	}
	return fmt.Errorf("%w: %w", errNotConnected, Plain(reason, c.url))
}

// Close closes the connection; what is not acknowledged by then is not safe.
func (c *Conn) Close() { c.nats.Close() }

// pingEvery is the interval of pings; two without an answer end a dead connection. NATS' default takes four minutes.
const pingEvery = 10 * time.Second

// connOptions are the options of every connection of the bridge: it reconnects for ever, and buffers nothing while it is down, so that
// no event appears after its callback was answered with an error.
func connOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("crm-bridge"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.IgnoreAuthErrorAbort(), // a password may be wrong for a while, when it is rotated
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("NATS connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("NATS connection restored") }),
		nats.ErrorHandler(warnOf(log)),
	}
}

// warnEvery is how often an error of each attempt to connect, such as a wrong password, is logged.
const warnEvery = time.Minute

// warnOf logs errors of a connection, a repeated one once every warnEvery. The client calls it from one goroutine.
func warnOf(log *slog.Logger) nats.ErrHandler {
	var last string
	var at time.Time
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if text := err.Error(); text != last || time.Since(at) > warnEvery {
			last, at = text, time.Now()
			log.Warn("NATS connection", "error", text)
		}
	}
}

// asOwner connects as the user with all permissions on an embedded server, with inboxes that consumers cannot see.
func asOwner(password string) nats.Option {
	return func(o *nats.Options) error {
		o.User, o.Password, o.InboxPrefix = owner, password, ownerInbox
		return nil
	}
}

// HideUser masks users and passwords in a URL or a list of URLs: everything before the last @.
func HideUser(url string) string {
	if i := strings.LastIndex(url, "@"); i >= 0 {
		return "***" + url[i:]
	}
	return url
}

// hideUser masks the password of a URL that an error quotes.
func hideUser(err error, given string) error {
	if !strings.Contains(given, "@") {
		return err
	}
	var parse *url.Error
	if errors.As(err, &parse) {
		return errors.New("the URL cannot be parsed: percent-encode special characters in its user and password")
	}
	for _, one := range strings.Split(given, ",") {
		if strings.Contains(err.Error(), one) && strings.Contains(one, "@") {
			return errors.New(strings.ReplaceAll(err.Error(), one, HideUser(one)))
		}
	}
	return err
}
