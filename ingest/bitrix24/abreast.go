package bitrix24

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// abreast is how many portals are called at once: most of the time of a call is the portal's.
	abreast = 32
	// portalFor is how long one portal may take in a turn, so that it does not keep the others waiting; the next turn continues.
	// silentPortalFor is that of one that did not answer.
	portalFor       = 30 * time.Second
	silentPortalFor = 10 * time.Second
	// maxErrors is how many portals an error names.
	maxErrors = 5
)

// eachPortal calls do for every portal, several at once, each with its time, and returns when all are done. The errors are joined in the
// order of the portals; the first five are named, and the others counted.
func (c *Client) eachPortal(ctx context.Context, portals []string, do func(ctx context.Context, i int) error) error {
	failures, next := make([]error, len(portals)), make(chan int)
	var all sync.WaitGroup
	for range min(abreast, len(portals)) {
		all.Go(func() {
			for i := range next {
				patience := portalFor
				if c.portal(portals[i]).isSilent() {
					patience = silentPortalFor
				}
				one, cancel := context.WithTimeout(ctx, patience)
				failures[i] = do(one, i)
				cancel()
			}
		})
	}
	for i := range portals {
		next <- i
	}
	close(next)
	all.Wait()
	var named []error
	failed := 0
	for _, err := range failures {
		if err == nil {
			continue
		}
		if failed++; failed <= maxErrors {
			named = append(named, err)
		}
	}
	if failed > maxErrors {
		named = append(named, fmt.Errorf("%d more portals failed", failed-maxErrors))
	}
	return errors.Join(named...)
}

// maxProblem is the length of a channel's problem, in bytes, so that those of a thousand portals can be stored.
const maxProblem = 300

func clipped(text string) string {
	if len(text) <= maxProblem {
		return text
	}
	return strings.ToValidUTF8(text[:maxProblem], "") + "…"
}
