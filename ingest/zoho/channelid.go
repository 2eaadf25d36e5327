package zoho

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// channelID returns the id of the bridge's channel for a module: 18 digits, which fit the long that Zoho accepts, the same after
// every restart and in every replica. It is derived from the secret of the channel's token, so that two bridges in one org do not
// confuse their channels.
//
// There is one channel for each module, so that a change or an error of one module affects no other, and the answer to a request
// can be about nothing else (NOT_SUBSCRIBED names no channel).
func channelID(secret, account, module string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("channel\n" + strconv.Itoa(len(account)) + "\n" + account + "\n" + module))
	const first, count = 100_000_000_000_000_000, 900_000_000_000_000_000
	return strconv.FormatUint(first+binary.BigEndian.Uint64(mac.Sum(nil))%count, 10)
}
