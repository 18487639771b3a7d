//! The transports: TCP and WebSocket (with a pre-shared key when there is one), QUIC, and circuits
//! through a relay.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, OptionalTransport, Transport};
use libp2p::core::upgrade::{
    InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version,
};
use libp2p::identity::Keypair;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::{noise, quic, relay, tcp, tls, yamux, PeerId};

use crate::options::Options;

pub trait Socket: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Socket for T {}
type Wire = Pin<Box<dyn Socket>>;

/// Which secure channel the last TCP connection to a peer has.
pub type Used = Arc<Mutex<HashMap<PeerId, &'static str>>>;

/// Noise and TLS in the order of the options.
#[derive(Clone)]
struct Security {
    names: Vec<&'static str>,
    noise: noise::Config,
    tls: tls::Config,
    used: Used,
}

impl Security {
    fn new(key: &Keypair, o: &Options, used: Used) -> Result<Self, String> {
        let mut names = Vec::new();
        for name in &o.security {
            names.push(match name.as_str() {
                "noise" => "/noise",
                "tls" => "/tls/1.0.0",
                _ => return Err(format!("unknown security {name}")),
            });
        }
        let noise = noise::Config::new(key).map_err(|e| e.to_string())?;
        let tls = tls::Config::new(key).map_err(|e| e.to_string())?;
        Ok(Security { names, noise, tls, used })
    }
}

impl UpgradeInfo for Security {
    type Info = &'static str;
    type InfoIter = Vec<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.names.clone()
    }
}

type Secured = Pin<Box<dyn Future<Output = io::Result<(PeerId, Wire)>> + Send>>;

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Security {
    type Output = (PeerId, Wire);
    type Error = io::Error;
    type Future = Secured;

    fn upgrade_inbound(self, socket: C, name: &'static str) -> Secured {
        Box::pin(async move {
            let (peer, wire): (PeerId, Wire) = if name == "/noise" {
                let done = self.noise.upgrade_inbound(socket, name).await;
                done.map(|(p, s)| (p, Box::pin(s) as Wire)).map_err(io::Error::other)?
            } else {
                let done = self.tls.upgrade_inbound(socket, name).await;
                done.map(|(p, s)| (p, Box::pin(s) as Wire)).map_err(io::Error::other)?
            };
            self.used.lock().unwrap().insert(peer, name);
            Ok((peer, wire))
        })
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Security {
    type Output = (PeerId, Wire);
    type Error = io::Error;
    type Future = Secured;

    fn upgrade_outbound(self, socket: C, name: &'static str) -> Secured {
        Box::pin(async move {
            let (peer, wire): (PeerId, Wire) = if name == "/noise" {
                let done = self.noise.upgrade_outbound(socket, name).await;
                done.map(|(p, s)| (p, Box::pin(s) as Wire)).map_err(io::Error::other)?
            } else {
                let done = self.tls.upgrade_outbound(socket, name).await;
                done.map(|(p, s)| (p, Box::pin(s) as Wire)).map_err(io::Error::other)?
            };
            self.used.lock().unwrap().insert(peer, name);
            Ok((peer, wire))
        })
    }
}

fn upgraded<T>(transport: T, security: Security) -> Boxed<(PeerId, StreamMuxerBox)>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    transport
        .upgrade(Version::V1Lazy)
        .authenticate(security)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

fn private_key(o: &Options) -> Result<Option<PreSharedKey>, String> {
    if o.psk.is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&o.psk).map_err(|e| e.to_string())?;
    text.parse().map(Some).map_err(|e| format!("{e:?}"))
}

/// The whole transport of a peer; circuits only when there is a relay client.
pub fn build(
    key: &Keypair,
    o: &Options,
    used: Used,
    circuits: Option<relay::client::Transport>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, String> {
    let security = Security::new(key, o, used)?;
    let psk = private_key(o)?;
    let private = psk.is_some();
    let socket = || tcp::tokio::Transport::new(tcp::Config::default());
    let wires = libp2p_websocket::Config::new(socket()).or_transport(socket()).and_then(
        move |socket, _| async move {
            match psk {
                Some(k) => {
                    let done = PnetConfig::new(k).handshake(socket).await;
                    done.map(|s| Box::pin(s) as Wire).map_err(io::Error::other)
                }
                None => Ok(Box::pin(socket) as Wire),
            }
        },
    );
    let over_tcp = upgraded(wires, security.clone());
    let relayed = circuits.map(|t| upgraded(t, security));
    let relayed = relayed.map_or_else(OptionalTransport::none, OptionalTransport::some);
    let udp = if private {
        OptionalTransport::none() // a pre-shared key protects TCP only
    } else {
        OptionalTransport::some(quic::tokio::Transport::new(quic::Config::new(key)))
    };
    let udp = udp.map(|(peer, conn), _| (peer, StreamMuxerBox::new(conn)));
    let all = relayed.or_transport(over_tcp).map(|either, _| either.into_inner());
    Ok(all.or_transport(udp).map(|either, _| either.into_inner()).boxed())
}
