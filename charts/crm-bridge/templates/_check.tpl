{{/* What the schema of the values cannot say: sums, and what stands in two places. */}}
{{- define "crm-bridge.check" -}}
{{- if not (or .Values.nats.url .Values.nats.embedded.enabled) -}}
{{- fail "\n\nnats.url is empty: set it to your NATS (nats://nats.nats.svc:4222), or for a try-out with one replica set nats.embedded.enabled=true and nats.embedded.password.value.\n" -}}
{{- end -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" (include "crm-bridge.embedded" .) "because" "without nats.url, for the embedded NATS keeps the stream" "paths" (list "nats.user" "nats.password" "nats.creds" "nats.nkey" "nats.tls.first" "nats.tls.existingSecret" "nats.tls.ca.existingSecret" "nats.tls.ca.existingConfigMap" "journal.maxBytes" "networkPolicy.natsTo" "networkPolicy.natsPorts")) -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" (include "crm-bridge.direct" .) "because" "with delivery direct, which writes to no disk" "paths" (list "journal.maxBytes" "journal.sync" "persistence.existingClaim")) -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" .Values.nats.url "because" "with nats.url" "paths" (list "nats.embedded.password" "nats.embedded.tls.existingSecret" "nats.embedded.service.annotations")) -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" (not .Values.tracing.endpoint) "because" "without tracing.endpoint" "paths" (list "tracing.headers" "tracing.serviceName" "tracing.attributes" "tracing.sampler" "tracing.samplerArg")) -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" (not .Values.serviceAccount.create) "because" "without serviceAccount.create" "paths" (list "serviceAccount.annotations")) -}}
{{- include "crm-bridge.checkIdle" (dict "root" . "idle" .Values.nats.tls.ca.existingSecret "because" "beside nats.tls.ca.existingSecret" "paths" (list "nats.tls.ca.existingConfigMap")) -}}
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
{{- include "crm-bridge.checkSizes" . -}}
{{- include "crm-bridge.checkOwner" . -}}
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
{{- fail "\n\ncallbackPaths is empty, and no variable of a CRM is under settings or secrets: set callbackPaths for ingress or httpRoute, such as [/] or the path of each CRM.\n" -}}
{{- end -}}
{{- include "crm-bridge.checkPublicURL" . -}}
{{- if and .Values.nats.url (include "crm-bridge.callsCRMs" .) (not (or .Values.stateKey.value .Values.stateKey.existingSecret .Values.extraEnv .Values.extraEnvFrom)) -}}
{{- fail "\n\nstateKey must be given with the credentials of a CRM's API beside nats.url: replicas share access tokens in your NATS, encrypted with it.\n" -}}
{{- end -}}
{{- include "crm-bridge.checkObjects" . -}}
{{- include "crm-bridge.checkVariables" . -}}
{{- include "crm-bridge.checkPodParts" . -}}
{{- include "crm-bridge.checkPresent" . -}}
{{- end -}}

{{/* Values that have no effect where idle says so: dict root, idle, because and paths. A secret counts by its value or its Secret. */}}
{{- define "crm-bridge.checkIdle" -}}
{{- range $path := ternary .paths list (not (empty .idle)) -}}
{{- $is := (include "crm-bridge.at" (dict "root" $.root "path" $path) | fromJson).is -}}
{{- if and (kindIs "map" $is) (hasKey $is "existingSecret") -}}{{- $is = or $is.value $is.existingSecret -}}{{- end -}}
{{- if $is -}}
{{- fail (printf "\n\n%s has no effect %s: leave it empty.\n" $path $.because) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A claim belongs to root until fsGroup gives it to a group of the pod's user. */}}
{{- define "crm-bridge.checkOwner" -}}
{{- $pod := .Values.podSecurityContext | default dict -}}
{{- if and (not (include "crm-bridge.direct" .)) (not (kindIs "invalid" $pod.runAsUser)) (kindIs "invalid" $pod.fsGroup) -}}
{{- fail (printf "\n\npodSecurityContext.fsGroup must be set beside runAsUser: user %v could not write to the claim. On OpenShift set both to null.\n" $pod.runAsUser) -}}
{{- end -}}
{{- end -}}

{{/* The CRMs call what publicURL names. Its path must lead through the Ingress or the HTTPRoute, or a proxy before them removes it. */}}
{{- define "crm-bridge.checkPublicURL" -}}
{{- if or .Values.ingress.enabled .Values.httpRoute.enabled -}}
{{- $paths := keys (include "crm-bridge.paths" . | fromYaml) -}}
{{- $below := include "crm-bridge.subPaths" . | fromJsonArray -}}
{{- range include "crm-bridge.publicURLs" . | fromJsonArray -}}
{{- $path := include "crm-bridge.pathOf" . -}}
{{- $leads := or (empty $path) (has "" $below) -}}
{{- range $paths -}}
{{- if or (hasPrefix (printf "%s/" $path) .) (hasPrefix . (printf "%s/" $path)) -}}{{- $leads = true -}}{{- end -}}
{{- end -}}
{{- if not $leads -}}
{{- fail (printf "\n\npublicURL has the path %s, and no rule of ingress or httpRoute begins with it: the CRMs would get 404. The rules are for %s.\n" $path (join ", " (sortAlpha $paths))) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
