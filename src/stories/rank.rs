//! Score of top stories. docs/stories.md has the formula.

use super::summary::Summary;

/// Age of the latest independent report at which the score is half, in hours.
pub const HALF_LIFE_HOURS: f64 = 6.0;
/// Time in which reports count as growth, in hours.
pub const GROWTH_HOURS: f64 = 3.0;
/// Influence of growth: a story all of whose reports are new counts 1 + this as much.
pub const GROWTH_WEIGHT: f64 = 0.5;
/// Influence of a step of urgency, from 1 (most urgent) to 5 (normal).
pub const URGENCY_WEIGHT: f64 = 0.15;
/// Influence of reads: a story that is read as much as the most read article counts 1 + this as much.
pub const READ_WEIGHT: f64 = 0.5;
/// Urgency that changes nothing, also that of stories without one.
const NORMAL_URGENCY: f64 = 5.0;

const HOUR: f64 = 3_600e6;

/// Returns the score of a story at a time in microseconds since 1970: not negative, and higher for a story that more
/// independent sources report, lately, and that is read more.
pub fn score(story: &Summary, now: i64) -> f32 {
    let age = |time: i64| (now.saturating_sub(time)).max(0) as f64 / HOUR;
    let latest = story.report_times.last().copied().unwrap_or(story.latest_time);
    let reports = story.report_times.len().max(1) as f64;
    let recent = story.report_times.iter().filter(|time| age(**time) <= GROWTH_HOURS).count() as f64;
    let urgency = match story.urgency {
        0 => NORMAL_URGENCY,
        urgency => f64::from(urgency).min(NORMAL_URGENCY),
    };
    let score = (1.0 + story.source_count as f64).ln()
        * (-age(latest) / HALF_LIFE_HOURS).exp2()
        * (1.0 + GROWTH_WEIGHT * recent / reports)
        * (1.0 + URGENCY_WEIGHT * (NORMAL_URGENCY - urgency))
        * (1.0 + READ_WEIGHT * story.read_share.sqrt());
    score as f32
}
