package publish_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

// bounded starts a NATS server with a storage limit in bytes, and connects to it; change may alter its options.
func bounded(t *testing.T, maxStore int64, change func(*server.Options)) *publish.Conn {
	t.Helper()
	options := &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: maxStore, NoSigs: true, NoLog: true}
	if change != nil {
		change(options)
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	for _, limited := range options.Accounts {
		account, err := s.LookupAccount(limited.Name)
		if err != nil {
			t.Fatal(err)
		}
		limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: 1 << 30, MaxStreams: -1, MaxConsumers: -1}
		if err := account.EnableJetStream(map[string]server.JetStreamAccountLimits{"": limits}, nil); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := publish.Address{URL: s.ClientURL()}.Dial(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// A stream that a server has no room for is an error that names the variable, what is needed and what is left.
func TestNoRoomNamesTheVariable(t *testing.T) {
	account := func(o *server.Options) {
		limited := server.NewAccount("LIMITED")
		o.Accounts, o.Users, o.NoAuthUser = []*server.Account{limited}, []*server.User{{Username: "u", Password: "p", Account: limited}}, "u"
	}
	for _, test := range []struct {
		name   string
		change func(*server.Options)
		says   []string
	}{
		{"of the server", nil, []string{"stream CRM reserves 5GiB", "max_file_store", "set BRIDGE_STREAM_MAX_BYTES to less"}},
		{"of the account", account, []string{"stream CRM reserves 5GiB", "the account has 1GiB left", "set BRIDGE_STREAM_MAX_BYTES to less"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := bounded(t, 2<<30, test.change)
			config := own()
			config.MaxBytes = 5 << 30
			_, _, err := conn.EnsureStream(t.Context(), config)
			full := (*publish.NoRoomError)(nil)
			if !errors.As(err, &full) || full.Stream != "CRM" || full.Variable != "BRIDGE_STREAM_MAX_BYTES" || full.Bytes != 5<<30 {
				t.Fatalf("%v", err)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v does not say %s", err, part)
				}
			}
			config.MaxBytes = 1 << 29
			if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			config.MaxBytes = 6 << 30 // an existing stream that is to grow
			if _, _, err := conn.EnsureStream(t.Context(), config); !errors.As(err, &full) || full.Bytes != 6<<30 {
				t.Errorf("%v", err)
			}
		})
	}
}

// A default is reduced to what the account has left, or what the server accepts; but a person must decide on less than a quarter of it.
func TestDefaultFitsTheRoom(t *testing.T) {
	account := func(o *server.Options) {
		limited := server.NewAccount("LIMITED")
		o.Accounts, o.Users, o.NoAuthUser = []*server.Account{limited}, []*server.User{{Username: "u", Password: "p", Account: limited}}, "u"
	}
	for _, test := range []struct {
		name    string
		store   int64
		change  func(*server.Options)
		want    int64
		warns   bool
		refused bool
	}{
		{"room for all", 20 << 30, nil, 10 << 30, false, false},
		{"the server takes half", 6 << 30, nil, 5 << 30, true, false},
		{"the server takes a quarter", 3 << 30, nil, 2560 << 20, true, false},
		{"the server takes less", 2 << 30, nil, 0, false, true},
		{"a part of what the account has", 20 << 30, account, 6 << 30 / 10, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := bounded(t, test.store, test.change)
			config := own()
			config.MaxBytes, config.DefaultMaxBytes, config.RoomShare = 0, func() int64 { return 10 << 30 }, 0.6
			stream, warnings, err := conn.EnsureStream(t.Context(), config)
			full := (*publish.NoRoomError)(nil)
			if test.refused != errors.As(err, &full) || !test.refused && err != nil {
				t.Fatalf("%v", err)
			}
			if stream.MaxBytes/(1<<20) != test.want/(1<<20) {
				t.Errorf("it reserves %d bytes, not %d", stream.MaxBytes, test.want)
			}
			if test.warns != strings.Contains(strings.Join(warnings, ""), "BRIDGE_STREAM_MAX_BYTES") {
				t.Errorf("warnings %q", warnings)
			}
			if test.refused && !strings.Contains(err.Error(), "set BRIDGE_STREAM_MAX_BYTES") {
				t.Errorf("%v", err)
			}
		})
	}
}
