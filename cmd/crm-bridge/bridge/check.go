package bridge

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Check returns all for which Open would refuse to start that config.Load does not see, without touching anything.
func Check(s config.Settings) error {
	var found config.Problems
	found.Add(knownProviders(s, Known()))
	if s.Embedded() {
		if err := storeConfig(s).Server.CheckListen(); err != nil {
			found.Add(fmt.Errorf("BRIDGE_NATS_LISTEN: %w", err))
		}
	}
	all := listens(s)
	for i, one := range all {
		for _, other := range all[:i] {
			if collide(one.address, other.address) {
				found.Add(fmt.Errorf("%s and %s are the same address: give each a port of its own", other.variable, one.variable))
			}
		}
	}
	return found.Err()
}

// listening is an address to listen on.
type listening struct{ variable, address string }

func listens(s config.Settings) []listening {
	all := []listening{{"BRIDGE_LISTEN", s.Listen}, {"BRIDGE_ADMIN_LISTEN", s.AdminListen}}
	if s.Socket != nil {
		all[0].address = s.Socket.Addr().String()
	}
	if s.Embedded() {
		all = append(all, listening{"BRIDGE_NATS_LISTEN", s.NATS.Listen})
	}
	return all
}

// CheckAddresses returns an error for each address that cannot be listened on here; one that a running bridge or systemd holds is fine.
func CheckAddresses(ctx context.Context, s config.Settings) error {
	var found config.Problems
	for _, one := range listens(s) {
		probe, err := (&net.ListenConfig{}).Listen(ctx, "tcp", one.address)
		switch {
		case err == nil:
			_ = probe.Close()
		case !errors.Is(err, syscall.EADDRINUSE):
			found.Add(fmt.Errorf("%s: cannot listen on %s: %w", one.variable, one.address, errors.Unwrap(err)))
		case one.variable == "BRIDGE_LISTEN" && (s.Socket != nil || systemd.Holds(one.address)):
		case !isBridge(ctx, s):
			found.Add(fmt.Errorf("%s: another program listens on %s: stop it, or set %s to a free address", one.variable, one.address, one.variable))
		}
	}
	return found.Err()
}

// isBridge reports whether a bridge answers at the admin address.
func isBridge(ctx context.Context, s config.Settings) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+config.LocalAddress(s.AdminListen)+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	var ready Readiness
	return json.NewDecoder(http.MaxBytesReader(nil, response.Body, 64<<10)).Decode(&ready) == nil && ready.Version != ""
}

// CheckMachine returns an error for what the data folder and the limits of this machine do not allow.
func CheckMachine(s config.Settings) error {
	var found config.Problems
	if !s.Direct() {
		found.Add(datadir.Check(s.DataDir))
	}
	memory, files := config.ProcessMemory(), config.OpenFiles()
	_, err := s.Connections(memory, files)
	if err == nil && s.Embedded() {
		_, err = s.Readers(memory, files)
	}
	found.Add(err)
	return found.Err()
}

// CheckCertificates returns an error for each certificate of a listener that cannot be shown, with its key. No error shows a path: it may
// be the key itself, put into the wrong variable.
func CheckCertificates(s config.Settings) error {
	var found config.Problems
	for _, one := range [][3]string{
		{"BRIDGE_LISTEN", s.ListenCert, s.ListenKey}, {"BRIDGE_NATS_LISTEN", s.NATS.ListenCert, s.NATS.ListenKey},
	} {
		if one[1] != "" {
			found.Add(checkCertificate(one[0], one[1], one[2], time.Now()))
		}
	}
	return found.Err()
}

func checkCertificate(variable, cert, key string, now time.Time) error {
	for _, file := range [][2]string{{variable + "_CERT", cert}, {variable + "_KEY", key}} {
		if _, err := os.ReadFile(file[1]); err != nil {
			return fmt.Errorf("%s cannot be read: %w", file[0], config.WithoutPath(err))
		}
	}
	shown, err := TLSConfig(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("%s_CERT and its key: %w", variable, err)
	}
	pair, err := shown.GetCertificate(nil)
	if err != nil {
		return fmt.Errorf("%s_CERT and its key: %w", variable, config.WithoutPath(err))
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	switch {
	case err != nil:
		return fmt.Errorf("%s_CERT: %w", variable, err)
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s_CERT expired on %s: clients reject it", variable, leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s_CERT is not valid before %s: clients reject it", variable, leaf.NotBefore.Format(time.DateOnly))
	}
	return nil
}

// CheckStreams returns an error for each stream on the remote NATS that the bridge would not take as it is.
func CheckStreams(ctx context.Context, s config.Settings, crms CRMs, conn *publish.Conn) error {
	return storeConfig(s).Check(ctx, conn, slices.ContainsFunc(crms, keepsRecords))
}
