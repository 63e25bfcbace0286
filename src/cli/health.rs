//! `health`.

use std::time::{Duration, Instant};

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::keys::period;

/// Delay between two attempts.
const RETRY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(super) struct HealthArgs {
    /// Service to check, such as copydesk.v1.RetrievalService; default: the whole server
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    /// Time to wait for the server to start and to serve: 30s or 5m; default: one attempt
    #[arg(long, value_name = "TIME", value_parser = period)]
    wait: Option<Duration>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), Failure> {
    let until = Instant::now() + args.wait.unwrap_or_default();
    loop {
        match check(&args).await {
            Err(Failure::Failed(_)) if Instant::now() < until => tokio::time::sleep(RETRY).await,
            checked => return checked,
        }
    }
}

async fn check(args: &HealthArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.health;
    let response = client.check(HealthCheckRequest { service: args.service.clone() }).await?.into_inner();
    match response.status() {
        ServingStatus::Serving => print("SERVING"),
        status => Err(Failure::failed(status.as_str_name())),
    }
}
