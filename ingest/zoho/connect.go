package zoho

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// connect returns how Zoho CRM is made to call the bridge: by channels that the bridge keeps, by channels of one's own, and by workflow
// webhooks.
func (c Config) connect(n *Notifications, w *Webhooks) func(ingest.Connecting) ([]ingest.Instruction, error) {
	return func(to ingest.Connecting) (steps []ingest.Instruction, err error) {
		if to.Reports() {
			wanted, err := to.Wanted(c.Zoho.Events, "Deals")
			if err != nil {
				return nil, err
			}
			secret, set := to.SecretFor(n.TokenSecrets, "BRIDGE_ZOHO_TOKEN_SECRET")
			kept := c.connectKept(wanted, set)
			if steps = append(steps, kept); !kept.Done {
				if len(n.Tokens) > 0 && len(n.TokenSecrets) == 0 {
					secret, set = "", nil
				}
				own, err := c.connectChannels(to, n, wanted, secret)
				own.Set = set
				if err != nil {
					return nil, err
				}
				steps = append(steps, own)
			}
		}
		webhook, err := w.connect(to)
		return append(steps, webhook), err
	}
}

// connectKept says how the bridge keeps channels by itself. secret is the setting of the secret of their tokens, if that is missing.
func (c Config) connectKept(wanted ingest.WantedEvents, secret []ingest.Setting) ingest.Instruction {
	events := c.Zoho.Events
	for _, w := range wanted {
		events = events.Add(w.Module, w.Operations)
	}
	names, listed := namesOf(events), namesOf(c.Zoho.Events)
	missing := append(ingest.Missing(
		ingest.Need{Configured: c.Zoho.ClientID != "", Setting: ingest.Setting{Variable: "BRIDGE_ZOHO_CLIENT_ID", From: "Client ID, in the API console"}},
		ingest.Need{Configured: c.Zoho.ClientSecret != "", Setting: ingest.Setting{Variable: "BRIDGE_ZOHO_CLIENT_SECRET", From: "Client Secret, in the API console", Secret: true}},
		ingest.Need{Configured: c.Zoho.RefreshToken != "", Setting: ingest.Setting{Variable: "BRIDGE_ZOHO_REFRESH_TOKEN", From: "the answer to the code that Generate Code shows (docs/zoho.md)", Secret: true}},
		ingest.Need{Configured: names == listed, Setting: ingest.Setting{Variable: "BRIDGE_ZOHO_EVENTS", Value: names}},
	), secret...)
	step := ingest.Instruction{Source: NotificationsLabel, Heading: "Notification channels, kept by the bridge", Done: len(missing) == 0}
	if step.Done {
		step.Text = "The bridge subscribes to " + names + " by itself, renews the channels and repairs gaps. There is nothing to paste; crm-bridge channels lists them."
		return step
	}
	scopes := []string{"ZohoCRM.notifications.ALL"}
	for _, w := range events {
		scopes = append(scopes, "ZohoCRM.modules."+strings.ToLower(w.Module)+".READ")
	}
	step.Heading = "API console → Self Client → Generate Code"
	step.Text = "With an OAuth client the bridge subscribes by itself, renews the channels and repairs gaps. In the API console of your data centre choose Self Client, " +
		"generate a code for these scopes, exchange it for a refresh token, and start the bridge with the variables below."
	step.Paste = []ingest.Paste{
		{Name: "API console", Value: strings.Replace(dataCentres[string(cmp.Or(c.Zoho.DC, "us"))][0], "accounts.", "api-console.", 1), Kind: ingest.PasteURL},
		{Name: "Scope", Value: strings.Join(append(scopes, "ZohoCRM.settings.fields.READ"), ","), Kind: ingest.PasteText},
	}
	step.Set = missing
	return step
}

// namesOf returns events as BRIDGE_ZOHO_EVENTS takes them.
func namesOf(events ingest.WantedEvents) string {
	var names []string
	for _, w := range events {
		names = append(names, eventNames(w)...)
	}
	return strings.Join(names, ",")
}

// connectChannels says how to subscribe through Zoho's API: what to post to actions/watch. Without a secret that tokens come from the
// channel is one of BRIDGE_ZOHO_TOKENS.
func (c Config) connectChannels(to ingest.Connecting, n *Notifications, wanted ingest.WantedEvents, secret string) (ingest.Instruction, error) {
	channels := &Channels{Client: c.client(nil), Account: c.Zoho.Account, PublicURL: to.PublicURL, Secrets: ingest.SecretList{secret}}
	expires := to.Now.Add(lives(c.Zoho.API.Version)[0])
	var wishes []wish
	for _, w := range wanted {
		wishes = append(wishes, channels.wish(w, channelID(secret, c.Zoho.Account, w.Module), 0))
	}
	if secret == "" {
		wishes = []wish{n.ownChannel(to, wanted)}
	}
	step := ingest.Instruction{
		Source: NotificationsLabel, Heading: "POST actions/watch, with an OAuth token of the scope ZohoCRM.notifications.ALL",
		Text: fmt.Sprintf("Or subscribe yourself. These channels expire on %s: subscribe again before, or changes are lost.", expires.UTC().Format(time.RFC1123)),
	}
	for i := range wishes {
		wishes[i].Expiry = formatTime(expires)
	}
	body, err := ingest.Indented(map[string]any{"watch": wishes})
	step.Paste = []ingest.Paste{
		{Name: "URL", Value: channels.Client.address("actions/watch"), Kind: ingest.PasteURL},
		{Name: "Body", Value: body, Kind: ingest.PasteJSON, Secret: true},
	}
	for _, w := range wishes {
		step.Paste = append(
			step.Paste,
			ingest.Paste{Name: "token of channel " + w.ID, Value: w.Token, Kind: ingest.PasteToken, Secret: true},
			ingest.Paste{Name: "notify_url of channel " + w.ID, Value: w.NotifyURL, Kind: ingest.PasteURL, Secret: strings.Contains(w.NotifyURL, "proof=")},
		)
	}
	return step, err
}

// ownChannel is a channel of BRIDGE_ZOHO_TOKENS, for all events together. It has no proof, which comes from a secret.
func (n *Notifications) ownChannel(to ingest.Connecting, wanted ingest.WantedEvents) wish {
	id := n.sampleChannel()
	if named := slices.DeleteFunc(slices.Sorted(maps.Keys(n.Tokens)), func(id string) bool { return id == "*" }); len(named) > 0 {
		id = named[0]
	}
	yes := true
	own := wish{ID: id, Token: n.Tokens.For(id)[0], NotifyURL: to.URL(notificationsPath, nil), Values: &yes}
	for _, w := range wanted {
		own.Events = append(own.Events, eventNames(w)...)
	}
	return own
}

// connect says how to set up a workflow webhook.
func (w *Webhooks) connect(to ingest.Connecting) (ingest.Instruction, error) {
	module := cmp.Or(to.Module, "Deals")
	if err := ingest.CheckModule(module); err != nil {
		return ingest.Instruction{}, fmt.Errorf("the module %q: %w", module, err)
	}
	operation, err := to.Word("edit")
	if err != nil {
		return ingest.Instruction{}, err
	}
	secret, set := to.SecretFor(w.Accepted, "BRIDGE_ZOHO_WEBHOOK_SECRET")
	step := ingest.Instruction{
		Source: WebhooksLabel, Heading: "Setup → Automation → Actions → Webhooks → Configure Webhook", Set: set,
		Text: "A workflow rule calls this webhook: Setup → Automation → Workflow Rules, with the webhook as its instant action. The URL names module and operation. " +
			"If no header can be set, add a custom parameter secret with the same value.",
		Paste: []ingest.Paste{
			{Name: "URL to notify", Value: to.URL(webhooksPath+"/"+module+"/"+operation, nil), Kind: ingest.PasteURL},
			{Name: "Method", Value: "POST", Kind: ingest.PasteText},
			{Name: "Header X-Webhook-Secret", Value: secret, Kind: ingest.PasteToken, Secret: true},
		},
	}
	id := "id"
	if len(w.IDParams) > 0 {
		id = w.IDParams[0]
	}
	step.Paste = append(step.Paste, ingest.Paste{Name: "Module parameter " + id, Value: singular(module) + " Id", Kind: ingest.PasteText})
	for _, name := range w.IdentityParams {
		if name != id {
			step.Paste = append(step.Paste, ingest.Paste{Name: "Module parameter " + name, Value: "Modified Time", Kind: ingest.PasteText})
		}
	}
	return step, nil
}

// singular returns what a record of a module is called in the names of its fields: Deal for Deals.
func singular(module string) string {
	words := strings.ReplaceAll(module, "_", " ")
	if stem, ok := strings.CutSuffix(words, "ies"); ok {
		return stem + "y"
	}
	return strings.TrimSuffix(words, "s")
}
