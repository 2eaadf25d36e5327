package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// Two builds of a commit are the same to the byte, and what is unpacked knows its version, completes its commands and has its pages.
func TestRelease(t *testing.T) {
	t.Chdir("../..")
	t.Setenv("VERSION", "9.8.7-ci")
	t.Setenv("COMMIT", "0123456789abcdef0123456789abcdef01234567")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	first, second := t.TempDir(), t.TempDir()
	for _, folder := range []string{first, second} {
		if err := (release{version: "9.8.7-ci", folder: folder}).build([]string{runtime.GOOS + "/" + runtime.GOARCH}); err != nil {
			t.Fatal(err)
		}
	}
	base := "crm-bridge_9.8.7-ci_" + runtime.GOOS + "_" + runtime.GOARCH
	meta, err := readMetadata()
	if err != nil {
		t.Fatal(err)
	}
	compared := []string{base + ".tar.gz", "crm-bridge-" + meta.version + ".tgz", "SHA256SUMS"}
	if runtime.GOOS == "linux" {
		compared = append(compared, base+".deb")
	}
	for _, name := range compared {
		if one, other := read(t, first, name), read(t, second, name); !bytes.Equal(one, other) {
			t.Errorf("%s differs between two builds", name)
		}
	}

	checkChart(t, first, meta.version)
	names := unpack(t, read(t, first, base+".tar.gz"), second)
	if !slices.IsSorted(names) {
		t.Errorf("the entries are not sorted: %q", names)
	}
	for _, want := range []string{"LICENSE", "README.md", "crm-bridge", "completions/crm-bridge.bash", "completions/_crm-bridge", "completions/crm-bridge.fish", "completions/crm-bridge.ps1", "man/crm-bridge.1", "man/crm-bridge-replay-delete.1"} {
		if !slices.Contains(names, base+"/"+want) {
			t.Errorf("the archive lacks %s: %q", want, names)
		}
	}
	unpacked := filepath.Join(second, base)
	if got, want := say(t, unpacked, "crm-bridge version --json"), `"commit":"0123456789abcdef0123456789abcdef01234567"`; !strings.Contains(got, want) || !strings.Contains(got, `"version":"9.8.7-ci"`) {
		t.Errorf("the program says %s", got)
	}
	completed := say(t, unpacked, `source completions/crm-bridge.bash
		_get_comp_words_by_ref() { cur=repl prev=crm-bridge words=(crm-bridge repl) cword=1; } # of the package bash-completion
		__start_crm-bridge 2>/dev/null; echo "${COMPREPLY[@]}"`)
	if strings.TrimSpace(completed) != "replay" {
		t.Errorf("crm-bridge repl is completed to %q", completed)
	}
}

// The image and the archives are built by the same Go: the Dockerfile's base has the version in .go-version.
func TestOneGo(t *testing.T) {
	version, dockerfile := read(t, "../..", ".go-version"), read(t, "../..", "Dockerfile")
	if base := " golang:" + string(bytes.TrimSpace(version)) + " AS build\n"; !bytes.Contains(dockerfile, []byte(base)) {
		t.Errorf("no FROM of the Dockerfile ends with %q", base)
	}
}

// A ZIP archive holds every file with its mode, and is the same each time.
func TestZipped(t *testing.T) {
	files := []file{{"LICENSE", 0o644, []byte("free")}, {"crm-bridge.exe", 0o755, []byte("MZ")}}
	var one, other bytes.Buffer
	for _, out := range []*bytes.Buffer{&one, &other} {
		if err := zipped(out, "a/", time.Unix(1700000000, 0).UTC(), files); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := zip.NewReader(bytes.NewReader(one.Bytes()), int64(one.Len()))
	if err != nil || !bytes.Equal(one.Bytes(), other.Bytes()) {
		t.Fatalf("two archives differ, or cannot be read: %v", err)
	}
	for i, f := range archive.File {
		if f.Name != "a/"+files[i].name || int64(f.Mode()) != files[i].mode || !f.Modified.Equal(time.Unix(1700000000, 0)) {
			t.Errorf("%s has mode %v and time %v", f.Name, f.Mode(), f.Modified)
		}
	}
}

// A package of a pre-release is older than that of its release, and one of later commits is newer.
func TestDebianVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.2.3": "1.2.3", "1.2.3-dev": "1.2.3~dev", "1.2.3-rc.1": "1.2.3~rc.1", "1.2.3-5-gabc0123": "1.2.3+5.gabc0123",
		"1.2.3-rc.1-5-gabc0123": "1.2.3~rc.1+5.gabc0123", "1.2.3-beta-2": "1.2.3~beta.2",
	} {
		if got := debianVersion(version); got != want {
			t.Errorf("%s is %s in a package, not %s", version, got, want)
		}
	}
}

func read(t *testing.T, folder, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unpack writes what an archive holds into folder, and returns the names in their order.
func unpack(t *testing.T, data []byte, folder string) (names []string) {
	t.Helper()
	compressed, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 1700000000 {
			t.Errorf("%s belongs to %d:%d and is of %v", header.Name, header.Uid, header.Gid, header.ModTime)
		}
		names = append(names, header.Name)
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, header.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, os.FileMode(header.Mode)); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// say is what a script prints in folder, with the programs of folder first.
func say(t *testing.T, folder, script string) string {
	t.Helper()
	command := exec.Command("bash", "-c", script)
	command.Dir, command.Env = folder, append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}
