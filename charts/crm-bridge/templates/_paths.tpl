{{/* What may be reached from outside of the cluster. */}}
{{- define "crm-bridge.paths" -}}
{{- range $below := include "crm-bridge.subPaths" . | fromJsonArray }}
{{ include "crm-bridge.pathsBelow" (dict "root" $ "below" $below) }}
{{- end }}
{{- end -}}

{{/* The part of it below one of the subPaths: dict root and below. */}}
{{- define "crm-bridge.pathsBelow" -}}
{{ printf "%s/asyncapi.html" .below | quote }}: Exact
{{ printf "%s/asyncapi.yaml" .below | quote }}: Exact
{{ printf "%s/schemas/" .below | quote }}: Prefix
{{- range include "crm-bridge.callbackPathsBelow" . | fromJsonArray }}
{{ . | quote }}: Prefix
{{- end }}
{{- end -}}

{{/* The paths of callbacks below one of the subPaths, as a list. One that is written with it stays. */}}
{{- define "crm-bridge.callbackPathsBelow" -}}
{{- $paths := list -}}
{{- range include "crm-bridge.callbackPaths" .root | fromJsonArray -}}
{{- $paths = append $paths (ternary . (printf "%s%s" $.below .) (hasPrefix (printf "%s/" $.below) .)) -}}
{{- end -}}
{{- toJson (uniq $paths) -}}
{{- end -}}

{{/* The paths of callbacks, as a list: the second word of a CRM's variables is its name, and its paths begin with that. */}}
{{- define "crm-bridge.callbackPaths" -}}
{{- $paths := list -}}
{{- range concat (keys .Values.settings) (keys .Values.secrets) -}}
{{- $paths = append $paths (printf "/%s/" (index (splitList "_" .) 1 | lower)) -}}
{{- end -}}
{{- .Values.callbackPaths | default (uniq (sortAlpha $paths)) | toJson -}}
{{- end -}}

{{/* The paths below which the rules are, without a slash at the end, as a list: the bridge serves below those of publicURL. */}}
{{- define "crm-bridge.subPaths" -}}
{{- $paths := list -}}
{{- range .Values.subPaths | default (include "crm-bridge.publicURLs" . | fromJsonArray) | default (list "") -}}
{{- $paths = append $paths (include "crm-bridge.pathOf" .) -}}
{{- end -}}
{{- toJson (uniq $paths) -}}
{{- end -}}

{{- define "crm-bridge.publicURLs" -}}
{{- ternary .Values.publicURL (list .Values.publicURL | compact) (kindIs "slice" .Values.publicURL) | toJson -}}
{{- end -}}

{{/* The path of a URL, or a path, without a slash at the end. */}}
{{- define "crm-bridge.pathOf" -}}
{{- regexReplaceAll "^https?://[^/]*" . "" | regexFind "^(/*[^/]+)*" -}}
{{- end -}}
