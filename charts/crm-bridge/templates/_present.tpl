{{/* What the cluster has of this release before an upgrade. "helm template" and a dry run without a server see nothing of it, and
     NOTES.txt says it then. Only the kinds that this release deploys are read, because who upgrades it may read those. */}}

{{/* The StatefulSet as it is, {mode, replicas}; empty: there is none. */}}
{{- define "crm-bridge.presentSet" -}}
{{- $found := dict -}}
{{- if .Release.IsUpgrade -}}
{{- $set := lookup "apps/v1" "StatefulSet" (include "crm-bridge.namespace" .) (include "crm-bridge.fullname" .) -}}
{{- if $set -}}
{{- $_ := set $found "mode" "embedded" -}}
{{- $_ := set $found "replicas" (dig "spec" "replicas" 1 $set | int) -}}
{{- range dig "spec" "template" "spec" "containers" list $set -}}
{{- range .env -}}
{{- if eq .name "BRIDGE_NATS_URL" -}}{{- $_ := set $found "mode" "journal" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* How many pods an autoscaled Deployment has: an upgrade that leaves them out makes it one. Empty: let Kubernetes decide. */}}
{{- define "crm-bridge.presentReplicas" -}}
{{- if .Release.IsUpgrade -}}
{{- $deployment := lookup "apps/v1" "Deployment" (include "crm-bridge.namespace" .) (include "crm-bridge.fullname" .) -}}
{{- max (dig "spec" "replicas" 0 $deployment | int) (int .Values.autoscaling.minReplicas) -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.checkPresent" -}}
{{- include "crm-bridge.checkOldName" . -}}
{{- $was := include "crm-bridge.presentSet" . | fromJson -}}
{{- $name := include "crm-bridge.fullname" . -}}
{{- $replicas := int (include "crm-bridge.replicas" .) -}}
{{- $how := "First empty them (docs/operations.md, Removing a replica), then upgrade with acceptStrandedJournals=true." -}}
{{- if or .Values.acceptStrandedJournals (not $was) -}}
{{- else if eq $was.mode "embedded" -}}
{{- if .Values.nats.url -}}
{{- fail (printf "\n\nThe stream is in the embedded NATS of %s, and with nats.url nothing reaches it any more. Copy it first with crm-bridge copy (docs/operations.md, Moving to another NATS), then upgrade with acceptStrandedJournals=true.\n" $name) -}}
{{- end -}}
{{- else if or (not .Values.nats.url) (include "crm-bridge.direct" .) -}}
{{- fail (printf "\n\nThe journals of the %d pods of %s may hold events that were answered with 200, and with %s nothing forwards them any more. %s\n" (int $was.replicas) $name (ternary "delivery direct" "the embedded NATS" (not (empty .Values.nats.url))) $how) -}}
{{- else if lt $replicas (int $was.replicas) -}}
{{- fail (printf "\n\nreplicas goes from %d to %d, and nothing forwards the journals of the pods that go. %s\n" (int $was.replicas) $replicas $how) -}}
{{- end -}}
{{- end -}}

{{/* Earlier versions of the chart cut a name of more than 40 characters off. Under a new name the claims would be left behind. */}}
{{- define "crm-bridge.checkOldName" -}}
{{- $old := include "crm-bridge.wholeName" . | trunc 40 | trimSuffix "-" -}}
{{- if and .Release.IsUpgrade (gt (len (include "crm-bridge.wholeName" .)) 40) -}}
{{- range $kind := list "StatefulSet" "Deployment" -}}
{{- $labels := dig "metadata" "labels" dict (lookup "apps/v1" $kind (include "crm-bridge.namespace" $) $old) -}}
{{- if eq (get $labels "app.kubernetes.io/instance") $.Release.Name -}}
{{- fail (printf "\n\nThis release has the %s %s, and this version of the chart would call it %s and leave its claims behind. Set fullnameOverride to %s.\n" $kind $old (include "crm-bridge.fullname" $) $old) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
