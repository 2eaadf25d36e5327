{{/* Which variables settings, secrets and extraEnv may set. The program judges those of CRMs, which the chart does not know. */}}

{{- define "crm-bridge.fixed" -}}
[BRIDGE_LISTEN, BRIDGE_ADMIN_LISTEN, BRIDGE_NATS_LISTEN, BRIDGE_NATS_LISTEN_USER, BRIDGE_DATA_DIR, BRIDGE_DELIVERY, BRIDGE_NATS_URL, BRIDGE_DRAIN_DELAY, BRIDGE_ANSWER_TIMEOUT]
{{- end -}}

{{- define "crm-bridge.checkVariables" -}}
{{- $own := include "crm-bridge.own" . | fromYaml -}}
{{- $taken := dict -}}
{{- range $name, $_ := include "crm-bridge.env" . | fromYaml -}}
{{- $variable := trimSuffix "_FILE" $name -}}
{{- if hasKey $own $variable -}}{{- $_ := set $taken $variable (printf "the value %s" (get $own $variable)) -}}{{- end -}}
{{- end -}}
{{- $extra := list -}}
{{- range .Values.extraEnv -}}{{- $extra = append $extra .name -}}{{- end -}}
{{- $names := dict "settings" (keys .Values.settings) "secrets" (keys .Values.secrets) "extraEnv" $extra -}}
{{- range $map := list "settings" "secrets" "extraEnv" -}}
{{- range $name := get $names $map | sortAlpha -}}
{{- $variable := trimSuffix "_FILE" $name -}}
{{- if has $variable (include "crm-bridge.fixed" $ | fromYamlArray) -}}
{{- fail (printf "\n\n%s must not set %s: the chart's other objects depend on it. It has a value of its own.\n" $map $name) -}}
{{- else if and (hasKey $own $variable) (or (ne $map "extraEnv") (eq $variable "OTEL_EXPORTER_OTLP_ENDPOINT")) -}}
{{- fail (printf "\n\n%s must not set %s: use the value %s.\n" $map $name (get $own $variable)) -}}
{{- else if hasKey $taken $variable -}}
{{- fail (printf "\n\n%s sets %s, and so does %s: keep one.\n" $map $name (get $taken $variable)) -}}
{{- end -}}
{{- include "crm-bridge.checkName" (dict "map" $map "name" $name "own" $own) -}}
{{- if ne $map "extraEnv" -}}{{- $_ := set $taken $variable $map -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A name that no CRM can have is misspelt: one in another form than BRIDGE_<CRM>_<NAME>, or one whose first word is that of the
     bridge's own variables, such as BRIDGE_STREAM_MAXAGE. */}}
{{- define "crm-bridge.checkName" -}}
{{- $variable := trimSuffix "_FILE" .name -}}
{{- if and (hasPrefix "bridge_" (lower .name)) (not (hasKey .own $variable)) -}}
{{- $alike := list -}}
{{- range $own, $path := .own -}}
{{- if and (ge (len (splitList "_" $variable)) 2) (eq (index (splitList "_" $own) 1) (index (splitList "_" (upper $variable)) 1)) -}}
{{- $alike = append $alike (printf "%s (%s)" $own $path) -}}
{{- end -}}
{{- end -}}
{{- if $alike -}}
{{- fail (printf "\n\n%s sets %s, which is not a variable of crm-bridge. Did you mean %s?\n" .map .name (join ", " (sortAlpha $alike))) -}}
{{- else if not (regexMatch "^BRIDGE_[A-Z][A-Z0-9]*_[A-Z0-9_]+$" .name) -}}
{{- fail (printf "\n\n%s sets %s, which is not a variable of crm-bridge: docs/configuration.md lists them all.\n" .map .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
