#!/usr/bin/env bash
# Checks the files for Prometheus and Grafana: `make alerts-check`. `cargo test --test it -- watching::` checks that every metric
# exists, and every alert has a runbook.
set -euo pipefail
cd "$(dirname "$0")"

promtool check config prometheus.yml
promtool check rules --lint=all --lint-fatal alerts.yml
promtool test rules alerts_test.yml

# The expression of each panel as a recording rule, which promtool can parse.
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

# The dashboard itself, with Grafana's types.
go run -C ../grafana/check . ../copydesk.json
echo "ok: copydesk.json has all required properties, and no unknown ones"
