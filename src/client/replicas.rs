//! Replicas, called by turns: a connection to each, and what each says of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::policy;

/// How long to wait before a replica is asked again whether it serves: short, for it is one call, and who has come back is missed.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// Replicas of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Replicas {
    all: Arc<[Replica]>,
    next: Arc<AtomicUsize>,
    /// Those who listen to each one's health. They end with the last clone.
    _listeners: Arc<JoinSet<()>>,
}

#[derive(Clone, Debug)]
struct Replica {
    channel: Channel,
    serves: Arc<AtomicBool>,
}

impl Replicas {
    /// Connects to each, of which there is at least one, in the background. Runs within a tokio runtime.
    pub(super) fn new(endpoints: Vec<Endpoint>) -> Self {
        let replica = |endpoint: Endpoint| Replica { channel: endpoint.connect_lazy(), serves: Arc::default() };
        let all: Arc<[Replica]> = endpoints.into_iter().map(replica).collect();
        let mut listeners = JoinSet::new();
        for replica in all.iter() {
            listeners.spawn(listen(replica.clone()));
        }
        Self { all, next: Arc::default(), _listeners: Arc::new(listeners) }
    }

    /// Whose turn it is, of those that say that they serve. If none does, any: it may be the word that is lost, or not here yet,
    /// and a call that fails tells more than one that was not made.
    pub(super) fn next(&self) -> Channel {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut by_turns = (0..self.all.len()).map(|ahead| &self.all[first.wrapping_add(ahead) % self.all.len()]);
        let serving = by_turns.find(|replica| replica.serves.load(Ordering::Relaxed));
        serving.unwrap_or(&self.all[first % self.all.len()]).channel.clone()
    }
}

/// Keeps what is known of a replica true. By gRFC A17: one that knows nothing of health is taken to serve.
async fn listen(replica: Replica) {
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
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
