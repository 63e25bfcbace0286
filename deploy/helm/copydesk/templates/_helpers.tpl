{{- define "copydesk.name" -}}
{{- $name := ternary .Release.Name (printf "%s-copydesk" .Release.Name) (contains "copydesk" .Release.Name) -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "copydesk.selector" -}}
app.kubernetes.io/name: copydesk
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "copydesk.labels" -}}
{{ include "copydesk.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "copydesk.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Unprivileged security context; the numbers are the user of the image. */}}
{{- define "copydesk.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "copydesk.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "copydesk.volumes" -}}
{{- range .Values.mounts }}
- name: {{ .path }}
  secret:
    secretName: {{ .secretName }}
{{- end }}
{{- end -}}

{{- define "copydesk.volumeMounts" -}}
{{- range .Values.mounts }}
- name: {{ .path }}
  mountPath: /etc/copydesk/{{ .path }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* Environment variable of a setting. */}}
{{- define "copydesk.variable" -}}
COPYDESK_{{ . | upper | replace "-" "_" }}
{{- end -}}
