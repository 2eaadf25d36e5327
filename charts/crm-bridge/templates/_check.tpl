{{/* What the schema of the values cannot say: sums, and what stands in two places. */}}
{{- define "crm-bridge.check" -}}
{{- if not (or .Values.nats.url .Values.nats.embedded.enabled) -}}
{{- fail "\n\nWhere shall events go? Set nats.url to your NATS (nats://nats.nats.svc:4222), or nats.embedded.enabled=true for a try-out with one replica.\n" -}}
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
{{- $taken := include "crm-bridge.env" . | fromYaml -}}
{{- range $kind := list "plain" "secret" "credential" -}}
{{- range $variable, $path := include (printf "crm-bridge.%s" $kind) $ | fromYaml -}}
{{- range $.Values.extraEnv -}}
{{- $name := trimSuffix "_FILE" .name -}}
{{- if and (eq $name $variable) (or (hasKey $taken $variable) (hasKey $taken (printf "%s_FILE" $variable))) -}}
{{- fail (printf "\n\nextraEnv sets %s, and so does the value %s: keep one.\n" .name $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if has .name (list "BRIDGE_LISTEN" "BRIDGE_ADMIN_LISTEN" "BRIDGE_NATS_LISTEN" "BRIDGE_NATS_LISTEN_USER" "BRIDGE_DATA_DIR" "BRIDGE_DELIVERY" "BRIDGE_NATS_URL" "BRIDGE_DRAIN_DELAY" "BRIDGE_ANSWER_TIMEOUT") -}}
{{- fail (printf "\n\nextraEnv must not set %s: the chart's other objects depend on it. It has a value of its own.\n" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
