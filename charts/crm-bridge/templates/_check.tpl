{{/* What the schema of the values cannot say: sums, and what stands in two places. */}}
{{- define "crm-bridge.check" -}}
{{- if not (or .Values.nats.url .Values.nats.embedded.enabled) -}}
{{- fail "\n\nWhere shall events go? Set nats.url to your NATS (nats://nats.nats.svc:4222), or nats.embedded.enabled=true for a try-out with one replica.\n" -}}
{{- end -}}
{{- $idle := list -}}
{{- if include "crm-bridge.embedded" . -}}
{{- $idle = list "nats.user" "nats.password" "nats.creds" "nats.nkey" "nats.tls.first" "nats.tls.existingSecret" "nats.tls.ca.existingSecret" "nats.tls.ca.existingConfigMap" "journal.maxBytes" -}}
{{- else if include "crm-bridge.direct" . -}}
{{- $idle = list "journal.maxBytes" "journal.sync" -}}
{{- end -}}
{{- range $path := $idle -}}
{{- $is := (include "crm-bridge.at" (dict "root" $ "path" $path) | fromJson).is -}}
{{- if kindIs "map" $is -}}{{- $is = or $is.value $is.existingSecret -}}{{- end -}}
{{- if $is -}}
{{- fail (printf "\n\n%s has no effect %s: leave it empty.\n" $path (ternary "with delivery direct, which writes to no disk" "without nats.url, for the embedded NATS keeps the stream" (not (empty (include "crm-bridge.direct" $))))) -}}
{{- end -}}
{{- end -}}
{{- if lt (int (include "crm-bridge.grace" .)) (int (include "crm-bridge.leastGrace" .)) -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds is %s, but the drain may take %s: drainDelaySeconds and answerTimeoutSeconds and 30. Leave it empty, and it fits.\n" (include "crm-bridge.grace" .) (include "crm-bridge.leastGrace" .)) -}}
{{- end -}}
{{- $ports := list (int .Values.ports.callbacks) (int .Values.ports.admin) (int .Values.ports.nats) -}}
{{- if lt (len (uniq $ports)) 3 -}}
{{- fail "\n\nports.callbacks, ports.admin and ports.nats must differ.\n" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "\n\nautoscaling.minReplicas must not be more than autoscaling.maxReplicas.\n" -}}
{{- end -}}
{{- $name := include "crm-bridge.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
{{- fail (printf "\n\nThe objects would be called %s, but the name of a Service begins with a letter, and has only a-z, 0-9 and -. Set fullnameOverride.\n" $name) -}}
{{- end -}}
{{- range $value, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels -}}
{{- range $label, $_ := $labels -}}
{{- if regexMatch "^(helm.sh/chart|app.kubernetes.io/(name|instance|component|version|managed-by))$" $label -}}
{{- fail (printf "\n\n%s must not set %s: it is the chart's own, and selectors need it.\n" $value $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $paths := dict -}}
{{- range $kind := list "plain" "secret" "credential" -}}
{{- $paths = merge $paths (include (printf "crm-bridge.%s" $kind) $ | fromYaml) -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $variable, $_ := include "crm-bridge.env" . | fromYaml -}}
{{- $_ := set $taken (trimSuffix "_FILE" $variable) (get $paths (trimSuffix "_FILE" $variable)) -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- $variable := trimSuffix "_FILE" .name -}}
{{- if has $variable (list "BRIDGE_LISTEN" "BRIDGE_ADMIN_LISTEN" "BRIDGE_NATS_LISTEN" "BRIDGE_NATS_LISTEN_USER" "BRIDGE_DATA_DIR" "BRIDGE_DELIVERY" "BRIDGE_NATS_URL" "BRIDGE_DRAIN_DELAY" "BRIDGE_ANSWER_TIMEOUT") -}}
{{- fail (printf "\n\nextraEnv must not set %s: the chart's other objects depend on it. It has a value of its own.\n" .name) -}}
{{- end -}}
{{- if hasKey $taken $variable -}}
{{- fail (printf "\n\nextraEnv sets %s, and so does %s: keep one.\n" .name (ternary "a value with a certificate" (printf "the value %s" (get $taken $variable)) (empty (get $taken $variable)))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
