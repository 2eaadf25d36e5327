package publish_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// commits is a Commit that ends when the test lets it.
type commits struct {
	begun chan context.Context
	end   chan error
}

func (c commits) commit(ctx context.Context) error {
	c.begun <- ctx
	return <-c.end
}

// No call returns before a commit that began after its acknowledgement has ended, and the error of a commit is that of exactly the calls
// that it was for.
func TestNoAnswerBeforeTheCommit(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	disk := commits{make(chan context.Context, 10), make(chan error)}
	a := &answerer{Publisher: publishtest.Publisher(conn)}
	a.Commit = disk.commit
	first := a.start(t, time.Minute, "1")
	<-disk.begun
	second, third := a.start(t, time.Minute, "2"), a.start(t, time.Minute, "3")
	until(t, func() bool { return count(t, server, "CRM") == 3 })
	select {
	case got := <-first:
		t.Fatalf("it was answered before its sync: %+v", got)
	case got := <-second:
		t.Fatalf("it was answered before its sync: %+v", got)
	case <-time.After(20 * time.Millisecond):
	}
	broken := errors.New("input/output error")
	disk.end <- broken
	if got := <-first; !errors.Is(got.err, broken) {
		t.Errorf("the sync for the first failed: %+v", got)
	}
	<-disk.begun
	select {
	case got := <-second:
		t.Fatalf("it was answered before its sync: %+v", got)
	default:
	}
	disk.end <- nil
	if got := <-second; got.err != nil || got.acks[0].Sequence == 0 {
		t.Errorf("the second: %+v", got)
	}
	go func() { // the third may have had a sync of its own
		for range disk.begun {
			disk.end <- nil
		}
	}()
	if got := <-third; got.err != nil {
		t.Error(got.err)
	}
	close(disk.begun)
}

// A caller whose time is over leaves a disk that hangs, and the context of a commit that nobody waits for ends.
func TestCallersLeaveADiskThatHangs(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	disk := commits{make(chan context.Context, 10), make(chan error)}
	a := &answerer{Publisher: publishtest.Publisher(conn)}
	a.Commit = disk.commit
	call := a.start(t, 500*time.Millisecond, "1")
	committing := <-disk.begun
	if committing.Err() != nil {
		t.Error("the commit ends while its caller waits")
	}
	if got := <-call; !errors.Is(got.err, context.DeadlineExceeded) || errors.Is(got.err, publish.ErrUnanswered) {
		t.Errorf("%+v", got)
	}
	<-committing.Done()
	disk.end <- nil
	next := a.start(t, time.Minute, "2")
	<-disk.begun
	disk.end <- nil
	if got := <-next; got.err != nil || got.acks[0].Sequence != 2 {
		t.Errorf("%+v", got)
	}
}
