//! Round-robin load balancing over replicas, with client-side health checking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::policy;

/// Delay before a failed health watch is repeated: short, since it is one call and a recovered replica should be used
/// soon.
const RETRY: Duration = Duration::from_millis(250);

/// Replicas of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Replicas {
    all: Arc<[Replica]>,
    next: Arc<AtomicUsize>,
    /// Health watches, one per replica. They end with the last clone.
    _watches: Arc<JoinSet<()>>,
}

#[derive(Clone, Debug)]
struct Replica {
    channel: Channel,
    serves: Arc<AtomicBool>,
}

impl Replicas {
    /// Connects to at least one endpoint in the background. Requires a tokio runtime.
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        let replica = |endpoint: Endpoint| Replica { channel: endpoint.connect_lazy(), serves: Arc::default() };
        let all: Arc<[Replica]> = endpoints.into_iter().map(replica).collect();
        let mut watches = JoinSet::new();
        for replica in all.iter() {
            watches.spawn(watch_health(replica.clone()));
        }
        Self { all, next: Arc::default(), _watches: Arc::new(watches) }
    }

    /// Returns the next replica that reports SERVING. If none does, returns any: its status may be lost or not received
    /// yet, and a failed call is more informative than none.
    pub(crate) fn next(&self) -> Channel {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut candidates = (0..self.all.len()).map(|ahead| &self.all[first.wrapping_add(ahead) % self.all.len()]);
        let serving = candidates.find(|replica| replica.serves.load(Ordering::Relaxed));
        serving.unwrap_or(&self.all[first % self.all.len()]).channel.clone()
    }
}

/// Updates the health status of a replica. A replica without a health service counts as serving (gRFC A17).
async fn watch_health(replica: Replica) {
    let service = policy::health_service();
    let mut health = HealthClient::new(replica.channel);
    loop {
        match health.watch(HealthCheckRequest { service: service.to_owned() }).await {
            Ok(answer) => {
                let mut statuses = answer.into_inner();
                while let Ok(Some(answer)) = statuses.message().await {
                    replica.serves.store(answer.status() == ServingStatus::Serving, Ordering::Relaxed);
                }
            }
            Err(status) if status.code() == Code::Unimplemented => {
                return replica.serves.store(true, Ordering::Relaxed);
            }
            Err(_unreachable) => {}
        }
        replica.serves.store(false, Ordering::Relaxed);
        tokio::time::sleep(RETRY).await;
    }
}
