//! What a peer takes part in, by its options.

use std::num::NonZeroU32;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, StreamProtocol};
use libp2p::{autonat, dcutr, gossipsub, identify, kad, mdns, ping, relay};
use sha2::{Digest, Sha256};

use crate::node::text;
use crate::options::Options;
use crate::streams::Streams;

pub const MESSAGE_MAX: usize = 4 << 20;

#[derive(NetworkBehaviour)]
pub struct Behaviour {
    pub streams: Streams,
    pub ping: ping::Behaviour,
    pub identify: identify::Behaviour,
    pub kad: Toggle<kad::Behaviour<MemoryStore>>,
    pub gossip: Toggle<gossipsub::Behaviour>,
    pub relay: Toggle<relay::Behaviour>,
    pub circuits: Toggle<relay::client::Behaviour>,
    pub dcutr: Toggle<dcutr::Behaviour>,
    pub mdns: Toggle<mdns::tokio::Behaviour>,
    pub nat: Toggle<autonat::v2::client::Behaviour>,
    pub nat_server: Toggle<autonat::v2::server::Behaviour>,
}

fn table(key: &Keypair, o: &Options) -> Result<kad::Behaviour<MemoryStore>, String> {
    let me = key.public().to_peer_id();
    let name = StreamProtocol::try_from_owned(o.dht_protocol.clone()).map_err(text)?;
    let mut behaviour =
        kad::Behaviour::with_config(me, MemoryStore::new(me), kad::Config::new(name));
    let mode = if o.dht == "client" { kad::Mode::Client } else { kad::Mode::Server };
    behaviour.set_mode(Some(mode));
    Ok(behaviour)
}

fn gossip(key: &Keypair, o: &Options) -> Result<gossipsub::Behaviour, String> {
    let mut config = gossipsub::ConfigBuilder::default();
    config.max_transmit_size(MESSAGE_MAX);
    let mut author = gossipsub::MessageAuthenticity::Signed(key.clone());
    if o.nosign {
        author = gossipsub::MessageAuthenticity::Anonymous;
        config.validation_mode(gossipsub::ValidationMode::Anonymous);
        config.message_id_fn(|m| Sha256::digest(&m.data).to_vec().into());
    }
    gossipsub::Behaviour::new(author, config.build().map_err(text)?).map_err(text)
}

fn carrier(key: &Keypair) -> relay::Behaviour {
    let many = NonZeroU32::MAX;
    let mut config = relay::Config {
        max_circuit_bytes: 1 << 24,
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        ..Default::default()
    };
    config = config.reservation_rate_per_ip(many, Duration::from_secs(60));
    relay::Behaviour::new(key.public().to_peer_id(), config)
}

fn finder(key: &Keypair) -> Result<mdns::tokio::Behaviour, String> {
    let config = mdns::Config { query_interval: Duration::from_secs(1), ..Default::default() };
    mdns::tokio::Behaviour::new(config, key.public().to_peer_id()).map_err(text)
}

impl Behaviour {
    pub fn new(
        key: &Keypair,
        o: &Options,
        circuits: Option<relay::client::Behaviour>,
    ) -> Result<Self, String> {
        let identify = identify::Config::new_with_signed_peer_record("ipfs/0.1.0".into(), key)
            .with_agent_version("interop-rust/1".into())
            .with_push_listen_addr_updates(true);
        let prober =
            autonat::v2::client::Config::default().with_probe_interval(Duration::from_millis(500));
        Ok(Behaviour {
            streams: Streams::default(),
            ping: ping::Behaviour::default(),
            identify: identify::Behaviour::new(identify),
            kad: (o.dht != "off").then(|| table(key, o)).transpose()?.into(),
            gossip: o.gossipsub.then(|| gossip(key, o)).transpose()?.into(),
            relay: (o.relay == "server").then(|| carrier(key)).into(),
            circuits: circuits.into(),
            dcutr: o.dcutr.then(|| dcutr::Behaviour::new(key.public().to_peer_id())).into(),
            mdns: o.mdns.then(|| finder(key)).transpose()?.into(),
            nat: o
                .autonat
                .then(|| autonat::v2::client::Behaviour::new(rand::make_rng(), prober))
                .into(),
            nat_server: o
                .autonat
                .then(|| autonat::v2::server::Behaviour::new(rand::make_rng()))
                .into(),
        })
    }
}
