//! The operations of the host: connections, addresses, identify.

use std::time::Instant;

use futures::channel::oneshot;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use serde_json::{json, Value};

use crate::node::{text, Command, Node, Reply};
use crate::serve::ms;

/// Dials and returns when there is a connection; the wait ends with the time of the command.
async fn dial(node: &Node, c: &Command, peer: PeerId) -> Result<(), String> {
    let addr: Multiaddr = c.word("addr").parse().map_err(text)?;
    let opts = DialOpts::peer_id(peer).addresses(vec![addr]).condition(PeerCondition::Always);
    let opts = opts.build();
    let (to, from) = oneshot::channel();
    let begun = node.ask(move |swarm, state| {
        let id = opts.connection_id();
        swarm.dial(opts).map_err(text)?;
        state.dials.insert(id, to);
        Ok::<_, String>(())
    });
    begun.await??;
    match tokio::time::timeout(c.within(15_000), from).await {
        Ok(done) => done.map_err(text)?,
        Err(_) => Err("timeout".into()),
    }
}

pub async fn op_dial(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let start = Instant::now();
    let there = node.ask(move |_, state| state.conn_to(&peer).is_some()).await?;
    if !there || c.flag("force") {
        dial(&node, &c, peer).await?;
    }
    let spent = ms(start);
    let found = node.ask(move |_, state| state.conn_to(&peer).map(|conn| state.describe(conn)));
    let mut out = found.await?.ok_or("the connection is gone")?;
    out["ms"] = json!(spent);
    Ok(out)
}

pub async fn op_handshakes(node: Node, c: Command) -> Reply {
    let (peer, n) = (c.peer()?, c.number("n").unwrap_or(50).max(1));
    let (begin, mut each) = (Instant::now(), Vec::new());
    for _ in 0..n {
        let start = Instant::now();
        dial(&node, &c, peer).await?;
        each.push(ms(start));
        node.ask(move |swarm, _| swarm.disconnect_peer_id(peer)).await?.ok();
        node.until(c.within(15_000), move |swarm, _| (!swarm.is_connected(&peer)).then_some(()))
            .await?;
    }
    each.sort_by(f64::total_cmp);
    let rate = n as f64 / begin.elapsed().as_secs_f64();
    Ok(json!({ "n": n, "perSecond": rate, "medianMs": each[each.len() / 2] }))
}

pub async fn op_identify(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let known = node.until(c.within(5_000), move |_, state| state.known.get(&peer).cloned());
    let info = known.await?;
    let protocols: Vec<String> = info.protocols.iter().map(text).collect();
    let listen: Vec<String> = info.listen_addrs.iter().map(text).collect();
    Ok(json!({
        "agent": info.agent_version, "protocol": info.protocol_version, "protocols": protocols,
        "listen": listen, "observed": info.observed_addr.to_string(),
        "signedRecord": info.signed_peer_record.is_some(),
    }))
}

pub async fn op_addrs(node: Node, _: Command) -> Reply {
    Ok(json!({ "addrs": node.ask(|_, state| state.addrs()).await? }))
}

pub async fn op_wait_addr(node: Node, c: Command) -> Reply {
    let part = c.word("contains");
    let found = node.until(c.within(15_000), move |_, state| {
        state.addrs().into_iter().find(|a| a.contains(&part))
    });
    Ok(json!({ "addr": found.await? }))
}

pub async fn op_wait_reachable(node: Node, c: Command) -> Reply {
    let found = node.until(c.within(30_000), move |_, state| {
        let mut good = state.reachable.iter().filter(|(_, ok)| **ok);
        good.next().map(|(addr, _)| addr.clone())
    });
    Ok(json!({ "addr": found.await? }))
}

pub async fn op_conns(node: Node, _: Command) -> Reply {
    let all = node.ask(|_, state| {
        let described = state.conns.values().map(|conn| state.describe(conn));
        described.collect::<Vec<Value>>()
    });
    Ok(json!({ "conns": all.await? }))
}

pub async fn op_wait_conn(node: Node, c: Command) -> Reply {
    let (peer, direct) = (c.peer()?, c.flag("direct"));
    let found = node.until(c.within(15_000), move |_, state| {
        let conn = state.conn_to(&peer).filter(|conn| !direct || !conn.limited)?;
        Some(state.describe(conn))
    });
    found.await
}

pub async fn op_wait_only_direct(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let done = node.until(c.within(20_000), move |_, state| {
        let mut conns = state.conns.values().filter(|conn| conn.peer == peer).peekable();
        (conns.peek().is_some() && conns.all(|conn| !conn.limited)).then_some(())
    });
    done.await.map(|()| Value::Null)
}

pub async fn op_wait_discovered(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let done =
        node.until(c.within(15_000), move |_, state| state.seen.contains(&peer).then_some(()));
    done.await.map(|()| Value::Null)
}

pub async fn op_hangup(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let _ = node.ask(move |swarm, _| swarm.disconnect_peer_id(peer)).await?;
    Ok(Value::Null)
}

pub async fn op_rss(_: Node, _: Command) -> Reply {
    let status = std::fs::read_to_string("/proc/self/status").map_err(text)?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).unwrap_or("0").parse().map_err(text)?;
    Ok(json!({ "rss": kib * 1024 }))
}
