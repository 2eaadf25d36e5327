package embedded

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipe returns both sides of a connection within the process, of which the first is buffered.
func pipe(t *testing.T) (*buffered, net.Conn) {
	t.Helper()
	here, server := net.Pipe()
	b := buffer(here)
	t.Cleanup(func() {
		_ = server.Close()
		_ = b.Close()
	})
	return b, server
}

func write(t *testing.T, to net.Conn, data []byte) {
	t.Helper()
	if n, err := to.Write(data); n != len(data) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(data), err)
	}
}

// What is written while nobody reads arrives, in order.
func TestWritesDoNotWaitForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t)
		var want []byte
		for i := range byte(100) {
			part := bytes.Repeat([]byte{i}, 1000)
			write(t, conn, part)
			want = append(want, part...)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read something else: %v", err)
		}
	})
}

// What is written at once arrives in pieces of about the same size, which fill more than half of a buffer of the server and never all of it.
func TestPiecesFitTheServersBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t)
		buffer := make([]byte, maxPiece+1)
		for size := 1; size < 10*len(buffer); size += 997 {
			write(t, conn, make([]byte, size))
			for left := size; left > 0; {
				n, err := server.Read(buffer)
				if left -= n; err != nil || n == len(buffer) || n < min(size, len(buffer)/2) || left < 0 {
					t.Fatalf("a piece of %d bytes, %d of %d are left: %v", n, left, size, err)
				}
			}
		}
	})
}

// A full buffer stops a Write until its deadline, of which nothing is then written, or until the server reads.
func TestWriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t)
		full := make([]byte, maxWaiting)
		write(t, conn, full)
		synctest.Wait() // the first ones are being passed on
		write(t, conn, full)
		for _, set := range []func(time.Time) error{conn.SetWriteDeadline, conn.SetDeadline} {
			began := time.Now()
			_ = set(began.Add(time.Minute))
			if n, err := conn.Write([]byte("late")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Minute {
				t.Errorf("%d bytes after %s: %v", n, time.Since(began), err)
			}
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the deadline is not one of reads: %v", err)
		}
		_ = conn.SetDeadline(time.Time{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			write(t, conn, []byte("end"))
		}()
		got := make([]byte, 2*len(full)+3)
		if _, err := io.ReadFull(server, got); err != nil || string(got[2*len(full):]) != "end" {
			t.Errorf("it ends with %q: %v", got[2*len(full):], err)
		}
		<-done
	})
}

// Close waits until the server has read what was written, but not for a server that does not read.
func TestCloseDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t)
		write(t, conn, []byte("last words"))
		read := make(chan []byte)
		go func() {
			time.Sleep(closeWait / 2)
			all, _ := io.ReadAll(server)
			read <- all
		}()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if got := <-read; string(got) != "last words" {
			t.Errorf("read %q", got)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a closed connection takes more: %v", err)
		}

		conn, _ = pipe(t)
		write(t, conn, []byte("never read"))
		began := time.Now()
		if err := conn.Close(); err != nil || time.Since(began) != closeWait {
			t.Errorf("closed after %s: %v", time.Since(began), err)
		}
	})
}

// When the server closes the connection, a Write that waits and those after it fail.
func TestWriteFailsOnceTheServerHasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, server := pipe(t)
		write(t, conn, make([]byte, maxWaiting))
		synctest.Wait()
		write(t, conn, make([]byte, maxWaiting))
		failed := make(chan error)
		go func() {
			_, err := conn.Write([]byte("x"))
			failed <- err
		}()
		synctest.Wait()
		_ = server.Close()
		if err := <-failed; !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if _, err := conn.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})
}
