{{- define "betrace.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{/* What a selector may hold: it can never change. Called with (dict "root" $ "component" "worker"). */}}
{{- define "betrace.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "betrace.labels" -}}
{{ include "betrace.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: betrace
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Of an image's values: (dict "image" .Values.image "tag" "of no tag there"). */}}
{{- define "betrace.image" -}}
{{ .image.repository }}{{ if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .tag .image.tag }}{{ end }}
{{- end }}

{{- define "betrace.serviceAccount" -}}
{{ .Values.serviceAccount.create | ternary (default (include "betrace.fullname" .) .Values.serviceAccount.name) (default "default" .Values.serviceAccount.name) }}
{{- end }}

{{/* The settings file: config, with what the chart knows better. */}}
{{- define "betrace.settings" -}}
{{- $brokers := dict "kafka" (dict "group" (include "betrace.fullname" .)) -}}
{{- if .Values.kafka.embedded -}}
{{- $brokers = dict "kafka" (dict "group" (include "betrace.fullname" .) "brokers" (list (printf "%s-kafka:9092" (include "betrace.fullname" .))) "replication_factor" 1) -}}
{{- end -}}
{{- $own := dict "worker" (dict "data_dir" "/var/lib/betrace") "metrics" (dict "listen" "0.0.0.0:9464") "api" (dict "index" "/var/lib/betrace/violations.sqlite") -}}
{{- if .Values.api.tokensSecret -}}
{{- $_ := mustMergeOverwrite $own.api (dict "listen" "0.0.0.0:12011" "tokens_file" (printf "/etc/betrace/secrets/%s/tokens.yaml" .Values.api.tokensSecret)) -}}
{{- end -}}
{{- if or .Values.rules.inline .Values.rules.configMap -}}
{{- $_ := set $own "rules" (dict "files" (append (dig "rules" "files" list .Values.config) "/etc/betrace/rules")) -}}
{{- end -}}
{{- if and .Values.tempo.endpoint (not .Values.collector.evidence) -}}
{{- $_ := set $brokers "evidence" (dict "otlp_endpoint" .Values.tempo.endpoint) -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $brokers (deepCopy .Values.config) $own) -}}
{{- end }}

{{/* How the API is asked. */}}
{{- define "betrace.scheme" -}}
{{ dig "api" "tls" "cert_file" "" .Values.config | empty | ternary "http" "https" }}
{{- end }}

{{/* Number of partitions of BeTrace's topics. */}}
{{- define "betrace.partitions" -}}
{{- dig "kafka" "partitions" 8 .Values.config | int -}}
{{- end }}

{{- define "betrace.configHash" -}}
{{- printf "%s%s" (include "betrace.settings" .) (toYaml .Values.rules) | sha256sum | trunc 16 -}}
{{- end }}

{{/* Of a pod: (dict "root" $ "component" "worker" "own" .Values.worker). */}}
{{- define "betrace.pod" -}}
{{- $root := .root -}}
serviceAccountName: {{ include "betrace.serviceAccount" $root }}
automountServiceAccountToken: false
enableServiceLinks: false # their variables would be taken for settings
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with .own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "betrace.spread" -}}
{{- if .root.Values.topologySpreadConstraints -}}
{{- toYaml .root.Values.topologySpreadConstraints -}}
{{- else -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" -}}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "betrace.selector" $ | nindent 6 }}
{{ end -}}
{{- end -}}
{{- end }}

{{- define "betrace.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Image, environment and mounts of every container of BeTrace: (dict "root" $ "secrets" list "data" bool "rules" bool). */}}
{{- define "betrace.container" -}}
image: {{ include "betrace.image" (dict "image" .root.Values.image "tag" .root.Chart.AppVersion) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext: {{- include "betrace.containerSecurity" .root | nindent 2 }}
env:
  - {name: BETRACE_CONFIG, value: /etc/betrace/config/betrace.yaml}
  {{- with .root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
volumeMounts:
  - {name: config, mountPath: /etc/betrace/config, readOnly: true}
  - {name: tmp, mountPath: /tmp}
  {{- if and .rules (or .root.Values.rules.inline .root.Values.rules.configMap) }}
  - {name: rules, mountPath: /etc/betrace/rules, readOnly: true}
  {{- end }}
  {{- if .data }}
  - {name: data, mountPath: /var/lib/betrace}
  {{- end }}
  {{- range .secrets }}
  - {name: secret-{{ . | replace "." "-" | trunc 56 | trimSuffix "-" }}, mountPath: /etc/betrace/secrets/{{ . }}, readOnly: true}
  {{- end }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* The volumes of those mounts, without data: (dict "root" $ "secrets" list "config" name "rules" bool). */}}
{{- define "betrace.volumes" -}}
- name: config
  configMap: {name: {{ .config }}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if and .rules (or .root.Values.rules.inline .root.Values.rules.configMap) }}
- name: rules
  configMap: {name: {{ default (printf "%s-rules" (include "betrace.fullname" .root)) .root.Values.rules.configMap }}}
{{- end }}
{{- range .secrets }}
- name: secret-{{ . | replace "." "-" | trunc 56 | trimSuffix "-" }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .root.Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What values.schema.json cannot say: each problem with what to do. */}}
{{- define "betrace.check" -}}
{{- $problems := list -}}
{{- $config := .Values.config -}}
{{- $settings := include "betrace.settings" . | fromYaml -}}
{{- $brokers := dig "kafka" "brokers" list $config -}}
{{- if and $brokers .Values.kafka.embedded -}}
{{- $problems = append $problems "kafka.embedded and config.kafka.brokers exclude each other: take one of the two" -}}
{{- else if not (or $brokers .Values.kafka.embedded) -}}
{{- $problems = append $problems "config.kafka.brokers is needed: --set config.kafka.brokers='{kafka-bootstrap.kafka:9092}'; or, to try it out without a Kafka, --set kafka.embedded=true" -}}
{{- end -}}
{{- if and .Values.rules.inline .Values.rules.configMap -}}
{{- $problems = append $problems "rules.inline and rules.configMap exclude each other: take one of the two" -}}
{{- end -}}
{{- $partitions := include "betrace.partitions" . | int -}}
{{- $most := ternary .Values.worker.replicas .Values.worker.autoscaling.maxReplicas (eq .Values.worker.autoscaling.kind "none") | int -}}
{{- with .Values.worker.autoscaling -}}
{{- if and (ne .kind "none") (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $problems = append $problems "worker.autoscaling.minReplicas is more than maxReplicas" -}}
{{- end -}}
{{- if and (eq .kind "keda") (not .kedaAuthentication) (ne "PLAINTEXT" (dig "security" "protocol" "PLAINTEXT" $settings.kafka)) -}}
{{- $problems = append $problems "worker.autoscaling.kedaAuthentication is needed: KEDA asks this Kafka for the lag itself, and has no login" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.api.gateway.enabled (not .Values.api.gateway.parent.name) -}}
{{- $problems = append $problems "api.gateway.parent names no Gateway: {name: ..., namespace: ...}" -}}
{{- end -}}
{{- if gt $most $partitions -}}
{{- $problems = append $problems (printf "%d workers for %d partitions (config.kafka.partitions): %d would have nothing to do" $most $partitions (sub $most $partitions)) -}}
{{- end -}}
{{- if and (or .Values.api.ingress.enabled .Values.api.gateway.enabled .Values.grafana.datasource.enabled) (not .Values.api.tokensSecret) -}}
{{- $problems = append $problems "api.tokensSecret is needed where others are to reach the API (api.ingress, api.gateway, grafana.datasource): without tokens it listens on loopback alone; docs/security.md tells how to make one" -}}
{{- end -}}
{{- if and .Values.collector.evidence (not .Values.tempo.endpoint) -}}
{{- $problems = append $problems "collector.evidence needs tempo.endpoint" -}}
{{- end -}}
{{- if and .Values.collector.evidence (dig "evidence" "otlp_endpoint" "" $config) -}}
{{- $problems = append $problems "collector.evidence and config.evidence.otlp_endpoint exclude each other: every span would come twice" -}}
{{- end -}}
{{- $ofApi := concat .Values.secrets .Values.api.secrets (compact (list .Values.api.tokensSecret)) -}}
{{- range $part, $mounted := dict "secrets" .Values.secrets "api.secrets" $ofApi -}}
{{- $read := eq $part "secrets" | ternary (omit $settings "api") (pick $settings "api") -}}
{{- range $found := regexFindAll "/etc/betrace/secrets/[^/\\s]+" (toYaml $read) -1 | uniq -}}
{{- if not (has (base $found) $mounted) -}}
{{- $problems = append $problems (printf "the settings name a file of the Secret %s, which is not mounted: add it to %s" (base $found) $part) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\n  %s\n" (join "\n  " $problems)) -}}
{{- end -}}
{{- end }}

{{/* Where pods may go: DNS, and the ports that the settings name. */}}
{{- define "betrace.egress" -}}
{{- $settings := include "betrace.settings" . | fromYaml -}}
{{- $ports := dict -}}
{{- range $broker := $settings.kafka.brokers }}{{ $_ := set $ports (regexFind "[0-9]+$" $broker) true }}{{ end -}}
{{- range $url := compact (list .Values.tempo.endpoint (dig "evidence" "otlp_endpoint" "" $settings)) -}}
{{- $_ := set $ports (default (hasPrefix "https:" $url | ternary "443" "80") (regexFind "[0-9]+$" (urlParse $url).host)) true -}}
{{- end -}}
{{- if .Values.kms.provider }}{{ $_ := set $ports (eq .Values.kms.provider "vault" | ternary "8200" "443") true }}{{ end -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
- ports:
    {{- range $port := keys $ports | sortAlpha }}
    - {port: {{ $port }}}
    {{- end }}
{{- end }}

{{/* How a Collector reaches Kafka: (dict "kafka" settings "protocol" name). */}}
{{- define "betrace.collectorKafka" -}}
brokers: {{ .kafka.brokers | toJson }}
{{- if hasSuffix "SSL" .protocol }}
tls:
  {{- with dig "tls" "ca_file" "" .kafka }}
  ca_file: {{ . }}
  {{- end }}
  {{- with dig "tls" "cert_file" "" .kafka }}
  cert_file: {{ . }}
  {{- end }}
  {{- with dig "tls" "key_file" "" .kafka }}
  key_file: {{ . }}
  {{- end }}
  insecure: false
{{- end }}
{{- if hasPrefix "SASL" .protocol }}
auth:
  sasl:
    mechanism: {{ .kafka.sasl.mechanism }}
    username: {{ .kafka.sasl.username | replace "$" "$$" | quote }}
    password: ${file:{{ .kafka.sasl.password_file }}}
{{- end }}
{{- end -}}
