{{/* How the objects are named and labelled. Nothing that changes with a version is in a selector or in the template of a
     claim: Kubernetes lets neither change, and each upgrade would fail. */}}

{{- define "crm-bridge.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "crm-bridge.wholeName" -}}
{{- $name := include "crm-bridge.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name -}}
{{- end -}}
{{- end -}}

{{/* At most 40 characters, so that "-headless" and the number of a pod fit into a name of 63 behind it. A longer name ends in a
     digest of the whole one: two releases that begin alike get two names. */}}
{{- define "crm-bridge.fullname" -}}
{{- $whole := include "crm-bridge.wholeName" . -}}
{{- if gt (len $whole) 40 -}}
{{- printf "%s-%s" ($whole | trunc 31 | trimSuffix "-") (sha256sum $whole | trunc 8) -}}
{{- else -}}
{{- $whole | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "crm-bridge.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- define "crm-bridge.ownLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "crm-bridge.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end -}}

{{/* For objects of your own, too. */}}
{{- define "crm-bridge.labels" -}}
{{- include "crm-bridge.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The metadata of an object: dict root, and where it has them name or the suffix of the usual one, namespace, component, labels and
     annotations. Labels and annotations of an object go before the common ones. */}}
{{- define "crm-bridge.metadata" -}}
name: {{ .name | default (printf "%s%s" (include "crm-bridge.fullname" .root) (.suffix | default "")) | quote }}
{{- with .namespace | default .root.Values.namespaceOverride }}
namespace: {{ . | quote }}
{{- end }}
labels:
  {{- include "crm-bridge.ownLabels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with merge (deepCopy (.labels | default dict)) .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (deepCopy (.annotations | default dict)) .root.Values.commonAnnotations }}
annotations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The labels of what has a component: dict root and component. */}}
{{- define "crm-bridge.selectorOf" -}}
app.kubernetes.io/name: {{ include "crm-bridge.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The component keeps the pod of helm test out of Services, budgets and policies. */}}
{{- define "crm-bridge.selector" -}}
{{- include "crm-bridge.selectorOf" (dict "root" . "component" "bridge") -}}
{{- end -}}

{{/* A mirror in global.imageRegistry replaces the registry in image.repository: that is its first part where it has a dot
     or a port. */}}
{{- define "crm-bridge.repository" -}}
{{- $repository := .Values.image.repository -}}
{{- with (.Values.global | default dict).imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- $repository -}}
{{- end -}}

{{- define "crm-bridge.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" (include "crm-bridge.repository" .) .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" (include "crm-bridge.repository" .) (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* The Secrets to pull the image with, as a list of {name}: those of global.imagePullSecrets may be names alone. */}}
{{- define "crm-bridge.pullSecrets" -}}
{{- $secrets := list -}}
{{- range concat .Values.imagePullSecrets ((.Values.global | default dict).imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (ternary . (dict "name" .) (kindIs "map" .)) -}}
{{- end -}}
{{- toJson (uniq $secrets) -}}
{{- end -}}

{{/* Where consumers reach the embedded NATS. helm test goes there too: their certificate is for this name. */}}
{{- define "crm-bridge.consumersURL" -}}
{{- printf "%s://%s-nats.%s.svc:4222" (ternary "nats" "tls" (empty .Values.nats.embedded.tls.existingSecret)) (include "crm-bridge.fullname" .) (include "crm-bridge.namespace" .) -}}
{{- end -}}
