//! Savings in Redis from compressing entries, and their cost: `cargo bench --bench service -- --entries`.
//!
//! An entry is filled and read over a real connection, plain and compressed, in one process with one caller, so that
//! the CPU time of both sides is the entry's.

use std::io::{Read, Write};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use nix::time::{ClockId, clock_gettime};
use redis::Connection;

use crate::Result;
use crate::articles::{Random, paragraph};
use crate::support::redis_server::RedisServer;

/// Size of a body in bytes, and number of fills and reads in a round.
const SIZES: [(usize, u32); 3] = [(3_000, 2_000), (30_000, 500), (300_000, 100)];
const ROUNDS: usize = 3;

/// Encoding of an entry.
#[derive(Clone, Copy)]
enum Way {
    Plain,
    Zstd(i32),
    Gzip(u32),
}

impl Way {
    fn pack(self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => bytes.to_vec(),
            Self::Zstd(level) => zstd::bulk::compress(bytes, level)?,
            Self::Gzip(level) => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
                encoder.write_all(bytes)?;
                encoder.finish()?
            }
        })
    }

    fn unpack(self, bytes: Vec<u8>, length: usize) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => bytes,
            Self::Zstd(_) => zstd::bulk::decompress(&bytes, length)?,
            Self::Gzip(_) => {
                let mut out = Vec::with_capacity(length);
                GzDecoder::new(&bytes[..]).read_to_end(&mut out)?;
                out
            }
        })
    }
}

/// Measures all sizes and prints the table.
pub async fn all() -> Result<()> {
    let server = RedisServer::start();
    let mut redis = server.connect().ok_or("Redis does not answer")?;
    let ways = [
        ("plain", Way::Plain),
        ("zstd 1", Way::Zstd(1)),
        ("zstd 3", Way::Zstd(3)),
        ("gzip 1", Way::Gzip(1)),
        ("gzip 6", Way::Gzip(6)),
    ];
    println!(
        "{:<9} {:<8} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "body", "", "in Redis", "fill µs", "of Redis", "hit µs", "of Redis"
    );
    for (size, times) in SIZES {
        let mut random = Random::new(5);
        let body = (0..6).map(|_| paragraph(&mut random, size / 6)).collect::<Vec<_>>().join("\n\n").into_bytes();
        let mut figures = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((_, way), figures) in ways.iter().zip(&mut figures) {
                figures.push(round(&mut redis, *way, &body, times)?);
            }
        }
        for ((name, _), figures) in ways.iter().zip(figures) {
            let least = |of: usize| figures.iter().map(|round| round[of]).fold(f64::INFINITY, f64::min);
            let [bytes, fill, fill_redis, hit, hit_redis] = [0, 1, 2, 3, 4].map(least);
            println!("{size:<9} {name:<8} {bytes:>9.0} {fill:>9.1} {fill_redis:>9.1} {hit:>9.1} {hit_redis:>9.1}");
        }
    }
    Ok(())
}

/// Returns the bytes of the entry in Redis, then the CPU time of a fill and of a hit for this process and for Redis,
/// in microseconds.
fn round(redis: &mut Connection, way: Way, body: &[u8], times: u32) -> Result<[f64; 5]> {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(times);
    let began = (used()?, used_by(redis)?);
    for _ in 0..times {
        redis::cmd("SET").arg("entry").arg(way.pack(body)?).exec(redis)?;
    }
    let filled = (used()?, used_by(redis)?);
    for _ in 0..times {
        let packed: Vec<u8> = redis::cmd("GET").arg("entry").query(redis)?;
        if way.unpack(packed, body.len())? != body {
            return Err("entry read differs from entry filled".into());
        }
    }
    let read = (used()?, used_by(redis)?);
    let bytes: f64 = redis::cmd("MEMORY").arg("USAGE").arg("entry").query(redis)?;
    Ok([bytes, each(filled.0 - began.0), each(filled.1 - began.1), each(read.0 - filled.0), each(read.1 - filled.1)])
}

/// Returns the CPU time of this process.
fn used() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// Returns the CPU time of Redis.
fn used_by(redis: &mut Connection) -> Result<Duration> {
    let info: String = redis::cmd("INFO").arg("cpu").query(redis)?;
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|seconds| seconds.trim().parse::<f64>().ok()).ok_or("Redis does not tell its time")
    };
    Ok(Duration::from_secs_f64(field("used_cpu_user")? + field("used_cpu_sys")?))
}
