package transform

import (
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"testing"
)

// What is remembered of a name is right, however many names there are at once, and no long name is kept.
func TestNamesAreRemembered(t *testing.T) {
	names := []string{"", "token", "Token", "a/b", "A/B", "SID", "my-sid", "inside", "Key", "keys", "\u00c4nderung", "to\u212aen", strings.Repeat("A", longestKept), strings.Repeat("A", longestKept+1), "\xff"}
	for i := range 4 * keptNames {
		names = append(names, fmt.Sprintf("Name_%d", i), fmt.Sprintf("secret_%d", i))
	}
	known := &nameTable{seed: maphash.MakeSeed()}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 3 {
				for _, name := range names {
					if got := known.step(name); got != step(name) {
						t.Errorf("%q becomes %q", name, got)
					}
					if got := known.isSecret(name); got != isSecretName(step(name)) {
						t.Errorf("%q is secret: %t", name, got)
					}
				}
			}
		})
	}
	all.Wait()
	for i := range known.kept {
		if kept := known.kept[i].Load(); kept != nil && len(kept.name) > longestKept {
			t.Errorf("%q is kept", kept.name)
		}
	}
	if allocs := testing.AllocsPerRun(100, func() { known.step("Deal_Name"); known.isSecret("token") }); allocs > 0 {
		t.Errorf("%v allocations for known names", allocs)
	}
}
