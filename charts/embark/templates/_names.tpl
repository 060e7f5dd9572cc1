{{/* The full name of the release's objects. */}}
{{- define "embark.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- printf "%s-operator" (.Release.Name | trunc 50 | trimSuffix "-") -}}
{{- else -}}
{{- printf "%s-embark-operator" (.Release.Name | trunc 45 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{- define "embark.selector" -}}
app.kubernetes.io/name: embark-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "embark.labels" -}}
{{ include "embark.selector" . }}
app.kubernetes.io/part-of: embark
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "embark.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "embark.fullname" .) }}
{{- end -}}

{{/* An image: (list image appVersion). */}}
{{- define "embark.image" -}}
{{- $image := index . 0 -}}
{{- printf "%s:%s" $image.repository ($image.tag | default (index . 1)) -}}
{{- end -}}

{{/* The operator's rights on caches and their children, in each namespace that it manages. */}}
{{- define "embark.rules" -}}
# To patch the finalizers of caches with deletionPolicy: Delete.
- apiGroups: [embark.dev]
  resources: [embeddingcaches]
  verbs: [get, list, watch, patch]
- apiGroups: [embark.dev]
  resources: [embeddingcaches/status]
  verbs: [update]
# For the owner references of children, if the cluster checks who may block the deletion of an owner.
- apiGroups: [embark.dev]
  resources: [embeddingcaches/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# Meshes and scalers, if they are installed.
- apiGroups: [policy.linkerd.io]
  resources: [servers, authorizationpolicies, meshtlsauthentications, networkauthentications]
  verbs: [get, list, create, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [grpcroutes, httproutes]
  verbs: [get, list, create, patch, delete]
- apiGroups: [security.istio.io]
  resources: [peerauthentications, authorizationpolicies]
  verbs: [get, list, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [get, list, create, patch, delete]
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects, triggerauthentications]
  verbs: [get, list, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end -}}
