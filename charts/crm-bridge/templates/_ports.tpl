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
