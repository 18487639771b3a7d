//! Content ids of raw bytes, version 1, in base 32.

use data_encoding::BASE32_NOPAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::node::{text, Command, Node, Reply};

const SHA2_256: u8 = 0x12;
const BLAKE3: u8 = 0x1e;

/// The multihash of the data in a command.
pub fn hash(c: &Command) -> Vec<u8> {
    let data = c.word("data");
    let (code, sum) = if c.word("hash") == "blake3" {
        (BLAKE3, blake3::hash(data.as_bytes()).as_bytes().to_vec())
    } else {
        (SHA2_256, Sha256::digest(data.as_bytes()).to_vec())
    };
    [vec![code, 32], sum].concat()
}

pub fn write(multihash: &[u8]) -> String {
    let all = [&[1, 0x55], multihash].concat();
    format!("b{}", BASE32_NOPAD.encode(&all).to_lowercase())
}

/// The multihash of a content id.
pub fn read(cid: &str) -> Result<Vec<u8>, String> {
    let digits = cid.strip_prefix('b').ok_or("not in base 32")?.to_uppercase();
    let all = BASE32_NOPAD.decode(digits.as_bytes()).map_err(text)?;
    if all.len() < 4 || all[0] != 1 || all[1] > 127 {
        return Err("not a content id of version 1".into());
    }
    Ok(all[2..].to_vec())
}

pub async fn op_cid(_: Node, c: Command) -> Reply {
    Ok(json!({ "cid": write(&hash(&c)) }))
}
