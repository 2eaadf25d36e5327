{{/* What may be reached from outside of the cluster. */}}
{{- define "crm-bridge.paths" -}}
/asyncapi.html: Exact
/asyncapi.yaml: Exact
/schemas/: Prefix
{{- range include "crm-bridge.callbackPaths" . | fromJsonArray }}
{{ . | quote }}: Prefix
{{- end }}
{{- end -}}

{{/* The paths of callbacks, as a list: the second word of a CRM's variables is its name, and its paths begin with that. */}}
{{- define "crm-bridge.callbackPaths" -}}
{{- $paths := list -}}
{{- range concat (keys .Values.settings) (keys .Values.secrets) -}}
{{- $paths = append $paths (printf "/%s/" (index (splitList "_" .) 1 | lower)) -}}
{{- end -}}
{{- .Values.callbackPaths | default (uniq (sortAlpha $paths)) | toJson -}}
{{- end -}}
