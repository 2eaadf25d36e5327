package console

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// crm is a Zoho CRM of which one module may have failures.
type crm struct {
	*zohotest.CRM
	server *httptest.Server
	broken atomic.Value // the module whose channels cannot be enabled and whose records cannot be read; empty: none
}

func startCRM() *crm {
	c := &crm{CRM: &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "the-secret-of-the-client", RefreshToken: "1000.the-refresh-token", Callbacks: http.DefaultTransport}}
	c.broken.Store("")
	c.server = httptest.NewServer(c)
	return c
}

// env is that of a bridge that is to use the CRM.
func (c *crm) env() []string {
	return []string{
		"BRIDGE_ZOHO_CLIENT_ID=" + c.ClientID, "BRIDGE_ZOHO_CLIENT_SECRET=" + c.ClientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN=" + c.RefreshToken,
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + c.server.URL, "BRIDGE_ZOHO_API_URL=" + c.server.URL, "BRIDGE_ZOHO_EVENTS=Deals.all,Contacts.all,Leads.create", "BRIDGE_ZOHO_RECORDS=Deals,Contacts",
	}
}

// ServeHTTP answers as Zoho does, and with 500 what concerns the broken module.
func (c *crm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	broken := c.broken.Load().(string)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if broken != "" && (strings.HasSuffix(r.URL.Path, "/"+broken) || strings.HasSuffix(r.URL.Path, "actions/watch") && bytes.Contains(body, []byte(broken))) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte(`{"code":"INTERNAL_ERROR","details":{},"message":"Internal Server Error","status":"error"}`))
		return
	}
	c.CRM.ServeHTTP(w, r)
}

// alive reports whether a live channel covers a module.
func (c *crm) alive(module string) bool {
	for _, channel := range c.Live() {
		for _, event := range channel.Events {
			if strings.HasPrefix(event, module+".") {
				return true
			}
		}
	}
	return false
}

// token returns the id and the token of the live channel of a module.
func (c *crm) token(module string) (id, token string) {
	for _, channel := range c.Live() {
		for _, event := range channel.Events {
			if strings.HasPrefix(event, module+".") {
				return channel.ID, channel.Token
			}
		}
	}
	return "", ""
}
