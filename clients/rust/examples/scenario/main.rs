//! Scenario of ../scenario.md: every kind of call, one after another, with a line of output for each.

mod editors; // withdrawals, withdrawn articles, copies, revisions
mod problem; // error details
mod stories; // articles that report one event, and reads
mod streams; // streaming steps

use std::error::Error;
use std::path::PathBuf;

use copydesk_client::proto::aggregation::Kind;
use copydesk_client::proto::aggregation_bucket::Key;
use copydesk_client::proto::consistency::Requirement;
use copydesk_client::proto::document::Payload;
use copydesk_client::proto::ingest_result::Result as Item;
use copydesk_client::proto::time_aggregation::Interval;
use copydesk_client::proto::{
    AggregateArticlesRequest, Aggregation, AggregationResult, Article, ArticleFilter, BatchGetArticlesRequest,
    BodyFormat, Consistency, Document, GetArticleRequest, GetArticleResponse, IngestArticleRequest, IngestOutcome,
    ListArticlesRequest, ListRelatedArticlesRequest, RawPayload, SearchArticlesRequest, StringCondition,
    SuggestValuesRequest, TimeAggregation, ValueAggregation, ValueField, WithdrawArticleRequest,
};
use copydesk_client::{Client, Retrying};
use prost_types::{FieldMask, Timestamp};
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};
use tonic_health::pb::HealthCheckRequest;

use problem::Problem;

const MISSING: &str = "articles/no-such-article";

type Outcome = Result<(), Box<dyn Error>>;

struct Scenario {
    /// Client of all replicas.
    client: Client<Retrying>,
    /// Client of one replica.
    other: Client<Retrying>,
    data: PathBuf,
    page: Article,
    items: Vec<Article>,
}

#[tokio::main]
async fn main() -> Outcome {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_absent| default.to_owned());
    let addresses = setting("COPYDESK_ADDRESSES", "127.0.0.1:50051");
    let addresses: Vec<&str> = addresses.split(',').collect();
    let mut scenario = Scenario {
        client: Client::balanced(&addresses)?,
        other: Client::balanced(&addresses[addresses.len() - 1..])?,
        data: PathBuf::from(setting("COPYDESK_CLIENTS", "..")).join("data"),
        page: Article::default(),
        items: Vec::new(),
    };
    scenario.ingest().await?;
    scenario.get().await?;
    scenario.get_by_token().await?;
    scenario.batch().await?;
    scenario.list().await?;
    scenario.search().await?;
    scenario.watch().await?;
    scenario.stream().await?;
    scenario.validation().await?;
    scenario.not_found().await?;
    scenario.deadline().await?;
    scenario.cancel().await?;
    match std::env::var("COPYDESK_WITNESS") {
        Ok(address) => {
            let witness = Client::balanced(&[address])?;
            scenario.retry(&witness).await?;
            scenario.compression(&witness).await?;
        }
        Err(_absent) => {
            println!("13 retry no witness");
            println!("14 compression no witness");
        }
    }
    scenario.health().await?;
    let withdrawn = scenario.withdraw_by_url().await?;
    scenario.withdraw_early().await?;
    scenario.any_state(&withdrawn).await?;
    scenario.older().await?;
    scenario.diff().await?;
    scenario.markdown().await?;
    scenario.export().await?;
    scenario.count().await?;
    scenario.suggest().await?;
    scenario.related().await?;
    let wire = scenario.copies().await?;
    scenario.kill(&wire).await?;
    scenario.stories().await
}

impl Scenario {
    async fn ingest(&mut self) -> Outcome {
        let mut ingestion = self.client.ingestion.clone();
        let document = Document {
            payload: Some(Payload::Html(std::fs::read_to_string(self.data.join("page.html"))?)),
            url: "https://ellery-herald.example/ferry-fares?utm_source=scenario".into(),
            ..Document::default()
        };
        // The request ID makes retries safe: a repeated call returns the first response.
        let request_id = "scenario-page".into();
        let request = IngestArticleRequest { document: Some(document), request_id, ..Default::default() };
        let done = ingestion.ingest_article(request).await?.into_inner().into_first().unwrap_or_default();
        let outcome = done.outcome().as_str_name();
        let cuts = done.report.unwrap_or_default().cuts;
        let cuts: Vec<&str> = cuts.iter().map(|cut| cut.reason().as_str_name()).collect();
        self.page = done.article.unwrap_or_default();
        let place = self.page.dateline.clone().unwrap_or_default().place;
        let headline = &self.page.headline;
        println!("01 ingest-page {outcome} headline={headline:?} place={place:?} cuts={}", cuts.join(","));

        let raw = RawPayload::new(std::fs::read(self.data.join("feed.rss"))?, "application/rss+xml");
        let source = "tidewire.example".into();
        let document = Document { payload: Some(Payload::Raw(raw)), source, ..Document::default() };
        let request_id = "scenario-feed".into();
        let request = IngestArticleRequest { document: Some(document), request_id, ..Default::default() };
        let feed = ingestion.ingest_article(request).await?.into_inner().results;
        let (count, mut created) = (feed.len(), 0);
        for item in feed {
            if let Some(Item::Ingested(ingested)) = item.result {
                created += usize::from(ingested.outcome() == IngestOutcome::Created);
                self.items.extend(ingested.article);
            }
        }
        println!("01 ingest-feed items={count} created={created}");
        Ok(())
    }

    async fn get(&self) -> Outcome {
        let response = get(&self.client, &self.page.name, fully_consistent()).await?;
        let answered_by = text(response.metadata(), "copydesk-cache");
        let article = response.into_inner().article.unwrap_or_default();
        let paragraphs = article.body.split("\n\n").count();
        println!("02 get revision={} paragraphs={paragraphs} answered-by={answered_by}", article.revision);
        Ok(())
    }

    async fn get_by_token(&self) -> Outcome {
        let response = get(&self.other, &self.page.name, fresh(&self.page)).await?;
        let article = response.into_inner().article.unwrap_or_default();
        let same = yes(article.content_digest == self.page.content_digest);
        println!("03 get-by-token revision={} same-text={same}", article.revision);
        Ok(())
    }

    async fn batch(&self) -> Outcome {
        let newest = self.newest();
        let request = BatchGetArticlesRequest {
            names: vec![newest.name.clone(), MISSING.into(), self.page.name.clone()],
            read_mask: Some(FieldMask { paths: vec!["name".into(), "headline".into()] }),
            consistency: fresh(newest),
            ..Default::default()
        };
        let batch = self.client.retrieval.clone().batch_get_articles(request).await?.into_inner();
        let found: Vec<String> = batch.articles.iter().map(|article| format!("{:?}", article.headline)).collect();
        let missing: Vec<String> = batch.not_found.into_iter().map(|missing| missing.name).collect();
        println!("04 batch found={} missing={}", found.join(","), missing.join(","));
        Ok(())
    }

    async fn list(&self) -> Outcome {
        let mut request = ListArticlesRequest {
            page_size: 3,
            filter: Some(ArticleFilter {
                sources: Some(StringCondition::any_of(["tidewire.example"])),
                ..ArticleFilter::default()
            }),
            read_mask: Some(FieldMask { paths: vec!["headline".into()] }),
            consistency: fresh(self.newest()),
            ..ListArticlesRequest::default()
        };
        let (mut headlines, mut pages) = (Vec::new(), 0);
        loop {
            let page = self.client.retrieval.clone().list_articles(request.clone()).await?.into_inner();
            headlines.extend(page.articles.into_iter().map(|article| article.headline));
            request.page_token = page.next_page_token;
            pages += 1;
            if request.page_token.is_empty() {
                break;
            }
        }
        let (first, last) =
            (headlines.first().ok_or("the list is empty")?, headlines.last().ok_or("the list is empty")?);
        println!("05 list pages={pages} articles={} first={first:?} last={last:?}", headlines.len());
        Ok(())
    }

    async fn search(&self) -> Outcome {
        let request = SearchArticlesRequest {
            query: "\"northern channel\" winter -sport".into(),
            include_total_size: true,
            consistency: fresh(self.newest()),
            ..SearchArticlesRequest::default()
        };
        let page = self.client.retrieval.clone().search_articles(request).await?.into_inner();
        let best = page.results.first().ok_or("the search found no article")?;
        let headline = best.article.clone().unwrap_or_default().headline;
        let matched = best.snippet.iter().filter(|part| part.matched);
        let matched: Vec<String> = matched.map(|part| format!("{:?}", part.text)).collect();
        let (results, total) = (page.results.len(), page.total_size);
        println!("06 search results={results} total={total} headline={headline:?} matched={}", matched.join(","));
        Ok(())
    }

    async fn validation(&self) -> Outcome {
        let request =
            ListArticlesRequest { page_size: -1, order_by: "colour".into(), ..ListArticlesRequest::default() };
        let problem = failure(self.client.retrieval.clone().list_articles(request).await)?;
        println!("09 validation {} reason={} fields={}", problem.code, problem.reason, problem.fields.join(","));
        Ok(())
    }

    async fn not_found(&self) -> Outcome {
        let never = failure(get(&self.client, MISSING, None).await)?;
        println!("10 never-there {} reason={} resource={}", never.code, never.reason, never.resource);
        let name = self.items.first().ok_or("the feed contains no items")?.name.clone();
        let request = WithdrawArticleRequest { name: name.clone(), reason: "A mistake.".into(), ..Default::default() };
        let withdrawn = self.client.editorial.clone().withdraw_article(request).await?.into_inner().article;
        let gone = failure(get(&self.client, &name, fresh(&withdrawn.unwrap_or_default())).await)?;
        println!("10 withdrawn {} reason={} resource={}", gone.code, gone.reason, gone.resource);
        Ok(())
    }

    async fn older(&self) -> Outcome {
        let ingest = async |headline: &str, time: &str| {
            let article = Article {
                headline: headline.into(),
                body: "The gates of the Lowmouth lock will be renewed in the summer.".into(),
                source_update_time: Some(time.parse::<Timestamp>()?),
                ..Article::default()
            };
            let document = Document {
                payload: Some(Payload::Article(article)),
                source: "tidewire.example".into(),
                external_id: "tidewire-8".into(),
                ..Document::default()
            };
            let request = IngestArticleRequest { document: Some(document), ..Default::default() };
            let response = self.client.ingestion.clone().ingest_article(request).await?;
            Ok::<_, Box<dyn Error>>(response.into_inner().into_first().unwrap_or_default())
        };
        ingest("Lock gates to be renewed", "2025-06-08T09:00:00Z").await?;
        // A late copy of an older version changes nothing.
        let done = ingest("Lock gates to be repaired", "2025-06-08T08:00:00Z").await?;
        println!("18 older {} part={}", done.outcome().as_str_name(), done.stale_part().as_str_name());
        Ok(())
    }

    async fn markdown(&self) -> Outcome {
        let request = GetArticleRequest {
            name: self.page.name.clone(),
            body_format: BodyFormat::Markdown.into(),
            consistency: fresh(&self.page),
            ..Default::default()
        };
        let article = self.client.retrieval.clone().get_article(request).await?.into_inner().article;
        let body = article.unwrap_or_default().body;
        let last = body.trim_end().rsplit("\n\n").next().unwrap_or_default();
        println!("20 markdown {last:?}");
        Ok(())
    }

    async fn count(&self) -> Outcome {
        let by_source = ValueAggregation { field: ValueField::Source.into(), ..ValueAggregation::default() };
        let by_day = TimeAggregation {
            interval: Interval::Day.into(),
            time_zone: "Europe/Berlin".into(),
            ..TimeAggregation::default()
        };
        let aggregations = [Kind::Values(by_source), Kind::Times(by_day)];
        let request = AggregateArticlesRequest {
            query: "boat*".into(),
            filter: Some(ArticleFilter {
                sources: Some(StringCondition::any_of(["tidewire.example"])),
                ..ArticleFilter::default()
            }),
            aggregations: aggregations.map(|kind| Aggregation { kind: Some(kind) }).into(),
            consistency: fully_consistent(),
            ..AggregateArticlesRequest::default()
        };
        let counts = self.client.retrieval.clone().aggregate_articles(request).await?.into_inner();
        let [sources, days] = counts.results.as_slice() else { return Err("a count is missing".into()) };
        println!("22 count total={} sources={} days={}", counts.total_size, shown(sources), shown(days));
        Ok(())
    }

    async fn suggest(&self) -> Outcome {
        let request = SuggestValuesRequest {
            field: ValueField::Source.into(),
            prefix: "tide".into(),
            consistency: fully_consistent(),
            ..SuggestValuesRequest::default()
        };
        let suggestions = self.client.retrieval.clone().suggest_values(request).await?.into_inner().suggestions;
        let shown: Vec<String> = suggestions.iter().map(|it| format!("{}:{}", it.value, it.article_count)).collect();
        println!("23 suggest {}", shown.join(","));
        Ok(())
    }

    async fn related(&self) -> Outcome {
        let request = ListRelatedArticlesRequest {
            name: self.page.name.clone(),
            page_size: 5,
            consistency: fully_consistent(),
            ..ListRelatedArticlesRequest::default()
        };
        let page = self.client.retrieval.clone().list_related_articles(request).await?.into_inner();
        let mut articles = page.related_articles.iter().filter_map(|related| related.article.as_ref());
        let has_self = yes(articles.any(|article| article.name == self.page.name));
        let next = yes(!page.next_page_token.is_empty());
        println!("24 related count={} self={has_self} next={next}", page.related_articles.len());
        Ok(())
    }

    async fn retry(&self, witness: &Client<Retrying>) -> Outcome {
        // The channel retries, as the service config says; this code does not.
        let response = get(witness, &self.page.name, fresh(&self.page)).await?;
        let attempts = text(response.metadata(), "witness-attempts");
        println!(
            "13 retry attempts={attempts} revision={}",
            response.into_inner().article.unwrap_or_default().revision
        );
        Ok(())
    }

    async fn compression(&self, witness: &Client<Retrying>) -> Outcome {
        let names = self.items.iter().skip(1).map(|item| item.name.clone()).collect();
        let request =
            BatchGetArticlesRequest { names, consistency: fresh(&self.page), read_mask: None, ..Default::default() };
        let mut compressing = witness.retrieval.clone().send_compressed(CompressionEncoding::Gzip);
        let response = compressing.batch_get_articles(request).await?;
        let sent = text(response.metadata(), "witness-request-encoding");
        let answered = text(response.metadata(), "witness-response-encoding");
        println!("14 compression request={sent} response={answered} found={}", response.into_inner().articles.len());
        Ok(())
    }

    async fn health(&self) -> Outcome {
        let mut health = self.client.health.clone();
        let service = |name: &str| HealthCheckRequest { service: name.into() };
        let serving = health.check(service("copydesk.v1.RetrievalService")).await?.into_inner().status();
        let unknown = failure(health.check(service("copydesk.v1.NoService")).await)?;
        println!("15 health {} unknown={}", serving.as_str_name(), unknown.code);
        Ok(())
    }

    fn newest(&self) -> &Article {
        self.items.last().unwrap_or(&self.page)
    }
}

async fn get(
    client: &Client<Retrying>,
    name: &str,
    consistency: Option<Consistency>,
) -> Result<Response<GetArticleResponse>, Status> {
    let request = GetArticleRequest { name: name.into(), consistency, read_mask: None, ..Default::default() };
    client.retrieval.clone().get_article(request).await
}

/// Requires a read at least as fresh as this write, from any replica.
fn fresh(article: &Article) -> Option<Consistency> {
    Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(article.change_token.clone())) })
}

/// Requires a read of everything that is committed.
fn fully_consistent() -> Option<Consistency> {
    Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) })
}

/// Formats the buckets of a count.
fn shown(result: &AggregationResult) -> String {
    let buckets = result.buckets.iter().map(|bucket| match &bucket.key {
        Some(Key::Value(value)) => format!("{value}:{}", bucket.count),
        Some(Key::StartTime(start)) => format!("{}:{}", start.seconds, bucket.count),
        None => format!(":{}", bucket.count),
    });
    buckets.collect::<Vec<_>>().join(",")
}

fn failure<T>(outcome: Result<T, Status>) -> Result<Problem, &'static str> {
    outcome.err().map(Problem::from).ok_or("the call succeeded; it must fail")
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
