{{/* Sizes as numbers of bytes, and what of them does not fit together. */}}

{{/* The number of bytes of a size as the program reads it: its G is a GiB, and its GB is a thousand millions. */}}
{{- define "crm-bridge.bytes" -}}
{{- $text := . | nospace | upper -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $units := dict "" 1 "B" 1 "KB" 1e3 "MB" 1e6 "GB" 1e9 "TB" 1e12 "K" 1024 "KIB" 1024 "M" 1048576 "MIB" 1048576 "G" 1073741824 "GIB" 1073741824 "T" 1099511627776 "TIB" 1099511627776 -}}
{{- mulf $number (get $units (trimPrefix $number $text)) | int64 -}}
{{- end -}}

{{/* A quantity of Kubernetes in thousandths, such as 128Mi or 100m. */}}
{{- define "crm-bridge.milli" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9.]+([eE][+]?[0-9]+)?" $text -}}
{{- $units := dict "m" 1 "" 1e3 "k" 1e6 "M" 1e9 "G" 1e12 "T" 1e15 "P" 1e18 "Ki" 1024e3 "Mi" 1048576e3 "Gi" 1073741824e3 "Ti" 1099511627776e3 "Pi" 1125899906842624e3 -}}
{{- mulf $number (get $units (trimPrefix $number $text)) | int64 -}}
{{- end -}}

{{/* The memory limit in bytes; 0: there is none. */}}
{{- define "crm-bridge.memory" -}}
{{- with ((.Values.resources | default dict).limits | default dict).memory -}}
{{- div (include "crm-bridge.milli" . | int64) 1000 -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{- define "crm-bridge.checkSizes" -}}
{{- include "crm-bridge.checkRoom" . -}}
{{- include "crm-bridge.checkResources" . -}}
{{- end -}}

{{/* The streams on a claim may take nine tenths of it: a file system takes a part, and the bridge has smaller streams there. */}}
{{- define "crm-bridge.checkRoom" -}}
{{- $paths := list "stream.maxBytes" "quarantine.maxBytes" "records.maxBytes" -}}
{{- if .Values.nats.url -}}{{- $paths = list "journal.maxBytes" -}}{{- end -}}
{{- $sum := 0 -}}
{{- $given := list -}}
{{- range $path := $paths -}}
{{- with (include "crm-bridge.at" (dict "root" $ "path" $path) | fromJson).is -}}
{{- $sum = add $sum (include "crm-bridge.bytes" . | int64) -}}
{{- $given = append $given (printf "%s (%s)" $path .) -}}
{{- end -}}
{{- end -}}
{{- $claim := div (include "crm-bridge.milli" .Values.persistence.size | int64) 1000 -}}
{{- if and .Values.persistence.enabled (not .Values.persistence.existingClaim) (not (include "crm-bridge.direct" .)) (gt $sum (div (mul $claim 9) 10)) -}}
{{- fail (printf "\n\n%s must not be more than nine tenths of persistence.size (%s): the disk would be full before the limit is reached. Lower the limit, or enlarge the claim.\n" (join " and " $given) .Values.persistence.size) -}}
{{- end -}}
{{- end -}}

{{/* One number decides: the memory limit. The program derives from it what Go's collector keeps within, and the bytes of bodies. */}}
{{- define "crm-bridge.checkResources" -}}
{{- $resources := .Values.resources | default dict -}}
{{- range $resource, $most := $resources.limits -}}
{{- $least := get ($resources.requests | default dict) $resource -}}
{{- if and $least $most (gt (include "crm-bridge.milli" $least | int64) (include "crm-bridge.milli" $most | int64)) -}}
{{- fail (printf "\n\nresources.requests.%s (%v) must not be more than resources.limits.%s (%v): Kubernetes refuses such a pod.\n" $resource $least $resource $most) -}}
{{- end -}}
{{- end -}}
{{- $memory := include "crm-bridge.memory" . | int64 -}}
{{- if $memory -}}
{{- if lt $memory 67108864 -}}
{{- fail (printf "\n\nresources.limits.memory must be at least 64Mi, and 256Mi for callbacks of a megabyte; it is %v.\n" $resources.limits.memory) -}}
{{- end -}}
{{- $held := min (div $memory 4) 268435456 -}}
{{- with .Values.limits.maxInFlightBytes -}}
{{- $held = include "crm-bridge.bytes" . | int64 -}}
{{- if gt $held (div (mul $memory 3) 8) -}}
{{- fail (printf "\n\nlimits.maxInFlightBytes (%s) must not be more than three eighths of resources.limits.memory (%v): a callback takes as much again while it is processed. Leave it empty, and it fits.\n" . $resources.limits.memory) -}}
{{- end -}}
{{- end -}}
{{- with .Values.limits.maxBody -}}
{{- if gt (include "crm-bridge.bytes" . | int64) $held -}}
{{- fail (printf "\n\nlimits.maxBody (%s) must not be more than limits.maxInFlightBytes, by default a quarter of resources.limits.memory: a body of that length could never be held.\n" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.extraEnv -}}
{{- if and $memory (eq .name "GOMEMLIMIT") -}}
{{- fail "\n\nextraEnv must not set GOMEMLIMIT: the program derives it from resources.limits.memory.\n" -}}
{{- end -}}
{{- end -}}
{{- end -}}
