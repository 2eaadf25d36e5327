package zoho

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// channelID is the id of the bridge's channel for a module: 18 digits, which fit the long that Zoho takes, the same
// after every restart and in every replica. It comes from the secret that the channel's token comes from, so that two
// bridges in one org do not take each other's channels for their own.
//
// There is one channel for each module: a change of one module's events, and an error in one, touches no other, and the
// answer to a request about it can be about nothing else (NOT_SUBSCRIBED names no channel).
func channelID(secret, account, module string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("channel\n" + strconv.Itoa(len(account)) + "\n" + account + "\n" + module))
	const first, count = 100_000_000_000_000_000, 900_000_000_000_000_000
	return strconv.FormatUint(first+binary.BigEndian.Uint64(mac.Sum(nil))%count, 10)
}
