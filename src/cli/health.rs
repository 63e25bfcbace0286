//! `health`.

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

use super::connection::Connection;
use super::failure::{Failure, print};

#[derive(Args)]
pub(super) struct HealthArgs {
    /// Service to check, such as copydesk.v1.RetrievalService; default: the whole server
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: HealthArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.health;
    let response = client.check(HealthCheckRequest { service: args.service }).await?.into_inner();
    match response.status() {
        ServingStatus::Serving => print("SERVING"),
        status => Err(Failure::failed(status.as_str_name())),
    }
}
