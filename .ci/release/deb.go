package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/md5" //nolint:gosec // dpkg --verify compares it
	"embed"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"
)

// debian has what a package says about itself, and what dpkg runs.
//
//go:embed debian
var debian embed.FS

const environment = "etc/crm-bridge/crm-bridge.env"

// installed is the file of a package that a document of the archives becomes; ok is false for one that is left out.
func installed(paper file) (_ file, ok bool, err error) {
	folder, base := path.Split(paper.name)
	switch {
	case folder == "man/":
		paper.name = "usr/share/man/man1/" + base + ".gz"
		paper.data, err = gzipped(paper.data)
	case base == "crm-bridge.bash":
		paper.name = "usr/share/bash-completion/completions/crm-bridge"
	case base == "_crm-bridge":
		paper.name = "usr/share/zsh/vendor-completions/_crm-bridge"
	case base == "crm-bridge.fish":
		paper.name = "usr/share/fish/vendor_completions.d/crm-bridge.fish"
	case base == "CHANGELOG.md":
		paper.name = "usr/share/doc/crm-bridge/changelog.gz"
		paper.data, err = gzipped(paper.data)
	default:
		return file{}, false, nil
	}
	return paper, true, err
}

// packageFiles are the files of a Debian package with the program.
func (r release) packageFiles(program []byte, papers []file) ([]file, error) {
	files := []file{{"usr/bin/crm-bridge", 0o755, program}}
	for _, paper := range papers {
		if one, ok, err := installed(paper); err != nil {
			return nil, err
		} else if ok {
			files = append(files, one)
		}
	}
	for from, to := range map[string]string{
		"examples/systemd/crm-bridge.service": "usr/lib/systemd/system/crm-bridge.service",
		"examples/systemd/crm-bridge.socket":  "usr/lib/systemd/system/crm-bridge.socket",
		"examples/systemd/crm-bridge.env":     environment,
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if to == environment {
			mode = 0o600 // it may get secrets
		}
		files = append(files, file{to, mode, data})
	}
	for from, to := range map[string]string{
		"debian/copyright":         "usr/share/doc/crm-bridge/copyright",
		"debian/lintian-overrides": "usr/share/lintian/overrides/crm-bridge",
	} {
		data, err := debian.ReadFile(from)
		if err != nil {
			return nil, err
		}
		files = append(files, file{to, 0o644, data})
	}
	changes, err := gzipped(fmt.Appendf(nil, "crm-bridge (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n",
		debianVersion(r.version), "crm-bridge maintainers <noreply@github.com>", r.when.Format(time.RFC1123Z)))
	files = append(files, file{"usr/share/doc/crm-bridge/changelog.Debian.gz", 0o644, changes})
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	return files, err
}

// deb writes a Debian package of the program for a machine to a file of the release. dpkg-deb would do, but its bytes depend on its version
// and on that of what it compresses with, and other systems lack it.
func (r release) deb(name, machine string, program []byte, papers []file) error {
	files, err := r.packageFiles(program, papers)
	if err != nil {
		return err
	}
	data, err := r.tree(files, "etc/crm-bridge/secrets")
	if err != nil {
		return err
	}
	about, err := r.control(machine, files)
	if err != nil {
		return err
	}
	control, err := r.tree(about)
	if err != nil {
		return err
	}
	out := bytes.NewBufferString("!<arch>\n")
	for _, member := range []file{{"debian-binary", 0, []byte("2.0\n")}, {"control.tar.gz", 0, control}, {"data.tar.gz", 0, data}} {
		_, _ = fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", member.name, r.when.Unix(), 0, 0, "100644", len(member.data), member.data)
		if out.Len()%2 == 1 {
			_ = out.WriteByte('\n')
		}
	}
	return os.WriteFile(filepath.Join(r.folder, name), out.Bytes(), 0o644) //nolint:gosec // for everyone to read
}

// control is what dpkg reads of a package with these files.
func (r release) control(machine string, files []file) ([]file, error) {
	size, sums := 0, ""
	for _, f := range files {
		size += len(f.data)
		sums += fmt.Sprintf("%x  %s\n", md5.Sum(f.data), f.name) //nolint:gosec // as above
	}
	text, err := template.ParseFS(debian, "debian/control")
	if err != nil {
		return nil, err
	}
	var about bytes.Buffer
	if err := text.Execute(&about, map[string]any{"Version": debianVersion(r.version), "Machine": machine, "KiB": size >> 10}); err != nil {
		return nil, err
	}
	all := []file{{"control", 0o644, about.Bytes()}, {"md5sums", 0o644, []byte(sums)}, {"conffiles", 0o644, []byte("/" + environment + "\n")}}
	for _, name := range []string{"postinst", "prerm", "postrm"} {
		script, err := debian.ReadFile("debian/" + name)
		if err != nil {
			return nil, err
		}
		all = append(all, file{name, 0o755, script})
	}
	return all, nil
}

// described is a version that git describe made: a tag, the commits since then, and the last of them.
var described = regexp.MustCompile(`-([0-9]+)-(g[0-9a-f]+)`)

// debianVersion is a version as dpkg compares it: a pre-release comes before its release, and commits since a tag after that tag.
func debianVersion(version string) string {
	version = described.ReplaceAllString(version, "+$1.$2")
	tagged, since, ok := strings.Cut(version, "+")
	tagged = strings.ReplaceAll(strings.Replace(tagged, "-", "~", 1), "-", ".")
	if !ok {
		return tagged
	}
	return tagged + "+" + strings.ReplaceAll(since, "-", ".")
}

// tree is a compressed archive of files with the folders that they are in, and of empty folders that only root reads.
func (r release) tree(files []file, private ...string) ([]byte, error) {
	modes := map[string]int64{".": 0o755}
	for _, name := range private {
		modes[name] = 0o700
	}
	for _, f := range files {
		private = append(private, f.name)
	}
	for _, name := range private {
		for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
			modes[folder] = 0o755
		}
	}
	var entries []file
	for folder, mode := range modes {
		entries = append(entries, file{strings.TrimPrefix(folder+"/", "./"), mode, nil})
	}
	entries = append(entries, files...)
	slices.SortFunc(entries, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var out bytes.Buffer
	err := tarball(&out, "./", r.when, entries)
	return out.Bytes(), err
}

func gzipped(data []byte) ([]byte, error) {
	var out bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := compressed.Write(data); err != nil {
		return nil, err
	}
	err = compressed.Close()
	return out.Bytes(), err
}
