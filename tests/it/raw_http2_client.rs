//! Hand-written HTTP/2 clients, to observe details that a channel hides, and to send requests that no library would.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use prost::Message;
use tokio::net::TcpStream;

/// One connection.
#[derive(Clone)]
pub struct Wire {
    requests: SendRequest<Bytes>,
    address: SocketAddr,
}

/// Outcome of a call.
#[derive(Debug)]
pub enum Ended {
    /// Not sent: the connection accepts no more calls.
    NotSent,
    /// Sent too late, and excluded by GOAWAY: any such call may be retried.
    NotTaken,
    /// Sent, and answered with this status.
    Status(i32),
    /// Sent, and failed with this error.
    Broken(String),
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let (requests, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
        tokio::spawn(connection);
        Self { requests, address }
    }

    /// Calls a method with further headers, `more`.
    pub async fn call(&self, path: &str, message: &impl Message, more: &[(&str, &str)]) -> Ended {
        self.send(path, enveloped(message), more).await
    }

    /// Calls a method with arbitrary bytes.
    pub async fn send(&self, path: &str, bytes: Bytes, more: &[(&str, &str)]) -> Ended {
        let Ok(mut requests) = self.requests.clone().ready().await else { return Ended::NotSent };
        let Ok((response, mut body)) = requests.send_request(self.request(path, more), false) else {
            return Ended::NotSent;
        };
        let answered = async {
            body.send_data(bytes, true)?;
            status(response).await
        };
        match answered.await {
            Ok(status) => Ended::Status(status),
            // Only calls newer than the last one in GOAWAY.
            Err(error) if error.is_remote() && error.is_go_away() => Ended::NotTaken,
            Err(error) => Ended::Broken(error.to_string()),
        }
    }

    /// Begins a call and sends `part` of its message, never all of it. Returns once the call has begun.
    pub async fn half(&self, path: &str, part: &[u8]) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (response, mut body) = requests.send_request(self.request(path, &[]), false).unwrap();
        body.send_data(Bytes::copy_from_slice(part), false).unwrap();
        (response, body)
    }

    fn request(&self, path: &str, more: &[(&str, &str)]) -> http::Request<()> {
        let mut request = http::Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }
}

/// Returns the status of a call, once its response is complete.
pub async fn status(response: h2::client::ResponseFuture) -> Result<i32, h2::Error> {
    let response = response.await?;
    let code =
        |headers: &http::HeaderMap| headers.get("grpc-status").map(|code| code.to_str().unwrap().parse().unwrap());
    if let Some(code) = code(response.headers()) {
        return Ok(code);
    }
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        body.flow_control().release_capacity(piece?.len())?;
    }
    Ok(body.trailers().await?.as_ref().and_then(code).expect("a call ends with a status"))
}

/// Returns a message with its gRPC prefix.
pub fn enveloped(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}
