//! The stream protocols that every peer of the matrix serves, and their callers.

use std::io;
use std::time::{Duration, Instant};

use futures::io::{copy, sink, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::swarm::{Stream, StreamProtocol};
use rand::Rng;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::node::{text, Command, Node, Reply};

pub const ECHO: StreamProtocol = StreamProtocol::new("/echo/1.0.0");
pub const PERF: StreamProtocol = StreamProtocol::new("/perf/1.0.0");
pub const REQRES: StreamProtocol = StreamProtocol::new("/interop/reqres/1.0.0");
pub const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
/// Ping is served by the behaviour of the library.
pub const PROTOCOLS: [StreamProtocol; 3] = [ECHO, PERF, REQRES];

const BLOCK: usize = 64 * 1024;
const BODY_MAX: u64 = 64 << 20;

/// Serves one stream that the other side opened; an error resets it.
pub async fn inbound(stream: Stream, name: StreamProtocol) {
    let _ = match name.as_ref() {
        "/echo/1.0.0" => serve_echo(stream).await,
        "/perf/1.0.0" => serve_perf(stream).await,
        _ => serve_reqres(stream).await,
    };
}

async fn serve_echo(stream: Stream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let reader = futures::io::BufReader::with_capacity(BLOCK, reader);
    futures::io::copy_buf(reader, &mut writer).await?;
    writer.close().await
}

async fn send_zeros(to: &mut (impl AsyncWrite + Unpin), mut n: u64) -> io::Result<()> {
    let zeros = [0; BLOCK];
    while n > 0 {
        let part = n.min(BLOCK as u64);
        to.write_all(&zeros[..part as usize]).await?;
        n -= part;
    }
    Ok(())
}

async fn serve_perf(mut stream: Stream) -> io::Result<()> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).await?;
    copy(&mut stream, &mut sink()).await?;
    send_zeros(&mut stream, u64::from_be_bytes(head)).await?;
    stream.close().await
}

/// A length, or nothing at the end of the stream.
async fn read_length(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<u64>> {
    let mut value = 0;
    for i in 0..9 {
        let mut byte = [0];
        if from.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        value |= u64::from(byte[0] & 127) << (7 * i);
        if byte[0] < 128 {
            return Ok(Some(value));
        }
    }
    Err(io::Error::other("a length of more than nine bytes"))
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 9);
    let mut n = body.len();
    while n > 127 {
        out.push(n as u8 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out.extend_from_slice(body);
    out
}

async fn serve_reqres(stream: Stream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = futures::io::BufReader::with_capacity(BLOCK, reader);
    while let Some(n) = read_length(&mut reader).await? {
        let mut body = Vec::new();
        (&mut reader).take(n.min(BODY_MAX)).read_to_end(&mut body).await?;
        writer.write_all(&with_length(&Sha256::digest(&body))).await?;
        writer.flush().await?;
    }
    writer.close().await
}

fn random(n: usize) -> Vec<u8> {
    let mut out = vec![0; n];
    rand::rng().fill_bytes(&mut out);
    out
}

pub fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

pub async fn op_ping(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let call = async {
        let mut stream = node.open(peer, PING).await?;
        let mut times = Vec::new();
        for _ in 0..c.count(3) {
            let (start, sent, mut got) = (Instant::now(), random(32), [0; 32]);
            stream.write_all(&sent).await.map_err(text)?;
            stream.flush().await.map_err(text)?;
            stream.read_exact(&mut got).await.map_err(text)?;
            if sent != got {
                return Err("ping: other bytes came back".to_string());
            }
            times.push(ms(start));
        }
        let _ = stream.close().await;
        Ok(json!({ "ms": times }))
    };
    let limit = c.within(15_000);
    tokio::time::timeout(limit, call).await.unwrap_or_else(|_| Err("timeout".into()))
}

pub async fn op_echo(node: Node, c: Command) -> Reply {
    let (mut reader, mut writer) = node.open(c.peer()?, ECHO).await?.split();
    let want = random(c.bytes(BLOCK));
    let chunk = c.number("chunk").unwrap_or(BLOCK as u64).max(1) as usize;
    let start = Instant::now();
    let send = async {
        for part in want.chunks(chunk) {
            writer.write_all(part).await?;
        }
        writer.close().await
    };
    let mut got = Vec::new();
    let (sent, read) = futures::join!(send, reader.read_to_end(&mut got));
    sent.and(read).map_err(text)?;
    if got != want {
        return Err(format!("echo mismatch: sent {} got {}", want.len(), got.len()));
    }
    Ok(json!({ "bytes": got.len(), "ms": ms(start) }))
}

/// One request of random bytes; the answer is their digest.
async fn request(stream: &mut Stream, bytes: usize) -> Result<(), String> {
    let body = random(bytes);
    stream.write_all(&with_length(&body)).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let mut answer = [0; 33];
    stream.read_exact(&mut answer).await.map_err(text)?;
    if answer[..] != with_length(&Sha256::digest(&body)) {
        return Err("bad response".into());
    }
    Ok(())
}

/// Requests one after the other, on one stream or ("fresh") each on a new one.
pub async fn op_reqres(node: Node, c: Command) -> Reply {
    let (count, bytes, fresh) = (c.count(1), c.bytes(1000), c.flag("fresh"));
    let (peer, mut start) = (c.peer()?, Instant::now());
    let mut stream = node.open(peer, REQRES).await?;
    if !fresh {
        start = Instant::now();
    }
    for i in 0..count {
        if i > 0 && fresh {
            let _ = stream.close().await;
            stream = node.open(peer, REQRES).await?;
        }
        request(&mut stream, bytes).await?;
    }
    let _ = stream.close().await;
    Ok(json!({ "count": count, "fresh": fresh, "ms": ms(start) }))
}

async fn perf(mut stream: Stream, up: u64, down: u64) -> io::Result<u64> {
    stream.write_all(&down.to_be_bytes()).await?;
    send_zeros(&mut stream, up).await?;
    stream.close().await?;
    copy(&mut stream, &mut sink()).await
}

pub async fn op_perf(node: Node, c: Command) -> Reply {
    let (up, down) = (c.number("up").unwrap_or(0), c.number("down").unwrap_or(0));
    let stream = node.open(c.peer()?, PERF).await?;
    let start = Instant::now();
    let got = perf(stream, up, down).await.map_err(text)?;
    if got != down {
        return Err(format!("perf: wanted {down} got {got}"));
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = (up + down) as f64 / 1e6 / seconds;
    Ok(json!({ "up": up, "down": down, "seconds": seconds, "MBps": rate }))
}

/// Opens any protocol, sends zeros, half-closes and counts what comes back.
pub async fn op_raw(node: Node, c: Command) -> Reply {
    let name = StreamProtocol::try_from_owned(c.word("protocol")).map_err(text)?;
    let mut stream = node.open(c.peer()?, name).await?;
    let start = Instant::now();
    let call = async {
        send_zeros(&mut stream, c.bytes(0) as u64).await?;
        stream.close().await?;
        copy(&mut stream, &mut sink()).await
    };
    let got = call.await.map_err(text)?;
    Ok(json!({ "got": got, "ms": ms(start) }))
}

pub async fn op_sleep(_: Node, c: Command) -> Reply {
    tokio::time::sleep(Duration::from_millis(c.number("ms").unwrap_or(0))).await;
    Ok(Value::Null)
}
