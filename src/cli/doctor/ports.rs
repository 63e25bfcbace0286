//! Ports: free, or in use by a running copydesk server.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::Finding;
use crate::server::ServerOptions;

const PART: &str = "port";

pub(super) async fn check(options: &ServerOptions, running: bool, findings: &mut Vec<Finding>) {
    findings.push(port("listen", options.listen, running).await);
    if let Some(address) = options.http_listen {
        findings.push(port("http-listen", address, running).await);
    }
}

async fn port(setting: &str, address: SocketAddr, running: bool) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_released) => Finding::ok(PART, format!("{setting} = {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && running => {
            Finding::ok(PART, format!("{setting} = {address} is in use; a copydesk server answers at http-listen"))
        }
        Err(error) => {
            let advice =
                "stop the process that uses it (a copydesk server with another http-listen?), or choose another port";
            Finding::problem(PART, format!("{setting} = {address}: {error}"), advice)
        }
    }
}
