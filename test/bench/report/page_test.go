package report

import "testing"

// Rewriting a page keeps the text outside the marks, and rewriting it again changes nothing.
func TestRewrite(t *testing.T) {
	part := Part{"<!-- begin -->\n", "<!-- end -->\n"}
	once, ok := part.between("before\n"+part.Begin+"old\n"+part.End+"after\n", "new")
	twice, _ := part.between(once, "new")
	if !ok || once != "before\n"+part.Begin+"\nnew\n"+part.End+"after\n" || once != twice {
		t.Errorf("%q, then %q", once, twice)
	}
	if _, ok := part.between("no marks", "new"); ok {
		t.Error("a page without marks is rewritten")
	}
}
