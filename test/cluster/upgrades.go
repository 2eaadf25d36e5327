package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

func upgradeValues(ctx context.Context, s *stage) error {
	return s.upgrade(ctx, values{"log.level": "debug"})
}

func rollBack(ctx context.Context, s *stage) error {
	before := maps.Clone(s.values)
	delete(before, "log.level")
	return s.rollback(ctx, before)
}

func upgradeImage(ctx context.Context, s *stage) error {
	return s.upgrade(ctx, imageValues(s.site.next))
}

// wrongSetting upgrades to a secret that the program cannot read: the upgrade must fail, and the pods that there are must stay.
func wrongSetting(ctx context.Context, s *stage) error {
	err := s.refused(ctx, values{"secrets.BRIDGE_ZOHO_TOKENS.value": "no-colon"})
	_, back := s.site.helm(ctx, "", "rollback", name)
	return errors.Join(err, back)
}

// refused fails unless an upgrade to changed values fails, because of all the words, and leaves each pod alone.
func (s *stage) refused(ctx context.Context, changed values, words ...string) error {
	before, err := s.site.pods(ctx, selector)
	if err != nil {
		return err
	}
	took, err := s.refuses(ctx, changed, words...)
	if err != nil {
		return err
	}
	s.note("refused after %s", took.Round(time.Second))
	after, err := s.site.pods(ctx, selector)
	if !slices.EqualFunc(before, after, func(a, b pod) bool { return a.Metadata.UID == b.Metadata.UID && b.ready() }) {
		err = errors.Join(err, fmt.Errorf("the refused upgrade changed pods: %v before, %v after", before, after))
	}
	return err
}

func scaleUp(ctx context.Context, s *stage) error {
	return s.upgrade(ctx, values{"replicas": 3})
}

// scaleDown removes a replica, and adds it again, with the claim that it left. What waits in a journal has to be accepted as stranded.
func scaleDown(ctx context.Context, s *stage) error {
	fewer := values{"replicas": 2}
	if s.way == journal {
		if err := s.refused(ctx, fewer, "acceptStrandedJournals"); err != nil {
			return err
		}
		fewer["acceptStrandedJournals"] = true
	}
	if err := s.upgrade(ctx, fewer); err != nil {
		return err
	}
	if err := s.load.flows(ctx, s.site.within, 50); err != nil {
		return err
	}
	return s.upgrade(ctx, values{"replicas": 3, "acceptStrandedJournals": false})
}

func strand(ctx context.Context, s *stage) error {
	return s.refused(ctx, values{"delivery": string(direct)}, "acceptStrandedJournals")
}

// autoscale switches autoscaling on and off: there may never be fewer pods than before.
func autoscale(ctx context.Context, s *stage) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	had, least := s.replicas, make(chan int, 1)
	go func() {
		fewest := had
		for pause(ctx, 200*time.Millisecond) == nil {
			if pods, err := s.site.pods(ctx, selector); err == nil {
				fewest = min(fewest, len(pods))
			}
		}
		least <- fewest
	}()
	err := s.upgrade(ctx, values{"autoscaling.enabled": true, "replicas": nil})
	if err == nil {
		err = s.load.flows(ctx, s.site.within, 50)
	}
	if err == nil {
		err = s.upgrade(ctx, values{"autoscaling.enabled": false, "replicas": had})
	}
	cancel()
	if fewest := <-least; fewest < had {
		err = errors.Join(err, fmt.Errorf("there were only %d pods for a while, and %d before", fewest, had))
	}
	return err
}

func reinstall(ctx context.Context, s *stage) error {
	if err := s.uninstall(ctx); err != nil {
		return err
	}
	return s.install(ctx)
}

// reinstallWithoutQuorum uninstalls while answered events are in the journals alone.
func reinstallWithoutQuorum(ctx context.Context, s *stage) error {
	return s.broker.withoutQuorum(ctx, func() error {
		if err := pause(ctx, outage); err != nil {
			return err
		}
		pods, err := s.site.pods(ctx, selector)
		if err != nil {
			return err
		}
		waiting := uint64(0)
		for _, p := range pods {
			waits, err := s.waits(ctx, p)
			if err != nil {
				return err
			}
			waiting += waits
		}
		if s.note("%d events in journals alone", waiting); waiting == 0 {
			return errors.New("no event waited in a journal, so this fault shows nothing")
		}
		return reinstall(ctx, s)
	})
}
