package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// act is something that CRMs do, or that happens to them.
type act struct {
	Name, Label, Hint string
	do                func(*play, context.Context, *simulatedCRM) (said string, err error)
}

// failFor is how long the API of a CRM fails, and loseNext how many callbacks get lost.
const (
	failFor  = time.Minute
	loseNext = 3
)

// acts are the buttons of the page, in their order.
var acts = []act{
	{"create", "Create a record", "The CRM calls, and the event is in the stream.", (*play).create},
	{"edit", "Edit a record", "One of those that are there.", (*play).edit},
	{"delete", "Delete a record", "The oldest one.", (*play).remove},
	{"drop", "Drop the subscription", "Without notice. The bridge finds out when it renews, subscribes again and reads what it missed.", (*play).drop},
	{"lapse", "Lapse now", "Drop the subscription, create a record that no callback reports, and have the bridge renew at once.", (*play).lapse},
	{"lose", fmt.Sprintf("Lose the next %d callbacks", loseNext), "They get lost between the CRM and the bridge; the subscription stays.", (*play).lose},
	{"forge", "Send a wrong token", "The bridge answers 401, and keeps nothing.", (*play).forge},
	{"busy", "API answers 429", "For a minute: too many requests. What the bridge asks of the CRM waits; callbacks are not affected.", failing(http.StatusTooManyRequests)},
	{"down", "API answers 503", "For a minute: the CRM is down.", failing(http.StatusServiceUnavailable)},
}

func (p *play) create(_ context.Context, one *simulatedCRM) (string, error) {
	if p.count(one) >= mostRecords {
		return "", fmt.Errorf("there are %d records; delete one first", mostRecords)
	}
	id, err := one.Create()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.records[one.Provider] = append(p.records[one.Provider], id)
	return "record " + id + " is created", err
}

func (p *play) edit(_ context.Context, one *simulatedCRM) (string, error) {
	id := p.any(one)
	if id == "" {
		return "", errNoRecord
	}
	return "record " + id + " is edited", one.Edit(id)
}

func (p *play) remove(_ context.Context, one *simulatedCRM) (string, error) {
	id := p.take(one)
	if id == "" {
		return "", errNoRecord
	}
	return "record " + id + " is deleted", one.Delete(id)
}

var errNoRecord = errors.New("there is no record; create one first")

func (p *play) drop(_ context.Context, one *simulatedCRM) (string, error) {
	one.Drop()
	return "the subscription is dropped without notice", nil
}

// lapse drops a subscription, has a record created meanwhile, and renews it as crm-bridge channels renew does.
func (p *play) lapse(ctx context.Context, one *simulatedCRM) (string, error) {
	one.Drop()
	created, err := p.create(ctx, one)
	if err != nil {
		return "", err
	}
	crm := p.bridge.CRMs.CRM(one.Provider)
	channels, err := crm.Changes["renew"](ctx, "")
	if len(channels) > 0 {
		err = errors.Join(err, p.bridge.Keeper.Remember(ctx, crm, channels))
	}
	return "the subscription has lapsed, " + created + ", and the bridge renews", errors.Join(err, p.bridge.Keeper.Wake(ctx, crm))
}

func (p *play) lose(_ context.Context, one *simulatedCRM) (string, error) {
	one.Lose(loseNext)
	return fmt.Sprintf("the next %d callbacks are lost", loseNext), nil
}

// forge sends a callback with a wrong token, and returns how it was answered.
func (p *play) forge(ctx context.Context, one *simulatedCRM) (string, error) {
	const wrong = "a-wrong-token"
	for _, source := range p.bridge.CRMs.CRM(one.Provider).Sources {
		sampler, ok := source.(ingest.Sampler)
		if !ok {
			continue
		}
		now := time.Now().UTC()
		cb, err := sampler.Sample(ingest.Change{Operation: "edit", IDs: []string{"1"}, OccurredAt: now, ReceivedAt: now}, wrong)
		if err != nil {
			return "", err
		}
		var answer bytes.Buffer
		poster := &Poster{Client: client.HTTP(nil), URL: "http://" + bridge.Reachable(p.bridge.Callbacks), Source: source, Token: wrong, Out: &answer}
		if err := poster.Post(ctx, cb); err != nil {
			return "", err
		}
		return "a callback with a wrong token is answered " + strings.Join(strings.Fields(answer.String()), " "), nil
	}
	return "", errors.New("this CRM's callbacks cannot be forged")
}

// failing has the API of a CRM fail for a while.
func failing(status int) func(*play, context.Context, *simulatedCRM) (string, error) {
	return func(_ *play, _ context.Context, one *simulatedCRM) (string, error) {
		one.faults.fail(status, failFor)
		return fmt.Sprintf("its API answers %d for %.0f s", status, failFor.Seconds()), nil
	}
}
