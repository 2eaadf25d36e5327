{{/* What the schema of the values cannot say: sums, and what stands in two places. */}}
{{- define "crm-bridge.check" -}}
{{- if not (or .Values.nats.url .Values.nats.embedded.enabled) -}}
{{- fail "\n\nWhere shall events go? Set nats.url to your NATS (nats://nats.nats.svc:4222), or nats.embedded.enabled=true for a try-out with one replica.\n" -}}
{{- end -}}
{{- $idle := list -}}
{{- if include "crm-bridge.embedded" . -}}
{{- $idle = list "nats.user" "nats.password" "nats.creds" "nats.nkey" "nats.tls.first" "nats.tls.existingSecret" "nats.tls.ca.existingSecret" "nats.tls.ca.existingConfigMap" "journal.maxBytes" "networkPolicy.natsTo" "networkPolicy.natsPorts" -}}
{{- else if include "crm-bridge.direct" . -}}
{{- $idle = list "journal.maxBytes" "journal.sync" "persistence.existingClaim" -}}
{{- end -}}
{{- range $path := $idle -}}
{{- $is := (include "crm-bridge.at" (dict "root" $ "path" $path) | fromJson).is -}}
{{- if kindIs "map" $is -}}{{- $is = or $is.value $is.existingSecret -}}{{- end -}}
{{- if $is -}}
{{- fail (printf "\n\n%s has no effect %s: leave it empty.\n" $path (ternary "with delivery direct, which writes to no disk" "without nats.url, for the embedded NATS keeps the stream" (not (empty (include "crm-bridge.direct" $))))) -}}
{{- end -}}
{{- end -}}
{{- if lt (int (include "crm-bridge.grace" .)) (int (include "crm-bridge.leastGrace" .)) -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds is %s, but the drain may take %s: drainDelaySeconds, answerTimeoutSeconds, a sleep of lifecycle.preStop and 30. Leave it empty, and it fits.\n" (include "crm-bridge.grace" .) (include "crm-bridge.leastGrace" .)) -}}
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
{{- $given := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels "workloadLabels" .Values.workloadLabels -}}
{{- range list "service" "headlessService" "ingress" "httpRoute" "serviceMonitor" "prometheusRule" "dashboard" -}}
{{- $_ := set $given (printf "%s.labels" .) (get $.Values .).labels -}}
{{- end -}}
{{- range $value, $labels := set $given "nats.embedded.service.labels" .Values.nats.embedded.service.labels -}}
{{- range $label, $_ := $labels -}}
{{- if regexMatch "^(helm.sh/chart|app.kubernetes.io/(name|instance|component|version|managed-by))$" $label -}}
{{- fail (printf "\n\n%s must not set %s: it is the chart's own, and selectors need it.\n" $value $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.httpRoute.enabled) (eq (include "crm-bridge.callbackPaths" .) "[]") -}}
{{- fail "\n\nWhich callbacks may come in? Set callbackPaths for ingress or httpRoute, such as [/] or the path of each CRM: no variable of a CRM is under settings or secrets.\n" -}}
{{- end -}}
{{- if and .Values.nats.url (include "crm-bridge.callsCRMs" .) (not (or .Values.stateKey.value .Values.stateKey.existingSecret .Values.extraEnv .Values.extraEnvFrom)) -}}
{{- fail "\n\nstateKey must be given with the credentials of a CRM's API beside nats.url: replicas share access tokens in your NATS, encrypted with it.\n" -}}
{{- end -}}
{{- include "crm-bridge.checkObjects" . -}}
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
{{- if has $variable (list "BRIDGE_LISTEN" "BRIDGE_ADMIN_LISTEN" "BRIDGE_NATS_LISTEN" "BRIDGE_NATS_LISTEN_USER" "BRIDGE_DATA_DIR" "BRIDGE_DELIVERY" "BRIDGE_NATS_URL" "BRIDGE_DRAIN_DELAY" "BRIDGE_ANSWER_TIMEOUT") -}}
{{- fail (printf "\n\n%s must not set %s: the chart's other objects depend on it. It has a value of its own.\n" $map $name) -}}
{{- else if and (hasKey $own $variable) (ne $map "extraEnv") -}}
{{- fail (printf "\n\n%s must not set %s: use the value %s.\n" $map $name (get $own $variable)) -}}
{{- else if hasKey $taken $variable -}}
{{- fail (printf "\n\n%s sets %s, and so does %s: keep one.\n" $map $name (get $taken $variable)) -}}
{{- end -}}
{{- if ne $map "extraEnv" -}}{{- $_ := set $taken $variable $map -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
