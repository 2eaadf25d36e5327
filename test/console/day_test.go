package console

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// hostile is a name that a customer may give to a deal.
const hostile = `<script>document.title="taken"</script><img src=x onerror="document.title='taken'">`

// hostileID is the id of a record, as far as the bridge can tell.
const hostileID = `"><img/src=x/onerror=document.title='taken'>`

// day is a bridge after a day with everything that can happen on one.
type day struct {
	*bridge
	crm *crm

	deals    []string // ids of the records
	hostile  string   // the deal whose name is a script
	lapsed   string   // the module whose channel lapsed, and could not be enabled again
	conn     *nats.Conn
	stream   jetstream.JetStream
	consumed map[string]jetstream.Consumer
}

// startDay starts a bridge and its CRM in a folder, and lets a day pass.
func startDay(folder string) (*day, error) {
	d := &day{crm: startCRM(), lapsed: "Leads", consumed: map[string]jetstream.Consumer{}}
	var err error
	if d.bridge, err = newBridge(folder, append(d.crm.env(), "BRIDGE_RECORDS_HISTORY=10", "BRIDGE_PIPEDRIVE_PASSWORD=the-password-of-pipedrive")...); err != nil {
		return nil, err
	}
	steps := []func() error{
		d.start, d.subscribed, d.sell, d.haggle, d.lose, d.misunderstand, d.connect, d.consume, d.replay,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			d.end()
			return nil, err
		}
	}
	return d, nil
}

// ownDay starts a day for a test that changes what others look at.
func ownDay(t *testing.T) *day {
	t.Helper()
	d, err := startDay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.end)
	return d
}

// end ends the day.
func (d *day) end() {
	if d.conn != nil {
		d.conn.Close()
	}
	if d.cmd != nil && d.cmd.Process != nil {
		_ = d.cmd.Process.Kill()
	}
	d.crm.server.Close()
}

func (d *day) subscribed() error {
	return within(time.Minute, "the channels are enabled", func() bool { return d.crm.alive("Deals") && d.crm.alive("Contacts") && d.crm.alive("Leads") })
}

// sell lets people change records in the CRM.
func (d *day) sell() error {
	stages := []string{"Qualification", "Needs Analysis", "Proposal", "Negotiation", "Closed Won"}
	for i, name := range []string{"Northwind: warehouse scanners", "Contoso: 40 seats", "Fabrikam: renewal", "Litware: pilot", "Tailspin: expansion", "Wide World Importers: fleet"} {
		id, err := d.crm.Create("Deals", map[string]any{"Deal_Name": name, "Amount": 1200 * (i + 1), "Stage": stages[0]})
		if err != nil {
			return err
		}
		d.deals = append(d.deals, id)
		for _, stage := range stages[1 : 1+i%len(stages)] {
			if err := d.crm.Update("Deals", id, map[string]any{"Stage": stage, "Amount": 1200*(i+1) + 150*len(stage)}); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{"Zoë Quint", "Ada Lovelace", "Grace Hopper"} {
		if _, err := d.crm.Create("Contacts", map[string]any{"Full_Name": name, "Email": "person@example.com"}); err != nil {
			return err
		}
	}
	var err error
	if d.hostile, err = d.crm.Create("Deals", map[string]any{"Deal_Name": hostile, "Amount": 1, "Stage": hostile}); err != nil {
		return err
	}
	if err := d.crm.Update("Deals", d.hostile, map[string]any{"Deal_Name": hostile, "Stage": `</pre></code><b onmouseover="document.title='taken'">`}); err != nil {
		return err
	}
	return d.crm.Delete("Deals", d.deals[2])
}

// haggle changes a deal again and again, and waits each time until its state is kept.
func (d *day) haggle() error {
	id := d.deals[4]
	for i, next := range []string{"Price review", "Legal review", "Closed Won"} {
		if err := d.crm.Update("Deals", id, map[string]any{"Stage": next, "Amount": 9900 - 250*i, "Next_Step": nil}); err != nil {
			return err
		}
		if err := within(time.Minute, "the deal's state is kept", func() bool {
			out, err := d.run("record", "zoho", "Deals", id, "--json")
			return err == nil && strings.Contains(out, next)
		}); err != nil {
			return err
		}
	}
	return nil
}

// misunderstand brings callbacks that cannot be parsed, and forged ones.
func (d *day) misunderstand() error {
	channel, token := d.crm.token("Deals")
	for _, c := range []struct {
		module, token string
		want          int
	}{
		{"De.als", token, 400}, {hostile, token, 400}, {"Con.tacts", token, 400}, {"Deals.", token, 400}, {"Deals", "guessed", 401}, {"Deals", "guessed", 401},
	} {
		body := map[string]any{"module": c.module, "operation": "update", "ids": []string{d.deals[0]}, "channel_id": channel, "token": c.token, "server_time": time.Now().UnixMilli()}
		if status, text, err := post(d.Callbacks+"/zoho/notifications", body); err != nil || status != c.want {
			return fmt.Errorf("a callback of module %s was answered with %d %s: %w", c.module, status, text, err)
		}
	}
	for _, kind := range []string{"pipedrive-webhooks", "zoho-webhooks"} {
		if _, err := d.run("send", kind, "--count", "3"); err != nil {
			return err
		}
	}
	_, err := d.run("send", "zoho-webhooks", "--module", "Accounts", "--id", hostileID)
	return err
}

// connect connects to the bridge's NATS, as a consumer does.
func (d *day) connect() (err error) {
	if d.conn, err = nats.Connect(d.NATS, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond)); err != nil {
		return err
	}
	d.stream, err = jetstream.New(d.conn)
	return err
}

// consume lets services read the events: one keeps up, one lags, one gives up on some.
func (d *day) consume() error {
	for _, c := range []struct {
		name, about  string
		most         int // deliveries
		acks, leaves int // events acknowledged, and read without an acknowledgement
		ends         int // events given up
	}{
		{name: "billing", acks: 1000}, {name: "search", about: hostile, acks: 4, leaves: 3}, {name: "warehouse", acks: 6, most: 1, ends: 2, leaves: 2},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		consumer, err := d.stream.CreateConsumer(ctx, "CRM", jetstream.ConsumerConfig{
			Durable: c.name, Description: c.about, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxDeliver: c.most, FilterSubject: "crm.zoho.>",
		})
		if err != nil {
			return err
		}
		d.consumed[c.name] = consumer
		batch, err := consumer.Fetch(c.acks+c.ends+c.leaves, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return err
		}
		read := 0
		for message := range batch.Messages() {
			switch read++; {
			case read <= c.acks:
				err = message.DoubleAck(ctx)
			case read <= c.acks+c.ends:
				err = message.TermWithReason("no warehouse for this country")
			}
			if err != nil {
				return err
			}
		}
	}
	return d.conn.Flush()
}

// lose kills the bridge; meanwhile the channel of a module dies, and then it cannot be enabled, and nothing of it be read.
func (d *day) lose() error {
	d.kill()
	id, _ := d.crm.token(d.lapsed)
	d.crm.Kill(id)
	d.crm.broken.Store(d.lapsed)
	if _, err := d.crm.CRM.Create(d.lapsed, map[string]any{"Full_Name": "Nobody reported me"}); err != nil {
		return err
	}
	if err := d.start(); err != nil {
		return err
	}
	return within(time.Minute, "the bridge notes that the channel is dead", func() bool {
		out, err := d.run("channels", "--json")
		return err == nil && !d.allActive(out)
	})
}

// allActive reports whether all channels of a list are active.
func (d *day) allActive(lines string) bool {
	decoder := json.NewDecoder(strings.NewReader(lines))
	for {
		var one struct{ State string }
		if decoder.Decode(&one) != nil {
			return true
		}
		if one.State != "active" {
			return false
		}
	}
}

// replay brings the deals again, on subjects of their own.
func (d *day) replay() error {
	_, err := d.run("replay", "--subject", "crm.zoho.Deals.>", "--to", "subject", "--job", "rebuild-search")
	return err
}
