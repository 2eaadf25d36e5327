package terminal

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
)

// errReaderGone ends the work when the reader of its output has closed the pipe.
var errReaderGone = errors.New("the reader of the output is gone")

// WhileRead calls f with a context that ends as soon as the reader of a pipe has closed it, even if nothing is
// written. That is not an error, as in `tail | head -1`. Without this the next write would end the process, and leave behind
// what f would have removed.
func WhileRead(ctx context.Context, out io.Writer, f func(context.Context) error) error {
	file, ok := out.(*os.File)
	if !ok {
		return f(ctx)
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return f(ctx)
	}
	signal.Ignore(syscall.SIGPIPE)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := watchReader(file, func() { end(errReaderGone) })
	defer stop()
	err = f(ctx)
	var written *fs.PathError // a broken connection is another error
	if errors.Is(context.Cause(ctx), errReaderGone) || errors.As(err, &written) && errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}

// UntilSignal returns a context that ends with the first signal that ends a process, such as a terminal that is closed. The
// second ends the process at once, after clean.
func UntilSignal(ctx context.Context, clean func()) (_ context.Context, release func()) {
	ctx, end := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			if _, ok := <-signals; !ok {
				return
			} else if n > 0 {
				clean()
				os.Exit(1)
			}
			end()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		end()
	}
}
