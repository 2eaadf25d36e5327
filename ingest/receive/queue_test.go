package receive

import "testing"

// Connections leave a queue from any place, and the others keep their order.
func TestQueue(t *testing.T) {
	var q, other queue
	all := map[string]*conn{}
	for _, name := range []string{"a", "b", "c", "d"} {
		all[name] = &conn{}
		q.push(all[name])
	}
	order := func() (names string) {
		var last *conn
		for one := q.first; one != nil; last, one = one, one.next {
			for name, known := range all {
				if one == known {
					names += name
				}
			}
			if one.prev != last || one.in != &q {
				t.Errorf("the place of one behind %q is wrong", names)
			}
		}
		if q.last != last {
			t.Errorf("%q does not end with the last", names)
		}
		return names
	}
	for _, step := range []struct{ leaves, left string }{{"", "abcd"}, {"b", "acd"}, {"b", "acd"}, {"a", "cd"}, {"d", "c"}, {"c", ""}} {
		if one := all[step.leaves]; one != nil {
			one.leave()
		}
		if got := order(); got != step.left {
			t.Errorf("after %q left, %q are in the queue, not %q", step.leaves, got, step.left)
		}
	}
	other.push(all["a"])
	q.push(all["b"])
	if all["a"].leave(); other.first != nil || order() != "b" {
		t.Errorf("leaving one queue changed another: %q", order())
	}
}
