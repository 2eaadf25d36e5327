// Command release builds what a release consists of: an archive per platform, with the program, its completions and its man
// pages, Debian packages for Linux, the Helm chart, a list of what each program is made of (CycloneDX), and SHA256SUMS. The same commit and
// the same Go give the same bytes.
// It builds with the line of the Dockerfile, by way of .ci/program, and knows no flags of its own for the compiler.
package main

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const everywhere = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

func main() {
	r := release{version: os.Getenv("VERSION")}
	flag.StringVar(&r.folder, "out", "dist", "folder to write to")
	platforms := flag.String("platforms", everywhere, "platforms, separated by commas")
	flag.BoolVar(&r.lists, "sbom", true, "list what each program is made of")
	tag := flag.String("check", "", "build nothing, and fail unless the chart and the changelog have the version of this `tag`")
	flag.Parse()
	if *tag != "" {
		if err := fits(*tag); err != nil {
			fmt.Fprintln(os.Stderr, "release:", err)
			os.Exit(1)
		}
		return
	}
	if err := r.build(strings.Split(*platforms, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release is what all archives share.
type release struct {
	version, folder string
	lists           bool
	when            time.Time // of every file in an archive
}

// file is a file of an archive.
type file struct {
	name string
	mode int64
	data []byte
}

func (r release) build(platforms []string) error {
	if r.version == "" {
		return fmt.Errorf("VERSION is not set; make release sets it")
	}
	var err error
	if r.when, err = commitTime(); err != nil {
		return err
	}
	if err := os.MkdirAll(r.folder, 0o750); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	papers, err := documents(work)
	if err != nil {
		return err
	}
	var made []string
	for _, platform := range platforms {
		names, err := r.archive(work, strings.TrimSpace(platform), papers)
		if err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		made = append(made, names...)
	}
	chart, err := r.chart(work)
	if err != nil {
		return err
	}
	return sum(r.folder, append(made, chart))
}

func fits(tag string) error {
	changelog, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	meta, err := readMetadata()
	if err != nil {
		return err
	}
	return check(tag, string(changelog), meta)
}

// commitTime is SOURCE_DATE_EPOCH, else the time of the commit.
func commitTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := output("git", "log", "-1", "--format=%ct")
		if err != nil {
			return time.Time{}, fmt.Errorf("read the time of the commit (or set SOURCE_DATE_EPOCH): %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH must be a number of seconds, not %q", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// documents are the files that are the same on every platform: what the program of this machine writes about itself among them.
func documents(work string) ([]file, error) {
	var files []file
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, file{name, 0o644, data})
	}
	program, err := compile(work, runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	for shell, name := range map[string]string{"bash": "crm-bridge.bash", "zsh": "_crm-bridge", "fish": "crm-bridge.fish", "powershell": "crm-bridge.ps1"} {
		data, err := output(program, "completion", shell)
		if err != nil {
			return nil, err
		}
		files = append(files, file{"completions/" + name, 0o644, data})
	}
	pages := filepath.Join(work, "man")
	if err := os.Mkdir(pages, 0o750); err != nil {
		return nil, err
	}
	if _, err := output(program, "man", pages); err != nil {
		return nil, err
	}
	list, err := os.ReadDir(pages)
	if err != nil {
		return nil, err
	}
	for _, page := range list {
		data, err := os.ReadFile(filepath.Join(pages, page.Name()))
		if err != nil {
			return nil, err
		}
		files = append(files, file{"man/" + page.Name(), 0o644, data})
	}
	return files, nil
}

// compile builds the program for a platform, once.
func compile(work, system, machine string) (string, error) {
	program := filepath.Join(work, system+"-"+machine)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	_, err := output(".ci/program", program, system+"/"+machine)
	return program, err
}

// archive builds the program for a platform and packs it with the documents. It returns the names of the files that it wrote.
func (r release) archive(work, platform string, papers []file) ([]string, error) {
	system, machine, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("a platform is written like linux/amd64")
	}
	program, err := compile(work, system, machine)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	name, base := "crm-bridge", fmt.Sprintf("crm-bridge_%s_%s_%s", r.version, system, machine)
	pack, suffix := tarball, ".tar.gz"
	if system == "windows" {
		name, pack, suffix = "crm-bridge.exe", zipped, ".zip"
	}
	files := append(slices.Clone(papers), file{name, 0o755, data})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	out, err := os.Create(filepath.Join(r.folder, base+suffix))
	if err != nil {
		return nil, err
	}
	if err := pack(out, base+"/", r.when, files); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	names := []string{base + suffix}
	if system == "linux" {
		if err := r.deb(base+".deb", machine, data, papers); err != nil {
			return nil, err
		}
		names = append(names, base+".deb")
	}
	if !r.lists {
		return names, nil
	}
	_, err = output(".ci/sbom/write", filepath.Join(r.folder, base+".cdx.json"), program)
	return append(names, base+".cdx.json"), err
}

// sum writes SHA256SUMS of the named files, as sha256sum -c reads it, and prints it.
func sum(folder string, names []string) error {
	slices.Sort(names)
	var sums strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	fmt.Print(sums.String())
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(sums.String()), 0o644) //nolint:gosec // for everyone to read
}

func output(name string, args ...string) ([]byte, error) {
	command := exec.Command(name, args...) //nolint:noctx // it ends with this program
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
	}
	return out, nil
}
