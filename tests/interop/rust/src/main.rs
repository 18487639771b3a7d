//! A rust-libp2p peer that speaks the line protocol of the interop tests: JSON commands on
//! standard input, one a line; JSON results on standard output. It serves and calls the same stream
//! protocols as `plexus interop-peer`.

mod behaviour;
mod cid;
mod hostops;
mod kad;
mod key;
mod node;
mod options;
mod pubsub;
mod serve;
mod streams;
mod transport;

use std::io::{BufRead, Write};
use std::time::Duration;

use futures::StreamExt;
use libp2p::swarm::{Config, Swarm};
use libp2p::{relay, Multiaddr};
use serde_json::{json, Value};
use tokio::sync::mpsc;

use behaviour::Behaviour;
use node::{text, Command, Node, Reply, State};
use options::Options;

fn say(line: &Value) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

async fn run_op(node: Node, c: Command) -> Reply {
    match c.word("op").as_str() {
        "dial" => hostops::op_dial(node, c).await,
        "ping" => serve::op_ping(node, c).await,
        "identify" => hostops::op_identify(node, c).await,
        "echo" => serve::op_echo(node, c).await,
        "reqres" => serve::op_reqres(node, c).await,
        "perf" => serve::op_perf(node, c).await,
        "raw" => serve::op_raw(node, c).await,
        "handshakes" => hostops::op_handshakes(node, c).await,
        "kad-put" => kad::op_put(node, c).await,
        "kad-get" => kad::op_get(node, c).await,
        "provide" => kad::op_provide(node, c).await,
        "find-providers" => kad::op_find_providers(node, c).await,
        "find-peer" => kad::op_find_peer(node, c).await,
        "closest" => kad::op_closest(node, c).await,
        "kad-table" | "wait-table" => kad::op_wait_table(node, c).await,
        "sub" => pubsub::op_sub(node, c).await,
        "unsub" => pubsub::op_unsub(node, c).await,
        "pub" => pubsub::op_pub(node, c).await,
        "wait-subscriber" => pubsub::op_wait_subscriber(node, c).await,
        "wait-mesh" => pubsub::op_wait_mesh(node, c).await,
        "wait-msg" => pubsub::op_wait_msg(node, c).await,
        "cid" => cid::op_cid(node, c).await,
        "addrs" => hostops::op_addrs(node, c).await,
        "wait-addr" => hostops::op_wait_addr(node, c).await,
        "wait-reachable" => hostops::op_wait_reachable(node, c).await,
        "conns" => hostops::op_conns(node, c).await,
        "wait-conn" => hostops::op_wait_conn(node, c).await,
        "wait-only-direct" => hostops::op_wait_only_direct(node, c).await,
        "wait-discovered" => hostops::op_wait_discovered(node, c).await,
        "hangup" => hostops::op_hangup(node, c).await,
        "sleep" => serve::op_sleep(node, c).await,
        "rss" => hostops::op_rss(node, c).await,
        _ => Err("unknown op".into()),
    }
}

async fn serve_line(node: Node, c: Command) {
    let (id, op) = (c.0["id"].clone(), c.0["op"].clone());
    let (ok, mut out) = match run_op(node, c).await {
        Ok(fields) => (true, fields),
        Err(e) => (false, json!({ "error": e })),
    };
    if !out.is_object() {
        out = json!({});
    }
    out["id"] = id;
    out["op"] = op;
    out["ok"] = json!(ok);
    say(&out);
}

/// Commands as they come; the end of the channel is the end of input.
fn read_lines() -> mpsc::UnboundedReceiver<Command> {
    let (to, from) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if let Ok(value) = serde_json::from_str(&line) {
                if to.send(Command(value)).is_err() {
                    return;
                }
            }
        }
    });
    from
}

fn start(o: &Options) -> Result<(Swarm<Behaviour>, State), String> {
    let key = key::make(o)?;
    let me = key.public().to_peer_id();
    let used = transport::Used::default();
    let relayed = (o.relay == "client" || o.dcutr).then(|| relay::client::new(me));
    let (circuit_transport, circuits) = relayed.unzip();
    let transport = transport::build(&key, o, used.clone(), circuit_transport)?;
    let config = Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(600))
        .with_max_negotiating_inbound_streams(1024);
    let behaviour = Behaviour::new(&key, o, circuits)?;
    let mut swarm = Swarm::new(transport, behaviour, me, config);
    for addr in &o.announce {
        swarm.add_external_address(addr.parse().map_err(text)?);
    }
    for addr in &o.listen {
        let addr: Multiaddr = addr.parse().map_err(text)?;
        swarm.listen_on(addr).map_err(text)?;
    }
    Ok((swarm, State::new(me, o.clone(), used)))
}

/// The peer is ready when each listener that needs no other peer has an address.
fn is_ready(state: &State) -> bool {
    let wanted = state.options.listen.iter().filter(|a| !a.ends_with("/p2p-circuit")).count();
    state.listening.len() >= wanted
}

async fn run(o: Options) -> Result<(), String> {
    let (mut swarm, mut state) = start(&o)?;
    let (jobs, mut wanted) = mpsc::unbounded_channel::<node::Job>();
    let node = Node(jobs);
    let mut lines = read_lines();
    let mut said = false;
    loop {
        if !said && is_ready(&state) {
            let (peer, addrs) = (state.me.to_string(), state.addrs());
            say(&json!({ "event": "ready", "impl": "rust", "peer": peer, "addrs": addrs }));
            said = true;
        }
        tokio::select! {
            line = lines.recv() => match line {
                None => return Ok(()),
                Some(c) if c.word("op") == "quit" => {
                    say(&json!({ "id": c.0["id"], "op": "quit", "ok": true }));
                    return Ok(());
                }
                Some(c) => {
                    tokio::spawn(serve_line(node.clone(), c));
                }
            },
            Some(job) = wanted.recv() => job(&mut swarm, &mut state),
            event = swarm.select_next_some() => state.on_event(&mut swarm, event),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = Options::parse(std::env::args().skip(1))
        .and_then(|o| runtime.map_err(text)?.block_on(run(o)));
    if let Err(e) = done {
        eprintln!("rust-peer: {e}");
        std::process::exit(1);
    }
}
