package publish

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// unusable returns an error for a stream whose acknowledgements do not mean that an event is stored, whoever made it.
func unusable(have jetstream.StreamConfig) error {
	var reason string
	switch {
	case have.NoAck:
		reason = "acknowledges nothing (no_ack)"
	case have.Sealed:
		reason = "is sealed and accepts no events"
	case have.PersistMode == jetstream.AsyncPersistMode:
		reason = "acknowledges events before it writes them (persist_mode: async)"
	case have.AllowMsgCounter:
		reason = "accepts only counters (allow_msg_counter)"
	case have.Mirror != nil:
		reason = "is a mirror of stream " + have.Mirror.Name + " and accepts no events of its own"
	default:
		return nil
	}
	return misfit("stream %s %s, so events cannot be stored in it safely: change the stream, or name another one in BRIDGE_STREAM", have.Name, reason)
}

// adopt compares a stream that somebody else made with what the bridge would have made.
func (c StreamConfig) adopt(have jetstream.StreamConfig) (warnings []string, err error) {
	for _, subject := range c.Subjects {
		if !slices.ContainsFunc(have.Subjects, func(filter string) bool { return covers(filter, subject) }) {
			return nil, misfit("stream %s does not cover %s: add that subject to it, or name another stream in BRIDGE_STREAM", c.Name, subject)
		}
	}
	warn := func(differs bool, name string, has, wants any, means string) {
		if differs {
			warnings = append(warnings, fmt.Sprintf("stream %s was not made by crm-bridge and is not changed: %s is %v, not %v: %s", c.Name, name, has, wants, means))
		}
	}
	interest, queue := have.Retention == jetstream.InterestPolicy, have.Retention == jetstream.WorkQueuePolicy
	warn(interest, "retention", "interest", "limits", "an event is stored only while a consumer for its subject exists, and deleted when all of them have acknowledged it; without a consumer nothing is stored, although it is acknowledged")
	warn(queue, "retention", "workqueue", "limits", "an event is deleted when one consumer has acknowledged it, and no two consumers can read the same subject")
	warn(have.Storage != jetstream.FileStorage, "storage", have.Storage, jetstream.FileStorage, "events do not survive a restart of the server")
	warn(have.Replicas != c.Replicas, "replicas", have.Replicas, c.Replicas, fmt.Sprintf("%d NATS server(s) keep each event, a different number than BRIDGE_STREAM_REPLICAS", have.Replicas))
	warn(have.Duplicates != c.Duplicates, "duplicates window", short(have.Duplicates), short(c.Duplicates), "a repeat that comes after it becomes a second event")
	warn(have.MaxAge != c.MaxAge, "max_age", age(have.MaxAge), age(c.MaxAge), "events are kept for a different time than configured")
	warn(c.MaxBytes > 0 && have.MaxBytes != c.MaxBytes, "max_bytes", byteText(have.MaxBytes), byteText(c.MaxBytes), "a different amount is kept than "+c.BytesVariable+" says")
	c.warnOfLimits(have, warn)
	warn(have.MaxMsgSize > 0, "max_msg_size", have.MaxMsgSize, "unlimited", "larger events are answered with 413")
	warn(have.SubjectTransform != nil, "subject_transform", "set", "unset", "events are stored under other subjects than the answers say")
	return warnings, nil
}

// warnOfLimits warns of what happens at the limits of a stream, which depends on its discard policy.
func (c StreamConfig) warnOfLimits(have jetstream.StreamConfig, warn func(differs bool, name string, has, wants any, means string)) {
	refuses := have.Discard == jetstream.DiscardNew
	full, fullSubject := "the oldest events are dropped at that number", "older events of a subject are dropped"
	if refuses {
		full = "events are rejected at that number until older ones are gone"
	}
	if refuses && have.DiscardNewPerSubject {
		fullSubject = "further events of a subject are rejected"
	}
	warn(refuses && !c.DiscardNew, "discard", have.Discard, jetstream.DiscardOld, "callbacks are answered with 503 while it is full")
	warn(!refuses && c.DiscardNew, "discard", have.Discard, jetstream.DiscardNew, "stored messages are dropped to make room for new ones")
	warn(have.MaxMsgs > 0, "max_msgs", have.MaxMsgs, "unlimited", full)
	warn(have.MaxMsgsPerSubject > 0, "max_msgs_per_subject", have.MaxMsgsPerSubject, "unlimited", fullSubject)
}
