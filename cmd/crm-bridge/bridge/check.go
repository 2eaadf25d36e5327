package bridge

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/systemd"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
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
		folder, err := datadir.Check(s.DataDir)
		if err == nil {
			_, disk := store.Disk(folder)
			err = checkRoom(s, disk)
		}
		found.Add(err)
	}
	memory, files := config.ProcessMemory(), config.OpenFiles()
	_, err := s.Connections(memory, files)
	if err == nil && s.Embedded() {
		_, err = s.Readers(memory, files)
	}
	found.Add(err)
	return found.Err()
}

// checkRoom returns an error if the streams on this machine may together grow beyond a disk of so many bytes; 0: that is unknown.
func checkRoom(s config.Settings, disk int64) error {
	limits := map[string]config.Size{"BRIDGE_JOURNAL_MAX_BYTES": s.JournalMaxBytes}
	if s.Embedded() {
		limits = map[string]config.Size{
			"BRIDGE_STREAM_MAX_BYTES": s.StreamMaxBytes, "BRIDGE_QUARANTINE_MAX_BYTES": s.QuarantineMaxBytes, "BRIDGE_RECORDS_MAX_BYTES": s.RecordsMaxBytes,
		}
	}
	var sum config.Size
	var given []string
	for _, variable := range slices.Sorted(maps.Keys(limits)) {
		if size := limits[variable]; size > 0 {
			sum += size
			given = append(given, fmt.Sprintf("%s (%s)", variable, size))
		}
	}
	if disk == 0 || int64(sum) <= disk {
		return nil
	}
	return fmt.Errorf("%s must not be more than the disk of %s has, %s: it is full before the limit is reached; lower the limit, or enlarge the disk",
		strings.Join(given, " and "), s.DataDir, config.Size(disk))
}

// CheckFiles returns an error for each file that a variable names and that cannot be used: certificates of the listeners, and credentials
// of the remote NATS.
func CheckFiles(s config.Settings) error {
	var found config.Problems
	found.Add(CheckCertificates(s))
	if !s.Embedded() {
		found.Add(s.NATS.Remote().CheckFiles())
	}
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
