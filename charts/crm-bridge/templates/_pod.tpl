{{/* What the pods of the StatefulSet, of the Deployment and of helm test have in common. */}}

{{- define "crm-bridge.podBasics" -}}
serviceAccountName: {{ include "crm-bridge.serviceAccount" . | quote }}
automountServiceAccountToken: {{ .Values.serviceAccount.automount }}
# What Kubernetes injects for Services would be taken for misspelt variables.
enableServiceLinks: false
{{- with include "crm-bridge.pullSecrets" . | fromJsonArray }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.schedulerName }}
schedulerName: {{ . | quote }}
{{- end }}
{{- if .Values.hostNetwork }}
hostNetwork: true
{{- end }}
{{- with .Values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" .Values.hostNetwork) }}
dnsPolicy: {{ . }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "crm-bridge.containerBasics" -}}
image: {{ include "crm-bridge.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "crm-bridge.secretVolume" -}}
{{- with include "crm-bridge.sources" . }}
- name: secrets
  projected:
    defaultMode: 0440
    sources: {{- . | trim | nindent 6 }}
{{- end }}
{{- end -}}

{{- define "crm-bridge.secretMount" -}}
{{- if include "crm-bridge.sources" . }}
# Whole, and not by subPath: so a renewed certificate arrives.
- name: secrets
  mountPath: {{ include "crm-bridge.secretFolder" . }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* One probe: dict root, path, and the numbers of its value. */}}
{{- define "crm-bridge.probe" -}}
{{- if eq .root.Values.probes.type "exec" -}}
exec:
  command: [/usr/local/bin/crm-bridge, check, --timeout, {{ printf "%ds" .timeout }}, {{ printf "http://%s:%d%s" (include "crm-bridge.probeHost" .root | default "127.0.0.1") (int .root.Values.ports.admin) .path | quote }}]
timeoutSeconds: {{ add .timeout 2 }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: admin
{{- with include "crm-bridge.probeHost" .root }}
  host: {{ . | trimPrefix "[" | trimSuffix "]" | quote }}
{{- end }}
timeoutSeconds: {{ .timeout }}
{{- end }}
periodSeconds: {{ int .numbers.periodSeconds }}
failureThreshold: {{ int .numbers.failureThreshold }}
{{- end -}}

{{- define "crm-bridge.pod" -}}
metadata:
  labels:
    # No version of the chart: a new one that changes nothing for the pods restarts none of them.
    {{- include "crm-bridge.selector" . | nindent 4 }}
    app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
    {{- with merge (deepCopy .Values.podLabels) .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $made := include "crm-bridge.made" . }}
  {{- if or $made .Values.podAnnotations }}
  annotations:
    {{- if $made }}
    # A changed Secret of the chart restarts the pods. One of your own does not: kubectl rollout restart.
    {{- /* Who may see pods but not Secrets can check guesses with this. By scrypt a guess takes longer than to ask the bridge. */}}
    checksum/secret: {{ derivePassword 1 "long" $made (include "crm-bridge.fullname" .) (include "crm-bridge.namespace" .) | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{ include "crm-bridge.podSpec" . }}
{{- end -}}

{{- define "crm-bridge.podSpec" -}}
spec:
  {{- include "crm-bridge.podBasics" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "crm-bridge.grace" . }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- range .Values.topologySpreadConstraints }}
    {{- $selector := dict "labelSelector" (dict "matchLabels" (include "crm-bridge.selector" $ | fromYaml)) }}
    - {{- merge (deepCopy .) $selector | toYaml | nindent 6 }}
    {{- end }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "crm-bridge.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- with .Values.initContainers }}
  initContainers: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: crm-bridge
      {{- include "crm-bridge.containerBasics" . | nindent 6 }}
      env:
        {{- include "crm-bridge.envList" (dict "root" . "env" (include "crm-bridge.env" . | fromYaml)) | trim | nindent 8 }}
      ports:
        - { name: callbacks, containerPort: {{ int .Values.ports.callbacks }}, protocol: TCP }
        - { name: admin, containerPort: {{ int .Values.ports.admin }}, protocol: TCP }
        {{- if include "crm-bridge.embedded" . }}
        - { name: nats, containerPort: {{ int .Values.ports.nats }}, protocol: TCP }
        {{- end }}
      startupProbe:
        {{- include "crm-bridge.probe" (dict "root" . "path" "/healthz" "timeout" 2 "numbers" .Values.probes.startup) | nindent 8 }}
      readinessProbe:
        {{- include "crm-bridge.probe" (dict "root" . "path" "/readyz" "timeout" 3 "numbers" .Values.probes.readiness) | nindent 8 }}
      livenessProbe:
        {{- include "crm-bridge.probe" (dict "root" . "path" "/healthz" "timeout" 5 "numbers" .Values.probes.liveness) | nindent 8 }}
      {{- with .Values.lifecycle }}
      lifecycle: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- $mounts := include "crm-bridge.secretMount" . | trim }}
      {{- if or $mounts .Values.extraVolumeMounts (not (include "crm-bridge.direct" .)) }}
      volumeMounts:
        {{- if not (include "crm-bridge.direct" .) }}
        - name: data
          mountPath: /data
        {{- end }}
        {{- with $mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- $volumes := include "crm-bridge.secretVolume" . | trim }}
  {{- $data := include "crm-bridge.dataVolume" . }}
  {{- if or $volumes (has $data (list "memory" "existing")) .Values.extraVolumes }}
  volumes:
    {{- if eq $data "memory" }}
    - name: data
      emptyDir: {}
    {{- else if eq $data "existing" }}
    - name: data
      persistentVolumeClaim:
        claimName: {{ .Values.persistence.existingClaim | quote }}
    {{- end }}
    {{- with $volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
{{- end -}}
