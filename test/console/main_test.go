// Package console drives the console of a built crm-bridge in Chromium: every page, every action, by mouse and by keyboard.
package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// update rewrites the pictures in docs/console.
var update = flag.Bool("update", false, "take the pictures of the documents again")

var (
	program  string          // the built crm-bridge
	chromium context.Context // the browser of all tests
	rules    string          // axe-core, as a script
	shared   *day            // the bridge of all tests that need no other
)

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := prepared(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// prepared builds the bridge and starts the browser while run runs.
func prepared(run func() int) (code int, err error) {
	axe, err := os.ReadFile("node_modules/axe-core/axe.min.js")
	if err != nil {
		return 0, fmt.Errorf("run npm ci in test/console first: %w", err)
	}
	rules = string(axe)
	folder, err := os.MkdirTemp("", "crm-bridge-console-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program = filepath.Join(folder, "crm-bridge")
	build := exec.Command("go", "build", "-o", program, "./cmd/crm-bridge")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build crm-bridge: %w\n%s", err, out)
	}
	browser, closeBrowser, err := startChromium(filepath.Join(folder, "profile"))
	if err != nil {
		return 0, err
	}
	defer closeBrowser()
	chromium = browser
	if shared, err = startDay(folder); err != nil {
		return 0, err
	}
	defer shared.end()
	return run(), nil
}

// startChromium starts Chromium with an empty profile. It asks no host but those that the tests name.
func startChromium(profile string) (browser context.Context, closeBrowser func(), err error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		path, err = exec.LookPath("google-chrome")
	}
	if err != nil {
		return nil, nil, errors.New("install chromium first")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.UserDataDir(profile), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoSandbox, chromedp.DisableGPU}
	for _, flag := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-default-apps", "disable-extensions",
		"disable-dev-shm-usage", "disable-renderer-backgrounding", "disable-background-timer-throttling", "mute-audio",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	options = append(options, chromedp.Flag("force-color-profile", "srgb"), chromedp.Flag("host-resolver-rules", "MAP evil.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	browser, closeTab := chromedp.NewContext(allocator)
	started := make(chan error, 1)
	go func() { started <- chromedp.Do(browser) }()
	select {
	case err = <-started:
	case <-time.After(time.Minute):
		err = errors.New("it does not answer within a minute")
	}
	closeBrowser = func() {
		_ = chromedp.Cancel(browser)
		closeTab()
		stop()
	}
	if err != nil {
		closeBrowser()
		return nil, nil, fmt.Errorf("start chromium: %w", err)
	}
	return browser, closeBrowser, nil
}
