//! A fixed number of calls, some concurrently, with their measurements.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tonic::Status;
use tonic::transport::Channel;

use crate::Result;
use crate::process::Process;

/// Measurements of calls.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Number of calls.
    pub calls: usize,
    /// Time from the first to the last call.
    pub elapsed: Duration,
    /// CPU time of the server, if measured.
    pub cpu: Duration,
    /// Latency of each call, sorted.
    pub latencies: Vec<Duration>,
}

impl Measured {
    /// Creates it from unsorted latencies.
    pub fn new(elapsed: Duration, cpu: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self { calls: latencies.len(), elapsed, cpu, latencies }
    }

    /// Returns the calls a second.
    pub fn rate(&self) -> f64 {
        self.calls as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the server's CPU time for each call, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.calls.max(1) as f64
    }

    /// Returns a quantile of the latency.
    pub fn quantile(&self, share: f64) -> Duration {
        let at = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(at.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Makes `calls` calls, `in_flight` concurrently on each channel. `call` gets the number of its call.
pub async fn run<F, A>(
    server: &Process,
    channels: &[Channel],
    in_flight: usize,
    calls: usize,
    call: F,
) -> Result<Measured>
where
    F: Fn(Channel, usize) -> A + Clone + Send + 'static,
    A: Future<Output = std::result::Result<(), Status>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let cpu = server.cpu()?;
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for channel in channels {
        for _ in 0..in_flight {
            let (channel, next, call) = (channel.clone(), Arc::clone(&next), call.clone());
            tasks.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return Ok::<_, Status>(latencies);
                    }
                    let sent = Instant::now();
                    call(channel.clone(), number).await?;
                    latencies.push(sent.elapsed());
                }
            });
        }
    }
    let mut latencies = Vec::with_capacity(calls);
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    Ok(Measured::new(began.elapsed(), server.cpu()? - cpu, latencies))
}
