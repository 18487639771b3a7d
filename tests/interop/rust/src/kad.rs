//! The operations of the table.

use std::collections::BTreeMap;

use libp2p::kad::store::MemoryStore;
use libp2p::kad::{
    Behaviour as Table, GetProvidersOk, GetRecordOk, QueryId, QueryResult, Quorum, Record,
    RecordKey,
};
use libp2p::PeerId;
use serde_json::json;
use tokio::sync::mpsc;

use crate::cid;
use crate::node::{text, Command, Node, Reply};

const KAD_MS: u64 = 20_000;

/// A query on its way: its results come one by one.
struct Query {
    node: Node,
    id: QueryId,
    results: mpsc::UnboundedReceiver<(QueryResult, bool)>,
    end: tokio::time::Instant,
}

impl Query {
    async fn start(
        node: Node,
        c: &Command,
        f: impl FnOnce(&mut Table<MemoryStore>) -> Result<QueryId, String> + Send + 'static,
    ) -> Result<Query, String> {
        let (to, results) = mpsc::unbounded_channel();
        let begun = node.ask(move |swarm, state| {
            let id = f(swarm.behaviour_mut().kad.as_mut().ok_or("no table here")?)?;
            state.queries.insert(id, to);
            Ok::<_, String>(id)
        });
        let id = begun.await??;
        let end = tokio::time::Instant::now() + c.within(KAD_MS);
        Ok(Query { node, id, results, end })
    }

    /// The next result and whether it is the last one.
    async fn next(&mut self) -> Result<(QueryResult, bool), String> {
        match tokio::time::timeout_at(self.end, self.results.recv()).await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err("the query is over".into()),
            Err(_) => {
                self.stop().await;
                Err("timeout".into())
            }
        }
    }

    async fn stop(&self) {
        let id = self.id;
        let done = self.node.ask(move |swarm, _| {
            if let Some(mut q) = swarm.behaviour_mut().kad.as_mut().and_then(|k| k.query_mut(&id)) {
                q.finish();
            }
        });
        let _ = done.await;
    }
}

pub async fn op_put(node: Node, c: Command) -> Reply {
    let record = Record::new(c.word("key").into_bytes(), c.word("value").into_bytes());
    let put = move |kad: &mut Table<MemoryStore>| kad.put_record(record, Quorum::One).map_err(text);
    let mut query = Query::start(node, &c, put).await?;
    match query.next().await?.0 {
        QueryResult::PutRecord(done) => done.map(|_| json!({ "stored": 1 })).map_err(text),
        _ => Err("another result".into()),
    }
}

pub async fn op_get(node: Node, c: Command) -> Reply {
    let key = RecordKey::from(c.word("key").into_bytes());
    let mut query = Query::start(node, &c, move |kad| Ok(kad.get_record(key))).await?;
    loop {
        match query.next().await?.0 {
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => {
                query.stop().await;
                let value = String::from_utf8_lossy(&found.record.value).to_string();
                let from = found.peer.map(|p| p.to_string());
                return Ok(json!({ "value": value, "from": from }));
            }
            QueryResult::GetRecord(Err(e)) => return Err(text(e)),
            _ => {}
        }
    }
}

pub async fn op_provide(node: Node, c: Command) -> Reply {
    let hash = match c.word("cid").as_str() {
        "" => cid::hash(&c),
        given => cid::read(given)?,
    };
    let (name, key) = (cid::write(&hash), RecordKey::from(hash));
    let provide = move |kad: &mut Table<MemoryStore>| kad.start_providing(key).map_err(text);
    let mut query = Query::start(node, &c, provide).await?;
    match query.next().await?.0 {
        QueryResult::StartProviding(done) => done.map(|_| json!({ "cid": name })).map_err(text),
        _ => Err("another result".into()),
    }
}

pub async fn op_find_providers(node: Node, c: Command) -> Reply {
    let key = RecordKey::from(cid::read(&c.word("cid"))?);
    let mut query = Query::start(node, &c, move |kad| Ok(kad.get_providers(key))).await?;
    let mut found = BTreeMap::new();
    loop {
        let (result, last) = query.next().await?;
        if let QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) =
            result
        {
            found.extend(providers.iter().map(|p| (p.to_string(), Vec::<String>::new())));
        }
        if last {
            return Ok(json!({ "providers": found }));
        }
    }
}

async fn closest(
    node: Node,
    c: &Command,
    key: Vec<u8>,
) -> Result<BTreeMap<PeerId, Vec<String>>, String> {
    let mut query = Query::start(node, c, move |kad| Ok(kad.get_closest_peers(key))).await?;
    match query.next().await?.0 {
        QueryResult::GetClosestPeers(Ok(found)) => {
            let written = found.peers.into_iter();
            Ok(written.map(|p| (p.peer_id, p.addrs.iter().map(text).collect())).collect())
        }
        QueryResult::GetClosestPeers(Err(e)) => Err(text(e)),
        _ => Err("another result".into()),
    }
}

pub async fn op_find_peer(node: Node, c: Command) -> Reply {
    let peer = c.peer()?;
    let found = closest(node, &c, peer.to_bytes()).await?;
    let addrs = found.get(&peer).ok_or("not found")?;
    Ok(json!({ "peer": peer.to_string(), "addrs": addrs }))
}

pub async fn op_closest(node: Node, c: Command) -> Reply {
    let key = match c.word("peer").as_str() {
        "" => c.word("key").into_bytes(),
        _ => c.peer()?.to_bytes(),
    };
    let found = closest(node, &c, key).await?;
    let peers: Vec<String> = found.keys().map(text).collect();
    Ok(json!({ "peers": peers }))
}

pub async fn op_wait_table(node: Node, c: Command) -> Reply {
    let wanted = c.number("size").unwrap_or(0) as usize;
    let wait = node.until(c.within(15_000), move |swarm, _| {
        let kad = swarm.behaviour_mut().kad.as_mut()?;
        let size: usize = kad.kbuckets().map(|b| b.num_entries()).sum();
        (size >= wanted).then_some(size)
    });
    Ok(json!({ "size": wait.await? }))
}
