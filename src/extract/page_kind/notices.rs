//! Notices within a page: consent to cookies, offers of a subscription. Some are longer than the story, so they are
//! removed before the main text is searched for.

use std::collections::HashSet;

use dom_query::Document;

use super::phrases::{Hit, Topic};
use super::signals::{Element, Signals};
use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::report::{CutReason, Report};

/// Maximum size of a notice, in bytes.
const MAX_BYTES: usize = 6_000;
/// Minimum size of a block that can be a part of the story, in bytes.
const STORY_BYTES: usize = 80;
/// Parts of the names of elements with such notices.
const CONSENT: [&str; 6] = ["consent", "cookie", "privacy", "gdpr", "cmp", "notice"];
const PAYWALL: [&str; 10] =
    ["paywall", "subscri", "offer", "regwall", "meter", "premium", "piano", "upsell", "barrier", "abo-"];

const APPEAL: [&str; 13] = [
    "donat",
    "support",
    "contribut",
    "appeal",
    "fundrais",
    "member",
    "newsletter",
    "signup",
    "sign-up",
    "subscri",
    "inbox",
    "mailing",
    "optin",
];

/// Removes the notices from a page. Returns true if one was an offer of a subscription.
pub(super) fn cut(
    document: &Document,
    signals: &Signals,
    hits: &[Hit],
    report: &mut Report,
    budget: &Budget<'_>,
) -> Result<bool, ExtractError> {
    let mut has_offer = false;
    if !hits.iter().any(|hit| matches!(hit.topic, Topic::Consent | Topic::Paywall | Topic::Appeal)) {
        return Ok(false);
    }
    let stories = Stories::of(signals, hits);
    let mut end = 0;
    for element in &signals.elements {
        budget.step()?;
        let is_inside = element.text.start < end;
        if is_inside || element.text.is_empty() || element.text.len() > MAX_BYTES {
            continue;
        }
        let first = hits.partition_point(|hit| hit.at < element.text.start);
        let within = &hits[first..];
        let within = &within[..within.partition_point(|hit| hit.at < element.text.end)];
        budget.spend(within.len() as u64)?;
        let story = stories.bytes_within(element);
        let is_consent = is_notice(element, within, Topic::Consent, &CONSENT, story);
        let is_offer = is_notice(element, within, Topic::Paywall, &PAYWALL, story) && !element.has_h1;
        let is_appeal = is_appeal(element, within, story) && !element.has_h1;
        if (is_consent || is_offer || is_appeal)
            && let Some(node) = document.tree.get(&element.id)
        {
            let text = node.text();
            budget.read(text.len())?;
            let (reason, rule) = match (is_offer, is_consent) {
                (true, _) => (CutReason::SignUp, "subscription-offer"),
                (_, true) => (CutReason::Furniture, "consent-notice"),
                _ => (CutReason::SignUp, "appeal"),
            };
            report.cut(&clean_line(&text), reason, rule, 0.9);
            node.remove_from_parent();
            end = element.text.end;
            has_offer |= is_offer;
        }
    }
    Ok(has_offer)
}

/// Returns true if an element is a notice: two phrases and little else, or one phrase in an element with such a name.
fn is_notice(element: &Element, hits: &[Hit], topic: Topic, names: &[&str], story: usize) -> bool {
    let phrases: HashSet<usize> = hits.iter().filter(|hit| hit.topic == topic).map(|hit| hit.phrase).collect();
    let bytes = element.text.len();
    match phrases.len() {
        0 => false,
        1 => names.iter().any(|name| element.class.contains(name)) && story * 4 <= bytes * 3,
        _ => story * 2 <= bytes,
    }
}

/// Returns true for an appeal to donate or to sign up: a phrase, little else, and such a name. A story may be about
/// one.
fn is_appeal(element: &Element, hits: &[Hit], story: usize) -> bool {
    let bytes = element.text.len();
    hits.iter().any(|hit| hit.topic == Topic::Appeal)
        && APPEAL.iter().any(|name| element.class.contains(name))
        && story * 2 <= bytes
}

/// Blocks of running text without a phrase of a notice.
struct Stories {
    /// Ends of the blocks, and the bytes of all blocks up to there.
    sums: Vec<(usize, usize)>,
}

impl Stories {
    fn of(signals: &Signals, hits: &[Hit]) -> Self {
        let mut sums = Vec::with_capacity(signals.blocks.len());
        let mut sum = 0;
        for block in &signals.blocks {
            let next = hits.partition_point(|hit| hit.at < block.start);
            let has_hit = hits.get(next).is_some_and(|hit| hit.at < block.end);
            if !has_hit && block.len() >= STORY_BYTES {
                sum += block.len();
            }
            sums.push((block.end, sum));
        }
        Self { sums }
    }

    /// Returns the size of the blocks within an element.
    fn bytes_within(&self, element: &Element) -> usize {
        let until = |end: usize| match self.sums.partition_point(|(at, _)| *at <= end) {
            0 => 0,
            count => self.sums[count - 1].1,
        };
        until(element.text.end) - until(element.text.start)
    }
}
