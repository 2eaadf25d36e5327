package status

import (
	"fmt"
	"time"
)

// Judge returns what needs a person, the most urgent first.
func Judge(r Report) []Problem {
	all := problems{}
	for _, judge := range []func(Report, *problems){
		readiness, forwarding, limits, disk, certificates, secrets, rejections, channels, gaps, lost, dead, refused, quarantined, records, clocks,
	} {
		judge(r, &all)
	}
	return all
}

func readiness(r Report, to *problems) {
	if r.Ready {
		return
	}
	fix := "bring NATS back; its logs say why its stream takes nothing. With BRIDGE_DELIVERY=journal callbacks do not wait for it"
	switch {
	case r.Reason == "starting" || r.Reason == "draining":
		fix = "wait: it lasts seconds"
	case r.Disk != nil:
		fix = "make room on the disk of " + r.Disk.Folder + ", or repair it; then check with crm-bridge check --roundtrip"
	}
	to.add("readiness", fix, "The bridge is not ready: %s.", r.Reason)
}

// oldJournal is how long the oldest event may wait for the remote NATS.
const oldJournal = 5 * time.Minute

func forwarding(r Report, to *problems) {
	for _, warning := range r.Warnings {
		to.add("delivery", "start once with BRIDGE_DELIVERY=journal on that folder, until journalPending is 0", "A journal is not forwarded: %s.", warning)
	}
	switch {
	case r.Journal == nil:
	case r.Remote != Forwarding:
		to.add("journal "+r.Journal.Name, "bring the NATS at BRIDGE_NATS_URL back, or correct its credentials; what waits is forwarded then by itself",
			"Events are not forwarded to the remote NATS%s: %s.", waiting(r.Journal), r.Remote)
	case r.Journal.Waits != nil && r.At.Sub(*r.Journal.Waits) > oldJournal:
		to.add("journal "+r.Journal.Name, "find out in NATS why its stream takes events slowly or not at all: no leader, no room, a limit",
			"The oldest event has waited for the remote NATS for %s%s.", span(r.At.Sub(*r.Journal.Waits)), waiting(r.Journal))
	}
}

func waiting(j *Journal) string {
	if j.Pending == nil || *j.Pending == 0 {
		return ""
	}
	return fmt.Sprintf(", and %s", count(*j.Pending, "event waits", "events wait"))
}

// nearFull is the part of its limit from which a stream is nearly full.
const nearFull = 0.9

func limits(r Report, to *problems) {
	for _, one := range r.Streams {
		if one.Limit <= 0 || float64(one.Bytes) < nearFull*float64(one.Limit) {
			continue
		}
		if one.Full == FullRejects {
			to.add("stream "+one.Name, raise(one), "Stream %s holds %s of %s: at the limit new messages are rejected.", one.Name, bytes(one.Bytes), bytes(uint64(one.Limit)))
			continue
		}
		for _, reader := range r.Consumers {
			if reader.Stream == one.Name && reader.Durable && reader.Lag > 0 && float64(reader.Lag) >= nearFull*float64(one.Messages) {
				to.add("consumer "+reader.Name, "have it read faster, or "+raise(one),
					"Stream %s is nearly full, and the events that it drops next have not been read by consumer %s.", one.Name, reader.Name)
			}
		}
	}
}

// raise says how to give a stream more room.
func raise(one Stream) string {
	switch {
	case one.Foreign || one.Variable == "":
		return "give stream " + one.Name + " a larger limit in NATS, or delete what is not needed"
	case one.Variable == "BRIDGE_QUARANTINE_MAX_BYTES":
		return "redrive or drop what waits (crm-bridge quarantine list), or raise " + one.Variable + " and restart"
	}
	return "raise " + one.Variable + " and restart"
}

// A disk is nearly full with less than a tenth free, or less than a gibibyte of a large one.
const (
	diskPart = 10
	diskFree = 1 << 30
)

func disk(r Report, to *problems) {
	if r.Disk != nil && r.Disk.Free < min(r.Disk.Total/diskPart, diskFree) {
		to.add("disk of "+r.Disk.Folder, "make room, or lower BRIDGE_STREAM_MAX_BYTES (with BRIDGE_STREAM_APPLY=true for one start)",
			"The disk of the data folder has only %s of %s left.", bytes(uint64(r.Disk.Free)), bytes(uint64(r.Disk.Total)))
	}
}

// renewBefore is how long before its end a certificate should have been replaced.
const renewBefore = 14 * 24 * time.Hour

func certificates(r Report, to *problems) {
	for _, one := range r.Certificates {
		const fix = "replace the files that %s and %s name: they are read again at once"
		replace := fmt.Sprintf(fix, one.Variable, keyOf(one.Variable))
		switch {
		case one.Expires == nil:
			to.add(one.Variable, replace, "The certificate of %s cannot be read: %s.", one.Variable, one.Problem)
		case !r.At.Before(*one.Expires):
			to.add(one.Variable, replace, "The certificate of %s has expired, %s.", one.Variable, when(*one.Expires))
		case one.Expires.Sub(r.At) < renewBefore:
			to.add(one.Variable, replace, "The certificate of %s expires in %s, %s.", one.Variable, span(one.Expires.Sub(r.At)), when(*one.Expires))
		}
	}
}

// maxClock is how far a CRM's clock may be from ours.
const maxClock = time.Minute

func clocks(r Report, to *problems) {
	for _, one := range r.Clocks {
		if ahead := time.Duration(one.Ahead * float64(time.Second)); ahead.Abs() > maxClock {
			to.add("clock", "synchronize the clock of this machine (NTP)", "The clock of this machine is %s off that of %s.", span(ahead.Abs()), one.Provider)
		}
	}
}
