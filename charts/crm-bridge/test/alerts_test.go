package test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/promqltest"
)

// mine are the labels that Prometheus gives to the metrics of a pod of the release.
const mine = `namespace="sales",job="crm-crm-bridge-headless"`

// Each alert fires when it should, and is silent when nothing is wrong: Prometheus' own engine is asked, two hours into
// samples of every minute.
func TestAlertsFire(t *testing.T) {
	expressions, asked := map[string]string{}, map[string]bool{}
	for _, name := range []string{"monitoring", "monitoring-embedded"} {
		for _, rule := range rules(t, name) {
			expressions[rule.Alert] = rule.Expr.String()
		}
	}
	growing := consumer("0+20x120", "9x120", "1x120", "0x120")
	for _, c := range []struct {
		alert, when, series string
		fires               bool
	}{
		{"CrmBridgeDown", "a pod does not answer", `up{POD-0} 0x120`, true},
		{"CrmBridgeDown", "Prometheus knows no pod", `up{namespace="other"} 1x120`, true},
		{"CrmBridgeDown", "all answer", `up{POD-0} 1x120`, false},
		{"CrmBridgeNotReady", "a pod is not ready", `kube_pod_status_ready{condition="true",namespace="sales",pod="crm-crm-bridge-1"} 0x120`, true},
		{"CrmBridgeNotReady", "another program's pod is not ready", `kube_pod_status_ready{condition="true",namespace="sales",pod="billing-1"} 0x120`, false},
		{"CrmBridgeNotReady", "a pod of another release is not ready", `kube_pod_status_ready{condition="true",namespace="sales",pod="crm-crm-bridge-eu-0"} 0x120`, false},
		{"CrmBridgeNotReady", "the pod of helm test has ended", `kube_pod_status_ready{condition="true",namespace="sales",pod="crm-crm-bridge-test"} 0x120`, false},
		{"CrmBridgeCallbacksFail", "one in fifty fails", "crm_bridge_callbacks_total{outcome=\"accepted\",POD-0} 0+49x120\ncrm_bridge_callbacks_total{outcome=\"retry\",POD-0} 0+1x120", true},
		{"CrmBridgeCallbacksFail", "all are answered", `crm_bridge_callbacks_total{outcome="accepted",POD-0} 0+49x120`, false},
		{"CrmBridgeCallbacksFail", "strangers knock", "crm_bridge_callbacks_total{outcome=\"accepted\",POD-0} 0+1x120\ncrm_bridge_callbacks_total{outcome=\"forged\",POD-0} 0+49x120", false},
		{"CrmBridgeCallbacksForged", "a token is wrong", "crm_bridge_callbacks_total{source=\"a\",outcome=\"accepted\",POD-0} 0+1x120\ncrm_bridge_callbacks_total{source=\"a\",outcome=\"forged\",POD-0} 0+9x120", true},
		{"CrmBridgeCallbacksForged", "a stranger knocks", "crm_bridge_callbacks_total{source=\"a\",outcome=\"accepted\",POD-0} 0+9x120\ncrm_bridge_callbacks_total{source=\"a\",outcome=\"forged\",POD-0} 0+1x120", false},
		{"CrmBridgeLimitHit", "too many at once", `crm_bridge_limit_hits_total{limit="in_flight",POD-0} 0+1x120`, true},
		{"CrmBridgeLimitHit", "a body is too long", `crm_bridge_limit_hits_total{limit="body",POD-0} 0+1x120`, false},
		{"CrmBridgeChannelExpiring", "an hour is left", `crm_bridge_channel_expiry_timestamp_seconds{channel="1",POD-0} 10800x120`, true},
		{"CrmBridgeChannelExpiring", "two days are left", `crm_bridge_channel_expiry_timestamp_seconds{channel="1",POD-0} 180000x120`, false},
		{"CrmBridgeChannelExpiring", "the replica that renewed it before shows an old end", "crm_bridge_channel_expiry_timestamp_seconds{channel=\"1\",POD-0} 10800x120\ncrm_bridge_channel_expiry_timestamp_seconds{channel=\"1\",POD-1} 180000x120", false},
		{"CrmBridgeChannelExpiring", "it is dead, for which there is another alert", `crm_bridge_channel_expiry_timestamp_seconds{channel="1",POD-0} 0x120`, false},
		{"CrmBridgeChannelDead", "it is dead", `crm_bridge_channel_expiry_timestamp_seconds{channel="1",POD-0} 0x120`, true},
		{"CrmBridgeChannelDead", "another account's of that name is alive", "crm_bridge_channel_expiry_timestamp_seconds{account=\"one\",channel=\"1\",POD-0} 0x120\ncrm_bridge_channel_expiry_timestamp_seconds{account=\"two\",channel=\"1\",POD-0} 180000x120", true},
		{"CrmBridgeChannelDead", "it never ends", `crm_bridge_channel_expiry_timestamp_seconds{channel="events",POD-0}` + strings.Repeat(" Inf", 120), false},
		{"CrmBridgeChannelExpiring", "it never ends", `crm_bridge_channel_expiry_timestamp_seconds{channel="events",POD-0}` + strings.Repeat(" Inf", 120), false},
		{"CrmBridgeChannelDead", "another replica has healed it", "crm_bridge_channel_expiry_timestamp_seconds{channel=\"1\",POD-0} 0x120\ncrm_bridge_channel_expiry_timestamp_seconds{channel=\"1\",POD-1} 180000x120", false},
		{"CrmBridgeGapOpen", "it waits for two hours", `crm_bridge_gaps_oldest_seconds{provider="zoho",POD-0} 7200x120`, true},
		{"CrmBridgeGapOpen", "it is read within minutes", `crm_bridge_gaps_oldest_seconds{provider="zoho",POD-0} 120x120`, false},
		{"CrmBridgeGapOpen", "there is none", `crm_bridge_gaps_oldest_seconds{provider="zoho",POD-0} 0x120`, false},
		{"CrmBridgeGapUnrepaired", "the first ever cannot be read", `crm_bridge_gaps_closed_total{provider="zoho",result="unrepaired",POD-0} _x110 1x10`, true},
		{"CrmBridgeGapUnrepaired", "another cannot be read", `crm_bridge_gaps_closed_total{provider="zoho",result="unrepaired",POD-0} 1x110 2x10`, true},
		{"CrmBridgeGapUnrepaired", "the last was long ago", `crm_bridge_gaps_closed_total{provider="zoho",result="unrepaired",POD-0} 2x120`, false},
		{"CrmBridgeGapUnrepaired", "gaps are repaired", `crm_bridge_gaps_closed_total{provider="zoho",result="repaired",POD-0} 0+1x120`, false},
		{"CrmBridgeSourceSilent", "the last callback came at once, and the channel is alive", "crm_bridge_last_callback_timestamp_seconds{source=\"zoho-notifications\",POD-0} 60x120\ncrm_bridge_channel_expiry_timestamp_seconds{provider=\"zoho\",channel=\"1\",POD-0} 180000x120", true},
		{"CrmBridgeSourceSilent", "no channel is kept for it", `crm_bridge_last_callback_timestamp_seconds{source="zoho-webhooks",POD-0} 60x120`, true},
		{"CrmBridgeSourceSilent", "its pod was restarted", `crm_bridge_last_callback_timestamp_seconds{source="zoho-webhooks",POD-0} 60x10 _x110`, true},
		{"CrmBridgeSourceSilent", "another replica gets them", "crm_bridge_last_callback_timestamp_seconds{source=\"zoho-notifications\",POD-0} 60x120\ncrm_bridge_last_callback_timestamp_seconds{source=\"zoho-notifications\",POD-1} 7000x120", false},
		{"CrmBridgeSourceSilent", "its channel is dead, for which there is another alert", "crm_bridge_last_callback_timestamp_seconds{source=\"zoho-notifications\",POD-0} 60x120\ncrm_bridge_channel_expiry_timestamp_seconds{provider=\"zoho\",channel=\"1\",POD-0} 0x120", false},
		{"CrmBridgeSourceSilent", "one came just now", `crm_bridge_last_callback_timestamp_seconds{source="zoho-notifications",POD-0} 7100x120`, false},
		{"CrmBridgeQuarantineGrowing", "the first ever was counted", `crm_bridge_quarantined_total{source="a",POD-0} _x110 1x10`, true},
		{"CrmBridgeQuarantineGrowing", "another was counted", `crm_bridge_quarantined_total{source="a",POD-0} 1x110 2x10`, true},
		{"CrmBridgeQuarantineGrowing", "the last was long ago", `crm_bridge_quarantined_total{source="a",POD-0} 3x120`, false},
		{"CrmBridgeJournalOld", "NATS is away for ten minutes", `crm_bridge_journal_oldest_seconds{POD-0} 600x120`, true},
		{"CrmBridgeJournalOld", "all is forwarded", `crm_bridge_journal_oldest_seconds{POD-0} 0x120`, false},
		{"CrmBridgeJournalOld", "it cannot be asked", `crm_bridge_journal_oldest_seconds{POD-0} _x115 NaN NaN NaN NaN NaN`, false},
		{"CrmBridgeJournalGrowing", "more comes than goes", `crm_bridge_journal_pending{POD-0} 0+10x120`, true},
		{"CrmBridgeJournalGrowing", "it is emptied", `crm_bridge_journal_pending{POD-0} 100000-10x120`, false},
		{"CrmBridgeRefusedGrowing", "one was refused", `crm_bridge_refused_total{POD-0} 0x110 1x10`, true},
		{"CrmBridgeRefusedGrowing", "none was refused", `crm_bridge_refused_total{POD-0} 0x120`, false},
		{"CrmBridgeRecordsLate", "a replica is two minutes behind", "crm_bridge_records_lag_seconds{provider=\"zoho\",POD-0} 0x120\ncrm_bridge_records_lag_seconds{provider=\"zoho\",POD-1} 120x120", true},
		{"CrmBridgeRecordsLate", "each is read within seconds", `crm_bridge_records_lag_seconds{provider="zoho",POD-0} 5x120`, false},
		{"CrmBridgeRecordsFail", "the API answers nothing", `crm_bridge_records_failures_total{provider="zoho",POD-0} 0+2x120`, true},
		{"CrmBridgeRecordsFail", "it failed an hour ago", `crm_bridge_records_failures_total{provider="zoho",POD-0} 0x50 3x70`, false},
		{"CrmBridgeRecordsLeftOut", "the first ever was left out", `crm_bridge_records_left_out_total{provider="zoho",module="Deals",why="unreadable",POD-0} _x110 1x10`, true},
		{"CrmBridgeRecordsLeftOut", "another was left out", `crm_bridge_records_left_out_total{provider="zoho",module="Deals",why="refused",POD-0} 1x110 2x10`, true},
		{"CrmBridgeRecordsLeftOut", "the last was long ago", `crm_bridge_records_left_out_total{provider="zoho",module="Deals",why="refused",POD-0} 3x120`, false},
		{"CrmBridgeConsumerDead", "it gave up on a message", `crm_bridge_consumer_dead{stream="CRM",consumer="billing",POD-0} 0x110 1x10`, true},
		{"CrmBridgeConsumerDead", "a replay has brought all again", `crm_bridge_consumer_dead{stream="CRM",consumer="billing",POD-0} 3x60 0x60`, false},
		{"CrmBridgeConsumerStuck", "it reads nothing for twenty minutes", consumer("0x100 1+5x20", "0x120", "0x100 0+60x20", "0x120"), true},
		{"CrmBridgeConsumerStuck", "it holds a message and does not acknowledge it", consumer("0x120", "1x120", "0+60x120", "0x120"), true},
		{"CrmBridgeConsumerStuck", "nothing is there for it", consumer("0x120", "0x120", "0+60x120", "0x120"), false},
		{"CrmBridgeConsumerStuck", "it catches up", consumer("100000-10x120", "9x120", "1x120", "0x120"), false},
		{"CrmBridgeConsumerStuck", "it is paused", consumer("0+5x120", "0x120", "0+60x120", "1x120"), false},
		{"CrmBridgeConsumerLagging", "more comes than it reads", growing, true},
		{"CrmBridgeConsumerLagging", "both replicas report it", growing + "\n" + strings.ReplaceAll(growing, "POD-0", "POD-1"), true},
		{"CrmBridgeConsumerLagging", "it catches up", consumer("100000-10x120", "9x120", "1x120", "0x120"), false},
		{"CrmBridgeConsumerLagging", "little waits", consumer("0+1x120", "9x120", "1x120", "0x120"), false},
		{"CrmBridgeConsumerLagging", "it is paused", consumer("0+20x120", "9x120", "1x120", "1x120"), false},
		{"CrmBridgeDiskFilling", "a tenth is left", volume("crm-crm-bridge-0", 10), true},
		{"CrmBridgeDiskFilling", "a half is left", volume("crm-crm-bridge-0", 50), false},
		{"CrmBridgeDiskFilling", "another claim is full", volume("billing-0", 1), false},
	} {
		t.Run(c.alert+" "+c.when, func(t *testing.T) {
			series := strings.NewReplacer("POD-0", mine+`,pod="crm-crm-bridge-0"`, "POD-1", mine+`,pod="crm-crm-bridge-1"`).Replace(c.series)
			if got := fires(t, expressions[c.alert], series); got != c.fires {
				t.Errorf("fires: %v, not %v", got, c.fires)
			}
		})
		asked[c.alert] = true
	}
	for alert := range expressions {
		if !asked[alert] && alert != "NoCallbacks" { // an extra rule of the case
			t.Errorf("nothing shows that %s fires", alert)
		}
	}
}

// A channel that is not renewed is alerted of a sixth of its lifetime before its end, and four hours before at least; or as
// prometheusRule.channelExpirySeconds says.
func TestChannelsExpire(t *testing.T) {
	const day = 24 * time.Hour
	expression := func(values string) (found string) {
		for _, rule := range one[*monitoring.PrometheusRule](t, render(t, values)).Spec.Groups[0].Rules {
			if rule.Alert == "CrmBridgeChannelExpiring" {
				found = rule.Expr.String()
			}
		}
		return found
	}
	relative := expression(read(t, "testdata/values/monitoring.yaml"))
	fixed := expression(embedded + "prometheusRule: { enabled: true, channelExpirySeconds: 7200 }")
	if !strings.Contains(fixed, "- time() < 7200 and") {
		t.Errorf("channelExpirySeconds is not in %s", fixed)
	}
	for _, c := range []struct {
		lives, left time.Duration
		fires       bool
	}{
		{7 * day, 23 * time.Hour, true},
		{7 * day, 25 * time.Hour, false},
		{7 * day, 3 * day, false},
		{day, 3*time.Hour + 50*time.Minute, true},
		{day, 4*time.Hour + 10*time.Minute, false},
		{day, 12 * time.Hour, false},
	} {
		// For twelve days it is renewed when half of its time is over; then no more.
		var series strings.Builder
		series.WriteString("crm_bridge_channel_expiry_timestamp_seconds{channel=\"1\"," + mine + "}")
		now, ends := time.Duration(0), c.lives
		for ; now < 12*day || ends-now != c.left; now += 10 * time.Minute {
			if now < 12*day && ends-now <= c.lives/2 {
				ends = now + c.lives
			}
			fmt.Fprintf(&series, " %d", int(ends.Seconds()))
		}
		fmt.Fprintf(&series, " %d", int(ends.Seconds()))
		if got := firesAt(t, relative, series.String(), 10*time.Minute, now); got != c.fires {
			t.Errorf("a channel of %s with %s left fires: %v", c.lives, c.left, got)
		}
	}
}

// consumer is the metrics of a consumer: its lag, what it holds unacknowledged, for how long it is silent, and whether it is paused.
func consumer(lag, pending, silent, paused string) string {
	var series []string
	for metric, values := range map[string]string{"lag": lag, "ack_pending": pending, "last_ack_seconds": silent, "paused": paused} {
		series = append(series, fmt.Sprintf("crm_bridge_consumer_%s{stream=\"CRM\",consumer=\"billing\",POD-0} %s", metric, values))
	}
	return strings.Join(series, "\n")
}

// volume is a claim of which so much of a hundred is left.
func volume(pod string, left int) string {
	labels := `{namespace="sales",persistentvolumeclaim="data-` + pod + `"} `
	return "kubelet_volume_stats_available_bytes" + labels + strconv.Itoa(left) + "x120\nkubelet_volume_stats_capacity_bytes" + labels + "100x120"
}

// fires reports whether an expression has a result after two hours.
func fires(t *testing.T, expression, series string) bool {
	t.Helper()
	return firesAt(t, expression, series, time.Minute, 2*time.Hour)
}

// firesAt is fires at a time, with samples of every step.
func firesAt(t *testing.T, expression, series string, step, at time.Duration) bool {
	t.Helper()
	if expression == "" {
		t.Fatal("there is no such alert")
	}
	store := promqltest.LoadedStorage(t, "load "+strconv.Itoa(int(step.Seconds()))+"s\n  "+strings.ReplaceAll(series, "\n", "\n  ")+"\n")
	defer func() { _ = store.Close() }()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query, err := engine.NewInstantQuery(t.Context(), store, nil, expression, time.Unix(0, 0).Add(at))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	result := query.Exec(t.Context())
	vector, err := result.Vector()
	if err != nil {
		t.Fatal(err)
	}
	return len(vector) > 0
}
