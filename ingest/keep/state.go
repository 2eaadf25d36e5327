package keep

import (
	"context"
	"hash/fnv"
	"strconv"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

const (
	// pageChannels is how many channels one value of the shared state holds, so that no value outgrows a message of NATS.
	pageChannels = 200
	// fewAccounts is up to how many accounts the repairs of a CRM are one value. Those of more are divided among shards, by account.
	fewAccounts = 32
	shards      = 256
)

// channelsOf is a page of a CRM's channels as the last Watch found them, in the shared state. The last page is not full.
func channelsOf(shared ingest.Store, crm *ingest.CRM, page int) rest.Value[[]ingest.Channel] {
	return rest.Value[[]ingest.Channel]{Store: shared, Key: numbered("channels."+crm.Key(), page)}
}

// loadChannels returns a CRM's channels.
func loadChannels(ctx context.Context, shared ingest.Store, crm *ingest.CRM) (all []ingest.Channel, err error) {
	for page := 0; ; page++ {
		some, _, err := channelsOf(shared, crm, page).Load(ctx)
		if all = append(all, some...); err != nil || len(some) < pageChannels {
			return all, err
		}
	}
}

// saveChannels replaces a CRM's channels.
func saveChannels(ctx context.Context, shared ingest.Store, crm *ingest.CRM, channels []ingest.Channel) error {
	for page := 0; ; page++ {
		some := channels[:min(pageChannels, len(channels))]
		channels = channels[len(some):]
		stored := channelsOf(shared, crm, page)
		stored.Lenient = true // it is replaced
		if _, err := stored.Update(ctx, func(all *[]ingest.Channel) error {
			*all = some
			return nil
		}); err != nil || len(some) < pageChannels {
			return err
		}
	}
}

// repairsOf are a CRM's gaps that are still to be repaired, in the shared state: shard 0, which there always is, or one of the
// others.
func repairsOf(shared ingest.Store, crm *ingest.CRM, shard int) rest.Value[repairs] {
	return rest.Value[repairs]{Store: shared, Key: numbered("repairs."+crm.Key(), shard)}
}

// shardOf returns the shard of an account's repairs, of a CRM with so many accounts.
func shardOf(account string, accounts int) int {
	if accounts <= fewAccounts {
		return 0
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(account))
	return 1 + int(sum.Sum32()%shards)
}

// numbered returns the key of a page or a shard; no org's name has a slash.
func numbered(key string, n int) string {
	if n == 0 {
		return key
	}
	return key + "/" + strconv.Itoa(n)
}
