{{/* Which variable of the program comes from which value; those of CRMs are under settings and secrets by their names. What is
     empty is not set, so that the program's own default holds. A test compares this with what "crm-bridge config" lists. */}}

{{- define "crm-bridge.plain" -}}
BRIDGE_NATS_URL: nats.url
BRIDGE_NATS_USER: nats.user
BRIDGE_NATS_TLS_FIRST: nats.tls.first
BRIDGE_JOURNAL_MAX_BYTES: journal.maxBytes
BRIDGE_SYNC: journal.sync
BRIDGE_STREAM: stream.name
BRIDGE_SUBJECT_PREFIX: stream.subjectPrefix
BRIDGE_STREAM_MAX_AGE: stream.maxAge
BRIDGE_STREAM_MAX_BYTES: stream.maxBytes
BRIDGE_STREAM_REPLICAS: stream.replicas
BRIDGE_STREAM_DUPLICATES: stream.duplicates
BRIDGE_STREAM_APPLY: stream.apply
BRIDGE_QUARANTINE_MAX_BYTES: quarantine.maxBytes
BRIDGE_RECORDS_HISTORY: records.history
BRIDGE_RECORDS_MAX_BYTES: records.maxBytes
BRIDGE_ERASE_ON_REQUEST: privacy.eraseOnRequest
BRIDGE_EVENT_MODE: events.mode
BRIDGE_EVENT_PER: events.per
BRIDGE_FIELDS_DROP: fields.drop
BRIDGE_FIELDS_HASH: fields.hash
BRIDGE_PUBLIC_URL: publicURL
BRIDGE_MAX_BODY: limits.maxBody
BRIDGE_MAX_IN_FLIGHT: limits.maxInFlight
BRIDGE_MAX_IN_FLIGHT_BYTES: limits.maxInFlightBytes
BRIDGE_MAX_CONNECTIONS: limits.maxConnections
BRIDGE_RATE: limits.rate
BRIDGE_ALLOW: limits.allow
BRIDGE_TRUSTED_PROXIES: limits.trustedProxies
BRIDGE_ADMIN_HOSTS: console.hosts
BRIDGE_LOG_LEVEL: log.level
BRIDGE_LOG_FORMAT: log.format
OTEL_EXPORTER_OTLP_ENDPOINT: tracing.endpoint
OTEL_SERVICE_NAME: tracing.serviceName
OTEL_RESOURCE_ATTRIBUTES: tracing.attributes
OTEL_TRACES_SAMPLER: tracing.sampler
OTEL_TRACES_SAMPLER_ARG: tracing.samplerArg
{{- end -}}

{{/* These come from files of Secrets: BRIDGE_X_FILE names the file. So they are in no dump of an environment. */}}
{{- define "crm-bridge.secret" -}}
BRIDGE_STATE_KEY: stateKey
BRIDGE_FIELDS_KEY: fields.key
BRIDGE_NATS_PASSWORD: nats.password
BRIDGE_NATS_LISTEN_PASSWORD: nats.embedded.password
OTEL_EXPORTER_OTLP_HEADERS: tracing.headers
{{- end -}}

{{/* Variables that name a file themselves. */}}
{{- define "crm-bridge.credential" -}}
BRIDGE_NATS_CREDS: nats.creds
BRIDGE_NATS_NKEY: nats.nkey
{{- end -}}

{{- define "crm-bridge.secretFolder" -}}/etc/crm-bridge/secrets{{- end -}}

{{/* The value at a path such as "nats.url", as JSON. */}}
{{- define "crm-bridge.at" -}}
{{- $value := .root.Values -}}
{{- range splitList "." .path -}}
{{- $value = ternary (get (ternary $value dict (kindIs "map" $value)) .) "" (kindIs "map" $value) -}}
{{- end -}}
{{- toJson (dict "is" $value) -}}
{{- end -}}

{{/* A value as the program reads it: lists with commas, and no number as 1e+06. */}}
{{- define "crm-bridge.text" -}}
{{- if kindIs "slice" . -}}{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}{{- int64 . -}}
{{- else if not (empty .) -}}{{- . -}}
{{- end -}}
{{- end -}}

{{/* These name the files of a certificate. */}}
{{- define "crm-bridge.certificate" -}}
BRIDGE_LISTEN_CERT: tls.existingSecret
BRIDGE_LISTEN_KEY: tls.existingSecret
BRIDGE_NATS_CA: nats.tls.ca
BRIDGE_NATS_CERT: nats.tls.existingSecret
BRIDGE_NATS_KEY: nats.tls.existingSecret
BRIDGE_NATS_LISTEN_CERT: nats.embedded.tls.existingSecret
BRIDGE_NATS_LISTEN_KEY: nats.embedded.tls.existingSecret
{{- end -}}

{{/* The Secrets with a certificate and its key, by what the names of their files begin with, as their variables do. */}}
{{- define "crm-bridge.pairs" -}}
{{- $pairs := dict "listen-" .Values.tls "nats-" .Values.nats.tls -}}
{{- if include "crm-bridge.embedded" . -}}{{- $pairs = dict "listen-" .Values.tls "nats-listen-" .Values.nats.embedded.tls -}}{{- end -}}
{{- range $prefix, $tls := $pairs }}
{{- with $tls.existingSecret }}
{{ $prefix }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* The variables that have a value of their own, {variable: path}. */}}
{{- define "crm-bridge.own" -}}
{{- range list "plain" "secret" "credential" "certificate" }}
{{ include (printf "crm-bridge.%s" .) $ }}
{{- end }}
{{- end -}}

{{/* The secrets that are configured, as {found: [{variable, file, name, key, value}]}; name is the Secret's. */}}
{{- define "crm-bridge.secrets" -}}
{{- $root := . -}}
{{- $given := deepCopy .Values.secrets -}}
{{- $credentials := include "crm-bridge.credential" . | fromYaml -}}
{{- range $variable, $path := merge (include "crm-bridge.secret" . | fromYaml) $credentials -}}
{{- $_ := set $given $variable (include "crm-bridge.at" (dict "root" $root "path" $path) | fromJson).is -}}
{{- end -}}
{{- if .Values.nats.url -}}{{- $_ := unset $given "BRIDGE_NATS_LISTEN_PASSWORD" -}}{{- end -}}
{{- $found := list -}}
{{- range $variable, $at := $given -}}
{{- $file := $variable | trimPrefix "BRIDGE_" | lower | replace "_" "-" -}}
{{- $names := ternary $variable (printf "%s_FILE" $variable) (hasKey $credentials $variable) -}}
{{- if $at.existingSecret -}}
{{- $found = append $found (dict "variable" $names "file" $file "name" $at.existingSecret "key" ($at.key | default $file) "value" "") -}}
{{- else if $at.value -}}
{{- $found = append $found (dict "variable" $names "file" $file "name" (include "crm-bridge.fullname" $root) "key" $file "value" $at.value) -}}
{{- end -}}
{{- end -}}
{{- toJson (dict "found" $found) -}}
{{- end -}}

{{/* The data of the chart's own Secret; empty: there is none. */}}
{{- define "crm-bridge.made" -}}
{{- $made := dict -}}
{{- range (include "crm-bridge.secrets" . | fromJson).found -}}
{{- if .value -}}{{- $_ := set $made .key (b64enc .value) -}}{{- end -}}
{{- end -}}
{{- if $made -}}{{- toYaml $made -}}{{- end -}}
{{- end -}}

{{/* The variables of a container that runs the program, as a list. */}}
{{- define "crm-bridge.env" -}}
{{- $root := . -}}
{{- $folder := include "crm-bridge.secretFolder" . -}}
{{- $env := dict -}}
{{- range $variable, $path := include "crm-bridge.plain" . | fromYaml -}}
{{- $text := include "crm-bridge.text" (include "crm-bridge.at" (dict "root" $root "path" $path) | fromJson).is -}}
{{- if $text -}}{{- $_ := set $env $variable $text -}}{{- end -}}
{{- end -}}
{{- range $variable, $value := .Values.settings -}}
{{- $text := ternary (toString $value) (include "crm-bridge.text" $value) (kindIs "bool" $value) -}}
{{- if $text -}}{{- $_ := set $env $variable $text -}}{{- end -}}
{{- end -}}
{{- range (include "crm-bridge.secrets" . | fromJson).found -}}
{{- $_ := set $env .variable (printf "%s/%s" $folder .file) -}}
{{- end -}}
{{- if and .Values.nats.url (or .Values.nats.tls.ca.existingSecret .Values.nats.tls.ca.existingConfigMap) -}}
{{- $_ := set $env "BRIDGE_NATS_CA" (printf "%s/nats-ca.crt" $folder) -}}
{{- end -}}
{{- range $prefix, $_ := include "crm-bridge.pairs" . | fromYaml -}}
{{- $variable := printf "BRIDGE_%s" ($prefix | upper | replace "-" "_") -}}
{{- $_ := set $env (printf "%sCERT" $variable) (printf "%s/%stls.crt" $folder $prefix) -}}
{{- $_ := set $env (printf "%sKEY" $variable) (printf "%s/%stls.key" $folder $prefix) -}}
{{- end -}}
{{- if include "crm-bridge.embedded" . -}}
{{- $_ := set $env "BRIDGE_NATS_LISTEN" (printf ":%d" (int .Values.ports.nats)) -}}
{{- $_ := set $env "BRIDGE_NATS_LISTEN_USER" .Values.nats.embedded.user -}}
{{- else -}}
{{- $_ := set $env "BRIDGE_DELIVERY" .Values.delivery -}}
{{- end -}}
{{- if not (include "crm-bridge.direct" .) -}}{{- $_ := set $env "BRIDGE_DATA_DIR" "/data" -}}{{- end -}}
{{- $_ := set $env "BRIDGE_LISTEN" (printf ":%d" (int .Values.ports.callbacks)) -}}
{{- $_ := set $env "BRIDGE_ADMIN_LISTEN" (printf "%s:%d" (include "crm-bridge.adminHost" .) (int .Values.ports.admin)) -}}
{{- $_ := set $env "BRIDGE_ANSWER_TIMEOUT" (printf "%ds" (int .Values.answerTimeoutSeconds)) -}}
{{- $_ := set $env "BRIDGE_DRAIN_DELAY" (printf "%ss" (include "crm-bridge.drainDelay" .)) -}}
{{- toYaml $env -}}
{{- end -}}

{{/* A map of variables, and the further ones, as Kubernetes has them. */}}
{{- define "crm-bridge.envList" -}}
{{- range $name, $value := .env }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where the projected volume of secrets has its files from. */}}
{{- define "crm-bridge.sources" -}}
{{- range (include "crm-bridge.secrets" . | fromJson).found }}
- secret:
    name: {{ .name | quote }}
    items: [{ key: {{ .key | quote }}, path: {{ .file | quote }} }]
{{- end }}
{{- with .Values.nats.tls.ca }}
{{- if and $.Values.nats.url (or .existingSecret .existingConfigMap) }}
- {{ ternary "configMap" "secret" (empty .existingSecret) }}:
    name: {{ .existingSecret | default .existingConfigMap | quote }}
    items: [{ key: {{ .key | quote }}, path: nats-ca.crt }]
{{- end }}
{{- end }}
{{- range $prefix, $name := include "crm-bridge.pairs" . | fromYaml }}
- secret:
    name: {{ $name | quote }}
    items: [{ key: tls.crt, path: {{ $prefix }}tls.crt }, { key: tls.key, path: {{ $prefix }}tls.key }]
{{- end }}
{{- end -}}
