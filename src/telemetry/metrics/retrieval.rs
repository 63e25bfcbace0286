//! Metrics of reads.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LayerLabel {
    layer: &'static str,
}

const LAYERS: [&str; 3] = ["local", "redis", "store"];

/// Counters of articles read.
#[derive(Debug)]
pub struct RetrievalMetrics {
    answers: Family<LayerLabel, Counter>,
    /// Counters of `answers`, found without its lock.
    by_layer: [(&'static str, Counter); LAYERS.len()],
}

impl Default for RetrievalMetrics {
    fn default() -> Self {
        let answers = Family::<LayerLabel, Counter>::default();
        let by_layer = LAYERS.map(|layer| (layer, answers.get_or_create(&LayerLabel { layer }).clone()));
        Self { answers, by_layer }
    }
}

impl RetrievalMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Articles read by name or key, by the layer that answered";
        registry.register("cache_answers", help, self.answers.clone());
    }

    /// Counts articles answered by a layer.
    pub fn served(&self, layer: &str, articles: u64) {
        if let Some((_, counter)) = self.by_layer.iter().find(|(name, _)| *name == layer) {
            counter.inc_by(articles);
        }
    }
}
