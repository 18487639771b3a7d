//! The operations of gossipsub.

use libp2p::gossipsub::{Behaviour as Gossip, IdentTopic};
use libp2p::swarm::Swarm;
use rand::Rng;
use serde_json::{json, Value};

use crate::behaviour::Behaviour;
use crate::node::{text, Command, Node, Reply};

fn gossip(swarm: &mut Swarm<Behaviour>) -> Result<&mut Gossip, String> {
    swarm.behaviour_mut().gossip.as_mut().ok_or("no gossipsub here".into())
}

fn topic(c: &Command) -> IdentTopic {
    IdentTopic::new(c.word("topic"))
}

fn subscribers(g: &Gossip, topic: &IdentTopic) -> Vec<String> {
    let wanted = topic.hash();
    let all = g.all_peers().filter(|(_, topics)| topics.contains(&&wanted));
    all.map(|(peer, _)| peer.to_string()).collect()
}

pub async fn op_sub(node: Node, c: Command) -> Reply {
    let call = node.ask(move |swarm, _| gossip(swarm)?.subscribe(&topic(&c)).map_err(text));
    call.await?.map(|_| Value::Null)
}

pub async fn op_unsub(node: Node, c: Command) -> Reply {
    let call = node.ask(move |swarm, _| Ok::<_, String>(gossip(swarm)?.unsubscribe(&topic(&c))));
    call.await?.map(|_| Value::Null)
}

pub async fn op_pub(node: Node, c: Command) -> Reply {
    let mut data = c.word("data").into_bytes();
    if c.number("bytes").is_some() {
        data = vec![0; c.bytes(0)];
        rand::rng().fill_bytes(&mut data);
    }
    let call = node.ask(move |swarm, _| {
        let g = gossip(swarm)?;
        g.publish(topic(&c), data).map_err(text)?;
        Ok(json!({ "recipients": subscribers(g, &topic(&c)) }))
    });
    call.await?
}

pub async fn op_wait_subscriber(node: Node, c: Command) -> Reply {
    let wait = node.until(c.within(15_000), move |swarm, _| {
        let found = subscribers(gossip(swarm).ok()?, &topic(&c));
        (found.len() >= c.count(1)).then_some(found)
    });
    Ok(json!({ "subscribers": wait.await? }))
}

pub async fn op_wait_mesh(node: Node, c: Command) -> Reply {
    let wait = node.until(c.within(15_000), move |swarm, _| {
        let wanted = topic(&c).hash();
        let mesh = gossip(swarm).ok()?.mesh_peers(&wanted);
        let found: Vec<String> = mesh.map(text).collect();
        (found.len() >= c.count(1)).then_some(found)
    });
    Ok(json!({ "mesh": wait.await? }))
}

pub async fn op_wait_msg(node: Node, c: Command) -> Reply {
    let wait = node.until(c.within(15_000), move |_, state| {
        let got = state.inbox.get(&c.word("topic"))?;
        (got.len() >= c.count(1)).then(|| got.clone())
    });
    Ok(json!({ "messages": wait.await? }))
}
