package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// uploader sends spans by OTLP over HTTP. It implements otlptrace.Client. OpenTelemetry's own client for HTTP would bring gRPC into the
// program, which adds two megabytes to it.
type uploader struct {
	url     string
	header  http.Header
	gzip    bool
	timeout time.Duration
	client  *http.Client
}

// answerMost bounds what is read of an answer.
const answerMost = 64 << 10

// newUploader returns an uploader, with the certificates that it needs.
func newUploader(settings config.OTLP) (*uploader, error) {
	usual, _ := http.DefaultTransport.(*http.Transport)
	transport := usual.Clone()
	var err error
	if transport.TLSClientConfig, err = tlsOf(settings); err != nil {
		return nil, err
	}
	u := &uploader{
		url: settings.Endpoint, header: http.Header{}, gzip: settings.Compression == "gzip", timeout: time.Duration(settings.Timeout),
		client: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // headers are secret
		},
	}
	pairs, _ := config.Pairs(settings.Headers) // they were checked
	for _, pair := range pairs {
		u.header.Set(pair[0], pair[1])
	}
	u.header.Set("Content-Type", "application/x-protobuf")
	u.header.Set("User-Agent", "crm-bridge/"+config.Release)
	if u.gzip {
		u.header.Set("Content-Encoding", "gzip")
	}
	return u, nil
}

// tlsOf returns how the endpoint is authenticated, and the bridge to it.
func tlsOf(settings config.OTLP) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if settings.Certificate != "" {
		text, err := os.ReadFile(settings.Certificate)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE: %w", config.WithoutPath(err))
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE: the file holds no certificate (PEM)")
		}
	}
	if settings.ClientCertificate != "" {
		pair, err := tls.LoadX509KeyPair(settings.ClientCertificate, settings.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: %w", config.WithoutPath(err))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// shown returns the endpoint as it may be logged.
func (u *uploader) shown() string {
	at, err := url.Parse(u.url)
	if err != nil {
		return ""
	}
	at.User = nil
	return at.String()
}

// Start implements otlptrace.Client; it is not called.
func (u *uploader) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client; it is not called.
func (u *uploader) Stop(context.Context) error { return nil }

// UploadTraces implements otlptrace.Client. It retries what OTLP says may be retried, until ctx ends.
func (u *uploader) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}) // the same bytes as an ExportTraceServiceRequest
	if err != nil {
		return errors.New("the spans cannot be encoded")
	}
	if u.gzip {
		if body, err = zipped(body); err != nil {
			return err
		}
	}
	var last error
	_ = retry.Policy{Attempts: 5}.Do(ctx, func() (again bool, after time.Duration, err error) {
		again, after, last = u.once(ctx, body)
		return again, after, last
	})
	return last
}

// once sends a request. Its errors show neither headers nor what the endpoint says, which may repeat them.
func (u *uploader) once(within context.Context, body []byte) (again bool, after time.Duration, err error) {
	ctx, cancel := context.WithTimeout(within, u.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url, bytes.NewReader(body))
	if err != nil {
		return false, 0, errors.New("the endpoint is not a URL")
	}
	request.Header = u.header.Clone()
	response, err := u.client.Do(request)
	if err != nil {
		err = causeOf(err)
		switch {
		case errors.Is(within.Err(), context.Canceled): // by Shutdown
			err = errors.New("no answer before the bridge stopped")
		case within.Err() != nil:
			err = errors.New("no answer in time")
		case ctx.Err() != nil:
			err = fmt.Errorf("no answer within %s", u.timeout)
		}
		return true, 0, fmt.Errorf("%s cannot be reached: %w", request.URL.Host, err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, answerMost))
	switch response.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, 0, partial(answer)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	return again, retry.After(response.Header), fmt.Errorf("%s answers %d %s", request.URL.Host, response.StatusCode, http.StatusText(response.StatusCode))
}

// causeOf returns why a request failed, without its URL and without the ports of its connection, which differ each time.
func causeOf(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	var connection *net.OpError
	if errors.As(err, &connection) {
		err = connection.Err
	}
	return err
}

func zipped(body []byte) ([]byte, error) {
	var into bytes.Buffer
	w := gzip.NewWriter(&into)
	_, err := w.Write(body)
	err = errors.Join(err, w.Close())
	return into.Bytes(), err
}
