{{/* What the pod would have twice, or mounts from nowhere. Kubernetes refuses most of it late, and of two variables with one name it
     takes the last in silence. */}}
{{- define "crm-bridge.checkPodParts" -}}
{{- $pod := (include "crm-bridge.podSpec" . | fromYaml).spec -}}
{{- $volumes := ternary list (list "data") (ne (include "crm-bridge.dataVolume" .) "made") -}}
{{- range $pod.volumes -}}
{{- if has .name $volumes -}}
{{- fail (printf "\n\nextraVolumes has a second volume %s: give it another name.\n" .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $names := list -}}
{{- range concat ($pod.initContainers | default list) $pod.containers -}}
{{- if has .name $names -}}
{{- fail (printf "\n\ninitContainers and extraContainers have a second container %s: give it another name.\n" .name) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- include "crm-bridge.checkContainerParts" (dict "container" . "volumes" $volumes) -}}
{{- end -}}
{{- end -}}

{{/* One container: dict container, and volumes, the names of those that the pod has. */}}
{{- define "crm-bridge.checkContainerParts" -}}
{{- $name := .container.name -}}
{{- $own := eq $name "crm-bridge" -}}
{{- $volumes := .volumes -}}
{{- $paths := list -}}
{{- range .container.volumeMounts -}}
{{- $path := trimSuffix "/" (.mountPath | default "") -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "\n\n%s the volume %s, which is not in extraVolumes: add it there.\n" (ternary "extraVolumeMounts has" (printf "Container %s mounts" $name) $own) .name) -}}
{{- else if has $path $paths -}}
{{- fail (printf "\n\n%s a second volume at %s: choose another mountPath.\n" (ternary "extraVolumeMounts has" (printf "Container %s mounts" $name) $own) .mountPath) -}}
{{- end -}}
{{- $paths = append $paths $path -}}
{{- end -}}
{{- $variables := list -}}
{{- range .container.env -}}
{{- if has .name $variables -}}
{{- fail (printf "\n\n%s sets %s twice: keep one.\n" (ternary "extraEnv" (printf "Container %s" $name) $own) .name) -}}
{{- end -}}
{{- $variables = append $variables .name -}}
{{- end -}}
{{- end -}}
