#!/usr/bin/env bash
# Checks what Prometheus and Grafana are given: `make alerts-check`. That every metric is there, and every alert has its paragraph,
# is for `cargo test --test it -- watching::`.
set -euo pipefail
cd "$(dirname "$0")"

promtool check config prometheus.yml
promtool check rules --lint=all --lint-fatal alerts.yml
promtool test rules alerts_test.yml

# Each panel's expression, as a rule: that is what promtool can parse.
panels=$(mktemp)
trap 'rm -f "$panels"' EXIT
python3 - ../grafana/copydesk.json >"$panels" <<'PYTHON'
import json, re, sys

targets = [target["expr"] for panel in json.load(open(sys.argv[1]))["panels"] for target in panel.get("targets", [])]
assert len(targets) > 40, targets
print("groups: [{name: panels, rules: [")
for number, expression in enumerate(targets):
    expression = re.sub(r"\$__(rate_interval|range)", "5m", expression)
    print(json.dumps({"record": f"panel:{number}", "expr": expression}) + ",")
print("]}]")
PYTHON
echo "Checking the panels of copydesk.json"
promtool check rules "$panels" | tail -n +2

# The dashboard itself, by Grafana's own types.
go run -C ../grafana/check . ../copydesk.json
echo "ok: copydesk.json has all that Grafana needs, and nothing that it does not know"
