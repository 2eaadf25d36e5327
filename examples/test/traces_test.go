package test

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
)

// What the CRM says of the trace of its request.
const (
	traceID   = "4bf92f3577b34da6a3ce929d0e0e4736"
	parentID  = "00f067aa0ba902b7"
	requested = "00-" + traceID + "-" + parentID + "-01"
)

// What no trace may show: the token, a record's id and its values.
const (
	plantedID    = "5725000000000004711"
	plantedValue = "Ada Planted Lovelace"
)

var plantedBody = fmt.Sprintf(`{"server_time":1718115953625,"affected_values":[{"record_id":"%[1]s","values":{"Last_Name":"%[2]s"}}],"query_params":{},"module":"Deals",`+
	`"resource_uri":"https://www.zohoapis.com/crm/v2/Deals","ids":["%[1]s"],"affected_fields":[{"%[1]s":["Last_Name"]}],"operation":"update","channel_id":"1000000068001","token":"%[3]s"}`,
	plantedID, plantedValue, token)

// below says which span is below which: what is done for a callback, and who is above it.
func below(more map[string]string) map[string]string {
	tree := map[string]string{
		"authenticate": "POST /zoho/notifications", "decode": "POST /zoho/notifications", "transform": "POST /zoho/notifications",
		"publish CRM": "POST /zoho/notifications", "commit": "publish CRM",
	}
	maps.Copy(tree, more)
	return tree
}

// A callback, what the bridge does for it and the work of its consumer are one tree, also by way of a journal.
func TestOneTrace(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		c := startCollector(t)
		b := startBridge(t, nil, traced(c, "crm-bridge")...)
		oneTrace(t, c, b, below(map[string]string{"process CRM": "publish CRM"}))
	})
	t.Run("journal", func(t *testing.T) {
		t.Parallel()
		c := startCollector(t)
		remote := startNATS(t)
		b := startBridge(t, nil, append(traced(c, "crm-bridge"), "BRIDGE_NATS_URL="+remote)...)
		b.nats = remote
		oneTrace(t, c, b, below(map[string]string{"forward CRM": "publish CRM", "process CRM": "forward CRM"}))
	})
}

// traced are the variables of a program whose spans a collector receives.
func traced(c *received, service string) []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.url, "OTEL_EXPORTER_OTLP_HEADERS=authorization=planted-credential", "OTEL_SERVICE_NAME=" + service, "OTEL_BSP_SCHEDULE_DELAY=100"}
}

func oneTrace(t *testing.T, c *received, b *bridge, tree map[string]string) {
	consumer := newConsumer(t, b, "deals-go", filepath.Join(programs, "go-consumer"))
	consumer.env = append(consumer.env, traced(c, "deals-go")...)
	consumer.start(t)
	sendTraced(t, b)
	missing := func() string {
		return fmt.Sprintf("has %v\n%s\n%s", slices.Sorted(maps.Keys(c.trace(traceID))), b.said, consumer.said)
	}
	until(t, 30*time.Second, missing, func() bool { return len(c.trace(traceID)) >= len(tree)+1 })

	spans := c.trace(traceID)
	root := spans["POST /zoho/notifications"]
	if hex.EncodeToString(root.GetParentSpanId()) != parentID || root.GetKind() != otlp.Span_SPAN_KIND_SERVER {
		t.Errorf("the callback is below %x, and a %s", root.GetParentSpanId(), root.GetKind())
	}
	for name, above := range tree {
		span, parent := spans[name], spans[above]
		if span.Span == nil || parent.Span == nil || string(span.GetParentSpanId()) != string(parent.GetSpanId()) {
			t.Errorf("%q is not below %q: there are %v", name, above, slices.Sorted(maps.Keys(spans)))
		}
		if within := span.GetStartTimeUnixNano() >= root.GetStartTimeUnixNano(); !within {
			t.Errorf("%q began before the callback", name)
		}
	}
	if service := spans["process CRM"].service; service != "deals-go" {
		t.Errorf("the consumer is %q", service)
	}
	published := spans["publish CRM"].GetAttributes()
	for key, want := range map[string]string{"messaging.system": "nats", "messaging.destination.name": edits, "cloudevents.event_type": edits} {
		if got := text(published, key); got != want {
			t.Errorf("%s is %q, not %q", key, got, want)
		}
	}
	for _, secret := range []string{token, plantedID, plantedValue, "planted-credential", "1000000068001"} {
		if strings.Contains(c.bytes.String(), secret) {
			t.Errorf("the traces show %q", secret)
		}
	}
	eventHasTrace(t, b, hex.EncodeToString(spans[tree["process CRM"]].GetSpanId()))
}

// eventHasTrace checks that the event keeps the traceparent of its request, and that its header continues from a span.
func eventHasTrace(t *testing.T, b *bridge, span string) {
	t.Helper()
	stream, err := jetStream(t, b.nats).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), edits)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"traceparent":"` + requested + `"`; !strings.Contains(string(msg.Data), want) {
		t.Errorf("the event has no %s: %s", want, msg.Data)
	}
	if want := "00-" + traceID + "-" + span + "-01"; msg.Header.Get("traceparent") != want {
		t.Errorf("the header is %q, not %q", msg.Header.Get("traceparent"), want)
	}
}

// sendTraced posts a callback that has a traceparent.
func sendTraced(t *testing.T, b *bridge) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.callbacks+"/zoho/notifications", strings.NewReader(plantedBody))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", requested)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("answered %s", response.Status)
	}
}

// startNATS starts a NATS server with JetStream, and returns its URL.
func startNATS(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("NATS does not start")
	}
	return s.ClientURL()
}
