{{/* The three ways to run, and what follows from them. A define is true where it gives a text. */}}

{{- define "crm-bridge.remote" -}}{{- if .Values.nats.url }}true{{ end -}}{{- end -}}

{{- define "crm-bridge.direct" -}}
{{- if and .Values.nats.url (eq .Values.delivery "direct") }}true{{ end -}}
{{- end -}}

{{- define "crm-bridge.embedded" -}}{{- if not .Values.nats.url }}true{{ end -}}{{- end -}}

{{/* "kindIs" and not "default": nought replicas are a wish. */}}
{{- define "crm-bridge.replicas" -}}
{{- if kindIs "invalid" .Values.replicas -}}
{{- ternary 2 1 (not (empty .Values.nats.url)) -}}
{{- else -}}
{{- int .Values.replicas -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int (include "crm-bridge.replicas" .)) 1) }}true{{ end -}}
{{- end -}}

{{/* Of one embedded replica nothing else answers meanwhile: a delay would only make its gap longer. */}}
{{- define "crm-bridge.drainDelay" -}}
{{- if kindIs "invalid" .Values.drainDelaySeconds -}}
{{- ternary 0 10 (not (empty (include "crm-bridge.embedded" .))) -}}
{{- else -}}
{{- int .Values.drainDelaySeconds -}}
{{- end -}}
{{- end -}}

{{/* A preStop hook runs before SIGTERM. Then comes the drain delay; then the program gives requests the answer timeout and 20 seconds
     to end; then it closes the store. */}}
{{- define "crm-bridge.leastGrace" -}}
{{- add (dig "preStop" "sleep" "seconds" 0 .Values.lifecycle) (int (include "crm-bridge.drainDelay" .)) (int .Values.answerTimeoutSeconds) 30 -}}
{{- end -}}

{{/* Where /data is: memory, a claim of your own, or one that is made for each replica; empty: nothing is written. */}}
{{- define "crm-bridge.dataVolume" -}}
{{- if include "crm-bridge.direct" . -}}
{{- else if .Values.persistence.existingClaim -}}existing
{{- else if or .Values.nats.url .Values.persistence.enabled -}}made
{{- else -}}memory
{{- end -}}
{{- end -}}

{{/* A zero counts in a strategy, and merge would replace it. */}}
{{- define "crm-bridge.updateStrategy" -}}
{{- $given := .Values.updateStrategy -}}
{{- if include "crm-bridge.direct" . -}}
{{- /* On the node's network a second pod finds the ports taken. */ -}}
{{- $rolling := dict "maxUnavailable" (ternary 1 0 .Values.hostNetwork) "maxSurge" (ternary 0 1 .Values.hostNetwork) -}}
{{- range $name, $value := $given.rollingUpdate -}}{{- $_ := set $rolling $name $value -}}{{- end -}}
{{- toYaml (dict "type" "RollingUpdate" "rollingUpdate" $rolling) -}}
{{- else -}}
type: {{ $given.type | default "RollingUpdate" }}
{{- with $given.rollingUpdate }}
rollingUpdate: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.rollout" -}}
{{- if not (kindIs "invalid" .Values.revisionHistoryLimit) }}
revisionHistoryLimit: {{ int .Values.revisionHistoryLimit }}
{{- end }}
{{- if not (kindIs "invalid" .Values.minReadySeconds) }}
minReadySeconds: {{ int .Values.minReadySeconds }}
{{- end }}
{{- end -}}

{{- define "crm-bridge.grace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- include "crm-bridge.leastGrace" . -}}
{{- else -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end -}}

{{/* As a part of host:port: an address of IPv6 is in brackets, however it was written. */}}
{{- define "crm-bridge.adminHost" -}}
{{- $host := .Values.adminHost | trimPrefix "[" | trimSuffix "]" | default (ternary "127.0.0.1" "" .Values.hostNetwork) -}}
{{- ternary (printf "[%s]" $host) $host (contains ":" $host) -}}
{{- end -}}

{{/* Whom a probe asks; empty where the admin port listens on every address: a node that asks 0.0.0.0 asks itself. */}}
{{- define "crm-bridge.probeHost" -}}
{{- $host := include "crm-bridge.adminHost" . -}}
{{- if not (has $host (list "0.0.0.0" "[::]")) -}}{{- $host -}}{{- end -}}
{{- end -}}

{{/* The names of variables that are given, without _FILE, as a list. */}}
{{- define "crm-bridge.given" -}}
{{- $names := concat (keys .Values.settings) (keys .Values.secrets) -}}
{{- range .Values.extraEnv -}}{{- $names = append $names .name -}}{{- end -}}
{{- $given := list -}}
{{- range $names -}}{{- $given = append $given (trimSuffix "_FILE" .) -}}{{- end -}}
{{- toJson (sortAlpha $given) -}}
{{- end -}}

{{/* Whether the bridge calls the API of a CRM: with an OAuth client, or with a token. */}}
{{- define "crm-bridge.callsCRMs" -}}
{{- range include "crm-bridge.given" . | fromJsonArray -}}
{{- if regexMatch "^BRIDGE_.*_(CLIENT_ID|API_TOKEN|ACCESS_TOKEN)$" . }}true{{ end -}}
{{- end -}}
{{- if .Values.extraEnvFrom }}true{{ end -}}
{{- end -}}

{{/* Whether a CRM may have a secret that authenticates callbacks: any but the tokens of an API. A client's secret signs the callbacks
     of one CRM and is for the API alone at another; the program knows which. */}}
{{- define "crm-bridge.provable" -}}
{{- range $variable, $_ := .Values.secrets -}}
{{- if not (regexMatch "_(CLIENT_ID|(REFRESH|ACCESS|API)_TOKEN)$" $variable) }}true{{ end -}}
{{- end -}}
{{- end -}}
