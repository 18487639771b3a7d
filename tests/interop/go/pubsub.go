package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// meshTracer keeps who is in the mesh of which topic.
type meshTracer struct{ n *node }

func (t meshTracer) Graft(p peer.ID, topic string) {
	t.n.lock.Lock()
	defer t.n.lock.Unlock()
	if t.n.mesh[topic] == nil {
		t.n.mesh[topic] = map[peer.ID]bool{}
	}
	t.n.mesh[topic][p] = true
}

func (t meshTracer) Prune(p peer.ID, topic string) {
	t.n.lock.Lock()
	defer t.n.lock.Unlock()
	delete(t.n.mesh[topic], p)
}

func (meshTracer) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (meshTracer) OnClosedOutboundStream(peer.ID)                       {}
func (meshTracer) Join(string)                                          {}
func (meshTracer) Leave(string)                                         {}
func (meshTracer) ValidateMessage(*pubsub.Message)                      {}
func (meshTracer) DeliverMessage(*pubsub.Message)                       {}
func (meshTracer) RejectMessage(*pubsub.Message, string)                {}
func (meshTracer) DuplicateMessage(*pubsub.Message)                     {}
func (meshTracer) ThrottlePeer(peer.ID)                                 {}
func (meshTracer) RecvRPC(*pubsub.RPC)                                  {}
func (meshTracer) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (meshTracer) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
func (meshTracer) DropRPC(*pubsub.RPC, peer.ID)                         {}
func (meshTracer) UndeliverableMessage(*pubsub.Message)                 {}

func (n *node) startPubsub(ctx context.Context, o *options) error {
	policy := pubsub.StrictSign
	opts := []pubsub.Option{pubsub.WithRawTracer(meshTracer{n})}
	if o.nosign {
		policy = pubsub.StrictNoSign
		opts = append(opts, pubsub.WithNoAuthor())
	}
	ps, err := pubsub.NewGossipSub(ctx, n.host,
		append(opts, pubsub.WithMessageSignaturePolicy(policy))...)
	n.ps = ps
	return err
}

func (n *node) topic(name string) (*pubsub.Topic, error) {
	if n.ps == nil {
		return nil, fmt.Errorf("no gossipsub here")
	}
	n.lock.Lock()
	defer n.lock.Unlock()
	if t := n.topics[name]; t != nil {
		return t, nil
	}
	t, err := n.ps.Join(name)
	if err == nil {
		n.topics[name] = t
	}
	return t, err
}

func (n *node) receive(ctx context.Context, name string, sub *pubsub.Subscription) {
	for {
		m, err := sub.Next(ctx)
		if err != nil {
			return
		}
		if m.ReceivedFrom == n.host.ID() {
			continue
		}
		n.lock.Lock()
		n.inbox[name] = append(n.inbox[name],
			message{m.GetFrom().String(), string(m.Data), len(m.Data)})
		n.lock.Unlock()
	}
}

func opSub(ctx context.Context, n *node, c *command) (reply, error) {
	t, err := n.topic(c.Topic)
	if err != nil {
		return nil, err
	}
	sub, err := t.Subscribe(pubsub.WithBufferSize(4096))
	if err != nil {
		return nil, err
	}
	n.lock.Lock()
	n.subs[c.Topic] = sub
	n.lock.Unlock()
	go n.receive(ctx, c.Topic, sub)
	return nil, nil
}

func opUnsub(_ context.Context, n *node, c *command) (reply, error) {
	n.lock.Lock()
	defer n.lock.Unlock()
	if sub := n.subs[c.Topic]; sub != nil {
		sub.Cancel()
		delete(n.subs, c.Topic)
	}
	return nil, nil
}

func opPub(ctx context.Context, n *node, c *command) (reply, error) {
	t, err := n.topic(c.Topic)
	if err != nil {
		return nil, err
	}
	data := []byte(c.Data)
	if c.Bytes != nil {
		data = make([]byte, *c.Bytes)
		_, _ = rand.Read(data)
	}
	if err := t.Publish(ctx, data); err != nil {
		return nil, err
	}
	recipients := []string{}
	for _, p := range t.ListPeers() {
		recipients = append(recipients, p.String())
	}
	return reply{"recipients": recipients}, nil
}

func atLeast(c *command) int { return max(c.Count, 1) }

func opWaitSubscriber(ctx context.Context, n *node, c *command) (reply, error) {
	if n.ps == nil {
		return nil, fmt.Errorf("no gossipsub here")
	}
	err := until(ctx, c.within(15*time.Second), func() bool {
		return len(n.ps.ListPeers(c.Topic)) >= atLeast(c)
	})
	names := []string{}
	for _, p := range n.ps.ListPeers(c.Topic) {
		names = append(names, p.String())
	}
	return reply{"subscribers": names}, err
}

func opWaitMesh(ctx context.Context, n *node, c *command) (reply, error) {
	names := []string{}
	err := until(ctx, c.within(15*time.Second), func() bool {
		n.lock.Lock()
		defer n.lock.Unlock()
		names = names[:0]
		for p := range n.mesh[c.Topic] {
			names = append(names, p.String())
		}
		return len(names) >= atLeast(c)
	})
	return reply{"mesh": names}, err
}

func opWaitMsg(ctx context.Context, n *node, c *command) (reply, error) {
	var got []message
	err := until(ctx, c.within(15*time.Second), func() bool {
		n.lock.Lock()
		defer n.lock.Unlock()
		got = append([]message{}, n.inbox[c.Topic]...)
		return len(got) >= atLeast(c)
	})
	return reply{"messages": got}, err
}
