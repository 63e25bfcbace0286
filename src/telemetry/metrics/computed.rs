//! Gauge computed at each scrape, for values that change without an event: ages, lengths of queues, sizes.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::{EncodeGaugeValue, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

type Source<N> = Box<dyn Fn() -> N + Send + Sync>;

/// Gauge that reads its value from its source; 0 without one. Cheap to clone.
pub struct ComputedGauge<N = u64>(Arc<OnceLock<Source<N>>>);

impl<N: Default> ComputedGauge<N> {
    /// Sets the source, once. It is called at each scrape, so it must be quick.
    pub fn read_from(&self, source: impl Fn() -> N + Send + Sync + 'static) {
        // Fails if there is a source already, which stays.
        let _ = self.0.set(Box::new(source));
    }

    /// Sets a source that reads the value from its owner without keeping it alive: the owner may own this gauge.
    pub fn read_from_weak<T>(&self, owner: &Arc<T>, value: impl Fn(&T) -> N + Send + Sync + 'static)
    where
        T: ?Sized + Send + Sync + 'static,
    {
        let owner = Arc::downgrade(owner);
        self.read_from(move || owner.upgrade().map_or_else(N::default, |owner| value(&owner)));
    }

    /// Returns the current value.
    pub fn get(&self) -> N {
        self.0.get().map_or_else(N::default, |source| source())
    }
}

impl<N> Clone for ComputedGauge<N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<N> Default for ComputedGauge<N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<N: Default + fmt::Debug> fmt::Debug for ComputedGauge<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ComputedGauge").field(&self.get()).finish()
    }
}

impl<N: Default + EncodeGaugeValue> EncodeMetric for ComputedGauge<N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_gauge(&self.get())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_gauge_is_computed_while_its_owner_lives() {
        let (queue, age) = (ComputedGauge::default(), ComputedGauge::<f64>::default());
        let mut registry = Registry::default();
        registry.register("queue", "Queued", queue.clone());
        registry.register("age", "Age", age.clone());
        let rendered = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text.lines().filter(|line| !line.starts_with("# HELP")).collect::<Vec<_>>().join("|")
        };
        assert_eq!(rendered(), "# TYPE queue gauge|queue 0|# TYPE age gauge|age 0.0|# EOF");
        let owner = Arc::new(vec![1, 2]);
        queue.read_from_weak(&owner, |owner| owner.len() as u64);
        age.read_from(|| 0.5);
        assert_eq!(rendered(), "# TYPE queue gauge|queue 2|# TYPE age gauge|age 0.5|# EOF");
        queue.read_from(|| 7);
        assert_eq!(queue.get(), 2, "the first source stays");
        drop(owner);
        assert_eq!(queue.get(), 0);
    }
}
