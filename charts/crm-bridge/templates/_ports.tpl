{{/* The ports of nats.url, as a list. */}}
{{- define "crm-bridge.natsPorts" -}}
{{- $ports := list -}}
{{- range splitList "," .Values.nats.url -}}
{{- $url := . | trim | trimSuffix "/" -}}
{{- $usual := ternary 443 (ternary 80 4222 (hasPrefix "ws://" $url)) (hasPrefix "wss://" $url) -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $url | trimPrefix ":" | default $usual | int) -}}
{{- end -}}
{{- toJson (uniq $ports) -}}
{{- end -}}

{{/* The port of tracing.endpoint. */}}
{{- define "crm-bridge.tracesPort" -}}
{{- $host := regexFind "^https?://[^/]+" .Values.tracing.endpoint -}}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default (ternary 80 443 (hasPrefix "http://" $host)) -}}
{{- end -}}

{{/* The ports of the CRMs' APIs, as a list: that of HTTPS, and what each _URL under settings has. */}}
{{- define "crm-bridge.crmPorts" -}}
{{- $ports := list 443 -}}
{{- range $variable, $value := .Values.settings -}}
{{- $host := regexFind "^https?://[^/]+" (toString $value) -}}
{{- if and $host (hasSuffix "_URL" $variable) -}}
{{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default (ternary 80 443 (hasPrefix "http://" $host)) | int) -}}
{{- end -}}
{{- end -}}
{{- toJson (uniq $ports) -}}
{{- end -}}
