package e2e

import (
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A CRM whose callbacks name their account keeps it: an org's own name stands only where a callback names none. An org that is removed
// leaves its callbacks in quarantine, where they can be dropped.
func TestOrgsOfNamedAccounts(t *testing.T) {
	t.Parallel()
	const form = "application/x-www-form-urlencoded"
	dir := t.TempDir()
	env := []string{
		"BRIDGE_BITRIX24_TOKENS=member1:application-token-one", "BRIDGE_BITRIX24_WORKFLOW_SECRET=workflow-secret-one",
		"BRIDGE_BITRIX24_AGENCY_TOKENS=member2:application-token-two", "BRIDGE_BITRIX24_AGENCY_WORKFLOW_SECRET=workflow-secret-two",
	}
	o := &orgs{bridge: start(t, dir, append(env, "BRIDGE_BITRIX24_ACCOUNTS=agency")...), dir: dir, env: append(env, "BRIDGE_BITRIX24_ACCOUNTS=agency")}
	deal := func(member, token string) string {
		return "event=ONCRMDEALUPDATE&data[FIELDS][ID]=5&ts=1727018926&auth[domain]=x.bitrix24.com&auth[member_id]=" + member + "&auth[application_token]=" + token
	}
	const workflow = "document_id[0]=crm&document_id[1]=CCrmDocumentDeal&document_id[2]=DEAL_6"
	for _, one := range []struct {
		path, body string
		status     int
	}{
		{"/bitrix24/events", deal("member1", "application-token-one"), http.StatusOK},
		{"/bitrix24/events", deal("member2", "application-token-two"), http.StatusOK},
		{"/bitrix24/events", deal("member1", "application-token-two"), http.StatusUnauthorized},
		{"/bitrix24/workflows/won?secret=workflow-secret-one", workflow, http.StatusOK},
		{"/bitrix24/workflows/won?secret=workflow-secret-two", workflow, http.StatusOK},
		{"/bitrix24/events", strings.Replace(deal("member2", "application-token-two"), "ONCRMDEALUPDATE", "", 1), http.StatusBadRequest},
	} {
		response, err := client.Post(o.Callbacks+one.path, form, strings.NewReader(one.body))
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != one.status {
			t.Errorf("%s %s: %s", one.path, one.body, response.Status)
		}
	}
	for account, want := range map[string]string{"member1": "5", "member2": "5", "default": "6", "agency": "6"} {
		if got := o.events(t, "--account", account); len(got) != 1 || got[0] != account+" live "+want {
			t.Errorf("events of %s: %q", account, got)
		}
	}
	if out, code := o.run(t, "quarantine", "list", "--account", "member2"); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("quarantine of member2 ended with %d: %s", code, out)
	}

	if err := o.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	refused := exec.Command(program)
	refused.Env = append(environment(dir), env...)
	if out, _ := refused.CombinedOutput(); refused.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "or its org is missing in BRIDGE_BITRIX24_ACCOUNTS") {
		t.Errorf("variables of an org that is not named: %d %s", refused.ProcessState.ExitCode(), out)
	}
	o.env = env[:2]
	o.bridge = start(t, dir, o.env...)
	if out, code := o.run(t, "quarantine", "redrive", "--all"); code != 1 || !strings.Contains(out, "of the org agency") {
		t.Errorf("redrive ended with %d: %s", code, out)
	}
	if out, code := o.run(t, "quarantine", "drop", "--all", "--account", "member2"); code != 0 || strings.Count(out, `"id"`) != 1 {
		t.Errorf("drop ended with %d: %s", code, out)
	}
}
