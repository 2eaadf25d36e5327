//go:build unix

package terminal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// watchReader calls gone when the other end of a pipe is closed. stop ends the watch, and returns when it has ended.
func watchReader(pipe *os.File, gone func()) (stop func()) {
	wake, waker, err := os.Pipe()
	if err != nil {
		return func() {} // the next write finds out
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fds := []unix.PollFd{{Fd: int32(pipe.Fd())}, {Fd: int32(wake.Fd()), Events: unix.POLLIN}}
		for {
			switch _, err := unix.Poll(fds, -1); {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
				continue
			case err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0:
				gone()
			}
			return
		}
	}()
	return func() {
		_ = waker.Close()
		<-done
		_ = wake.Close()
	}
}
