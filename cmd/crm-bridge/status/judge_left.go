package status

import "fmt"

// dead are messages that consumers gave up on.
func dead(r Report, to *problems) {
	for _, one := range r.Dead {
		to.add("consumer "+one.Consumer+" of stream "+one.Stream, "see why with crm-bridge consumers --dead, correct the consumer, then replay them to it",
			"Consumer %s gave up on %s.", one.Consumer, count(one.Dead, "event", "events"))
	}
}

func refused(r Report, to *problems) {
	if r.Refused != nil && r.Refused.Messages > 0 {
		to.add("stream "+r.Refused.Name, "crm-bridge quarantine list says why (source refused); raise the limit in NATS, then crm-bridge quarantine redrive",
			"The remote NATS rejected %s.", count(r.Refused.Messages, "event", "events"))
	}
}

func quarantined(r Report, to *problems) {
	if r.Quarantine == nil || r.Quarantine.Messages == 0 {
		return
	}
	what := fmt.Sprintf("%s in quarantine, which could not be parsed", count(r.Quarantine.Messages, "callback waits", "callbacks wait"))
	if r.Quarantine.Oldest != nil {
		what += fmt.Sprintf(", the oldest for %s", span(r.At.Sub(*r.Quarantine.Oldest)))
	}
	to.add("quarantine", "see them with crm-bridge quarantine list; then redrive them after an upgrade or a correction, or drop them", "%s.", what)
}
