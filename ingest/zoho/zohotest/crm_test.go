package zohotest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

type person struct {
	t     *testing.T
	crm   *zohotest.CRM
	token string
}

// signIn gets an access token as the documents show it.
func signIn(t *testing.T, crm *zohotest.CRM) *person {
	t.Helper()
	p := &person{t: t, crm: crm}
	_, body := p.send(http.MethodPost, "/oauth/v2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {crm.ClientID}, "client_secret": {crm.ClientSecret}, "refresh_token": {crm.RefreshToken},
	}.Encode(), nil)
	var answer struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Type != "Bearer" || answer.Expires != 3600 {
		t.Fatalf("%s: %v", body, err)
	}
	p.token = answer.Token
	return p
}

func (p *person) send(method, target, body string, header http.Header) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, "https://www.zohoapis.com"+target, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Zoho-oauthtoken "+p.token)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := ingesttest.Direct(p.crm).RoundTrip(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func crm() *zohotest.CRM {
	return &zohotest.CRM{ClientID: "id", ClientSecret: "secret", RefreshToken: "refresh"}
}

const at = "2000-01-01T10:30:00+05:30" // five hours into a synctest bubble

// The oddities of actions/watch, by version.
func TestZohoWatch(t *testing.T) {
	full := `{"watch":[{"channel_id":"1","events":["Deals.all"],"channel_expiry":"` + at + `","token":"t","notify_url":"https://x/"}]}`
	for _, test := range []struct {
		name, version, method, body string
		status                      int
		says                        []string
	}{
		{"a success has the channel's id in its rows", "v8", "POST", full, 201, []string{
			`"code":"SUCCESS"`, `"channel_id":"1"`, `"channel_expiry":"` + at + `"`, `"resource_name":"Deals"`, "Successfully subscribed for actions-watch of the given module",
		}},
		{"v2 hides an error in a 202", "v2", "POST", `{"watch":[{"channel_id":"1","events":["Deals.all"]}]}`, 202, []string{"MANDATORY_NOT_FOUND", "notify_url"}},
		{"later versions say 400", "v3", "POST", `{"watch":[{"channel_id":"1","events":["Deals.all"]}]}`, 400, []string{"MANDATORY_NOT_FOUND"}},
		{"a token of 51 characters", "v2", "POST", strings.Replace(full, `"t"`, `"`+strings.Repeat("t", 51)+`"`, 1), 202, []string{"INVALID_DATA", "token"}},
		{"milliseconds", "v8", "POST", strings.Replace(full, "30:00+", "30:00.000+", 1), 400, []string{"INVALID_DATA", "channel_expiry"}},
		{"too far away gives an hour", "v3", "POST", strings.Replace(full, "2000-01-01T10", "2000-01-03T10", 1), 201, []string{`"channel_expiry":"2000-01-01T06:30:00+05:30"`}},
		{"two days are not too far from v4 on", "v4", "POST", strings.Replace(full, "2000-01-01T10", "2000-01-03T10", 1), 201, []string{`"channel_expiry":"2000-01-03T10:30:00+05:30"`}},
		{"no expiry gives an hour", "v8", "POST", strings.Replace(full, `"channel_expiry":"`+at+`",`, "", 1), 201, []string{`"channel_expiry":"2000-01-01T06:30:00+05:30"`}},
		{"a dead channel", "v8", "PATCH", full, 400, []string{`{"watch":[{"code":"NOT_SUBSCRIBED","details":{},"message":"Not subscribed for actions-watch of the given channel","status":"error"}]}`}},
		{"an unknown operation", "v8", "POST", strings.Replace(full, "Deals.all", "Deals.update", 1), 400, []string{"INVALID_DATA", "events"}},
		{"no channels", "v8", "GET", "", 204, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, body := signIn(t, crm()).send(test.method, "/crm/"+test.version+"/actions/watch", test.body, nil)
				if status != test.status {
					t.Errorf("answered %d: %s", status, body)
				}
				for _, part := range test.says {
					if !strings.Contains(body, part) {
						t.Errorf("%s does not stand in %s", part, body)
					}
				}
			})
		})
	}
}

// A PATCH without the token makes it null; a channel is listed with its operations, dies when its time is over, and is
// called back until then.
func TestZohoChannelLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := crm()
		var bodies []string
		z.Callbacks = ingesttest.Direct(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
		}))
		p := signIn(t, z)
		p.send("POST", "/crm/v8/actions/watch", `{"watch":[{"channel_id":7,"events":["Deals.all"],"token":"t","notify_url":"https://x/?a=b"}]}`, nil)
		if _, body := p.send("GET", "/crm/v8/actions/watch?channel_id=7", "", nil); !strings.Contains(body, `"events":["Deals.create","Deals.edit","Deals.delete"]`) || !strings.Contains(body, `"token":"t"`) {
			t.Errorf("listed: %s", body)
		}
		if _, err := z.Create("Deals", map[string]any{"Name": "n"}); err != nil {
			t.Error(err)
		}
		p.send("PATCH", "/crm/v8/actions/watch", `{"watch":[{"channel_id":"7","events":["Deals.delete","Deals.create"]}]}`, nil)
		id, err := z.Create("Deals", nil)
		if err != nil {
			t.Error(err)
		}
		if err := z.Update("Deals", id, map[string]any{"Name": "m"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if err := z.Delete("Deals", id); err != nil {
			t.Error(err)
		}
		if len(bodies) != 2 || !strings.Contains(bodies[0], `"token":"t"`) || !strings.Contains(bodies[0], `"query_params":{"a":"b"}`) || !strings.Contains(bodies[1], `"token":null`) || !strings.Contains(bodies[1], `"operation":"insert"`) {
			t.Errorf("called back: %q", bodies)
		}
		if lives := z.Lives("Deals", "create"); len(lives) != 1 || lives[0].To.Sub(lives[0].From) != time.Hour {
			t.Errorf("alive: %v", lives)
		}
	})
}

// Ten access tokens in ten minutes, refused inside a 200 after that.
func TestZohoTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := crm()
		for range 10 {
			signIn(t, z)
		}
		form := "grant_type=refresh_token&client_id=id&client_secret=secret&refresh_token=refresh"
		status, body := (&person{t: t, crm: z}).send("POST", "/oauth/v2/token", form, nil)
		if status != 200 || !strings.Contains(body, `"error":"Access Denied"`) {
			t.Errorf("the eleventh: %d %s", status, body)
		}
		time.Sleep(11 * time.Minute)
		p := signIn(t, z)
		time.Sleep(time.Hour)
		if status, body := p.send("GET", "/crm/v8/actions/watch", "", nil); status != 401 || !strings.Contains(body, "INVALID_TOKEN") {
			t.Errorf("after an hour: %d %s", status, body)
		}
	})
}

// The list of records: fields are mandatory from v3, 304 and 204 differ, and a token is bound to its parameters.
func TestZohoRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := crm()
		p := signIn(t, z)
		later := http.Header{"If-Modified-Since": {"2000-01-02T00:00:00+00:00"}}
		if status, _ := p.send("GET", "/crm/v8/Deals?fields=Name", "", later); status != 204 {
			t.Errorf("an empty module: %d", status)
		}
		for range 2300 {
			if _, err := z.Create("Deals", map[string]any{"Name": "n"}); err != nil {
				t.Fatal(err)
			}
		}
		for target, want := range map[string]int{
			"/crm/v8/Deals": 400, "/crm/v2/Deals": 200, "/crm/v8/Deals?fields=Name&page=10": 200, "/crm/v8/Deals?fields=Name&page=11": 400,
			"/crm/v8/Deals?fields=Name&per_page=201": 400, "/crm/v8/Ghosts?fields=Name": 400, "/crm/v8/Deals/deleted?type=all": 204,
		} {
			if status, body := p.send("GET", target, "", nil); status != want {
				t.Errorf("%s: %d %.200s", target, status, body)
			}
		}
		if status, _ := p.send("GET", "/crm/v8/Deals?fields=Name", "", later); status != 304 {
			t.Errorf("nothing newer: %d", status)
		}
		_, body := p.send("GET", "/crm/v8/Deals?fields=Name&page=10", "", nil)
		var page struct {
			Info struct {
				Token string `json:"next_page_token"`
				More  bool   `json:"more_records"`
			} `json:"info"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || !page.Info.More {
			t.Fatalf("%.200s: %v", body, err)
		}
		for target, want := range map[string]int{
			"/crm/v8/Deals?fields=Name&page_token=": 200, "/crm/v8/Deals?fields=Name,Stage&page_token=": 400, "/crm/v8/Deals?fields=Name&page=2&page_token=": 400,
		} {
			if status, body := p.send("GET", target+page.Info.Token, "", nil); status != want {
				t.Errorf("%s: %d %.200s", target, status, body)
			}
		}
		time.Sleep(25 * time.Hour)
		p = signIn(t, z)
		if status, _ := p.send("GET", "/crm/v8/Deals?fields=Name&page_token="+page.Info.Token, "", nil); status != 400 {
			t.Errorf("a token of yesterday: %d", status)
		}
	})
}
