//! `health`.

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::connection::Connection;
use super::failure::{Failure, print};

#[derive(Args)]
pub(super) struct HealthArgs {
    /// Of one service: copydesk.v1.RetrievalService; of the whole when absent
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.health;
    let answer = client.check(HealthCheckRequest { service: args.service }).await?.into_inner();
    match answer.status() {
        ServingStatus::Serving => print("SERVING"),
        status => Err(Failure::failed(status.as_str_name())),
    }
}
