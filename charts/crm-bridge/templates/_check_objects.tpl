{{/* What would have no effect, or would do harm, in the objects that the values make. */}}
{{- define "crm-bridge.checkObjects" -}}
{{- include "crm-bridge.checkRollout" . -}}
{{- include "crm-bridge.checkClaim" . -}}
{{- include "crm-bridge.checkBudget" . -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.targetCPUUtilizationPercentage) (not .Values.autoscaling.metrics) -}}
{{- fail "\n\nautoscaling has no metric: set autoscaling.targetCPUUtilizationPercentage or autoscaling.metrics.\n" -}}
{{- end -}}
{{- $resources := .Values.resources | default dict -}}
{{- if and .Values.autoscaling.enabled .Values.autoscaling.targetCPUUtilizationPercentage (not (or (dig "requests" "cpu" "" $resources) (dig "limits" "cpu" "" $resources))) -}}
{{- fail "\n\nresources.requests.cpu must be set with autoscaling.targetCPUUtilizationPercentage, which is a part of it; or scale by autoscaling.metrics.\n" -}}
{{- end -}}
{{- range $path := list "tracesTo" "tracesPorts" -}}
{{- if and (get $.Values.networkPolicy $path) (not $.Values.tracing.endpoint) -}}
{{- fail (printf "\n\nnetworkPolicy.%s has no effect without tracing.endpoint: leave it empty.\n" $path) -}}
{{- end -}}
{{- end -}}
{{- range $path := list "crmTo" "crmPorts" -}}
{{- if and (get $.Values.networkPolicy $path) (not (include "crm-bridge.callsCRMs" $)) -}}
{{- fail (printf "\n\nnetworkPolicy.%s has no effect without the credentials of a CRM's API, under settings and secrets: leave it empty.\n" $path) -}}
{{- end -}}
{{- end -}}
{{- include "crm-bridge.checkDisabled" . -}}
{{- if and .Values.subPaths (not (or .Values.ingress.enabled .Values.httpRoute.enabled)) -}}
{{- fail "\n\nsubPaths has no effect without ingress.enabled or httpRoute.enabled: leave it empty.\n" -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.checkRollout" -}}
{{- $direct := include "crm-bridge.direct" . -}}
{{- $strategy := .Values.updateStrategy -}}
{{- if and $direct (eq ($strategy.type | default "") "OnDelete") -}}
{{- fail "\n\nupdateStrategy.type OnDelete has no effect with delivery direct: a Deployment replaces its pods itself.\n" -}}
{{- end -}}
{{- if and $strategy.rollingUpdate (eq ($strategy.type | default "") "OnDelete") -}}
{{- fail "\n\nupdateStrategy.rollingUpdate has no effect with updateStrategy.type OnDelete: leave it empty.\n" -}}
{{- end -}}
{{- range $name := list "partition" "maxUnavailable" "maxSurge" -}}
{{- if and (hasKey ($strategy.rollingUpdate | default dict) $name) (ne (eq $name "partition") (empty $direct)) -}}
{{- fail (printf "\n\nupdateStrategy.rollingUpdate.%s has no effect with a %s: leave it out.\n" $name (ternary "StatefulSet" "Deployment, which delivery direct runs" (empty $direct))) -}}
{{- end -}}
{{- end -}}
{{- if $direct -}}
{{- $rolling := (include "crm-bridge.updateStrategy" . | fromYaml).rollingUpdate -}}
{{- $none := list "0" "0%" -}}
{{- if and (has (toString $rolling.maxSurge) $none) (has (toString $rolling.maxUnavailable) $none) -}}
{{- fail "\n\nupdateStrategy.rollingUpdate has maxSurge 0 and maxUnavailable 0, with which no pod could be replaced: set one of them to 1.\n" -}}
{{- end -}}
{{- end -}}
{{- if and (or (dig "preStop" "exec" dict .Values.lifecycle) (dig "preStop" "httpGet" dict .Values.lifecycle)) (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "\n\nterminationGracePeriodSeconds must be set with lifecycle.preStop: the hook takes its time from it, and the drain needs %s more.\n" (include "crm-bridge.leastGrace" .)) -}}
{{- end -}}
{{- end -}}

{{/* An alert of another mode may be named too: so one set of values is for every mode. */}}
{{- define "crm-bridge.checkDisabled" -}}
{{- $alerts := list -}}
{{- range include "crm-bridge.alerts" (dict "from" "" "pods" "" "claims" "" "silent" 1 "journal" true) | fromYamlArray -}}
{{- $alerts = append $alerts .alert -}}
{{- end -}}
{{- range .Values.prometheusRule.disabled -}}
{{- if not (has . $alerts) -}}
{{- fail (printf "\n\nprometheusRule.disabled names %s, which is not an alert of the chart. The alerts are %s.\n" . (join ", " $alerts)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "crm-bridge.checkClaim" -}}
{{- $persistence := .Values.persistence -}}
{{- if $persistence.existingClaim -}}
{{- if gt (int (include "crm-bridge.replicas" .)) 1 -}}
{{- fail (printf "\n\npersistence.existingClaim is for one replica, and there are %s: each has a journal of its own. Set replicas to 1, or leave it empty.\n" (include "crm-bridge.replicas" .)) -}}
{{- end -}}
{{- if not $persistence.enabled -}}
{{- fail "\n\npersistence.existingClaim has no effect without persistence.enabled: leave it empty.\n" -}}
{{- end -}}
{{- range $name := list "storageClass" "annotations" -}}
{{- if get $persistence $name -}}
{{- fail (printf "\n\npersistence.%s has no effect with persistence.existingClaim, for no claim is made: leave it empty.\n" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The fewest replicas that there are; one that autoscaling may reach. */}}
{{- define "crm-bridge.fewest" -}}
{{- if .Values.autoscaling.enabled -}}{{- int .Values.autoscaling.minReplicas -}}{{- else -}}{{- include "crm-bridge.replicas" . -}}{{- end -}}
{{- end -}}

{{- define "crm-bridge.checkBudget" -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if not (kindIs "invalid" $budget.minAvailable) -}}
{{- if not (kindIs "invalid" $budget.maxUnavailable) -}}
{{- fail "\n\npodDisruptionBudget has minAvailable and maxUnavailable: keep one.\n" -}}
{{- end -}}
{{- $fewest := int (include "crm-bridge.fewest" .) -}}
{{- $least := toString $budget.minAvailable -}}
{{- if hasSuffix "%" $least -}}{{- $least = div (add (mul (trimSuffix "%" $least | int) $fewest) 99) 100 -}}{{- end -}}
{{- if and $budget.enabled (include "crm-bridge.several" .) (ge (int $least) $fewest) -}}
{{- fail (printf "\n\npodDisruptionBudget.minAvailable %v of %d replicas lets no pod be evicted, and no node can be drained: set less.\n" $budget.minAvailable $fewest) -}}
{{- end -}}
{{- end -}}
{{- end -}}
