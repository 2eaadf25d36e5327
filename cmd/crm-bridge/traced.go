package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/tracing"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// traced returns a context in which what a command posts is traced, if OpenTelemetry's variables say so. end exports the last spans.
func traced(ctx context.Context, s config.Settings, errs io.Writer) (_ context.Context, end func(), err error) {
	level := slog.LevelWarn
	if s.Traces.Exporter() == config.ConsoleExporter {
		level = slog.LevelInfo
	}
	log, flush := terminal.NewLog(errs, level, "text")
	traces, err := tracing.Open(s.Traces, prometheus.NewRegistry(), log)
	if err != nil {
		return ctx, flush, err
	}
	return trace.In(ctx, traces.Recorder()), func() {
		traces.Close()
		flush()
	}, nil
}
