package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	chartFolder = "charts/crm-bridge"
	repository  = "https://github.com/crm-bridge/crm-bridge"
)

// chart packages the Helm chart with Helm, and returns the name of the file. Beside what the folder has, the package has the licence,
// a README whose links lead to the version on GitHub, and annotations that are made from the changelog.
func (r release) chart(work string) (string, error) {
	copied := filepath.Join(work, "chart", "crm-bridge")
	if err := os.CopyFS(copied, os.DirFS(chartFolder)); err != nil {
		return "", err
	}
	if err := os.RemoveAll(filepath.Join(copied, "test")); err != nil {
		return "", err
	}
	meta, err := readMetadata()
	if err != nil {
		return "", err
	}
	made, err := meta.packaged()
	if err != nil {
		return "", err
	}
	for name, content := range made {
		if err := os.WriteFile(filepath.Join(copied, name), content, 0o644); err != nil { //nolint:gosec // for everyone to read
			return "", err
		}
	}
	folder, err := filepath.Abs(r.folder)
	if err != nil {
		return "", err
	}
	helm := exec.Command("go", "-C", chartFolder+"/test", "tool", "helm", "package", "--destination", folder, copied) //nolint:noctx // it ends with this program
	helm.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.FormatInt(r.when.Unix(), 10))
	if out, err := helm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("package the chart: %w\n%s", err, out)
	}
	return "crm-bridge-" + meta.version + ".tgz", nil
}

// metadata is what the chart and the changelog say of a version.
type metadata struct {
	version, appVersion string
	changes             []change
	document            yaml.Node // Chart.yaml
}

func readMetadata() (m metadata, err error) {
	text, err := os.ReadFile(chartFolder + "/Chart.yaml")
	if err != nil {
		return m, err
	}
	var named struct {
		Version    string `yaml:"version"`
		AppVersion string `yaml:"appVersion"`
	}
	if err := yaml.Unmarshal(text, &named); err != nil {
		return m, fmt.Errorf("%s/Chart.yaml: %w", chartFolder, err)
	}
	if err := yaml.Unmarshal(text, &m.document); err != nil {
		return m, fmt.Errorf("%s/Chart.yaml: %w", chartFolder, err)
	}
	m.version, m.appVersion = named.Version, named.AppVersion
	changelog, err := os.ReadFile("CHANGELOG.md")
	m.changes = changesOf(string(changelog), m.version)
	return m, err
}

// packaged are the files of the package that the folder of the chart has not, or has otherwise.
func (m metadata) packaged() (map[string][]byte, error) {
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, err
	}
	readme, err := os.ReadFile(chartFolder + "/README.md")
	if err != nil {
		return nil, err
	}
	chart, err := m.annotated()
	return map[string][]byte{"LICENSE": licence, "README.md": m.absolute(readme), "Chart.yaml": chart}, err
}

var relativeLink = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)\s]*)?\)`)

// absolute makes each relative link of the chart's README one to GitHub: to the tag of a release, to the branch main before.
func (m metadata) absolute(readme []byte) []byte {
	at := "v" + m.version
	if strings.Contains(m.version, "-") {
		at = "main"
	}
	return relativeLink.ReplaceAllFunc(readme, func(link []byte) []byte {
		part := relativeLink.FindSubmatch(link)
		to, heading := string(part[1]), string(part[2])
		if strings.Contains(to, ":") {
			return link
		}
		return []byte("](" + repository + "/blob/" + at + "/" + filepath.ToSlash(filepath.Join(chartFolder, to)) + heading + ")")
	})
}

// annotated is Chart.yaml with what Artifact Hub shows of the version's changes.
func (m metadata) annotated() ([]byte, error) {
	added := map[string]string{}
	for _, c := range m.changes {
		if c.Kind == "security" {
			added["artifacthub.io/containsSecurityUpdates"] = "true"
		}
	}
	list, err := yaml.Marshal(m.changes)
	if err != nil {
		return nil, err
	}
	added["artifacthub.io/changes"] = string(list)
	for i, fields := 0, m.document.Content[0].Content; i < len(fields); i += 2 {
		if fields[i].Value == "annotations" {
			var more yaml.Node
			if err := more.Encode(added); err != nil {
				return nil, err
			}
			fields[i+1].Content = append(fields[i+1].Content, more.Content...)
			var out bytes.Buffer
			encoder := yaml.NewEncoder(&out)
			encoder.SetIndent(2)
			err := encoder.Encode(&m.document)
			return out.Bytes(), err
		}
	}
	return nil, fmt.Errorf("%s/Chart.yaml has no annotations", chartFolder)
}
