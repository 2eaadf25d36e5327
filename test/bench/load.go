package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load sends callbacks as cheaply as possible, because it shares the cores with what it measures: each connection writes one request
// again and again, with another record, and reads only the status and the length of an answer.
type load struct {
	senders []*sender
	next    *atomic.Int64 // the next record
}

// sender is one connection.
type sender struct {
	conn    net.Conn
	request []byte
	records []int // offsets of the record's number in request
	answer  []byte

	latencies []time.Duration
	refused   int
	err       error
}

// answerTimeout is how long an answer is awaited.
const answerTimeout = 20 * time.Second

// dial opens the connections of a load.
func dial(ctx context.Context, address string, c callback, connections int, next *atomic.Int64) (*load, error) {
	l := &load{next: next}
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			l.close()
			return nil, err
		}
		s := &sender{conn: conn, request: c.request(address), answer: make([]byte, 4096)}
		for rest := 0; ; rest += len(record) {
			at := bytes.Index(s.request[rest:], []byte(record))
			if at < 0 {
				break
			}
			rest += at
			s.records = append(s.records, rest+strings.Index(record, "R"))
		}
		l.senders = append(l.senders, s)
	}
	return l, nil
}

func (l *load) close() {
	for _, s := range l.senders {
		_ = s.conn.Close()
	}
}

// run sends on every connection for a while, and returns when the last answer has arrived.
func (l *load) run(ctx context.Context, lasts time.Duration) (took time.Duration, err error) {
	defer context.AfterFunc(ctx, l.close)()
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

// fill writes a record's number at all its offsets.
func (s *sender) fill(number int64) {
	for _, at := range s.records {
		n := number
		for i := at + strings.Count(record, "R") - 1; i >= at; i-- {
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
		case have == len(s.answer) || length > 0 && have > length:
			return 0, fmt.Errorf("an answer of %d bytes instead of %d: %q", have, length, s.answer[:have])
		}
	}
}

var (
	headerEnd     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
)

// answered returns the status of an answer, and its length with its header; length is 0 if the header is incomplete.
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
	if at < 0 {
		return 0, 0, fmt.Errorf("an answer without a Content-Length: %q", header)
	}
	digits := header[at+len(contentLength):]
	body, err := strconv.Atoi(string(digits[:bytes.IndexByte(digits, '\r')]))
	return status, end + len(headerEnd) + body, err
}
