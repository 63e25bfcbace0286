//! `serve` and `migrate`.

use std::io::IsTerminal;

use tokio::signal::unix::{SignalKind, signal};

use super::failure::{Failure, print};
use crate::config::{SettingFlags, StoreFlags};
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
        if let Some(warning) = settings.warning() {
            tracing::warn!("{warning}");
        }
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let authenticated = options.access.is_some();
        let store = options.store.location();
        let server = Server::bind(options).await.map_err(Failure::failed)?;
        let address = server.address()?;
        let http = server.http_address().map(|http| http.to_string()).unwrap_or_default();
        // Lets the parent process read the port.
        print(&format!("listening on {address}"))?;
        if std::io::stdout().is_terminal() {
            print(&banner(scheme, &address.to_string(), &http, &store, authenticated))?;
        } else {
            tracing::info!(%address, http, store, authenticated, version = env!("CARGO_PKG_VERSION"), "listening");
        }
        server.run(stop).await.map_err(Failure::failed)
    })
}

/// Returns the lines that a person sees at the start.
fn banner(scheme: &str, address: &str, http: &str, store: &str, authenticated: bool) -> String {
    let calls = match (authenticated, scheme) {
        (true, "https") => "authenticated, over TLS",
        (true, _) => "authenticated, unencrypted",
        (false, "https") => "not authenticated, over TLS",
        (false, _) => "not authenticated, unencrypted",
    };
    let metrics = if http.is_empty() { String::new() } else { format!("\n  metrics  http://{http}/metrics") };
    format!(
        "  version  {}\n  calls    {scheme}://{address} ({calls}){metrics}\n  store    {store}\n  try      copydesk \
         list --addr {scheme}://{address}\n  stop     Ctrl-C",
        env!("CARGO_PKG_VERSION")
    )
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

pub(super) fn migrate(flags: &StoreFlags) -> Result<(), Failure> {
    let options = flags.0.load()?.server_options()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address = runtime.block_on(options.store.migrate()).map_err(Failure::failed)?;
    print(&format!("{address}: schema is up to date"))
}
