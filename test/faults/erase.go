//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// victim is the id of the record that is erased, of another module than the records of the load. Its events are in no ledger.
const victim = "9000000000001"

const (
	// victims is how many events of the victim are stored before each erasure. They are large: together more than the load beside them, so
	// that the server compacts files while they are erased.
	victims     = 150
	victimBytes = 40_000
	// erasesWithin is how long the first of them may take.
	erasesWithin = 20 * time.Second
)

// eraseCut cuts the power of a bridge right after crm-bridge erase has said that a record is erased, or in the middle of that. In both
// cases no other event may be lost, and in the first nothing of the record may come back; after the second another erasure does the rest.
func eraseCut(d delivery, middle bool) play {
	return func(ctx context.Context, s *stage) (row, error) {
		image := filepath.Join(s.folder, "image")
		if err := makeDevice(ctx, image); err != nil {
			return row{}, err
		}
		at, err := s.openSite(ctx, d)
		if err != nil {
			return row{}, err
		}
		at.data = filepath.Join(s.folder, "device", "data")
		var all row
		left := 0
		for cut := range s.cuts {
			r, err := at.cutPower(ctx, image, func(ctx context.Context) error { return at.eraseUnderLoad(ctx, middle, cut) }, func(r row) error {
				if middle {
					left += r.victims
					return at.erase(ctx)
				}
				return at.noVictims(r)
			})
			if err != nil {
				return r, fmt.Errorf("cut %d: %w", cut+1, err)
			}
			r.missing, r.recovery = max(r.missing, all.missing), max(r.recovery, all.recovery)
			all = r
		}
		all.note("%d cuts", s.cuts)
		if middle {
			all.note("%d of %d events of the record were left, and erased later", left, s.cuts*victims)
		}
		return all, nil
	}
}

// eraseUnderLoad stores events of the victim beside the load, and erases them. With middle it returns in the middle of that.
func (at *site) eraseUnderLoad(ctx context.Context, middle bool, cut int) error {
	for range victims {
		if err := until(ctx, time.Minute, "an event of the victim is answered 200", at.postVictim); err != nil {
			return fmt.Errorf("%w%s", err, at.bridge.log.end())
		}
	}
	if !middle {
		return at.erase(ctx)
	}
	ended := make(chan error, 1)
	go func() { ended <- at.erase(ctx) }() // until the bridge is killed
	conn, js, err := dial(at.stream())
	if err != nil {
		return err
	}
	defer conn.Close()
	goal := uint64(victims * (cut + 1) / (at.cuts + 1))
	err = until(ctx, erasesWithin, "events of the record are erased", func(ctx context.Context) bool {
		stream, err := js.Stream(ctx, "CRM")
		if err != nil {
			return false
		}
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter("crm.zoho.Contacts.edit"))
		return err == nil && info.State.Subjects["crm.zoho.Contacts.edit"] <= goal
	})
	select {
	case early := <-ended:
		err = errors.Join(err, fmt.Errorf("the erasure ended before the power was cut (%w)", early))
	default:
	}
	return err
}

// postVictim posts an event of the victim, and reports whether it was answered 200.
func (at *site) postVictim(ctx context.Context) bool {
	body := fmt.Appendf(nil, `{"id":"%s","padding":"%s"}`, victim, bytes.Repeat([]byte("v"), victimBytes))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at.listen+"/zoho/webhooks/Contacts/edit", bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header = http.Header{"Content-Type": {"application/json"}, "X-Webhook-Secret": {secret}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// erase erases the victim with the bridge's own command.
func (at *site) erase(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, at.settings.bridge, "erase", "zoho", "Contacts", victim, "--yes")
	cmd.Env = []string{"BRIDGE_ADMIN_LISTEN=" + strings.TrimPrefix(at.bridge.Admin, "http://"), "BRIDGE_DATA_DIR=" + at.data, variable + "=" + secret}
	if at.delivery != embedded {
		cmd.Env = append(cmd.Env, "BRIDGE_NATS_URL="+at.path)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("erase: %w: %s", err, out)
	}
	return nil
}

// noVictims returns an error if anything of the victim is left, in the stream or in a file of the bridge.
func (at *site) noVictims(r row) error {
	if r.victims > 0 {
		return fmt.Errorf("%d events of the record that was erased came back", r.victims)
	}
	files := os.DirFS(at.data)
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && bytes.Contains(content, []byte(victim)) {
			err = fmt.Errorf("the record that was erased is in %s again", path)
		}
		return err
	})
}
