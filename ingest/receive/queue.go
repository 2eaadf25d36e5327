package receive

// queue holds the connections of a phase, the longest in it first. Each has its place in itself, so that moving it, several times a
// request, allocates nothing.
type queue struct{ first, last *conn }

// place is where a connection is in a queue; in is nil where it is in none.
type place struct {
	in         *queue
	prev, next *conn
}

// push adds a connection, which is in no queue, at the end.
func (q *queue) push(one *conn) {
	one.place = place{in: q, prev: q.last}
	if q.last == nil {
		q.first = one
	} else {
		q.last.next = one
	}
	q.last = one
}

// leave removes the connection from its queue, if it is in one.
func (p *place) leave() {
	if p.in == nil {
		return
	}
	if p.prev == nil {
		p.in.first = p.next
	} else {
		p.prev.next = p.next
	}
	if p.next == nil {
		p.in.last = p.prev
	} else {
		p.next.prev = p.prev
	}
	*p = place{}
}
