package main

import (
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// choice is what the flags ask for.
type choice struct {
	plan
	page  string // whose generated part is rewritten; empty: none
	smoke bool
}

// parse reads the flags.
func parse(args []string) (c choice, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&c.load, "duration", 2*time.Second, "load of each measurement, after a warm-up")
	flags.DurationVar(&c.warm, "warm", 500*time.Millisecond, "warm-up before each measurement")
	flags.IntVar(&c.rounds, "rounds", 3, "measurements of each subject under each workload")
	wanted := flags.String("parts", partTable, "comma-separated parts of the tables: "+strings.Join(parts, ", ")+", or all")
	connections := flags.String("connections", "1,64,256", "connections that send at once")
	sizes := flags.String("sizes", "1K,16K,128K,1M", "bodies of the part bodies")
	ids := flags.String("records", "1,100", "records in a callback of the part records")
	names := flags.String("subjects", "", "comma-separated names of what to measure; all: "+strings.Join(namesOf(subjects), ", ")+"; default: "+strings.Join(namesOf(usual()), ", "))
	kind := flags.String("callback", callbacks[0].name, "what to send: notification or webhook")
	peerFile := flags.String("peer", "", "file of Bento, to measure in front of a NATS server as direct is; .ci/peer builds it")
	flags.StringVar(&c.page, "write", "", "page whose generated part to rewrite, such as docs/performance.md")
	flags.BoolVar(&c.smoke, "smoke", false, "measure a few ratios in half a minute, and fail where one is far off")
	flags.StringVar(&c.dir, "dir", "", "folder on the disk to measure; default: the one for temporary files")
	var beside []subject
	flags.Func("beside", "NAME=FILE of another build of the bridge, to measure with the settings of "+committed+"; repeatable", func(value string) error {
		name, file, ok := strings.Cut(value, "=")
		if !ok || name == "" || slices.Contains(namesOf(slices.Concat(subjects, beside)), name) {
			return errors.New("use NAME=FILE with a new name")
		}
		beside = append(beside, besideCommit(name, file))
		return isProgram(file)
	})
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if c.smoke {
		*wanted, *names, *connections, c.load, c.rounds = partTable, committed+","+floorNoSync, "64", smokeTime, smokeRounds
	}
	if c.rounds < 1 || c.load <= 0 {
		return c, errors.New("-rounds and -duration must be positive")
	}
	var failed [6]error
	c.parts, failed[0] = chooseParts(*wanted)
	c.connections, failed[1] = numbers("-connections", *connections, 2000)
	c.sizes, failed[2] = numbers("-sizes", *sizes, 1<<20)
	c.ids, failed[3] = numbers("-records", *ids, 1000)
	c.callback, failed[4] = named(*kind)
	c.subjects, failed[5] = choose(*names)
	c.subjects = append(c.subjects, beside...)
	err = errors.Join(failed[:]...)
	if err == nil && *peerFile != "" {
		c.subjects = append(c.subjects, peerAt(*peerFile))
		err = isProgram(*peerFile)
	}
	return c, err
}

func isProgram(file string) error {
	_, err := exec.LookPath(file)
	return err
}

// chooseParts returns the parts in a list of names, in the order of the tables.
func chooseParts(list string) ([]string, error) {
	if list == "all" {
		return parts, nil
	}
	names := splitList(list)
	for _, name := range names {
		if !slices.Contains(parts, name) {
			return nil, fmt.Errorf("-parts: unknown part %q; use %s, or all", name, strings.Join(parts, ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return !slices.Contains(names, part) }), nil
}

// choose returns the subjects in a list of names, in the order of the table; the usual ones if it is empty.
func choose(list string) ([]subject, error) {
	if list == "" {
		return usual(), nil
	}
	names := splitList(list)
	if list == "all" {
		names = namesOf(subjects)
	}
	for _, name := range names {
		if !slices.Contains(namesOf(subjects), name) {
			return nil, fmt.Errorf("-subjects: unknown subject %q; use %s", name, strings.Join(namesOf(subjects), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(subjects), func(s subject) bool { return !slices.Contains(names, s.name) }), nil
}

// numbers reads a list of numbers from 1 to a limit, which may have the unit K (1024) or M.
func numbers(flag, list string, limit int) (all []int, err error) {
	for _, word := range splitList(list) {
		digits, unit := strings.TrimRight(word, "KM"), 1
		switch word[len(digits):] {
		case "K":
			unit = 1 << 10
		case "M":
			unit = 1 << 20
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 || n > limit/unit {
			return nil, fmt.Errorf("%s: %q is not a number from 1 to %d", flag, word, limit)
		}
		all = append(all, n*unit)
	}
	return all, nil
}

func splitList(list string) []string {
	words := strings.Split(list, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}
