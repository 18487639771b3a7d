package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/multiformats/go-multihash"
	"lukechampine.com/blake3"
)

func (n *node) watchIdentify() error {
	sub, err := n.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return err
	}
	go func() {
		for e := range sub.Out() {
			done := e.(event.EvtPeerIdentificationCompleted)
			n.lock.Lock()
			if done.ObservedAddr != nil {
				n.observed[done.Peer] = done.ObservedAddr.String()
			}
			n.signed[done.Peer] = n.signed[done.Peer] || done.SignedPeerRecord != nil
			n.lock.Unlock()
		}
	}()
	return nil
}

func opDial(ctx context.Context, n *node, c *command) (reply, error) {
	info, err := peer.AddrInfoFromString(c.Addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "interop"),
		c.within(15*time.Second))
	defer cancel()
	n.host.Network().(*swarm.Swarm).Backoff().Clear(info.ID)
	start := time.Now()
	if err := n.host.Connect(ctx, *info); err != nil {
		return nil, err
	}
	spent := milliseconds(time.Since(start))
	conns := n.host.Network().ConnsToPeer(info.ID)
	if len(conns) == 0 {
		return nil, fmt.Errorf("the connection is gone")
	}
	r := describe(conns[0])
	r["ms"] = spent
	return r, nil
}

func opPing(ctx context.Context, n *node, c *command) (reply, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	count := c.Count
	if count == 0 {
		count = 3
	}
	ctx, cancel := context.WithTimeout(network.WithAllowLimitedConn(ctx, "interop"),
		c.within(15*time.Second))
	defer cancel()
	ms := []float64{}
	for result := range ping.Ping(ctx, n.host, id) {
		if result.Error != nil {
			return nil, result.Error
		}
		if ms = append(ms, milliseconds(result.RTT)); len(ms) == count {
			return reply{"ms": ms}, nil
		}
	}
	return nil, fmt.Errorf("the stream ended")
}

func opIdentify(ctx context.Context, n *node, c *command) (reply, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	observed, signed := "", false
	err = until(ctx, c.within(5*time.Second), func() bool {
		n.lock.Lock()
		defer n.lock.Unlock()
		observed, signed = n.observed[id], n.signed[id]
		return observed != "" && len(n.host.Peerstore().Addrs(id)) > 0
	})
	if err != nil {
		return nil, err
	}
	protocols, _ := n.host.Peerstore().GetProtocols(id)
	agent, _ := n.host.Peerstore().Get(id, "AgentVersion")
	version, _ := n.host.Peerstore().Get(id, "ProtocolVersion")
	listen := []string{}
	for _, a := range n.host.Peerstore().Addrs(id) {
		listen = append(listen, a.String())
	}
	return reply{"agent": agent, "protocol": version, "protocols": protocols, "listen": listen,
		"observed": observed, "signedRecord": signed}, nil
}

func opHandshakes(ctx context.Context, n *node, c *command) (reply, error) {
	info, err := peer.AddrInfoFromString(c.Addr)
	if err != nil {
		return nil, err
	}
	n.host.Peerstore().AddAddrs(info.ID, info.Addrs, time.Hour)
	count := c.N
	if count == 0 {
		count = 50
	}
	each := []float64{}
	begin := time.Now()
	for range count {
		start := time.Now()
		conn, err := n.host.Network().(*swarm.Swarm).DialPeer(
			network.WithForceDirectDial(ctx, "interop"), info.ID)
		if err != nil {
			return nil, err
		}
		each = append(each, milliseconds(time.Since(start)))
		_ = conn.Close()
		for n.host.Network().Connectedness(info.ID) == network.Connected {
			time.Sleep(100 * time.Microsecond)
		}
	}
	spent := time.Since(begin).Seconds()
	sort.Float64s(each)
	return reply{"n": count, "perSecond": float64(count) / spent, "medianMs": each[count/2]}, nil
}

func rawCid(data, hash string) (cid.Cid, error) {
	sum, code := sha256.Sum256([]byte(data)), uint64(multihash.SHA2_256)
	if hash == "blake3" {
		sum, code = blake3.Sum256([]byte(data)), multihash.BLAKE3
	}
	mh, err := multihash.Encode(sum[:], code)
	if err != nil {
		return cid.Undef, err
	}
	return cid.NewCidV1(cid.Raw, mh), nil
}

func opCid(_ context.Context, _ *node, c *command) (reply, error) {
	id, err := rawCid(c.Data, c.Hash)
	if err != nil {
		return nil, err
	}
	return reply{"cid": id.String()}, nil
}

func opAddrs(_ context.Context, n *node, _ *command) (reply, error) {
	return reply{"addrs": n.addrs()}, nil
}

func opWaitAddr(ctx context.Context, n *node, c *command) (reply, error) {
	found := ""
	err := until(ctx, c.within(15*time.Second), func() bool {
		n.lock.Lock()
		for _, a := range n.circuits {
			if strings.Contains(a, c.Contains) {
				found = a + "/p2p/" + n.host.ID().String()
			}
		}
		n.lock.Unlock()
		for _, a := range n.addrs() {
			if found == "" && strings.Contains(a, c.Contains) {
				found = a
			}
		}
		return found != ""
	})
	return reply{"addr": found}, err
}

func opConns(_ context.Context, n *node, _ *command) (reply, error) {
	conns := []reply{}
	for _, c := range n.host.Network().Conns() {
		conns = append(conns, describe(c))
	}
	return reply{"conns": conns}, nil
}

func opWaitConn(ctx context.Context, n *node, c *command) (r reply, err error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	err = until(ctx, c.within(15*time.Second), func() bool {
		for _, conn := range n.host.Network().ConnsToPeer(id) {
			if !c.Direct || !conn.Stat().Limited {
				r = describe(conn)
				return true
			}
		}
		return false
	})
	return r, err
}

func opWaitOnlyDirect(ctx context.Context, n *node, c *command) (reply, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	return nil, until(ctx, c.within(20*time.Second), func() bool {
		conns := n.host.Network().ConnsToPeer(id)
		for _, conn := range conns {
			if conn.Stat().Limited {
				return false
			}
		}
		return len(conns) > 0
	})
}

func opWaitDiscovered(ctx context.Context, n *node, c *command) (reply, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	return nil, until(ctx, c.within(15*time.Second), func() bool {
		n.lock.Lock()
		defer n.lock.Unlock()
		return n.seen[id]
	})
}

func opProtocols(_ context.Context, n *node, _ *command) (reply, error) {
	return reply{"protocols": n.host.Mux().Protocols()}, nil
}

func opHangup(_ context.Context, n *node, c *command) (reply, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	return nil, n.host.Network().ClosePeer(id)
}

func opSleep(_ context.Context, _ *node, c *command) (reply, error) {
	time.Sleep(time.Duration(c.Ms) * time.Millisecond)
	return nil, nil
}

func opRss(_ context.Context, _ *node, _ *command) (reply, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return nil, err
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	return reply{"rss": pages * os.Getpagesize()}, err
}
