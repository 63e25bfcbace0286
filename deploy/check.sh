#!/usr/bin/env bash
# Checks everything in deploy/ that can be checked without a cluster: `make deploy-check`. RENDER=1 writes deploy/kubernetes/ anew.
#
# COPYDESK_TOOLS names where .ci/tools.sh has put the checkers, COPYDESK the server, whose settings these files set.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
tools=${COPYDESK_TOOLS:?where .ci/tools.sh deploy has put the checkers}
copydesk=${COPYDESK:-target/debug/copydesk}
# The oldest version that the chart takes, and the newest that there is a schema of.
KUBERNETES='1.31.0 1.37.0'
NEWEST=${KUBERNETES##* }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python_tool() { PYTHONPATH="$tools/deploy" "$tools/deploy/bin/$1" "${@:2}"; }
ok() { printf 'ok: %s\n' "$*"; }
wrong() {
    printf 'deploy/check.sh: %s\n' "$*" >&2
    exit 1
}

# --- the image
"$tools/deploy/bin/hadolint" Dockerfile
# What is copied suffices: each file that the server was compiled from, by the compiler's word, and each manifest of the workspace.
mapfile -t copied < <(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Dockerfile | tr ' ' '\n')
for path in "${copied[@]}"; do
    [ -e "$path" ] || wrong "Dockerfile copies $path, which is not there"
    grep -qxF "!$path" .dockerignore || wrong ".dockerignore keeps $path from the Dockerfile"
done
needed() {
    tr ' ' '\n' <"$copydesk.d" | sed -n "s|^$PWD/||p" | grep -v -e '^target/' -e ':$'
    cargo metadata --locked --no-deps --format-version 1 | grep -o '"manifest_path":"[^"]*"' | sed "s|.*:\"$PWD/||; s|\"$||"
    echo Cargo.lock
}
needed | while read -r path; do
    printf '%s\n' "${copied[@]}" | grep -qxF -e "$path" -e "${path%%/*}" || wrong "the Dockerfile does not copy $path"
done
ok 'Dockerfile: hadolint; all that the server is compiled from is copied'

# --- compose
POSTGRES_PASSWORD=x python_tool check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
ok 'compose.yaml: the schema of compose files'

# --- Kubernetes
helm() { "$tools/bin/helm" "$@"; }
chart=deploy/helm/copydesk
helm lint --strict --quiet --kube-version "$NEWEST" "$chart"
template() { helm template copydesk "$chart" --namespace copydesk --kube-version "$NEWEST" "$@"; }
validate() {
    local version told
    for version in $KUBERNETES; do
        # Warnings are of kinds that are not Kubernetes' own: the ServiceMonitor, whose schema its operator has.
        told=$(python_tool kubernetes-validate --strict --quiet --no-warn -k "$version" "$1") || wrong "$told"
        [ -z "$told" ] || wrong "$told"
    done
}
template >"$dir/default.yaml"
validate "$dir/default.yaml"
# Everything that can be switched, the other way.
template --set metrics.serviceMonitor.enabled=true,probes=http,autoscaling.enabled=false,migration.secretName=owner \
    --set settings.store-ca=/etc/copydesk/database-ca/ca.crt,mounts[0].secretName=database-ca,mounts[0].path=database-ca \
    --set image.digest="sha256:$(printf x | sha256sum | cut -d' ' -f1)",imagePullSecrets[0].name=pull,priorityClassName=high \
    --set networkPolicy.callers[0].podSelector.matchLabels.app=desk,nodeSelector.disk=fast,podLabels.team=news \
    --set tolerations[0].key=news,tolerations[0].operator=Exists,service.annotations.a=b,podAnnotations.a=b >"$dir/other.yaml"
validate "$dir/other.yaml"
template --set podDisruptionBudget.enabled=false,networkPolicy.enabled=false,headless.enabled=false,migration.enabled=false \
    --set topologySpread.enabled=false,metrics.annotations=false >"$dir/bare.yaml"
validate "$dir/bare.yaml"
for bad in settings.store=postgres://in-the-open probes=tcp replicas=0 settings.Log_Format=json unknown=1; do
    if template --set "$bad" >/dev/null 2>&1; then wrong "the chart takes $bad"; fi
done
# The plain manifests are the chart's, without what is Helm's own.
plain() { sed -e '/^# Source/d' -e '/helm.sh\/chart:/d' -e '/managed-by: Helm/d' -e '/^  annotations:$/,/hook-delete-policy/d'; }
{
    echo '# What `helm template` makes of deploy/helm/copydesk, by `RENDER=1 make deploy-check`: change it there. docs/operations.md says how to use it.'
    template --no-hooks | plain
} >"$dir/copydesk.yaml"
{
    echo '# As copydesk.yaml. First, and again before each new version: kubectl delete the old Job, then apply.'
    template --show-only templates/migrate.yaml | plain
} >"$dir/migrate.yaml"
for file in copydesk.yaml migrate.yaml; do
    if [ -n "${RENDER:-}" ]; then cp "$dir/$file" "deploy/kubernetes/$file"; fi
    diff -u "deploy/kubernetes/$file" "$dir/$file" || wrong "deploy/kubernetes/$file is not what the chart renders: RENDER=1 make deploy-check"
    validate "deploy/kubernetes/$file"
done
ok "helm lint; the chart in three settings and the plain manifests, against Kubernetes ${KUBERNETES// / and }"

# --- systemd
sed "s|^ExecStart=/usr/local/bin/copydesk|ExecStart=$(command -v true)|" deploy/systemd/copydesk.service >"$dir/copydesk.service"
told=$(systemd-analyze verify --man=no "$dir/copydesk.service" 2>&1) || wrong "$told"
[ -z "$told" ] || wrong "$told"
# Of 100; what is left is that it speaks to the network.
systemd-analyze security --offline=true --threshold=15 --no-pager "$dir/copydesk.service" >"$dir/security" || wrong "$(tail -1 "$dir/security")"
ok "systemd-analyze verify, and security: $(sed -n 's/.*level for copydesk.service: //p' "$dir/security" | cut -d' ' -f1) of 10 (0 is best)"

# --- balancers: with addresses that resolve here
sed -E 's/ copydesk-[1-9]:/ 127.0.0.1:/' deploy/haproxy.cfg >"$dir/haproxy.cfg"
haproxy -c -dW -q -f "$dir/haproxy.cfg"
sed -E -e 's/ copydesk-([1-9]):/ 127.0.0.\1:/' -e "s|/tmp/copydesk-nginx.pid|$dir/nginx.pid|" deploy/nginx.conf >"$dir/nginx.conf"
nginx -q -t -c "$dir/nginx.conf"
ok 'haproxy -c, nginx -t'

# --- settings: the server knows each name that these files set, and takes its value
settings() {
    sed -nE -e 's/^ENV (COPYDESK_[A-Z_]+=[^ ]+).*/\1/p' -e 's/^ +(COPYDESK_[A-Z_]+=[^ ]+)( \\)?$/\1/p' \
        -e 's/^#?(COPYDESK_[A-Z_]+=.*)/\1/p' -e 's/^ +(COPYDESK_[A-Z_]+): "?([^"]*)"?$/\1=\2/p' "$1" |
        sed 's/\${POSTGRES_PASSWORD[^}]*}/x/'
}
# What the server may take to stop, in seconds, as it is set in a file.
stops_within() { sed -nE 's/^(drain-wait|shutdown-grace) = "([0-9]+)s".*/\2/p' "$1" | awk '{ sum += $1 } END { print sum }'; }
for file in Dockerfile deploy/systemd/copydesk.env deploy/compose.yaml deploy/kubernetes/copydesk.yaml; do
    # Certificates are read with the settings, and are not here: of theirs, the names are looked up.
    settings "$file" | sed -n 's/^\(COPYDESK_TLS_[A-Z_]*\)=.*/\1/p' | while read -r name; do
        "$copydesk" config --list | grep -qF "\`$name\`" || wrong "$file: there is no $name"
    done
    mapfile -t set < <(settings "$file" | grep -v '^COPYDESK_TLS_')
    [ "${#set[@]}" -gt 1 ] || wrong "no settings were found in $file"
    env -i "${set[@]}" "$copydesk" config >"$dir/config" 2>"$dir/error" || wrong "$file: $(cat "$dir/error")"
    listen=$(sed -nE 's/^listen = "([^"]*)".*/\1/p' "$dir/config")
    if [[ $listen != 127.* ]] && ! grep -qE '^(auth|insecure) = "on"|^tls-cert = "[^"]+"' "$dir/config"; then
        wrong "$file: $listen is open to others, and neither auth nor tls-cert nor insecure is set: it would not start"
    fi
    case "$file" in
    *.env) patience=$(sed -n 's/^TimeoutStopSec=\([0-9]*\)s$/\1/p' deploy/systemd/copydesk.service) ;;
    *compose*) patience=$(sed -n 's/^  stop_grace_period: \([0-9]*\)s$/\1/p' "$file") ;;
    *kubernetes*) patience=$(sed -n 's/^ *terminationGracePeriodSeconds: //p' "$file") ;;
    *) continue ;;
    esac
    [ "$(stops_within "$dir/config")" -lt "$patience" ] || wrong "$file: the server may take longer to stop than it is given"
done
ok 'settings: the server takes all of them, and is given the time that it may take to stop'
