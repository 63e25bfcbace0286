//! Documents that are made to be expensive: work grows no faster than size, and no document delays others.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use copydesk::extract::{Budget, Document, ExtractError, Hints, Limits, Payload, extract};
use copydesk::proto::document::Payload as Sent;
use copydesk::proto::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use tonic::Code;

use crate::support::hostile_documents::{Case, cases};
use crate::support::process::Serve;
use crate::test_server::TestServer;

/// Sizes of the documents that are compared, in bytes. Small, so that a debug build is done in a minute.
const SIZE: usize = 48 << 10;

/// Extracts a document of a case. Returns the steps of work that it took, and the limit that refused it, if one did.
fn steps(case: &Case, bytes: usize) -> (u64, Option<ExtractError>) {
    let document = case.document(bytes);
    let limits = Limits::default();
    let budget = Budget::unattended(&limits);
    let content_type = case.name.starts_with("json-feed").then_some("application/feed+json");
    let payload = Payload::Raw { bytes: document.as_bytes(), content_type };
    let extracted = extract(&Document { payload, url: None, hints: Hints::default() }, &budget);
    (budget.steps(), extracted.err())
}

/// Extraction recurses as deep as a page nests: on threads with a stack for that, as in the server.
fn on_deep_stacks(work: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, &work).unwrap())
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn doubling_the_size_takes_at_most_2_2_times_the_work() {
    let cases = cases();
    let next = AtomicUsize::new(0);
    on_deep_stacks(|| {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ((small, _), (large, refusal)) = (steps(case, SIZE), steps(case, 2 * SIZE));
            let too_much = large * 10 > small * 22 + 10_000;
            assert!(
                !too_much,
                "{}: {small} steps for {SIZE} bytes, {large} for twice as many ({refusal:?})",
                case.name
            );
        }
    });
}

#[test]
fn limits_hold_while_a_document_is_parsed() {
    let refused = |name: &str, bytes: usize| {
        let case = cases().into_iter().find(|case| case.name == name).expect("there is such a case");
        let (steps, refusal) = steps(&case, bytes);
        // No more than reading it to where the limit is.
        assert!(steps < bytes as u64, "{name}: {steps} steps");
        refusal.unwrap_or_else(|| panic!("{name} was not refused")).to_string()
    };
    for (name, limit) in [
        ("feed-items-empty", "10000 entries"),
        ("atom-entries-empty", "10000 entries"),
        ("rdf-items-empty", "10000 entries"),
        ("json-feed-empty", "10000 entries"),
        ("feed-enclosures", "elements"),
        ("text-lines-short", "lines of text"),
        ("text-lines-returns", "lines of text"),
        ("htmls-distinct", "attributes on one element"),
        ("bodies-distinct", "attributes on one element"),
        ("attributes-900-each", "attributes"),
    ] {
        let message = refused(name, 4 << 20);
        assert!(message.contains(limit), "{name}: {message}");
    }
}

#[test]
fn oversized_structured_data_is_skipped_without_losing_the_page() {
    let case = cases().into_iter().find(|case| case.name == "json-empty-objects").expect("there is such a case");
    let document = case.document(1 << 20);
    let limits = Limits::default();
    let payload = Payload::Raw { bytes: document.as_bytes(), content_type: None };
    let document = Document { payload, url: None, hints: Hints::default() };
    match extract(&document, &Budget::unattended(&limits)) {
        Ok(copydesk::extract::Extraction::Article(extracted)) => {
            assert_eq!(extracted.draft.headline, "Storm closes the northern ports");
            let warnings = &extracted.report.warnings;
            assert_eq!(warnings[0].message, "structured data with more than 100000 JSON values was not read");
        }
        Ok(_) => panic!("a page is no feed"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_document_that_is_too_complex_is_an_invalid_argument() {
    let server = TestServer::start().await;
    let case = cases().into_iter().find(|case| case.name == "deep-then-wide-490").expect("there is such a case");
    let html = Sent::Html(case.document(600 << 10));
    let document = copydesk::proto::Document { payload: Some(html), ..Default::default() };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let refusal = server.ingestion().await.ingest_article(request).await.expect_err("it is refused");
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert!(refusal.message().contains("too complex: more than") && refusal.message().contains("steps of work"));
}

/// More concurrent large documents, plain and compressed, than the limit: their memory stays bounded, and ordinary
/// pages are answered meanwhile.
#[tokio::test]
async fn concurrent_hostile_documents_are_bounded_and_delay_no_ordinary_page() {
    const BYTES: usize = 2 << 20;
    const EACH: usize = 2;
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["--ingest-workers", "2", "--max-document-bytes", "8MiB"];
    let server = Serve::start(dir.path(), &arguments, std::process::Stdio::null()).unwrap();
    let names = [
        "ampersands",
        "no-break-spaces",
        "feed-texts",
        "json-objects",
        "text-line-long",
        "deep-then-wide-50",
        "headlines",
    ];
    let mut attack = Vec::new();
    for case in cases().into_iter().filter(|case| names.contains(&case.name)) {
        let plain = case.document(BYTES);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(plain.as_bytes()).unwrap();
        for data in [plain.into_bytes(), gzip.finish().unwrap()] {
            let raw = RawPayload { data, ..Default::default() };
            for _ in 0..EACH {
                let document =
                    copydesk::proto::Document { payload: Some(Sent::Raw(raw.clone())), ..Default::default() };
                let request = IngestArticleRequest { document: Some(document), ..Default::default() };
                let mut client = server.client().await.ingestion;
                attack.push(tokio::spawn(async move { client.ingest_article(request).await.map(drop) }));
            }
        }
    }
    assert_eq!(attack.len(), names.len() * 2 * EACH);
    let mut client = server.client().await.ingestion;
    let mut served = 0;
    while served < 5 || attack.iter().any(|call| !call.is_finished()) {
        let html = format!(
            "<html><head><title>Ferry {served} runs again</title></head><body><article><h1>Ferry {served} runs \
            again</h1>{}\
             </article></body></html>",
            "<p>The ferry between the islands runs again from Monday on, the harbour master said in the morning.</p>"
                .repeat(5)
        );
        let document = copydesk::proto::Document { payload: Some(Sent::Html(html)), ..Default::default() };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        client
            .ingest_article(request)
            .await
            .unwrap_or_else(|error| panic!("an ordinary page after {served}: {error:?}"));
        served += 1;
    }
    assert!(served > 5, "ordinary pages are answered while hostile ones are under way");
    let mut codes = std::collections::BTreeMap::new();
    for call in attack {
        let code = call.await.unwrap().err().map_or(Code::Ok, |refusal| refusal.code());
        *codes.entry(format!("{code:?}")).or_insert(0) += 1;
    }
    println!("{served} ordinary pages; answers to hostile documents: {codes:?}");
    let known = ["Ok", "InvalidArgument", "ResourceExhausted", "DeadlineExceeded"];
    assert!(codes.keys().all(|code| known.contains(&code.as_str())), "{codes:?}");
    let peak = server.peak_memory() >> 20;
    assert!(peak < 1_024, "{peak} MiB");
}
