#!/usr/bin/env bash
# Checks everything in deploy/ that can be checked without a cluster, and .devcontainer/: `make deploy-check`. RENDER=1 writes
# deploy/kubernetes/ from the chart.
#
# COPYDESK_TOOLS is the folder in which .ci/tools.sh installs the checkers, COPYDESK the server binary, which validates the settings
# in these files.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
tools=${COPYDESK_TOOLS:?must be the folder in which .ci/tools.sh deploy installs the checkers}
copydesk=${COPYDESK:-target/debug/copydesk}
# The oldest version that the chart supports, and the newest with a schema.
KUBERNETES='1.31.0 1.37.0'
NEWEST=${KUBERNETES##* }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

python_tool() { PYTHONPATH="$tools/deploy" "$tools/deploy/bin/$1" "${@:2}"; }
ok() { printf 'ok: %s\n' "$*"; }
fail() {
    printf 'deploy/check.sh: %s\n' "$*" >&2
    exit 1
}

# --- the image
"$tools/deploy/bin/hadolint" Dockerfile
# The image must have each source file of the server, as listed by the compiler, and each manifest of the workspace.
mapfile -t copied < <(sed -n 's/^COPY \([^-].*\) [^ ]*$/\1/p' Dockerfile | tr ' ' '\n')
for path in "${copied[@]}"; do
    [ -e "$path" ] || fail "Dockerfile copies $path, which does not exist"
    grep -qxF "!$path" .dockerignore || fail ".dockerignore excludes $path, which the Dockerfile copies"
done
needed() {
    tr ' ' '\n' <"$copydesk.d" | sed -n "s|^$PWD/||p" | grep -v -e '^target/' -e ':$'
    cargo metadata --locked --no-deps --format-version 1 | grep -o '"manifest_path":"[^"]*"' | sed "s|.*:\"$PWD/||; s|\"$||"
    echo Cargo.lock
}
needed | while read -r path; do
    printf '%s\n' "${copied[@]}" | grep -qxF -e "$path" -e "${path%%/*}" || fail "the Dockerfile does not copy $path"
done
ok 'Dockerfile: hadolint; all sources of the server are copied'

# --- development container
"$tools/deploy/bin/hadolint" .devcontainer/Dockerfile
python_tool check-jsonschema --quiet --schemafile .devcontainer/schema.json .devcontainer/devcontainer.json
sed -n '/^test_tools()/,/^}/s/.*missing+=(\(.*\))$/\1/p' .ci/tools.sh | while read -r package; do
    grep -qwF "$package" .devcontainer/Dockerfile || fail ".devcontainer/Dockerfile does not install $package, which .ci/tools.sh test needs"
done
ok '.devcontainer: hadolint; schema; packages that the tests need'

# --- compose
POSTGRES_PASSWORD=x python_tool check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
ok 'compose.yaml: schema of compose files'

# --- Kubernetes
helm() { "$tools/bin/helm" "$@"; }
chart=deploy/helm/copydesk
helm lint --strict --quiet --kube-version "$NEWEST" "$chart"
template() { helm template copydesk "$chart" --namespace copydesk --kube-version "$NEWEST" "$@"; }
validate() {
    local version output
    for version in $KUBERNETES; do
        # Warnings are about custom resources: the schema of ServiceMonitor comes with its operator.
        output=$(python_tool kubernetes-validate --strict --quiet --no-warn -k "$version" "$1") || fail "$output"
        [ -z "$output" ] || fail "$output"
    done
}
template >"$dir/default.yaml"
validate "$dir/default.yaml"
# Every switch set to its non-default value.
template --set metrics.serviceMonitor.enabled=true,probes=http,autoscaling.enabled=false,migration.secretName=owner \
    --set settings.store-ca=/etc/copydesk/database-ca/ca.crt,mounts[0].secretName=database-ca,mounts[0].path=database-ca \
    --set image.digest="sha256:$(printf x | sha256sum | cut -d' ' -f1)",imagePullSecrets[0].name=pull,priorityClassName=high \
    --set networkPolicy.callers[0].podSelector.matchLabels.app=desk,nodeSelector.disk=fast,podLabels.team=news \
    --set tolerations[0].key=news,tolerations[0].operator=Exists,service.annotations.a=b,podAnnotations.a=b,searchIndex.sizeLimit=20Gi,searchIndex.snapshotClaim=snapshots \
    >"$dir/other.yaml"
validate "$dir/other.yaml"
template --set podDisruptionBudget.enabled=false,networkPolicy.enabled=false,headless.enabled=false,migration.enabled=false \
    --set topologySpread.enabled=false,metrics.annotations=false >"$dir/bare.yaml"
validate "$dir/bare.yaml"
for bad in settings.store=postgres://in-the-open probes=tcp replicas=0 settings.Log_Format=json settings.search-dir=/tmp searchIndex.sizeLimit=big unknown=1; do
    if template --set "$bad" >/dev/null 2>&1; then fail "the chart accepts $bad"; fi
done
# The plain manifests are the rendered chart, without the labels and hooks of Helm.
plain() { sed -e '/^# Source/d' -e '/helm.sh\/chart:/d' -e '/managed-by: Helm/d' -e '/^  annotations:$/,/hook-delete-policy/d'; }
{
    echo '# Rendered from deploy/helm/copydesk by `RENDER=1 make deploy-check`: change the chart instead. Usage: docs/operations.md, "Deploying".'
    template --no-hooks | plain
} >"$dir/copydesk.yaml"
{
    echo '# Rendered like copydesk.yaml. Apply it first, and before each new version: kubectl delete the old Job, then apply.'
    template --show-only templates/migrate.yaml | plain
} >"$dir/migrate.yaml"
for file in copydesk.yaml migrate.yaml; do
    if [ -n "${RENDER:-}" ]; then cp "$dir/$file" "deploy/kubernetes/$file"; fi
    diff -u "deploy/kubernetes/$file" "$dir/$file" || fail "deploy/kubernetes/$file differs from the rendered chart: run RENDER=1 make deploy-check"
    validate "deploy/kubernetes/$file"
done
ok "helm lint; the chart with three sets of values and the plain manifests: schemas of Kubernetes ${KUBERNETES// / and }"

# --- systemd
sed "s|^ExecStart=/usr/local/bin/copydesk|ExecStart=$(command -v true)|" deploy/systemd/copydesk.service >"$dir/copydesk.service"
output=$(systemd-analyze verify --man=no "$dir/copydesk.service" 2>&1) || fail "$output"
[ -z "$output" ] || fail "$output"
# Exposure of 100; the rest is network access.
systemd-analyze security --offline=true --threshold=15 --no-pager "$dir/copydesk.service" >"$dir/security" || fail "$(tail -1 "$dir/security")"
ok "systemd-analyze verify, and security: $(sed -n 's/.*level for copydesk.service: //p' "$dir/security" | cut -d' ' -f1) of 10 (0 is best)"

# --- load balancers: with addresses that resolve here
sed -E 's/ copydesk-[1-9]:/ 127.0.0.1:/' deploy/haproxy.cfg >"$dir/haproxy.cfg"
haproxy -c -dW -q -f "$dir/haproxy.cfg"
sed -E -e 's/ copydesk-([1-9]):/ 127.0.0.\1:/' -e "s|/tmp/copydesk-nginx.pid|$dir/nginx.pid|" deploy/nginx.conf >"$dir/nginx.conf"
nginx -q -t -c "$dir/nginx.conf"
ok 'haproxy -c, nginx -t'

# --- settings: the server accepts the name and value of each setting in these files
settings() {
    sed -nE -e 's/^ENV (COPYDESK_[A-Z_]+=[^ ]+).*/\1/p' -e 's/^ +(COPYDESK_[A-Z_]+=[^ ]+)( \\)?$/\1/p' \
        -e 's/^#?(COPYDESK_[A-Z_]+=.*)/\1/p' -e 's/^ +(COPYDESK_[A-Z_]+): "?([^"]*)"?$/\1=\2/p' "$1" |
        sed 's/\${POSTGRES_PASSWORD[^}]*}/x/'
}
# Maximum time that the server takes to stop, in seconds, from the settings of a file.
stops_within() { sed -nE 's/^(drain-wait|shutdown-grace) = "([0-9]+)s".*/\2/p' "$1" | awk '{ sum += $1 } END { print sum }'; }
for file in Dockerfile deploy/systemd/copydesk.env deploy/compose.yaml deploy/kubernetes/copydesk.yaml; do
    # The server reads certificate files with the settings, and they do not exist here: check only the names.
    settings "$file" | sed -n 's/^\(COPYDESK_TLS_[A-Z_]*\)=.*/\1/p' | while read -r name; do
        "$copydesk" config --list | grep -qF "\`$name\`" || fail "$file: $name is not a setting"
    done
    mapfile -t set < <(settings "$file" | grep -v '^COPYDESK_TLS_')
    [ "${#set[@]}" -gt 1 ] || fail "no settings found in $file"
    env -i "${set[@]}" "$copydesk" config >"$dir/config" 2>"$dir/error" || fail "$file: $(cat "$dir/error")"
    listen=$(sed -nE 's/^listen = "([^"]*)".*/\1/p' "$dir/config")
    if [[ $listen != 127.* ]] && ! grep -qE '^(auth|insecure) = "on"|^tls-cert = "[^"]+"' "$dir/config"; then
        fail "$file: $listen is not a loopback address, and none of auth, tls-cert and insecure is set: the server would not start"
    fi
    case "$file" in
    *.env) max_wait=$(sed -n 's/^TimeoutStopSec=\([0-9]*\)s$/\1/p' deploy/systemd/copydesk.service) ;;
    *compose*) max_wait=$(sed -n 's/^  stop_grace_period: \([0-9]*\)s$/\1/p' "$file") ;;
    *kubernetes*) max_wait=$(sed -n 's/^ *terminationGracePeriodSeconds: //p' "$file") ;;
    *) continue ;;
    esac
    [ "$(stops_within "$dir/config")" -lt "$max_wait" ] || fail "$file: the server may take longer to stop than the timeout of its supervisor"
done
ok 'settings: the server accepts all of them, and the stop timeouts are long enough'
