package hubspottest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Deliver posts events as the app's webhooks do, to the Target as its signature says, and returns the answer.
func (c *CRM) Deliver(ctx context.Context, client *http.Client, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	timestamp := strconv.FormatInt(time.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(c.ClientSecret))
	mac.Write([]byte(http.MethodPost + c.Target))
	mac.Write(body)
	mac.Write([]byte(timestamp))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-HubSpot-Request-Timestamp", timestamp)
	request.Header.Set("X-HubSpot-Signature-v3", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
