package bitrix24

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Client calls the REST API of portals in which the application is installed. Set the fields once.
type Client struct {
	HTTP         *http.Client // nil: one with a timeout of 30 s. Redirects are never followed
	OAuthURL     string       // empty: https://oauth.bitrix.info. Over http (tests), portals may be reached over http too
	ClientID     string
	ClientSecret string
	State        ingest.State // credentials are kept in its Secret
	Rate         float64      // requests a second to one portal; 0: 2, which every plan allows permanently (limits.md)
	Log          *slog.Logger // nil: nothing is logged

	mu      sync.Mutex
	portals map[string]*portal
}

// Bounds of a call.
const (
	maxTries  = 8               // of one call
	maxAnswer = 32 << 20        // bytes; 50 records with long texts
	maxWait   = 2 * time.Minute // between two attempts
	burst     = 5               // requests at once, of the 50 that a portal accepts
	// readsAtOnce is how many calls for records wait for the portal's rate, which serves them in the order of their arrival.
	readsAtOnce = 2
)

// call calls a method of a portal's API and decodes its result (nil: it is dropped). It keeps to the portal's rate, makes up to eight
// attempts where the portal is busy or unreachable, and renews an expired access token. The method may be carried out more than
// once, except for reserving offline events, which is not repeated if it may have been carried out. Its errors hold no secret.
func (c *Client) call(ctx context.Context, member, method string, params map[string]any, result any) error {
	raw, err := c.result(ctx, member, method, params)
	if err == nil && result != nil {
		if err = json.Unmarshal(raw, result); err != nil {
			err = errors.New("the answer is not of the documented shape")
		}
	}
	if err != nil {
		return fmt.Errorf("%s of portal %s: %w", method, member, err)
	}
	return nil
}

// inTurn is call for records, when it is the caller's turn.
func (c *Client) inTurn(ctx context.Context, rank rest.Rank, member, method string, params map[string]any, result any) error {
	done, err := c.portal(member).turns.Take(ctx, rank)
	if err != nil {
		return fmt.Errorf("%s of portal %s: %w", method, member, err)
	}
	defer done()
	return c.call(ctx, member, method, params, result)
}

func (c *Client) result(ctx context.Context, member, method string, params map[string]any) (result json.RawMessage, err error) {
	portal := c.portal(member)
	if err := portal.mayCall(); err != nil {
		return nil, err
	}
	have, err := portal.token.Get(ctx)
	if err != nil {
		return nil, err
	}
	renewed := false
	err = retry.Policy{Attempts: maxTries, Longest: maxWait}.Do(ctx, func() (again bool, after time.Duration, err error) {
		result, after, err = c.post(ctx, portal, have, method, params)
		if !renewed && (refusedWith(err, "expired_token") || portal.hasMoved(err)) {
			renewed = true
			if have, err = portal.token.Renew(ctx, have.AccessToken); err != nil {
				return false, 0, err
			}
			result, after, err = c.post(ctx, portal, have, method, params)
		}
		if err != nil && ctx.Err() != nil {
			return false, 0, ctx.Err()
		}
		again = passing(err) && (!reserves(method, params) || !unsure(err))
		if refusedWith(err, "OPERATION_TIME_LIMIT") { // the method has used up its time in ten minutes
			after = max(after, 30*time.Second)
		}
		if again {
			c.log().Debug("call of Bitrix24 is retried", "portal", member, "method", method, "reason", err)
		}
		return again, after, err
	})
	return result, err
}

// post makes one request within the portal's rate. The access token is among the parameters, which are JSON, so that no URL shows it.
// after is the answer's Retry-After.
func (c *Client) post(ctx context.Context, portal *portal, have credentials, method string, params map[string]any) (result json.RawMessage, after time.Duration, err error) {
	if err := portal.bucket.Wait(ctx); err != nil {
		return nil, 0, err
	}
	fields := make(map[string]any, len(params)+1)
	maps.Copy(fields, params)
	fields["auth"] = have.AccessToken
	request, err := rest.NewRequest(ctx, http.MethodPost, have.Endpoint+method, fields)
	if err != nil {
		return nil, 0, err
	}
	sent := time.Now()
	defer func() {
		if noAnswer(err) {
			portal.heard(sent, err)
		} else {
			portal.heard(sent, nil)
		}
	}()
	answer, err := rest.Sender{HTTP: c.HTTP, MaxAnswer: maxAnswer}.Do(request)
	if err != nil {
		return nil, 0, err
	}
	if answer.Status < 500 { // a proxy in between has its own clock
		portal.clock.Observe(answer.Header, sent, time.Now())
	}
	result, err = readAnswer(answer.Status, answer.Body, have.AccessToken, have.RefreshToken, have.ApplicationToken, c.ClientSecret)
	return result, retry.After(answer.Header), err
}

// reserves reports whether a call reserves events of the queue, so that another call would not return them.
func reserves(method string, params map[string]any) bool {
	return method == "event.offline.get" && params["process_id"] == nil
}

// portal returns what this process knows of a portal.
func (c *Client) portal(member string) *portal {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.portals == nil {
		c.portals = map[string]*portal{}
	}
	p := c.portals[member]
	if p == nil {
		p = &portal{bucket: rate.NewLimiter(rate.Limit(cmp.Or(c.Rate, 2)), burst), token: c.oauth().token(c.stored(member), member), turns: rest.Turns{AtOnce: readsAtOnce}}
		c.portals[member] = p
	}
	return p
}

// stored returns where a portal's credentials are stored.
func (c *Client) stored(member string) rest.Value[credentials] {
	return rest.Value[credentials]{Store: c.State.Secret, Key: "bitrix24.credentials." + member}
}

func (c *Client) oauth() oauth {
	return oauth{strings.TrimSuffix(cmp.Or(c.OAuthURL, defaultOAuthURL), "/"), c.ClientID, c.ClientSecret, c.HTTP, c.log()}
}

// Clock returns a portal's clock; it sends a request first if the portal has not answered any yet.
func (c *Client) Clock(ctx context.Context, member string) (*ingest.Clock, error) {
	clock := &c.portal(member).clock
	if clock.Known() {
		return clock, nil
	}
	return clock, c.call(ctx, member, "event.get", nil, nil)
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
