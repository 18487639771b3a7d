package main

import (
	"context"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/host/autonat"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// startAutonat2 serves AutoNAT v2 and makes ready to ask others; a host of its own dials back.
func (n *node) startAutonat2() error {
	dialer, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics(),
		libp2p.Transport(tcp.NewTCPTransport))
	if err != nil {
		return err
	}
	if n.autonat2, err = autonatv2.New(dialer); err != nil {
		return err
	}
	return n.autonat2.Start(n.host)
}

// askV1 asks every peer whether it reaches us.
func (n *node) askV1(ctx context.Context) (string, error) {
	client := autonat.NewAutoNATClient(n.host, nil, nil)
	err := fmt.Errorf("nobody to ask")
	for _, p := range n.host.Network().Peers() {
		if err = client.DialBack(ctx, p); err == nil {
			return n.addrs()[0], nil
		}
	}
	return "", err
}

// askV2 asks one peer about our addresses.
func (n *node) askV2(ctx context.Context) (string, error) {
	asked := []autonatv2.Request{}
	for _, a := range n.host.Addrs() {
		asked = append(asked, autonatv2.Request{Addr: a, SendDialData: true})
	}
	result, err := n.autonat2.GetReachability(ctx, asked)
	if err == nil && result.Reachability != network.ReachabilityPublic {
		err = fmt.Errorf("reachability %s", result.Reachability)
	}
	if err != nil {
		return "", err
	}
	return result.Addr.String(), nil
}

// opWaitReachable asks again and again until somebody says that we are reached.
func opWaitReachable(ctx context.Context, n *node, c *command) (reply, error) {
	ask := n.askV1
	if c.Version == 2 {
		if ask = n.askV2; n.autonat2 == nil {
			return nil, fmt.Errorf("no AutoNAT v2 here")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.within(30*time.Second))
	defer cancel()
	for {
		addr, err := ask(ctx)
		if err == nil {
			return reply{"addr": addr}, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}
