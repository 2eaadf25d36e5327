package receive

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// A probe is a GET of a public document with ProbeHeader, by which somebody who has a secret of a source learns that the bridge has it too.
// Its answer has a proof in ProofHeader, or one of the words below, or no such header where the probe was made with another secret.
const (
	ProbeHeader = "X-Crm-Bridge-Probe"
	ProofHeader = "X-Crm-Bridge-Proof"

	ProbeForbidden = "network" // the sender's address is in none of the allowed networks
	ProbeLimited   = "limit"   // too many probes came
)

// probesPerSecond limits the probes of all senders together: at this rate nobody guesses a secret.
const probesPerSecond = 5

// prober answers probes.
type prober struct {
	prove func(path, probe string) (proof string) // nil: none is answered
	admit func(from netip.Addr) error
	count func(outcome string)
	log   *slog.Logger

	limit          *rate.Limiter
	wrong, limited rate.Sometimes // how often probes that anyone can send are logged
}

func newProber(prove func(path, probe string) string, admit func(netip.Addr) error, count func(outcome string), log *slog.Logger) *prober {
	return &prober{
		prove: prove, admit: admit, count: count, log: log, limit: rate.NewLimiter(probesPerSecond, probesPerSecond),
		wrong: rate.Sometimes{Interval: time.Minute}, limited: rate.Sometimes{Interval: time.Minute},
	}
}

// answer answers the probe that a request for a document may be, in the header of its answer.
func (p *prober) answer(r *http.Request, from netip.Addr, header http.Header) {
	probe := r.Header.Get(ProbeHeader)
	if p.prove == nil || probe == "" || r.Method != http.MethodGet {
		return
	}
	header.Set("Cache-Control", "no-store") // a proof is for its probe alone
	if p.admit(from) != nil {
		p.count(ProbeForbidden)
		header.Set(ProofHeader, ProbeForbidden)
		return
	}
	log := p.log.With("path", r.URL.Path, "from", from.String())
	if !p.limit.Allow() {
		p.count(ProbeLimited)
		p.limited.Do(func() { log.Warn("probes of connect are refused: too many come", "a_second", probesPerSecond) })
		header.Set(ProofHeader, ProbeLimited)
		return
	}
	proof := p.prove(r.URL.Path, probe)
	if proof == "" {
		p.count("wrong")
		p.wrong.Do(func() {
			log.Warn("a probe of connect is made with none of the secrets of the source; further ones are only counted for a minute")
		})
		return
	}
	p.count("proven")
	log.Info("a probe of connect is answered: its sender has a secret of the source")
	header.Set(ProofHeader, proof)
}
