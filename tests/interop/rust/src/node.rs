//! The state of a peer, its events, and the handle by which the operations reach both.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::channel::oneshot;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::Event as GossipEvent;
use libp2p::kad::{Event as KadEvent, QueryId, QueryResult};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{ConnectionId, Stream, StreamProtocol, Swarm, SwarmEvent};
use libp2p::{autonat, identify, mdns, Multiaddr, PeerId};
use serde_json::{json, Value};
use tokio::sync::mpsc;

use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::options::Options;
use crate::transport::Used;

pub type Reply = Result<Value, String>;
pub type Job = Box<dyn FnOnce(&mut Swarm<Behaviour>, &mut State) + Send>;
pub type Progress = mpsc::UnboundedSender<(QueryResult, bool)>;

pub fn text(e: impl ToString) -> String {
    e.to_string()
}

/// One line of input.
#[derive(Clone)]
pub struct Command(pub Value);

impl Command {
    pub fn word(&self, name: &str) -> String {
        self.0[name].as_str().unwrap_or_default().to_string()
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub fn count(&self, usual: usize) -> usize {
        self.number("count").map_or(usual, |n| n as usize)
    }

    pub fn bytes(&self, usual: usize) -> usize {
        self.number("bytes").map_or(usual, |n| n as usize)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }

    pub fn within(&self, usual_ms: u64) -> Duration {
        Duration::from_millis(self.number("timeout").filter(|n| *n > 0).unwrap_or(usual_ms))
    }

    pub fn peer(&self) -> Result<PeerId, String> {
        if !self.word("peer").is_empty() {
            return self.word("peer").parse().map_err(text);
        }
        let addr: Multiaddr = self.word("addr").parse().map_err(text)?;
        target(&addr).ok_or("no peer id in the address".into())
    }
}

/// The peer that an address leads to.
pub fn target(addr: &Multiaddr) -> Option<PeerId> {
    match addr.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

pub fn is_circuit(addr: &Multiaddr) -> bool {
    addr.iter().any(|p| p == Protocol::P2pCircuit)
}

pub struct Conn {
    pub peer: PeerId,
    pub addr: Multiaddr,
    pub outbound: bool,
    pub limited: bool,
}

pub struct State {
    pub me: PeerId,
    pub options: Options,
    pub used: Used,
    pub listening: Vec<Multiaddr>,
    pub conns: HashMap<ConnectionId, Conn>,
    pub dials: HashMap<ConnectionId, oneshot::Sender<Result<(), String>>>,
    pub known: HashMap<PeerId, identify::Info>,
    pub seen: HashSet<PeerId>,
    pub queries: HashMap<QueryId, Progress>,
    pub inbox: HashMap<String, Vec<Value>>,
    pub reachable: HashMap<String, bool>,
}

impl State {
    pub fn new(me: PeerId, options: Options, used: Used) -> Self {
        State {
            me,
            options,
            used,
            listening: Vec::new(),
            conns: HashMap::new(),
            dials: HashMap::new(),
            known: HashMap::new(),
            seen: HashSet::new(),
            queries: HashMap::new(),
            inbox: HashMap::new(),
            reachable: HashMap::new(),
        }
    }

    pub fn describe(&self, c: &Conn) -> Value {
        let quic = c.addr.iter().any(|p| p == Protocol::QuicV1);
        let used = self.used.lock().unwrap().get(&c.peer).copied().unwrap_or_default();
        let (security, muxer) = if quic { ("quic", "quic") } else { (used, "/yamux/1.0.0") };
        let direction = if c.outbound { "outbound" } else { "inbound" };
        json!({
            "peer": c.peer.to_string(), "addr": c.addr.to_string(), "direction": direction,
            "security": security, "muxer": muxer, "limited": c.limited,
        })
    }

    /// The connection to a peer, a direct one when there is one.
    pub fn conn_to(&self, peer: &PeerId) -> Option<&Conn> {
        self.conns.values().filter(|c| c.peer == *peer).min_by_key(|c| c.limited)
    }

    pub fn addrs(&self) -> Vec<String> {
        let announced = self.options.announce.iter().filter_map(|a| a.parse().ok());
        let all = self.listening.iter().cloned().chain(announced);
        let mut out: Vec<String> = all
            .map(|a| match target(&a) {
                Some(peer) if peer == self.me => a.to_string(),
                _ => a.with(Protocol::P2p(self.me)).to_string(),
            })
            .collect();
        out.dedup();
        out
    }

    /// Takes one event of the swarm.
    pub fn on_event(&mut self, swarm: &mut Swarm<Behaviour>, e: SwarmEvent<BehaviourEvent>) {
        match e {
            SwarmEvent::NewListenAddr { address, .. } => {
                if self.options.relay == "server" {
                    swarm.add_external_address(address.clone());
                }
                self.listening.push(address);
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.listening.retain(|a| *a != address);
            }
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connection(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.conns.remove(&connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                if let Some(answer) = self.dials.remove(&connection_id) {
                    let _ = answer.send(Err(format!("{error:?}")));
                }
            }
            SwarmEvent::Behaviour(e) => self.on_behaviour(swarm, e),
            _ => {}
        }
    }

    fn on_connection(&mut self, peer: PeerId, id: ConnectionId, point: &ConnectedPoint) {
        let conn = Conn {
            peer,
            addr: point.get_remote_address().clone(),
            outbound: point.is_dialer(),
            limited: point.is_relayed(),
        };
        self.conns.insert(id, conn);
        if let Some(answer) = self.dials.remove(&id) {
            let _ = answer.send(Ok(()));
        }
    }

    fn on_behaviour(&mut self, swarm: &mut Swarm<Behaviour>, e: BehaviourEvent) {
        match e {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identify(swarm, peer_id, info);
            }
            BehaviourEvent::Kad(KadEvent::OutboundQueryProgressed { id, result, step, .. }) => {
                if let Some(to) = self.queries.get(&id) {
                    let _ = to.send((result, step.last));
                }
                if step.last {
                    self.queries.remove(&id);
                }
            }
            BehaviourEvent::Gossip(GossipEvent::Message { message, .. }) => {
                let from = message.source.map(|p| p.to_string()).unwrap_or_default();
                let data = String::from_utf8_lossy(&message.data);
                let line = json!({ "from": from, "data": data, "bytes": message.data.len() });
                self.inbox.entry(message.topic.into_string()).or_default().push(line);
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                self.seen.extend(found.into_iter().map(|(peer, _)| peer));
            }
            BehaviourEvent::Nat(autonat::v2::client::Event { tested_addr, result, .. }) => {
                self.reachable.insert(tested_addr.to_string(), result.is_ok());
            }
            _ => {}
        }
    }

    fn on_identify(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, info: identify::Info) {
        let serves = info.protocols.iter().any(|p| p.as_ref() == self.options.dht_protocol);
        if let (true, Some(kad)) = (serves, swarm.behaviour_mut().kad.as_mut()) {
            for addr in info.listen_addrs.iter().filter(|a| !is_circuit(a)) {
                kad.add_address(&peer, addr.clone());
            }
        }
        self.known.insert(peer, info);
    }
}

/// The handle of the operations: each runs as a task of its own.
#[derive(Clone)]
pub struct Node(pub mpsc::UnboundedSender<Job>);

impl Node {
    /// Runs f where the swarm is, and returns what it returned.
    pub async fn ask<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Swarm<Behaviour>, &mut State) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (to, from) = oneshot::channel();
        let job: Job = Box::new(move |swarm, state| {
            let _ = to.send(f(swarm, state));
        });
        self.0.send(job).map_err(text)?;
        from.await.map_err(text)
    }

    /// Asks again and again until f has something or the time is over.
    pub async fn until<T: Send + 'static>(
        &self,
        limit: Duration,
        f: impl Fn(&mut Swarm<Behaviour>, &mut State) -> Option<T> + Clone + Send + 'static,
    ) -> Result<T, String> {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let once = f.clone();
            if let Some(found) = self.ask(move |swarm, state| once(swarm, state)).await? {
                return Ok(found);
            }
            if tokio::time::Instant::now() > end {
                return Err("timeout".into());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    pub async fn open(&self, peer: PeerId, name: StreamProtocol) -> Result<Stream, String> {
        let (to, from) = oneshot::channel();
        self.ask(move |swarm, _| swarm.behaviour_mut().streams.open(peer, name, to)).await?;
        from.await.map_err(|_| "no connection to that peer".to_string())?
    }
}
