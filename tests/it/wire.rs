//! Clients that speak HTTP/2 by hand: to see what a channel hides, and to say what no library would.

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

/// How a call ended.
#[derive(Debug)]
pub enum Ended {
    /// It was not sent: the connection takes no more.
    NotSent,
    /// It was sent too late, and GOAWAY says that it was not taken: it may be sent again, whatever it is.
    NotTaken,
    /// It was sent, and has this status.
    Status(i32),
    /// It was sent, and this became of it.
    Broken(String),
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let (requests, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
        tokio::spawn(connection);
        Self { requests, address }
    }

    /// Calls a method. `more` are headers.
    pub async fn call(&self, path: &str, message: &impl Message, more: &[(&str, &str)]) -> Ended {
        self.send(path, enveloped(message), more).await
    }

    /// Calls a method with bytes that need not be a message.
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
            // Only of calls that are newer than the last that the server names.
            Err(error) if error.is_remote() && error.is_go_away() => Ended::NotTaken,
            Err(error) => Ended::Broken(error.to_string()),
        }
    }

    /// Begins a call and sends `part` of its message; the rest never comes. Answers when it has begun.
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

/// The status of a call, once all of its answer has come.
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

/// A message as gRPC sends it.
pub fn enveloped(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut bytes).unwrap();
    bytes.freeze()
}
