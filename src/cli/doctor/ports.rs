//! The ports: free, or a server's of ours already.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::Finding;
use crate::server::ServerOptions;

const PART: &str = "port";

pub(super) async fn look(options: &ServerOptions, running: bool, findings: &mut Vec<Finding>) {
    findings.push(port("listen", options.listen, running).await);
    if let Some(address) = options.http_listen {
        findings.push(port("http-listen", address, running).await);
    }
}

async fn port(setting: &str, address: SocketAddr, running: bool) -> Finding {
    match TcpListener::bind(address).await {
        Ok(_released) => Finding::ok(PART, format!("{setting} = {address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && running => {
            Finding::ok(PART, format!("{setting} = {address} is in use; a server of ours answers at http-listen"))
        }
        Err(error) => {
            let advice =
                "stop what has it, or choose another; it may be a server of ours that is silent at http-listen";
            Finding::problem(PART, format!("{setting} = {address}: {error}"), advice)
        }
    }
}
