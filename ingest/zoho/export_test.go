package zoho

// What the tests of channels derive as Zoho's own side does.
var (
	ChannelID    = channelID
	ChannelProof = channelProof
	ChannelToken = channelToken
	NotifyURL    = notifyURL
)
