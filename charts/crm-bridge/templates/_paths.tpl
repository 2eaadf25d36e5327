{{/* What may be reached from outside of the cluster. */}}
{{- define "crm-bridge.paths" -}}
/asyncapi.html: Exact
/asyncapi.yaml: Exact
/bitrix24/: Prefix
/schemas/: Prefix
/zoho/: Prefix
{{- end -}}
