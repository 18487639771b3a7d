package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const kadTime = 20 * time.Second

// greatest accepts every record and prefers the greatest value.
type greatest struct{}

func (greatest) Validate(string, []byte) error { return nil }

func (greatest) Select(_ string, values [][]byte) (int, error) {
	best := 0
	for i, v := range values {
		if bytes.Compare(v, values[best]) > 0 {
			best = i
		}
	}
	return best, nil
}

func kadContext(ctx context.Context, n *node, c *command) (context.Context, context.CancelFunc, error) {
	if n.dht == nil {
		return nil, nil, fmt.Errorf("no table here")
	}
	ctx, cancel := context.WithTimeout(ctx, c.within(kadTime))
	return ctx, cancel, nil
}

func opKadPut(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := n.dht.PutValue(ctx, c.Key, []byte(c.Value)); err != nil {
		return nil, err
	}
	return reply{"stored": n.dht.RoutingTable().Size()}, nil
}

func opKadGet(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	value, err := n.dht.GetValue(ctx, c.Key)
	return reply{"value": string(value)}, err
}

func opProvide(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	id, err := rawCid(c.Data, c.Hash)
	if c.Cid != "" {
		id, err = cid.Decode(c.Cid)
	}
	if err == nil {
		err = n.dht.Provide(ctx, id, true)
	}
	if err != nil {
		return nil, err
	}
	return reply{"cid": id.String(), "queries": n.dht.RoutingTable().Size()}, nil
}

func opFindProviders(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	id, err := cid.Decode(c.Cid)
	if err != nil {
		return nil, err
	}
	providers := map[string][]string{}
	for info := range n.dht.FindProvidersAsync(ctx, id, 0) {
		addrs := []string{}
		for _, a := range info.Addrs {
			addrs = append(addrs, a.String())
		}
		providers[info.ID.String()] = addrs
	}
	return reply{"providers": providers}, nil
}

func opFindPeer(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	info, err := n.dht.FindPeer(ctx, id)
	if err != nil {
		return nil, err
	}
	addrs := []string{}
	for _, a := range info.Addrs {
		addrs = append(addrs, a.String())
	}
	return reply{"peer": info.ID.String(), "addrs": addrs}, nil
}

func opClosest(ctx context.Context, n *node, c *command) (reply, error) {
	ctx, cancel, err := kadContext(ctx, n, c)
	if err != nil {
		return nil, err
	}
	defer cancel()
	key := c.Key
	if c.Peer != "" {
		id, err := peer.Decode(c.Peer)
		if err != nil {
			return nil, err
		}
		key = string(id)
	}
	found, err := n.dht.GetClosestPeers(ctx, key)
	peers := []string{}
	for _, id := range found {
		peers = append(peers, id.String())
	}
	return reply{"peers": peers}, err
}

func opKadTable(_ context.Context, n *node, _ *command) (reply, error) {
	if n.dht == nil {
		return nil, fmt.Errorf("no table here")
	}
	return reply{"size": n.dht.RoutingTable().Size()}, nil
}

func opWaitTable(ctx context.Context, n *node, c *command) (reply, error) {
	if n.dht == nil {
		return nil, fmt.Errorf("no table here")
	}
	err := until(ctx, c.within(15*time.Second), func() bool {
		return n.dht.RoutingTable().Size() >= c.Size
	})
	return reply{"size": n.dht.RoutingTable().Size()}, err
}
