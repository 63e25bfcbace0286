//! A client that controls the encoding of the credential on the wire. HTTP/2 lets both ends keep a header in a table,
//! so that one byte represents it in later calls, and allows Huffman code (RFC 7541). Clients differ in their encoding
//! of `authorization`, and tonic's is not configurable.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use copydesk::proto::GetArticleRequest;
use prost::Message;

use crate::Result;
use crate::args::Args;
use crate::hpack::{Credential, block};
use crate::load::Measured;
use crate::process::Process;

const PATH: &str = "/copydesk.v1.RetrievalService/GetArticle";

// Constants of RFC 9113.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const LARGEST_WINDOW: u32 = (1 << 31) - 1;
const FIRST_WINDOW: u32 = 65_535;

/// Measures a round of one get, on its own connections.
pub fn get(server: &Process, args: &Args, name: &str, credential: Credential<'_>) -> Result<Measured> {
    let message = GetArticleRequest { name: name.to_owned(), ..Default::default() }.encode_to_vec();
    let (cpu, began) = (server.cpu()?, Instant::now());
    let each = args.calls / args.connections;
    let mut latencies = Vec::with_capacity(args.calls);
    std::thread::scope(|scope| {
        let make = || calls(server.address(), &message, credential, args.in_flight, each);
        let threads: Vec<_> = (0..args.connections).map(|_| scope.spawn(make)).collect();
        for thread in threads {
            latencies.extend(thread.join().map_err(|_panic| "a thread panicked")??);
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    Ok(Measured::new(began.elapsed(), server.cpu()? - cpu, latencies))
}

/// Makes the calls of one connection, some concurrently, and returns their latencies. A response without a message is
/// an error.
fn calls(
    address: &str,
    message: &[u8],
    credential: Credential<'_>,
    in_flight: usize,
    calls: usize,
) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut out = PREFACE.to_vec();
    frame(&mut out, SETTINGS, 0, 0, &[&[0, 4][..], &LARGEST_WINDOW.to_be_bytes()].concat());
    widen(&mut out, LARGEST_WINDOW - FIRST_WINDOW);
    let (first, others) = (block(address, PATH, credential, true), block(address, PATH, credential, false));
    let body = [&[0][..], &u32::try_from(message.len())?.to_be_bytes(), message].concat();

    let mut inbound = Inbound::default();
    let mut waiting: HashMap<u32, (Instant, bool)> = HashMap::new();
    let mut latencies = Vec::with_capacity(calls);
    let mut sent = 0;
    while latencies.len() < calls {
        while sent < calls && waiting.len() < in_flight {
            let number = u32::try_from(2 * sent + 1)?;
            frame(&mut out, HEADERS, END_HEADERS, number, if sent == 0 { &first } else { &others });
            frame(&mut out, DATA, END_STREAM, number, &body);
            waiting.insert(number, (Instant::now(), false));
            sent += 1;
        }
        stream.write_all(&out)?;
        out.clear();
        inbound.receive(&mut stream, &mut out, |kind, flags, number| {
            let Some((began, answered)) = waiting.get_mut(&number) else { return Err("an answer to no call".into()) };
            *answered |= kind == DATA;
            if kind == HEADERS && flags & END_STREAM != 0 {
                if !*answered {
                    return Err("a call failed".into());
                }
                latencies.push(began.elapsed());
                waiting.remove(&number);
            }
            Ok(())
        })?;
    }
    Ok(latencies)
}

/// Received data.
#[derive(Default)]
struct Inbound {
    buffer: Vec<u8>,
    /// Message bytes received since the last window update.
    received: u32,
}

impl Inbound {
    /// Reads available data, and answers frames about the connection itself.
    fn receive(
        &mut self,
        stream: &mut TcpStream,
        out: &mut Vec<u8>,
        mut of_call: impl FnMut(u8, u8, u32) -> Result<()>,
    ) -> Result<()> {
        let mut chunk = [0; 64 << 10];
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err("the server hung up".into());
        }
        self.buffer.extend_from_slice(&chunk[..read]);
        let mut rest = self.buffer.as_slice();
        while let Some((&[l1, l2, l3, kind, flags, s1, s2, s3, s4], after)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes([0, l1, l2, l3]);
            let Some((payload, after)) = after.split_at_checked(length as usize) else { break };
            rest = after;
            match kind {
                DATA | HEADERS => {
                    if kind == DATA {
                        self.received += length;
                    }
                    of_call(kind, flags, u32::from_be_bytes([s1, s2, s3, s4]))?;
                }
                SETTINGS | PING if flags & ACK == 0 => {
                    frame(out, kind, ACK, 0, if kind == PING { payload } else { &[] });
                }
                SETTINGS | PING | WINDOW_UPDATE | CONTINUATION => {}
                other => return Err(format!("a frame of type {other}").into()),
            }
        }
        let taken = self.buffer.len() - rest.len();
        self.buffer.drain(..taken);
        if self.received > LARGEST_WINDOW / 2 {
            widen(out, std::mem::take(&mut self.received));
        }
        Ok(())
    }
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    // The length has three bytes, and no frame here is longer.
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn widen(out: &mut Vec<u8>, by: u32) {
    frame(out, WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
}
