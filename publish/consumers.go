package publish

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

// anyone is the user of a connection that names none, and consumers the account of all that are not the bridge itself.
const (
	anyone    = "consumer"
	consumers = "CONSUMERS"
)

// requests are what consumers may publish to, for each stream that they may read: they see it and its messages, keep
// consumers of their own and acknowledge. They publish to no stream, and change, purge and delete none.
var requests = []string{
	"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
	"$JS.API.CONSUMER.CREATE.%s", "$JS.API.CONSUMER.CREATE.%s.>", "$JS.API.CONSUMER.DURABLE.CREATE.%s.*",
	"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*", "$JS.API.CONSUMER.DELETE.%s.*",
	"$JS.API.CONSUMER.MSG.NEXT.%s.*", "$JS.API.CONSUMER.PAUSE.%s.*", "$JS.API.CONSUMER.RESET.%s.*", "$JS.API.CONSUMER.UNPIN.%s.*",
	"$JS.ACK.%s.>", "$JS.FC.%s.>",
}

func (c ServerConfig) requests() []string {
	all := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	for _, stream := range c.Readable {
		for _, pattern := range requests {
			all = append(all, fmt.Sprintf(pattern, stream))
		}
	}
	return all
}

// inboxes are what consumers may subscribe to, and all that is delivered into their account. It must not be more: who
// can subscribe to a subject of a stream in the streams' account can have a push consumer deliver to it, and so write.
const inboxes = "_INBOX.>"

// consumer is the user that consumers connect as, named or not.
func (c ServerConfig) consumer(account *server.Account) *server.User {
	user := &server.User{Username: c.User, Password: c.Pass, Account: account, Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: c.requests()},
		Subscribe: &server.SubjectPermission{Allow: []string{inboxes}},
	}}
	if c.User == "" {
		user.Username, user.Password = anyone, c.OwnerPass+"-"+anyone
	}
	return user
}

// openToConsumers lets the consumers' account reach the streams. They live in another account, because permissions alone do not
// keep a consumer from writing: it may name any subject for the reply to a request, and in the streams' own account
// the server would store that reply as an event.
func (c ServerConfig) openToConsumers(s *server.Server) error {
	streams := s.GlobalAccount()
	account, err := s.LookupAccount(consumers)
	if err != nil {
		return err
	}
	for _, subject := range c.requests() {
		if err := streams.AddServiceExportWithResponse(subject, server.Streamed, nil); err != nil {
			return fmt.Errorf("open %s to consumers: %w", subject, err)
		}
		if err := account.AddServiceImport(streams, subject, subject); err != nil {
			return fmt.Errorf("open %s to consumers: %w", subject, err)
		}
	}
	if err := streams.AddStreamExport(inboxes, nil); err != nil {
		return fmt.Errorf("open inboxes to consumers: %w", err)
	}
	if err := account.AddStreamImport(streams, inboxes, ""); err != nil {
		return fmt.Errorf("open inboxes to consumers: %w", err)
	}
	return nil
}
