package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// change is an entry of the changelog, in the form that Artifact Hub shows.
type change struct {
	Kind        string `yaml:"kind"`
	Description string `yaml:"description"`
}

var kinds = []string{"added", "changed", "deprecated", "removed", "fixed", "security"}

var (
	reference    = regexp.MustCompile(` \(\[[^\]]*\]\([^)]*\)\)`)
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
	sentence     = regexp.MustCompile(`^(.*?)\.(?:\s|$)`)
)

// changesOf returns the first sentence of each entry that the changelog has for a version, or under Unreleased if it has no such section.
func changesOf(changelog, version string) (list []change) {
	text := section(changelog, version)
	if text == "" {
		text = section(changelog, "Unreleased")
	}
	for block := range strings.SplitSeq("\n"+text, "\n### ") {
		title, body, _ := strings.Cut(block, "\n")
		kind := strings.ToLower(title)
		if !slices.Contains(kinds, kind) {
			continue
		}
		for _, entry := range strings.Split("\n"+body, "\n- ")[1:] {
			entry, _, _ = strings.Cut(entry, "\n\n")
			entry = reference.ReplaceAllString(strings.Join(strings.Fields(entry), " "), "")
			entry = markdownLink.ReplaceAllString(entry, "$1")
			if first := sentence.FindStringSubmatch(entry); first != nil {
				entry = first[1]
			}
			list = append(list, change{kind, entry})
		}
	}
	return list
}

// section is what the changelog has between the heading of a version and the next one.
func section(changelog, version string) string {
	_, after, _ := strings.Cut(changelog, "\n## ["+version+"]")
	_, body, _ := strings.Cut(after, "\n")
	body, _, _ = strings.Cut(body, "\n## ")
	body, _, _ = strings.Cut(body, "\n[Unreleased]: ")
	return strings.TrimSpace(body)
}

// check fails unless the chart, the image that it names and the changelog have the version of a tag.
func check(tag, changelog string, m metadata) error {
	version, ok := strings.CutPrefix(tag, "v")
	switch {
	case !ok || strings.HasSuffix(version, "-dev"):
		return fmt.Errorf("the tag %s is not vX.Y.Z", tag)
	case m.version != version || m.appVersion != version:
		return fmt.Errorf("the tag is %s, but %s/Chart.yaml has version %s and appVersion %s: follow CONTRIBUTING.md, tag again", tag, chartFolder, m.version, m.appVersion)
	case section(changelog, version) == "":
		return fmt.Errorf("CHANGELOG.md has no section [%s], or an empty one", version)
	}
	return nil
}
