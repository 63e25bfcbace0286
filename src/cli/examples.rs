//! Examples in the help of the commands. A test parses each.

use clap::Command;

/// Examples by command, each with a remark, which may be empty.
const EXAMPLES: [(&str, &[(&str, &str)]); 37] = [
    (
        "demo",
        &[
            ("copydesk demo", "keep serving, for calls of your own"),
            ("copydesk demo --once", ""),
            ("copydesk demo --listen 127.0.0.1:0 --http-listen off", "on a free port"),
        ],
    ),
    (
        "serve",
        &[
            ("copydesk serve", "embedded store in ./copydesk-data"),
            ("copydesk serve --config /etc/copydesk/copydesk.toml", ""),
            ("copydesk serve --store postgres://copydesk@db.internal/copydesk --cache redis://cache.internal", ""),
        ],
    ),
    (
        "ingest",
        &[
            ("copydesk ingest page.html --url https://herald.example/news/1", ""),
            ("copydesk ingest pages/ feed.xml.gz", ""),
            ("copydesk ingest dump.txt --source tidewire.example", "a text names no publisher"),
            ("copydesk export | copydesk ingest --addr https://other.internal:50051 -", ""),
        ],
    ),
    (
        "extract",
        &[
            ("copydesk extract page.html --url https://herald.example/news/1", ""),
            ("copydesk extract page.html --explain", "with the text that was cut, and why"),
            ("copydesk extract pages/ --format json | copydesk ingest -", ""),
        ],
    ),
    (
        "get",
        &[
            ("copydesk get 7k2mq0v3d9s5x8w1b4n6z0c2hf", ""),
            ("copydesk get --url https://herald.example/news/1", "by any of its addresses"),
            ("copydesk get --source northline.example --external-id item-1 --json", ""),
        ],
    ),
    (
        "list",
        &[
            ("copydesk list --language en --from 2026-11-24", ""),
            ("copydesk list --source herald.example --tag ferry --limit 20 --json", ""),
        ],
    ),
    (
        "search",
        &[
            ("copydesk search ferry fares -sport", "both words, and not the last"),
            ("copydesk search '\"northern channel\"' --language en", "a phrase"),
            ("copydesk search 'headline:(ferry OR bridge) fare*' --total", "a field, brackets, a prefix"),
            ("copydesk search storm --order-by 'publish_time desc' --search-in headline,body", ""),
            ("copydesk search storm --half-life 2d --recency-weight 5", "new articles first, if they match as well"),
        ],
    ),
    (
        "count",
        &[
            ("copydesk count ferry -sport", "the number of matching articles"),
            ("copydesk count --by source --by day --from 2026-11-24", ""),
            ("copydesk count storm --by hour --time-zone Europe/Berlin --limit 24 --json", "a histogram"),
        ],
    ),
    (
        "suggest",
        &[
            ("copydesk suggest source her", ""),
            ("copydesk suggest headline-word lighth --language en --limit 5", "one letter may be wrong"),
        ],
    ),
    (
        "related",
        &[
            ("copydesk related 7k2mq0v3d9s5x8w1b4n6z0c2hf", ""),
            ("copydesk related 7k2mq0v3d9s5x8w1b4n6z0c2hf --language en --limit 5 --json", ""),
        ],
    ),
    (
        "copies",
        &[
            ("copydesk copies 7k2mq0v3d9s5x8w1b4n6z0c2hf", ""),
            ("copydesk copies --url https://herald.example/news/1 --any-state", "with withdrawn ones"),
        ],
    ),
    (
        "stories",
        &[
            ("copydesk stories --top", "what most independent sources report now"),
            ("copydesk stories --language en --section World --min-sources 3", "the latest"),
        ],
    ),
    (
        "story",
        &[
            ("copydesk story stories/3d9s5x8w1b4n6z0c2hf7k2mq0v", ""),
            ("copydesk story articles/7k2mq0v3d9s5x8w1b4n6z0c2hf", "the story of an article"),
        ],
    ),
    (
        "most-read",
        &[
            ("copydesk most-read", "in the last 24 hours"),
            ("copydesk most-read --period 1h --section Sport --limit 5 --json", ""),
        ],
    ),
    (
        "watch",
        &[
            ("copydesk watch", "changes from now on"),
            ("copydesk watch --since 2026-11-24 --kind withdrawn", ""),
            ("copydesk watch --from-beginning --json >changes.jsonl", ""),
            ("copydesk watch --stories --from-beginning", "the story of each article, then changes"),
        ],
    ),
    (
        "revisions",
        &[
            ("copydesk revisions 7k2mq0v3d9s5x8w1b4n6z0c2hf", ""),
            ("copydesk revisions --url https://herald.example/news/1 --diff", "the newest two"),
            ("copydesk revisions 7k2mq0v3d9s5x8w1b4n6z0c2hf --diff 5 --base 2", ""),
        ],
    ),
    (
        "export",
        &[
            ("copydesk export >articles.jsonl", ""),
            ("copydesk export --shard 0/4 --source herald.example", "a quarter of the articles"),
        ],
    ),
    (
        "correct",
        &[
            (
                "copydesk correct 7k2mq0v3d9s5x8w1b4n6z0c2hf --set headline='Fares to fall' --reason 'month was wrong'",
                "",
            ),
            ("copydesk correct --url https://herald.example/news/1 --set dateline.place=LONDON --set tags=a,b", ""),
            ("copydesk correct --url https://herald.example/news/1", "opens $EDITOR"),
        ],
    ),
    (
        "withdraw",
        &[
            ("copydesk withdraw 7k2mq0v3d9s5x8w1b4n6z0c2hf --reason 'legal complaint'", ""),
            ("copydesk withdraw --url https://herald.example/news/1 --copies --reason 'recalled by the agency'", ""),
            ("copydesk withdraw --url https://herald.example/news/2 --allow-missing", "before it was ingested"),
        ],
    ),
    ("reinstate", &[("copydesk reinstate 7k2mq0v3d9s5x8w1b4n6z0c2hf --reason 'complaint settled'", "")]),
    ("delete", &[("copydesk delete --url https://herald.example/news/1 --reason 'ingested by mistake'", "")]),
    ("undelete", &[("copydesk undelete --url https://herald.example/news/1", "")]),
    (
        "move-articles",
        &[
            ("copydesk move-articles stories/3d9s5x8w1b4n6z0c2hf7k2mq0v 7k2mq0v3d9s5x8w1b4n6z0c2hf", "a new story"),
            (
                "copydesk move-articles stories/3d9s5x8w1b4n6z0c2hf7k2mq0v 7k2mq0v3d9s5x8w1b4n6z0c2hf \
                 --to stories/1b4n6z0c2hf7k2mq0v3d9s5x8w",
                "",
            ),
        ],
    ),
    (
        "merge-stories",
        &[(
            "copydesk merge-stories stories/3d9s5x8w1b4n6z0c2hf7k2mq0v stories/1b4n6z0c2hf7k2mq0v3d9s5x8w",
            "the first name remains",
        )],
    ),
    (
        "doctor",
        &[
            ("copydesk doctor", ""),
            ("copydesk doctor --config /etc/copydesk/copydesk.toml --json", "with the settings of a server"),
        ],
    ),
    (
        "health",
        &[
            ("copydesk health", ""),
            ("copydesk health --wait 30s", "after a restart"),
            ("copydesk health --service copydesk.v1.IngestionService", "of one service"),
        ],
    ),
    ("keys create", &[("copydesk keys create --scopes articles.read,articles.write --name crawler --expires 90d", "")]),
    ("keys list", &[("copydesk keys list --store postgres://copydesk@db.internal/copydesk", "")]),
    ("keys revoke", &[("copydesk keys revoke 7k2mq0v3d9s5x8w1", "")]),
    ("migrate", &[("copydesk migrate --store postgres://copydesk@db.internal/copydesk", "")]),
    ("verify", &[("copydesk verify --data-dir /var/lib/copydesk", "")]),
    ("copy", &[("copydesk copy --data-dir /var/lib/copydesk --to postgres://copydesk@db.internal/copydesk", "a move")]),
    ("consistency-check", &[("copydesk consistency-check --addr http://one:50051,http://two:50051 --rounds 60", "")]),
    ("config", &[("copydesk config", ""), ("copydesk config --list", "all settings with their defaults")]),
    ("descriptors", &[("copydesk descriptors -o copydesk.binpb", "")]),
    ("completions", &[("copydesk completions bash >/etc/bash_completion.d/copydesk", "")]),
    ("man", &[("copydesk man | man -l -", ""), ("copydesk man --dir /usr/local/share/man/man1", "")]),
];

/// Adds the examples to the help of the commands.
pub(super) fn add_to(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (name, examples)| {
        let after = |command: Command| command.after_help(text(examples));
        match name.split_once(' ') {
            Some((group, name)) => command.mut_subcommand(group, |group| group.mut_subcommand(name, after)),
            None => command.mut_subcommand(name, after),
        }
    })
}

fn text(examples: &[(&str, &str)]) -> String {
    let lines = examples.iter().map(|(line, remark)| match *remark {
        "" => format!("\n  {line}"),
        remark => format!("\n  {line}    # {remark}"),
    });
    let title = if examples.len() == 1 { "Example:" } else { "Examples:" };
    std::iter::once(title.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    /// Splits an example into words, as a shell does, up to a pipe or a redirection.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for letter in line.chars() {
            match letter {
                '\'' => quoted = !quoted,
                '|' | '>' if !quoted => break,
                ' ' if !quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_example_is_a_valid_command() {
        for (name, examples) in EXAMPLES {
            assert!(examples.iter().any(|(line, _)| line.starts_with(&format!("copydesk {name}"))), "{name}");
            for line in examples.iter().flat_map(|(line, _)| line.split(" | ")).filter(|line| line.starts_with("copy"))
            {
                let words = words(line).into_iter().map(|word| match word.as_str() {
                    "-sport" => " -sport".to_owned(),
                    _ => word,
                });
                if let Err(error) = Cli::command().try_get_matches_from(words) {
                    panic!("{line}: {error}");
                }
            }
        }
    }

    #[test]
    fn every_command_has_examples() {
        let command = add_to(Cli::command());
        for command in command.get_subcommands().filter(|command| command.get_name() != "version") {
            let nested: Vec<&Command> = command.get_subcommands().collect();
            let all = if nested.is_empty() { vec![command] } else { nested };
            assert!(all.iter().all(|command| command.get_after_help().is_some()), "{}", command.get_name());
        }
    }
}
