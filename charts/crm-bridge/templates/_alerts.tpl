{{/* The alerts. What each means, and what to do, is in docs/operations.md under its name. Two braces of Prometheus stand in
     backquotes, so that Helm leaves them alone. A counter with labels is born with its first count, so that increase()
     sees nothing of it: that is what "unless … offset" is for. */}}
{{- define "crm-bridge.alerts" -}}
{{- $expires := printf "max by (provider, account, channel) (crm_bridge_channel_expiry_timestamp_seconds{%s})" .from -}}
{{- /* Within five days a channel that lives a week had six days left when it has one, and one that lives a day had a day. */}}
{{- $least := printf "clamp_min(max_over_time((%s - time())[5d:10m]) / 6, 14400)" $expires -}}
{{- if .expiry -}}{{- $least = int64 .expiry -}}{{- end -}}
{{- /* Each replica reports the consumers of a NATS that they share. */}}
{{- $consumers := printf "max by (stream, consumer) (crm_bridge_consumer_%%s{%s})" .from -}}
- alert: CrmBridgeDown
  severity: critical
  for: 5m
  expr: 'up{ {{- .from -}} } == 0 or absent(up{ {{- .from -}} })'
  summary: 'Prometheus does not reach crm-bridge {{`{{ $labels.pod }}`}}.'
- alert: CrmBridgeNotReady
  severity: critical
  for: 5m
  expr: 'kube_pod_status_ready{condition="true", {{- .pods -}} } == 0'
  summary: 'Pod {{`{{ $labels.pod }}`}} takes no callbacks: its /readyz says why.'
- alert: CrmBridgeCallbacksFail
  severity: critical
  for: 5m
  expr: 'sum(rate(crm_bridge_callbacks_total{outcome=~"retry|failed", {{- .from -}} }[5m])) / sum(rate(crm_bridge_callbacks_total{ {{- .from -}} }[5m])) > {{ .ratio }}'
  summary: '{{`{{ $value | humanizePercentage }}`}} of the callbacks are answered with 5xx.'
- alert: CrmBridgeCallbacksForged
  severity: warning
  for: 15m
  expr: 'sum by (source) (rate(crm_bridge_callbacks_total{outcome="forged", {{- .from -}} }[15m])) / sum by (source) (rate(crm_bridge_callbacks_total{ {{- .from -}} }[15m])) > 0.5'
  summary: 'Most callbacks of {{`{{ $labels.source }}`}} could not be authenticated: is a token wrong?'
- alert: CrmBridgeLimitHit
  severity: warning
  for: 5m
  expr: 'sum by (limit) (rate(crm_bridge_limit_hits_total{limit=~"rate|in_flight", {{- .from -}} }[5m])) > 0'
  summary: 'Callbacks are refused by the limit {{`{{ $labels.limit }}`}}.'
- alert: CrmBridgeChannelExpiring
  severity: warning
  for: 10m
  expr: '{{ $expires }} - time() < {{ $least }} and {{ $expires }} > 0'
  summary: 'Channel {{`{{ $labels.channel }}`}} of {{`{{ $labels.provider }}`}}, account {{`{{ $labels.account }}`}}, ends in {{`{{ $value | humanizeDuration }}`}} and is not renewed.'
- alert: CrmBridgeChannelDead
  severity: critical
  for: 5m
  expr: '{{ $expires }} == 0'
  summary: 'Channel {{`{{ $labels.channel }}`}} of {{`{{ $labels.provider }}`}}, account {{`{{ $labels.account }}`}}, is not alive: its changes are not reported.'
- alert: CrmBridgeGapOpen
  severity: warning
  for: 5m
  expr: 'max by (provider) (crm_bridge_gaps_oldest_seconds{ {{- .from -}} }) > 3600'
  summary: 'Changes of {{`{{ $labels.provider }}`}} that had no callback have not been read from the CRM for {{`{{ $value | humanizeDuration }}`}}.'
- alert: CrmBridgeGapUnrepaired
  severity: critical
  expr: 'sum by (provider) (increase(crm_bridge_gaps_closed_total{result="unrepaired", {{- .from -}} }[1h])) > 0 or sum by (provider) (crm_bridge_gaps_closed_total{result="unrepaired", {{- .from -}} } unless crm_bridge_gaps_closed_total{result="unrepaired", {{- .from -}} } offset 1h) > 0'
  summary: 'Changes of {{`{{ $labels.provider }}`}} may be lost: crm-bridge status says which.'
{{- if .silent }}
- alert: CrmBridgeSourceSilent
  severity: warning
  for: 5m
  expr: 'label_replace(time() - max by (source) (max_over_time(crm_bridge_last_callback_timestamp_seconds{ {{- .from -}} }[7d])), "provider", "$1", "source", "([a-z0-9]+)-.*") > {{ .silent }} unless on (provider) (max by (provider) ({{ $expires }}) == 0)'
  summary: 'No callback of {{`{{ $labels.source }}`}} has come for {{`{{ $value | humanizeDuration }}`}}.'
{{- end }}
- alert: CrmBridgeQuarantineGrowing
  severity: warning
  expr: 'sum by (source) (increase(crm_bridge_quarantined_total{ {{- .from -}} }[1h])) > 0 or sum by (source) (crm_bridge_quarantined_total{ {{- .from -}} } unless crm_bridge_quarantined_total{ {{- .from -}} } offset 1h) > 0'
  summary: 'Callbacks of {{`{{ $labels.source }}`}} are not understood: crm-bridge quarantine list.'
{{- if .journal }}
- alert: CrmBridgeJournalOld
  severity: critical
  for: 5m
  expr: 'max by (pod) (crm_bridge_journal_oldest_seconds{ {{- .from -}} }) > {{ .oldest }}'
  summary: 'The oldest event in the journal of {{`{{ $labels.pod }}`}} waits for {{`{{ $value | humanizeDuration }}`}}: NATS does not take it.'
- alert: CrmBridgeJournalGrowing
  severity: warning
  for: 15m
  expr: 'crm_bridge_journal_pending{ {{- .from -}} } > 100 and deriv(crm_bridge_journal_pending{ {{- .from -}} }[15m]) > 0'
  summary: 'The journal of {{`{{ $labels.pod }}`}} grows: {{`{{ $value }}`}} events wait.'
- alert: CrmBridgeRefusedGrowing
  severity: critical
  expr: 'increase(crm_bridge_refused_total{ {{- .from -}} }[1h]) > 0'
  summary: 'NATS refuses events of {{`{{ $labels.pod }}`}} permanently: crm-bridge quarantine list in that pod.'
{{- end }}
- alert: CrmBridgeRecordsLate
  severity: warning
  for: 10m
  expr: 'max by (provider) (crm_bridge_records_lag_seconds{ {{- .from -}} }) > 60'
  summary: 'Events of {{`{{ $labels.provider }}`}} have waited for their records for {{`{{ $value | humanizeDuration }}`}}.'
- alert: CrmBridgeRecordsFail
  severity: warning
  for: 15m
  expr: 'sum by (provider) (increase(crm_bridge_records_failures_total{ {{- .from -}} }[15m])) > 0'
  summary: 'Records of {{`{{ $labels.provider }}`}} cannot be read or stored: the log says why.'
- alert: CrmBridgeRecordsLeftOut
  severity: warning
  expr: 'sum by (provider, module, why) (increase(crm_bridge_records_left_out_total{ {{- .from -}} }[1h])) > 0 or sum by (provider, module, why) (crm_bridge_records_left_out_total{ {{- .from -}} } unless crm_bridge_records_left_out_total{ {{- .from -}} } offset 1h) > 0'
  summary: 'Records of {{`{{ $labels.module }}`}} of {{`{{ $labels.provider }}`}} are not kept: {{`{{ $labels.why }}`}}.'
- alert: CrmBridgeConsumerDead
  severity: warning
  expr: 'max by (stream, consumer) (crm_bridge_consumer_dead{ {{- .from -}} }) > 0'
  summary: 'Consumer {{`{{ $labels.consumer }}`}} of {{`{{ $labels.stream }}`}} gave up on {{`{{ $value }}`}} messages: crm-bridge consumers --dead {{`{{ $labels.consumer }}`}}.'
- alert: CrmBridgeConsumerStuck
  severity: warning
  for: 10m
  expr: '{{ printf $consumers "last_ack_seconds" }} > {{ .stuck }} and {{ printf $consumers "lag" }} + {{ printf $consumers "ack_pending" }} > 0 unless {{ printf $consumers "paused" }} == 1'
  summary: 'Consumer {{`{{ $labels.consumer }}`}} of {{`{{ $labels.stream }}`}} has messages, and has acknowledged none for {{`{{ $value | humanizeDuration }}`}}.'
- alert: CrmBridgeConsumerLagging
  severity: warning
  for: 30m
  expr: '{{ printf $consumers "lag" }} > {{ .lag }} and deriv(({{ printf $consumers "lag" }})[30m:1m]) > 0 unless {{ printf $consumers "paused" }} == 1'
  summary: 'Consumer {{`{{ $labels.consumer }}`}} of {{`{{ $labels.stream }}`}} is slower than events arrive: {{`{{ $value }}`}} wait for it.'
- alert: CrmBridgeDiskFilling
  severity: critical
  for: 5m
  expr: 'kubelet_volume_stats_available_bytes{ {{- .claims -}} } / kubelet_volume_stats_capacity_bytes{ {{- .claims -}} } < 0.15'
  summary: 'The claim {{`{{ $labels.persistentvolumeclaim }}`}} has {{`{{ $value | humanizePercentage }}`}} left.'
{{- end -}}
