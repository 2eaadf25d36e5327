package embedded

import (
	"encoding/json"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
)

// readableAlone returns the answer to a call without the streams that readers may not read; any other answer is as it was.
func (g *gate) readableAlone(call apiCall, answer []byte) ([]byte, error) {
	switch call.words {
	case "STREAM.NAMES":
		var of server.JSApiStreamNamesResponse
		if err := json.Unmarshal(answer, &of); err != nil || of.Error != nil {
			return answer, err
		}
		all := len(of.Streams)
		of.Streams = slices.DeleteFunc(of.Streams, func(name string) bool { return !g.readable[name] })
		of.Total -= all - len(of.Streams) // they fit on one page
		return json.Marshal(of)
	case "STREAM.LIST":
		var of server.JSApiStreamListResponse
		if err := json.Unmarshal(answer, &of); err != nil || of.Error != nil {
			return answer, err
		}
		all := len(of.Streams)
		of.Streams = slices.DeleteFunc(of.Streams, func(info *server.StreamInfo) bool { return !g.readable[info.Config.Name] })
		of.Total -= all - len(of.Streams)
		return json.Marshal(of)
	}
	return answer, nil
}
