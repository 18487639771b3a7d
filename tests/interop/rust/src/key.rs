//! The identity of a peer.

use data_encoding::HEXLOWER_PERMISSIVE;
use libp2p::identity::{ecdsa, secp256k1, Keypair};

use crate::node::text;
use crate::options::Options;

/// The library makes no RSA keys: this one (PKCS #8) is made for these tests and protects nothing.
const RSA_FOR_TESTS: &str = include_str!("rsa.hex");

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let digits: String = hex.split_whitespace().collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(text)
}

pub fn make(o: &Options) -> Result<Keypair, String> {
    if !o.seed.is_empty() {
        return Keypair::ed25519_from_bytes(bytes(&o.seed)?).map_err(text);
    }
    match o.key_type.as_str() {
        "Ed25519" => Ok(Keypair::generate_ed25519()),
        "secp256k1" => Ok(secp256k1::Keypair::generate().into()),
        "ECDSA" => Ok(ecdsa::Keypair::generate().into()),
        "RSA" => Keypair::rsa_from_pkcs8(&mut bytes(RSA_FOR_TESTS)?).map_err(text),
        kind => Err(format!("unknown kind of key {kind}")),
    }
}
