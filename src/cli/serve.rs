//! `serve` and `migrate`.

use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, print};
use crate::config::SettingFlags;
use crate::server::Server;
use crate::telemetry;

pub(super) fn serve(flags: &SettingFlags) -> Result<(), Failure> {
    let settings = flags.load()?;
    telemetry::init(settings.log_format()?, settings.text("log-level"))
        .map_err(|error| Failure::Usage(format!("log-level: {error}")))?;
    let options = settings.server_options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let server = Server::bind(options).await.map_err(Failure::failed)?;
        let address = server.address()?;
        let http = server.http_address().map(|http| http.to_string()).unwrap_or_default();
        tracing::info!(%address, http, version = env!("CARGO_PKG_VERSION"), "listening");
        // Lets the parent process read the port.
        print(&format!("listening on {address}"))?;
        server.run(stop).await.map_err(Failure::failed)
    })
}

/// Returns a future that completes at the first SIGTERM or SIGINT. The second signal exits at once.
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (sender, stop) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        drop(sender);
        next().await;
        tracing::warn!("exited at the second stop signal without waiting for work in flight");
        std::process::exit(1);
    });
    // Dropping the sender is the signal.
    Ok(async move { drop(stop.await) })
}

pub(super) fn migrate(flags: &SettingFlags) -> Result<(), Failure> {
    let options = flags.load()?.server_options()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address = runtime.block_on(options.store.migrate()).map_err(Failure::failed)?;
    print(&format!("{address}: schema is up to date"))
}
