//! Search for the copies of a text by its sketch: request and answer, the same for both engines.

use super::Consistency;
use crate::article::{ArticleId, BodySketch, CopyKind};

/// Request for the copies of a text.
#[derive(Clone, Debug)]
pub struct CopiesQuery {
    /// Sketch of the text.
    pub sketch: BodySketch,
    /// End of the previous page; 0 for the first.
    pub after: u64,
    /// Maximum number of articles to examine, at least 1.
    pub limit: usize,
    /// Required freshness.
    pub consistency: Consistency,
}

/// Page of the copies of a text, in the order of their creation.
#[derive(Clone, Debug, Default)]
pub struct CopiesPage {
    /// Articles in any state.
    pub copies: Vec<FoundCopy>,
    /// End of this page; none if it is the last.
    pub next: Option<u64>,
}

/// Copy of a text.
#[derive(Clone, Debug)]
pub struct FoundCopy {
    /// Article.
    pub id: ArticleId,
    /// Kind.
    pub kind: CopyKind,
    /// Share of the shorter text that the longer one has, from 0 to 1; estimated.
    pub similarity: f32,
    /// True if the article is a copy by all measures: not just a long text that has a short one in it.
    pub is_whole: bool,
}

impl CopiesQuery {
    /// Returns a page, given the examined articles: row key, ID and stored sketch, by row key.
    pub(super) fn page<E>(
        &self,
        rows: impl ExactSizeIterator<Item = Result<(u64, ArticleId, Option<BodySketch>), E>>,
    ) -> Result<CopiesPage, E> {
        let is_last = rows.len() < self.limit;
        let mut page = CopiesPage::default();
        let mut last = self.after;
        for row in rows {
            let (key, id, sketch) = row?;
            last = key;
            let Some(sketch) = sketch else { continue };
            if let Some(kind) = self.sketch.copy_kind(&sketch) {
                let resemblance = self.sketch.compare(&sketch);
                let similarity = resemblance.contained as f32;
                page.copies.push(FoundCopy { id, kind, similarity, is_whole: resemblance.is_copy() });
            }
        }
        page.next = (!is_last).then_some(last);
        Ok(page)
    }
}
