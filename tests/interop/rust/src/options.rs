//! The options of a peer: the same words as `plexus interop-peer` takes.

#[derive(Clone, Default)]
pub struct Options {
    pub listen: Vec<String>,
    pub announce: Vec<String>,
    pub security: Vec<String>,
    pub key_type: String,
    pub seed: String,
    pub psk: String,
    pub dht: String,
    pub dht_protocol: String,
    pub relay: String,
    pub gossipsub: bool,
    pub nosign: bool,
    pub dcutr: bool,
    pub autonat: bool,
    pub mdns: bool,
}

impl Options {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut o = Options {
            security: vec!["noise".into(), "tls".into()],
            key_type: "Ed25519".into(),
            dht: "off".into(),
            dht_protocol: "/ipfs/kad/1.0.0".into(),
            relay: "off".into(),
            ..Default::default()
        };
        while let Some(word) = words.next() {
            let name = word.trim_start_matches('-').to_string();
            if o.switch(&name) {
                continue;
            }
            let value = words.next().ok_or(format!("{word} needs a value"))?;
            o.assign(&name, value)?;
        }
        Ok(o)
    }

    fn switch(&mut self, name: &str) -> bool {
        let field = match name {
            "gossipsub" => &mut self.gossipsub,
            "gossipsub-nosign" => &mut self.nosign,
            "dcutr" => &mut self.dcutr,
            "autonat" => &mut self.autonat,
            "mdns" => &mut self.mdns,
            _ => return false,
        };
        *field = true;
        true
    }

    fn assign(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "listen" => self.listen.push(value),
            "announce" => self.announce.push(value),
            "security" => self.security = value.split(',').map(String::from).collect(),
            "muxers" | "mdns-interval" => {} // yamux only; the interval is fixed
            "key-type" => self.key_type = value,
            "seed" => self.seed = value,
            "psk" => self.psk = value,
            "dht" => self.dht = value,
            "dht-protocol" => self.dht_protocol = value,
            "relay" => self.relay = value,
            _ => return Err(format!("unknown option --{name}")),
        }
        Ok(())
    }
}
