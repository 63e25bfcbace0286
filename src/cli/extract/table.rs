//! `extract --format table`: one row for each article or item, to see what was read of a folder of wire items. Texts
//! are given by their number of words.

use std::path::Path;

use super::Output;
use crate::cli::input;
use crate::extract::{
    Budget, Document, Draft, ExtractError, Extracted, Extraction, Hints, Limits, Payload, PubStatus, extract,
};

/// Head of the table, in Markdown.
pub(super) const HEAD: &str = "| file | result | headline | body | byline | ID | version | published |\n\
    |---|---|---|---|---|---|---|---|";

/// Extracts a file: a row for an article, or for each item.
pub(super) fn rows(file: &Path, url: Option<&str>, content_type: Option<&str>) -> Output {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = match input::bytes(file) {
        Ok(bytes) => bytes,
        Err(error) => return Output { shown: vec![row(&name, &error, &[])], failed: 1, ..Output::default() },
    };
    let payload = Payload::Raw { bytes: &bytes, content_type };
    let document = Document { payload, url, hints: Hints::default() };
    let results = match extract(&document, &Budget::unattended(&Limits::default())) {
        Ok(Extraction::Article(extracted)) => vec![Ok(*extracted)],
        Ok(Extraction::Feed(entries)) => entries.into_iter().map(|entry| entry.result).collect(),
        Err(error) => vec![Err(error)],
    };
    let is_order = |error: &ExtractError| matches!(error, ExtractError::Withdrawn(_));
    let failed = results.iter().filter(|it| it.as_ref().is_err_and(|error| !is_order(error))).count();
    Output { shown: results.iter().map(|result| row_of(&name, result)).collect(), failed, ..Output::default() }
}

fn row_of(name: &str, result: &Result<Extracted, ExtractError>) -> String {
    let number = |version: Option<i64>| version.map(|version| version.to_string()).unwrap_or_default();
    match result {
        Ok(Extracted { draft, .. }) => {
            let Draft { headline, body, byline, external_id, publish_time, wire, .. } = draft;
            let status = if wire.embargo.is_some() { "embargoed" } else { "usable" };
            let id = external_id.as_ref().map(|_| "yes").unwrap_or_default().to_owned();
            let published = publish_time.map(|stated| stated.time.to_string()).unwrap_or_default();
            let cells = [words(headline), words(body), words(byline), id, number(wire.version), published];
            row(name, status, &cells)
        }
        Err(ExtractError::Withdrawn(order)) => {
            let status = if order.status == PubStatus::Canceled { "canceled" } else { "withheld" };
            let none = String::new;
            row(name, status, &[none(), none(), none(), "yes".to_owned(), number(order.version), none()])
        }
        Err(error) => row(name, error.to_string().split("; accepted are").next().unwrap_or_default(), &[]),
    }
}

fn words(text: &str) -> String {
    match text.split_whitespace().count() {
        0 => String::new(),
        count => count.to_string(),
    }
}

fn row(name: &str, result: &str, cells: &[String]) -> String {
    let mut row = format!("| {} | {} |", name.replace('|', "\\|"), result.replace('|', "\\|"));
    for at in 0..6 {
        row.push_str(&format!(" {} |", cells.get(at).map(String::as_str).unwrap_or_default()));
    }
    row
}
