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

{{/* The drain delay; then the program gives requests the answer timeout and 20 seconds to end; then it closes the store. */}}
{{- define "crm-bridge.leastGrace" -}}
{{- add (int .Values.drainDelaySeconds) (int .Values.answerTimeoutSeconds) 30 -}}
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

{{- define "crm-bridge.callsCRMs" -}}
{{- if or .Values.zoho.client.id .Values.bitrix24.client.id .Values.extraEnvFrom }}true{{ end -}}
{{- range .Values.extraEnv -}}
{{- if has (trimSuffix "_FILE" .name) (list "BRIDGE_ZOHO_CLIENT_ID" "BRIDGE_BITRIX24_CLIENT_ID") }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/* Whether a source has a secret that the pod of helm test can prove a callback with. */}}
{{- define "crm-bridge.provable" -}}
{{- range list .Values.zoho.tokens .Values.zoho.tokenSecret .Values.zoho.webhooks.secret .Values.bitrix24.tokens .Values.bitrix24.workflowSecret -}}
{{- if or .value .existingSecret }}true{{ end -}}
{{- end -}}
{{- end -}}
