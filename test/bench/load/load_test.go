package load

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"
)

// An answer is complete when all of its body has been read, in however many pieces.
func TestAnswerInPieces(t *testing.T) {
	const whole = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nDate: now\r\n\r\nsorry"
	for n := range len(whole) - len("sorry") {
		if _, length, err := answered([]byte(whole[:n])); length != 0 || err != nil {
			t.Fatalf("%q: length %d, %v", whole[:n], length, err)
		}
	}
	if status, length, err := answered([]byte(whole[:len(whole)-2])); status != 503 || length != len(whole) || err != nil {
		t.Errorf("status %d, length %d, %v", status, length, err)
	}
	const inChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
	for n := range len(inChunks) {
		if _, length, err := answered([]byte(inChunks[:n])); length != 0 || err != nil {
			t.Fatalf("%q: length %d, %v", inChunks[:n], length, err)
		}
	}
	if status, length, err := answered([]byte(inChunks)); status != 200 || length != len(inChunks) || err != nil {
		t.Errorf("status %d, length %d, %v", status, length, err)
	}
	if _, _, err := answered([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")); err == nil {
		t.Error("an answer of unknown length is taken for whole")
	}
}

// An answer that is longer than what is held for it is read to its end.
func TestLongAnswer(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	go func() {
		_, _ = there.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 9000)))
	}()
	if err := here.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	s := &sender{conn: here, answer: make([]byte, 64)}
	if status, err := s.read(); status != 200 || err != nil || bytes.Count(s.answer, []byte("x")) != 9000 {
		t.Errorf("status %d, %v", status, err)
	}
}
