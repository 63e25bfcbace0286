//! Metrics of stories.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

use super::ComputedGauge;

/// Counters and gauges of stories. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StoryMetrics {
    /// Time since which there are changes that are not grouped, in seconds.
    pub lag: ComputedGauge<f64>,
    /// Recent stories in memory.
    pub stories: ComputedGauge,
    /// Their articles.
    pub articles: ComputedGauge,
    grouped: Counter,
    grouping_time: Counter<f64, AtomicU64>,
}

impl StoryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Time since which there are changes that are not grouped into stories yet";
        registry.register_with_unit("story_lag", help, Unit::Seconds, self.lag.clone());
        registry.register("stories", "Recent stories", self.stories.clone());
        registry.register("story_articles", "Readable articles of the recent stories", self.articles.clone());
        let help = "Changed articles that this server has grouped into stories";
        registry.register("stories_grouped_articles", help, self.grouped.clone());
        let help = "Total duration of grouping articles into stories";
        registry.register_with_unit("stories_grouping_time", help, Unit::Seconds, self.grouping_time.clone());
    }

    /// Counts a step of grouping: its changed articles and its duration.
    pub fn grouped(&self, articles: usize, duration: Duration) {
        self.grouped.inc_by(articles as u64);
        self.grouping_time.inc_by(duration.as_secs_f64());
    }
}
