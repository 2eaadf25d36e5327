{{/* The pod that validates the configuration before anything is deployed: the bridge's own environment and files, and nothing else of
     its pod. At an install neither the ServiceAccount nor the Secret of the chart exists yet, so it runs as "default", without a
     token, with a copy of the Secret. What is missing is optional to mount: the program reports it at once, where a pod that waits
     for a Secret would only time out. */}}
{{- define "crm-bridge.checkPod" -}}
{{- $bridge := (include "crm-bridge.podSpec" . | fromYaml).spec -}}
{{- $spec := pick $bridge "enableServiceLinks" "imagePullSecrets" "securityContext" "nodeSelector" "tolerations" "runtimeClassName" "schedulerName" "dnsPolicy" "dnsConfig" "hostAliases" -}}
{{- $_ := set $spec "serviceAccountName" (ternary "default" $bridge.serviceAccountName .Values.serviceAccount.create) -}}
{{- $_ := set $spec "automountServiceAccountToken" false -}}
{{- $_ := set $spec "restartPolicy" "Never" -}}
{{- $volumes := include "crm-bridge.checkVolumes" (dict "root" . "volumes" ($bridge.volumes | default list)) | fromJsonArray -}}
{{- $kept := list -}}
{{- range $volumes -}}{{- $kept = append $kept .name -}}{{- end -}}
{{- $container := dict -}}
{{- range $bridge.containers -}}
{{- if eq .name "crm-bridge" -}}
{{- $container = pick . "image" "imagePullPolicy" "securityContext" "resources" "env" "envFrom" -}}
{{- $mounts := list -}}
{{- range .volumeMounts -}}{{- if has .name $kept -}}{{- $mounts = append $mounts . -}}{{- end -}}{{- end -}}
{{- $_ := set $container "volumeMounts" $mounts -}}
{{- end -}}
{{- end -}}
{{- range $entry := concat ($container.env | default list) ($container.envFrom | default list) -}}
{{- range $from := list "secretKeyRef" "configMapKeyRef" "secretRef" "configMapRef" -}}
{{- with get ($entry.valueFrom | default $entry) $from -}}{{- $_ := set . "optional" true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $container "name" "config-check" -}}
{{- $_ := set $container "args" (list "config" "check" "--offline" "--files") -}}
{{- $_ := set $spec "containers" (list $container) -}}
{{- $_ := set $spec "volumes" $volumes -}}
{{- toYaml $spec -}}
{{- end -}}

{{/* The volumes that need no claim and no node: dict root and volumes. */}}
{{- define "crm-bridge.checkVolumes" -}}
{{- $own := include "crm-bridge.fullname" .root -}}
{{- $made := not (empty (include "crm-bridge.made" .root)) -}}
{{- $kept := list -}}
{{- range $volume := .volumes -}}
{{- if and (ne $volume.name "data") (pick $volume "secret" "configMap" "projected" "emptyDir" "downwardAPI" "csi") -}}
{{- range $source := concat (list $volume) (dig "projected" "sources" list $volume) -}}
{{- range $kind := list "secret" "configMap" -}}
{{- with get $source $kind -}}
{{- $_ := set . "optional" true -}}
{{- if and $made (eq $kind "secret") (eq (.name | default "") $own) -}}{{- $_ := set . "name" (printf "%s-check" $own) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $kept = append $kept $volume -}}
{{- end -}}
{{- end -}}
{{- toJson $kept -}}
{{- end -}}
