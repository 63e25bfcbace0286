//! New articles that are copies of a withdrawn one: rejected, or held. A held article is stored as withdrawn.

use super::near_duplicates::CopyOf;
use super::plan::{Effect, Provenance};
use super::{LateCopies, Outcome, Write, WriteError, Written};
use crate::article::{ArticleId, ChangeKind, EditorFields, Lifecycle};

/// Decision to hold a new article.
pub(super) struct Hold {
    /// Withdrawn article that it is a copy of.
    copied: ArticleId,
    /// Reason of its first revision.
    reason: String,
}

impl Hold {
    /// Returns the decision about a write, by the article that its text is a copy of; none if there is nothing to hold.
    ///
    /// # Errors
    /// [`WriteError::WrongLifecycle`] if the write is rejected because of a withdrawn article: it does not ask to hold
    /// copies, it creates no article, or the withdrawal does not hold for copies.
    pub(super) fn decide(
        write: &Write,
        effect: &Effect<'_>,
        copy: Option<&CopyOf>,
    ) -> Result<Option<Self>, WriteError> {
        let copied = match copy {
            Some(CopyOf::Withdrawn(copied) | CopyOf::SameText(copied)) => copied.clone(),
            Some(CopyOf::Readable) | None => return Ok(None),
        };
        let holds = matches!(write, Write::Ingest(ingest) if ingest.late_copies == LateCopies::Hold);
        if !holds || !effect.creates() || matches!(copy, Some(CopyOf::SameText(_))) {
            return Err(WriteError::WrongLifecycle { id: copied, lifecycle: Lifecycle::Withdrawn });
        }
        let reason = format!("copy of {}, which is withdrawn with its copies", copied.name());
        Ok(Some(Self { copied, reason }))
    }

    /// Makes the new article a withdrawn one. Its withdrawal holds for copies, too: among hundreds of held ones, the
    /// next copy would not find the first.
    pub(super) fn apply<'a>(&'a self, effect: &mut Effect<'a>, provenance: &mut Provenance) {
        let (kind, lifecycle, reason) = match effect {
            Effect::Create(new) => (&mut new.kind, &mut new.lifecycle, &mut new.reason),
            Effect::Revise(revision) => (&mut revision.kind, &mut revision.lifecycle, &mut revision.reason),
            Effect::Nothing | Effect::Stale(_) => return,
        };
        (*kind, *lifecycle, *reason) = (ChangeKind::Withdrawn, Lifecycle::Withdrawn, &self.reason);
        provenance.editor_fields = provenance.editor_fields.with(EditorFields::COPIES);
    }

    /// Returns the result of the write that has stored the article.
    pub(super) fn result(self, written: Written) -> Written {
        Written { outcome: Outcome::Held, copy_of: Some(self.copied), ..written }
    }
}
