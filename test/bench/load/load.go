// Package load sends callbacks as cheaply as possible, because it shares the cores with what it measures: each connection writes one
// request again and again, with another number, and reads only the status and the length of an answer.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Number stands in a request for the number of a callback; each callback has another one.
const Number = "RRRRRRRRRRRR"

// Load is connections that send at once.
type Load struct {
	senders []*sender
	next    *atomic.Int64 // the number of the next callback
}

// sender is one connection.
type sender struct {
	conn    net.Conn
	request []byte
	numbers []int // offsets of Number in request
	answer  []byte

	latencies []time.Duration
	refused   int
	err       error
}

// answerTimeout is how long an answer is awaited.
const answerTimeout = 20 * time.Second

// Dial opens the connections of a load, which all send the same request. Call Close.
func Dial(ctx context.Context, address string, request []byte, connections int, next *atomic.Int64) (*Load, error) {
	l := &Load{next: next}
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			l.Close()
			return nil, err
		}
		s := &sender{conn: conn, request: bytes.Clone(request), answer: make([]byte, 4096)}
		for rest := 0; ; rest += len(Number) {
			at := bytes.Index(s.request[rest:], []byte(Number))
			if at < 0 {
				break
			}
			rest += at
			s.numbers = append(s.numbers, rest)
		}
		l.senders = append(l.senders, s)
	}
	return l, nil
}

// Close closes the connections.
func (l *Load) Close() {
	for _, s := range l.senders {
		_ = s.conn.Close()
	}
}

// Run sends on every connection for a while, and returns when the last answer has arrived.
func (l *Load) Run(ctx context.Context, lasts time.Duration) (took time.Duration, err error) {
	defer context.AfterFunc(ctx, l.Close)()
	began := time.Now()
	end := began.Add(lasts)
	var wait sync.WaitGroup
	for _, s := range l.senders {
		if err := s.conn.SetDeadline(end.Add(answerTimeout)); err != nil {
			return 0, err
		}
		s.latencies, s.refused = s.latencies[:0], 0
		wait.Go(func() { s.err = s.run(l.next, end) })
	}
	wait.Wait()
	took = time.Since(began)
	for _, s := range l.senders {
		err = errors.Join(err, s.err)
	}
	return took, errors.Join(ctx.Err(), err)
}

func (s *sender) run(next *atomic.Int64, end time.Time) error {
	for at := time.Now(); at.Before(end); {
		s.fill(next.Add(1))
		if _, err := s.conn.Write(s.request); err != nil {
			return err
		}
		status, err := s.read()
		if err != nil {
			return err
		}
		now := time.Now()
		if s.latencies = append(s.latencies, now.Sub(at)); status != 200 {
			s.refused++
		}
		at = now
	}
	return nil
}

// fill writes a number at all its offsets.
func (s *sender) fill(number int64) {
	for _, at := range s.numbers {
		n := number
		for i := at + len(Number) - 1; i >= at; i-- {
			s.request[i] = byte('0' + n%10)
			n /= 10
		}
	}
}

// read reads one answer and returns its status.
func (s *sender) read() (int, error) {
	have := 0
	for {
		n, err := s.conn.Read(s.answer[have:])
		if err != nil {
			return 0, err
		}
		have += n
		status, length, err := answered(s.answer[:have])
		switch {
		case err != nil:
			return 0, err
		case length > 0 && have == length:
			return status, nil
		case length > 0 && have > length:
			return 0, fmt.Errorf("an answer of %d bytes instead of %d: %q", have, length, s.answer[:have])
		case have == len(s.answer):
			s.answer = append(s.answer, make([]byte, len(s.answer))...)
		}
	}
}

var (
	headerEnd     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	chunked       = []byte("\r\nTransfer-Encoding: chunked\r\n")
	lastChunk     = []byte("\r\n0\r\n\r\n") // no JSON of ours ends so
)

// answered returns the status of an answer, and its length with its header; length is 0 if it is not known yet.
func answered(answer []byte) (status, length int, err error) {
	end := bytes.Index(answer, headerEnd)
	if end < 0 {
		return 0, 0, nil
	}
	header := answer[:end+2]
	if len(header) < len("HTTP/1.1 200") {
		return 0, 0, fmt.Errorf("not an answer: %q", header)
	}
	if status, err = strconv.Atoi(string(header[len("HTTP/1.1 "):len("HTTP/1.1 200")])); err != nil {
		return 0, 0, fmt.Errorf("not an answer: %q", header)
	}
	at := bytes.Index(header, contentLength)
	if at < 0 && bytes.Contains(header, chunked) {
		if bytes.HasSuffix(answer, lastChunk) {
			length = len(answer)
		}
		return status, length, nil
	}
	if at < 0 {
		return 0, 0, fmt.Errorf("an answer without a Content-Length: %q", header)
	}
	digits := header[at+len(contentLength):]
	body, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
	return status, end + len(headerEnd) + body, err
}

// Count returns how many requests of the last run were answered, and how many of them other than with 200.
func (l *Load) Count() (answers, refused int) {
	for _, s := range l.senders {
		answers += len(s.latencies)
		refused += s.refused
	}
	return answers, refused
}

// Quantiles returns the median and the 99th percentile of all latencies of the last run.
func (l *Load) Quantiles() (p50, p99 time.Duration) {
	var all []time.Duration
	for _, s := range l.senders {
		all = append(all, s.latencies...)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}
