package bridge

import (
	"net"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// consumersConnect are the NATS servers that consumers connect to, without any credential. The embedded one listens at a URL.
func consumersConnect(s config.Settings, listens string) []asyncapi.Server {
	if s.Embedded() {
		return []asyncapi.Server{ownServer(s, listens)}
	}
	return remoteServers(s.NATS)
}

// ownServer is the embedded server, which listens at an address such as nats://0.0.0.0:4222.
func ownServer(s config.Settings, listens string) asyncapi.Server {
	own := asyncapi.Server{
		Protocol: "nats", TLS: s.NATS.ListenCert != "", Password: s.NATS.ListenUser != "",
		Description: "The bridge's own NATS server. Clients can read its streams and cannot write to them.",
	}
	u, err := url.Parse(listens)
	if err != nil {
		return own
	}
	host, _, err := net.SplitHostPort(s.NATS.Listen)
	ip := net.ParseIP(host)
	if err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
		if own.Host = net.JoinHostPort(host, u.Port()); host == "localhost" || ip.IsLoopback() {
			own.Description += " Only from the machine that the bridge runs on."
		}
		return own
	}
	// It listens on every address of the machine, and knows none that is right for everyone.
	own.Host, own.DefaultHost = "{host}:"+u.Port(), "localhost"
	if public, err := url.Parse(s.BaseURL()); err == nil && public.Hostname() != "" {
		own.DefaultHost = public.Hostname()
	}
	return own
}

// remoteServers are those of BRIDGE_NATS_URL, without the bridge's own credentials.
func remoteServers(n config.NATS) []asyncapi.Server {
	var servers []asyncapi.Server
	for one := range strings.SplitSeq(n.URL, ",") {
		if one = strings.TrimSpace(one); !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(one)
		if err != nil {
			continue
		}
		host := u.Host // without a user
		if u.Port() == "" && (u.Scheme == "nats" || u.Scheme == "tls") {
			host = net.JoinHostPort(u.Hostname(), "4222")
		}
		server := asyncapi.Server{
			Host: host, Protocol: u.Scheme, TLS: u.Scheme == "tls" || u.Scheme == "wss" || n.CA != "" || n.Cert != "",
			Description: "Your own NATS, at the address that the bridge uses. Its operator gives you an account.",
		}
		if u.Scheme == "tls" {
			server.Protocol = "nats"
		}
		servers = append(servers, server)
	}
	return servers
}
