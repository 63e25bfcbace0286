//! Related articles of the judged events: how many other reports of its event are among the first ones of a report.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use copydesk::article::Analysis;
use copydesk::proto::document::Payload;
use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::{
    Article, Author, Consistency, Document, IngestArticlesRequest, ListRelatedArticlesRequest, SearchArticlesRequest,
    consistency::Requirement,
};
use copydesk_client::Client;
use futures::StreamExt;
use jiff::Timestamp;
use serde::Deserialize;

use crate::Result;
use crate::judged::lines;
use crate::support::process::Serve;

/// Number of results that are examined.
const FIRST: usize = 10;
/// Maximum number of words of a headline that are searched.
const HEADLINE_WORDS: usize = 40;

/// Report of an event.
#[derive(Clone, Debug, Deserialize)]
struct Report {
    event: String,
    id: String,
    language: String,
    source: String,
    author: String,
    /// RFC 3339.
    publish_time: String,
    headline: String,
    body: String,
}

impl Report {
    fn document(&self) -> Result<Document> {
        let time: Timestamp = self.publish_time.parse()?;
        let article = Article {
            url: format!("https://{}/{}", self.source, self.id),
            headline: self.headline.clone(),
            body: self.body.clone(),
            authors: vec![Author { name: self.author.clone(), ..Author::default() }],
            language_code: self.language.clone(),
            publish_time: Some(prost_types::Timestamp { seconds: time.as_second(), nanos: 0 }),
            ..Article::default()
        };
        Ok(Document { payload: Some(Payload::Article(article)), ..Document::default() })
    }
}

/// Sums of a group of reports.
#[derive(Default)]
struct Score {
    reports: usize,
    first: usize,
    recall: f64,
}

impl Score {
    /// Adds the results of a report. Without others of its event there is nothing to be found.
    fn add(&mut self, found: &[String], others: &BTreeSet<&str>) {
        let among = found.iter().take(FIRST).filter(|id| others.contains(id.as_str())).count();
        self.reports += 1;
        self.first += usize::from(found.first().is_some_and(|id| others.contains(id.as_str())));
        self.recall += among as f64 / others.len().min(FIRST) as f64;
    }

    fn columns(&self) -> String {
        let share = |sum: f64| sum / self.reports.max(1) as f64;
        format!("{:.3} | {:.3}", share(self.first as f64), share(self.recall))
    }
}

pub async fn all(folder: &Path) -> Result<()> {
    let reports: Vec<Report> = lines(&folder.join("reports.jsonl"))?;
    let dir = tempfile::tempdir()?;
    let server = Serve::on(dir.path(), &["--log-level", "error"]);
    let mut client = server.client().await;
    let (names, token) = ingest(&mut client, &reports).await?;
    let ids: BTreeMap<&str, &str> = names.iter().zip(&reports).map(|(name, of)| (name.as_str(), &*of.id)).collect();
    let languages = |event: &str| {
        let of_event = reports.iter().filter(|report| report.event == event);
        of_event.map(|report| report.language.as_str()).collect::<BTreeSet<_>>()
    };
    let mut scores: BTreeMap<String, [Score; 2]> = BTreeMap::new();
    for (report, name) in reports.iter().zip(&names) {
        let mates = reports.iter().filter(|other| other.event == report.event && other.id != report.id);
        let others: BTreeSet<&str> = mates.map(|other| other.id.as_str()).collect();
        if others.is_empty() {
            continue;
        }
        let found = [related(&mut client, name, &token).await?, by_headline(&mut client, report, name).await?];
        let languages = languages(&report.event);
        let group = if languages.len() > 1 { "several languages".to_owned() } else { report.language.clone() };
        for group in [group, "all".to_owned()] {
            for (score, found) in scores.entry(group).or_default().iter_mut().zip(&found) {
                let found: Vec<String> =
                    found.iter().filter_map(|name| ids.get(name.as_str())).map(|id| (*id).to_owned()).collect();
                score.add(&found, &others);
            }
        }
    }
    server.stop();
    println!("\nOther reports of its event, of {} invented reports\n", reports.len());
    println!("| | reports | related: the first is | of {FIRST}, found | words of the headline: the first is | found |");
    println!("|---|---|---|---|---|---|");
    for (group, [related, headline]) in &scores {
        println!("| {group} | {} | {} | {} |", related.reports, related.columns(), headline.columns());
    }
    Ok(())
}

/// Ingests the reports. Returns the names of their articles, in the same order, and the token of the last change.
async fn ingest(client: &mut Client, reports: &[Report]) -> Result<(Vec<String>, String)> {
    let documents = reports.iter().map(Report::document).collect::<Result<Vec<_>>>()?;
    let requests = documents.into_iter().enumerate().map(|(n, of)| IngestArticlesRequest::of(n as i64, of));
    let requests: Vec<_> = requests.collect();
    let mut answers = client.ingestion.ingest_articles(futures::stream::iter(requests)).await?.into_inner();
    let (mut names, mut token) = (vec![String::new(); reports.len()], String::new());
    while let Some(answer) = answers.next().await {
        let answer = answer?;
        let Some(Answer::Ingested(ingested)) = answer.result else { return Err(format!("{answer:?}").into()) };
        let article = ingested.into_first().and_then(|first| first.article).unwrap_or_default();
        token = article.change_token;
        names[usize::try_from(answer.sequence)?] = article.name;
    }
    Ok((names, token))
}

async fn related(client: &mut Client, name: &str, token: &str) -> Result<Vec<String>> {
    let requirement = Some(Requirement::AtLeastAsFresh(token.to_owned()));
    let request = ListRelatedArticlesRequest {
        name: name.to_owned(),
        page_size: FIRST as i32,
        consistency: Some(Consistency { requirement }),
        ..Default::default()
    };
    let page = client.retrieval.list_related_articles(request).await?.into_inner();
    Ok(page.related_articles.into_iter().filter_map(|related| related.article).map(|article| article.name).collect())
}

/// Searches the words of the headline: what a caller would do without the method.
async fn by_headline(client: &mut Client, report: &Report, name: &str) -> Result<Vec<String>> {
    let mut analysis = Analysis::new(&report.headline, None);
    let mut words: Vec<String> = Vec::new();
    while let Some(token) = analysis.advance() {
        words.extend(token.as_word(&report.headline).map(|(word, _)| word.to_owned()));
    }
    words.truncate(HEADLINE_WORDS);
    let request = SearchArticlesRequest {
        query: words.join(" OR "),
        language_code: report.language.clone(),
        page_size: FIRST as i32 + 1,
        ..Default::default()
    };
    let page = client.retrieval.search_articles(request).await?.into_inner();
    let found = page.results.into_iter().filter_map(|result| result.article).map(|article| article.name);
    Ok(found.filter(|found| found != name).collect())
}
