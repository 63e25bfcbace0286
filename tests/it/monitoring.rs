//! Monitoring: every metric in a rule, a panel or the documentation exists, and every metric is documented.

use std::collections::BTreeSet;

use crate::test_server::TestServer;

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Returns the metrics named in a text; the parts of a histogram count as the histogram. The name of a package
/// (`copydesk_0.1.0`) is none.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let metric = |word: &&str| word.strip_prefix("copydesk_").is_some_and(|rest| rest.starts_with(char::is_alphabetic));
    let names = words.filter(metric);
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned()).collect()
}

/// Returns the server's metrics by the names of their samples.
async fn served() -> BTreeSet<String> {
    let server = TestServer::start().await;
    let metrics = server.http("/metrics").await;
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let served: BTreeSet<String> =
        types.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() }).collect();
    assert!(served.len() > 40, "found only {served:?}: the scan no longer understands the format");
    served
}

#[tokio::test]
async fn metrics_in_rules_and_panels_exist_and_all_are_documented() {
    let served = served().await;
    for path in ["deploy/grafana/copydesk.json", "deploy/prometheus/alerts.yml", "docs/operations.md"] {
        let named = named(&file(path));
        assert!(named.len() > 10, "{path}");
        let unknown: Vec<_> = named.difference(&served).collect();
        assert!(unknown.is_empty(), "{path} names unknown metrics: {unknown:?}");
    }
    let documented = named(&file("docs/operations.md"));
    let undocumented: Vec<_> = served.difference(&documented).collect();
    assert!(undocumented.is_empty(), "not in docs/operations.md: {undocumented:?}");
    let shown = named(&file("deploy/grafana/copydesk.json"));
    let unseen: Vec<_> = served.difference(&shown).collect();
    assert!(unseen.is_empty(), "on no panel of the dashboard: {unseen:?}");
}

#[test]
fn every_alert_has_a_test_and_a_runbook_paragraph() {
    let (rules, tests) = (file("deploy/prometheus/alerts.yml"), file("deploy/prometheus/alerts_test.yml"));
    let operations = file("docs/operations.md");
    let mut alerts = Vec::new();
    for rule in rules.split("- alert: ").skip(1) {
        let name = rule.lines().next().unwrap().trim();
        let link = format!("runbook_url: docs/operations.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&link), "{name} must have a runbook_url");
        assert!(
            rule.contains("severity: page") || rule.contains("severity: ticket"),
            "{name} must have a severity, page or ticket"
        );
        let heading = format!("\n### {name}\n\n");
        let paragraph = operations.split(&heading).nth(1).and_then(|text| text.split("\n#").next());
        let words = paragraph.map_or(0, |text| text.split_whitespace().count());
        assert!(words >= 15, "docs/operations.md must say what to do about {name}");
        let tested = |fires: bool| {
            let head = format!("alertname: {name}\n");
            let cases = tests.split(head.as_str()).skip(1);
            cases.filter(|case| case.trim_start().starts_with("exp_alerts: []") != fires).count()
        };
        assert!(
            tested(true) > 0 && tested(false) > 0,
            "{name}: must have a test in which it fires, and one in which it does not"
        );
        alerts.push(name);
    }
    assert!(alerts.len() > 10, "{alerts:?}");
    let described = operations.lines().filter_map(|line| line.strip_prefix("### Copydesk"));
    for rest in described {
        assert!(alerts.contains(&format!("Copydesk{rest}").as_str()), "unknown alert Copydesk{rest}");
    }
}
