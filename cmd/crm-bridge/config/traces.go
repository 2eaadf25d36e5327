package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// OTelPrefix is that of OpenTelemetry's variables, without its underscore.
const OTelPrefix = "OTEL"

// Traces are the standard variables of OpenTelemetry that traces follow. They are shared with other programs: Problem, and not Load,
// says what is wrong with them.
type Traces struct {
	SDKDisabled    bool   `split_words:"true" default:"false" desc:"nothing is traced, whatever the others say"`
	TracesExporter string `split_words:"true" desc:"otlp, console (the log), or none; unset: otlp if an endpoint is set, else none"`

	ExporterOTLP       OTLP `split_words:"true"`
	ExporterOTLPTraces OTLP `split_words:"true"`

	ServiceName        string `split_words:"true" default:"crm-bridge" desc:"service.name of the traces"`
	ResourceAttributes string `split_words:"true" list:"true" desc:"attributes of all traces: name=value,…"`

	TracesSampler    string `split_words:"true" default:"parentbased_always_on" desc:"always_on, always_off, traceidratio, or one of them after parentbased_: as the sender of the callback has decided"`
	TracesSamplerArg string `split_words:"true" default:"1" desc:"part of the traces that traceidratio exports, from 0 to 1"`

	BSPScheduleDelay      Milliseconds `split_words:"true" default:"5000" desc:"longest time that a span waits for its export, in milliseconds"`
	BSPExportTimeout      Milliseconds `split_words:"true" default:"30000" desc:"longest time of an export with all its attempts, in milliseconds"`
	BSPMaxQueueSize       Count        `split_words:"true" default:"2048" desc:"spans that wait; further ones are dropped and counted"`
	BSPMaxExportBatchSize Count        `split_words:"true" default:"512" desc:"spans of one export"`

	Problem error    `ignored:"true"` // what is wrong with them; nil: nothing
	Unused  []string `ignored:"true"` // variables with the prefix that are set and that nothing reads
}

// OTLP are the variables of the exporter: of all signals, or of traces alone, which go before.
type OTLP struct {
	Endpoint          string       `split_words:"true" secret:"url" desc:"where traces go, such as http://collector:4318; of all signals: /v1/traces is added"`
	Protocol          string       `split_words:"true" desc:"http/protobuf, which is the default and the only one"`
	Headers           string       `split_words:"true" secret:"true" list:"true" desc:"headers of each export, such as a token: name=value,…"`
	Certificate       string       `split_words:"true" desc:"file of the certificate authorities of the endpoint (PEM)"`
	ClientCertificate string       `split_words:"true" desc:"client certificate file for the endpoint (PEM)"`
	ClientKey         string       `split_words:"true" desc:"key file (PEM) of the client certificate"`
	Compression       string       `split_words:"true" desc:"gzip or none; unset: none"`
	Timeout           Milliseconds `split_words:"true" desc:"longest time of an attempt to export, in milliseconds; unset: 10000"`
}

// Milliseconds is a length of time as OpenTelemetry writes it: a number of milliseconds.
type Milliseconds time.Duration

// Decode reads milliseconds from an environment variable.
func (m *Milliseconds) Decode(value string) error {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	if err != nil || n < 1 {
		return errors.New("must be a number of milliseconds, such as 10000")
	}
	*m = Milliseconds(time.Duration(n) * time.Millisecond)
	return nil
}

// The exporters.
const (
	OTLPExporter    = "otlp"
	ConsoleExporter = "console"
)

// load reads OpenTelemetry's variables.
func (t *Traces) load(env *Environment) {
	var found Problems
	variables, err := env.load(OTelPrefix, t, "")
	found.Add(err)
	if t.Exporter() == "" {
		return
	}
	found.Add(t.check())
	t.Problem = found.Err()
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		of := func(v Variable) bool { return v.Name == name || v.Name+"_FILE" == name }
		if strings.HasPrefix(name, OTelPrefix+"_") && !slices.ContainsFunc(variables, of) {
			t.Unused = append(t.Unused, name)
		}
	}
	slices.Sort(t.Unused)
}

// Exporter returns where traces go; empty: nothing is traced.
func (t Traces) Exporter() string {
	exporter := t.TracesExporter
	if exporter == "" && cmp.Or(t.ExporterOTLP.Endpoint, t.ExporterOTLPTraces.Endpoint) != "" {
		exporter = OTLPExporter
	}
	if t.SDKDisabled || exporter == "none" {
		return ""
	}
	return exporter
}

// OTLP returns the variables of the exporter as they hold for traces. The endpoint is that of traces.
func (t Traces) OTLP() OTLP {
	all, own := t.ExporterOTLP, t.ExporterOTLPTraces
	endpoint := own.Endpoint
	if endpoint == "" {
		endpoint = strings.TrimSuffix(cmp.Or(all.Endpoint, "http://localhost:4318"), "/") + "/v1/traces"
	}
	return OTLP{
		Endpoint: endpoint, Protocol: cmp.Or(own.Protocol, all.Protocol, "http/protobuf"), Headers: cmp.Or(own.Headers, all.Headers),
		Certificate: cmp.Or(own.Certificate, all.Certificate), ClientCertificate: cmp.Or(own.ClientCertificate, all.ClientCertificate),
		ClientKey: cmp.Or(own.ClientKey, all.ClientKey), Compression: cmp.Or(own.Compression, all.Compression, "none"),
		Timeout: cmp.Or(own.Timeout, all.Timeout, Milliseconds(10*time.Second)),
	}
}

// check returns all problems of the variables.
func (t Traces) check() error {
	otlp := t.OTLP()
	_, attributes := Pairs(t.ResourceAttributes)
	_, headers := Pairs(otlp.Headers)
	return broken([]rule{
		{OneOf(t.Exporter(), OTLPExporter, ConsoleExporter), "OTEL_TRACES_EXPORTER must be otlp, console or none"},
		{isEndpoint(otlp.Endpoint), "OTEL_EXPORTER_OTLP_ENDPOINT must be an http or https URL without a query, such as http://collector:4318"},
		{otlp.Protocol != "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL grpc is not supported: set it to http/protobuf, and the endpoint to the collector's HTTP port, which is usually 4318"},
		{OneOf(otlp.Protocol, "grpc", "http/protobuf"), "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf"},
		{headers == nil, "OTEL_EXPORTER_OTLP_HEADERS must be name=value,name=value, percent-encoded"},
		{paired(otlp.ClientCertificate, otlp.ClientKey), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY must be set together"},
		{OneOf(otlp.Compression, "none", "gzip"), "OTEL_EXPORTER_OTLP_COMPRESSION must be gzip or none"},
		{attributes == nil, "OTEL_RESOURCE_ATTRIBUTES must be name=value,name=value, percent-encoded"},
		{OneOf(strings.TrimPrefix(t.TracesSampler, "parentbased_"), "always_on", "always_off", "traceidratio"), "OTEL_TRACES_SAMPLER must be always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio"},
		{t.Ratio() >= 0, "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"},
		{t.BSPMaxExportBatchSize <= t.BSPMaxQueueSize, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must not be more than OTEL_BSP_MAX_QUEUE_SIZE"},
	})
}

// Ratio returns the part of the traces that traceidratio exports; negative: it cannot be read.
func (t Traces) Ratio() float64 {
	ratio, err := strconv.ParseFloat(t.TracesSamplerArg, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		return -1
	}
	return ratio
}

func isEndpoint(text string) bool {
	u, err := url.Parse(text)
	return err == nil && OneOf(u.Scheme, "http", "https") && u.Hostname() != "" && u.RawQuery == "" && u.Fragment == ""
}

// Pairs reads name=value,name=value, where values are percent-encoded, as pairs. Its errors do not show the text.
func Pairs(text string) (pairs [][2]string, err error) {
	for entry := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(entry) == "" {
			continue
		}
		name, value, found := strings.Cut(entry, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil || strings.ContainsAny(name, " \r\n:") || strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("entry %d is not name=value", len(pairs)+1)
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}
