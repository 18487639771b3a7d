package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/protocol/autonatv2"
	circuit "github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
	ma "github.com/multiformats/go-multiaddr"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

type options struct {
	listen, announce                list
	security, muxers, keyType, seed string
	dht, dhtProtocol, relay         string
	psk                             string
	gossipsub, nosign, dcutr, mdns  bool
	autonat, autonat1, autonat2     bool
}

func parseOptions() (*options, error) {
	o := &options{}
	flag.Var(&o.listen, "listen", "address to listen on")
	flag.Var(&o.announce, "announce", "address to announce")
	flag.StringVar(&o.security, "security", "noise,tls", "offered, in order")
	flag.StringVar(&o.muxers, "muxers", "yamux,mplex", "offered, in order; mplex is ignored")
	flag.StringVar(&o.keyType, "key-type", "Ed25519", "kind of identity")
	flag.StringVar(&o.seed, "seed", "", "fixed Ed25519 identity")
	flag.StringVar(&o.psk, "psk", "", "file with the key of a private swarm")
	flag.StringVar(&o.dht, "dht", "off", "off, server, client")
	flag.StringVar(&o.dhtProtocol, "dht-protocol", "/ipfs/kad/1.0.0", "name of the protocol")
	flag.StringVar(&o.relay, "relay", "off", "off, server, client")
	flag.BoolVar(&o.gossipsub, "gossipsub", false, "")
	flag.BoolVar(&o.nosign, "gossipsub-nosign", false, "")
	flag.BoolVar(&o.dcutr, "dcutr", false, "")
	flag.BoolVar(&o.autonat, "autonat", false, "AutoNAT of both versions")
	flag.BoolVar(&o.autonat1, "autonat1", false, "")
	flag.BoolVar(&o.autonat2, "autonat2", false, "")
	flag.BoolVar(&o.mdns, "mdns", false, "")
	flag.Int("mdns-interval", 1000, "taken and ignored")
	flag.Parse()
	o.autonat1, o.autonat2 = o.autonat1 || o.autonat, o.autonat2 || o.autonat
	if flag.NArg() != 0 {
		return nil, fmt.Errorf("unexpected %q", flag.Arg(0))
	}
	return o, nil
}

type message struct {
	From  string `json:"from"`
	Data  string `json:"data"`
	Bytes int    `json:"bytes"`
}

type node struct {
	host     host.Host
	dht      *dht.IpfsDHT
	ps       *pubsub.PubSub
	lock     sync.Mutex
	circuits []string
	observed map[peer.ID]string
	signed   map[peer.ID]bool
	seen     map[peer.ID]bool
	topics   map[string]*pubsub.Topic
	subs     map[string]*pubsub.Subscription
	autonat2 *autonatv2.AutoNAT
	mesh     map[string]map[peer.ID]bool
	inbox    map[string][]message
}

func key(o *options) (crypto.PrivKey, error) {
	if o.seed != "" {
		seed, err := hex.DecodeString(o.seed)
		if err != nil || len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("the seed must be 64 hexadecimal digits")
		}
		return crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	}
	kinds := map[string]int{"Ed25519": crypto.Ed25519, "secp256k1": crypto.Secp256k1,
		"RSA": crypto.RSA, "ECDSA": crypto.ECDSA}
	kind, found := kinds[o.keyType]
	if !found {
		return nil, fmt.Errorf("unknown kind of key %q", o.keyType)
	}
	k, _, err := crypto.GenerateKeyPairWithReader(kind, 2048, rand.Reader)
	return k, err
}

func hostOptions(o *options) ([]libp2p.Option, error) {
	k, err := key(o)
	if err != nil {
		return nil, err
	}
	manager, err := connmgr.NewConnManager(1000, 2000)
	if err != nil {
		return nil, err
	}
	resources, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(rcmgr.InfiniteLimits))
	if err != nil {
		return nil, err
	}
	opts := []libp2p.Option{libp2p.Identity(k), libp2p.UserAgent("interop-go/1"),
		libp2p.DisableMetrics(), libp2p.ConnectionManager(manager),
		libp2p.ResourceManager(resources), libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.Transport(tcp.NewTCPTransport)}
	if o.psk == "" { // a private swarm is over TCP
		opts = append(opts, libp2p.Transport(quic.NewTransport), libp2p.Transport(websocket.New))
	} else if swarm, err := privateSwarm(o.psk); err != nil {
		return nil, err
	} else {
		opts = append(opts, swarm)
	}
	for _, s := range strings.Split(o.security, ",") {
		switch s {
		case "noise":
			opts = append(opts, libp2p.Security(noise.ID, noise.New))
		case "tls":
			opts = append(opts, libp2p.Security(tls.ID, tls.New))
		default:
			return nil, fmt.Errorf("unknown security %q", s)
		}
	}
	if o.relay == "off" {
		opts = append(opts, libp2p.DisableRelay())
	} else {
		opts = append(opts, libp2p.EnableRelay())
	}
	if o.relay == "server" {
		limit := relay.DefaultResources()
		limit.Limit = &relay.RelayLimit{Duration: 2 * time.Minute, Data: 1 << 24}
		limit.MaxReservationsPerIP = 128
		opts = append(opts, libp2p.ForceReachabilityPublic(),
			libp2p.EnableRelayService(relay.WithResources(limit)))
	} else if o.dcutr {
		opts = append(opts, libp2p.ForceReachabilityPrivate())
	}
	if o.dcutr {
		opts = append(opts, libp2p.EnableHolePunching())
	}
	if o.autonat1 {
		opts = append(opts, libp2p.EnableNATService())
	}
	return opts, nil
}

func privateSwarm(path string) (libp2p.Option, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	psk, err := pnet.DecodeV1PSK(file)
	return libp2p.PrivateNetwork(psk), err
}

func addresses(o *options, n *node) (opts []libp2p.Option, relays []peer.AddrInfo, err error) {
	var listen list
	for _, a := range o.listen {
		if relayed, found := strings.CutSuffix(a, "/p2p-circuit"); found {
			info, err := peer.AddrInfoFromString(relayed)
			if err != nil {
				return nil, nil, err
			}
			relays = append(relays, *info)
			continue
		}
		listen = append(listen, a)
	}
	opts = append(opts, libp2p.ListenAddrStrings(listen...))
	if len(listen) == 0 {
		opts = append(opts, libp2p.NoListenAddrs)
		if o.relay != "off" {
			opts = append(opts, libp2p.EnableRelay())
		}
	}
	opts = append(opts, libp2p.AddrsFactory(func(addrs []ma.Multiaddr) []ma.Multiaddr {
		for _, a := range o.announce {
			if m, err := ma.NewMultiaddr(a); err == nil {
				addrs = append(addrs, m)
			}
		}
		n.lock.Lock()
		defer n.lock.Unlock()
		for _, a := range n.circuits {
			addrs = append(addrs, ma.StringCast(a))
		}
		return addrs
	}))
	return opts, relays, nil
}

func (n *node) reserve(ctx context.Context, relays []peer.AddrInfo) {
	for _, r := range relays {
		go func() {
			for ctx.Err() == nil {
				var err error
				if err = n.host.Connect(ctx, r); err == nil {
					_, err = circuit.Reserve(ctx, n.host, r)
				}
				if err == nil {
					n.lock.Lock()
					for _, a := range r.Addrs {
						n.circuits = append(n.circuits,
							a.String()+"/p2p/"+r.ID.String()+"/p2p-circuit")
					}
					n.lock.Unlock()
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		}()
	}
}

func (n *node) HandlePeerFound(info peer.AddrInfo) {
	n.lock.Lock()
	n.seen[info.ID] = true
	n.lock.Unlock()
	n.host.Peerstore().AddAddrs(info.ID, info.Addrs, time.Hour)
}

func newNode(ctx context.Context, o *options) (*node, error) {
	n := &node{observed: map[peer.ID]string{}, signed: map[peer.ID]bool{}, seen: map[peer.ID]bool{},
		topics: map[string]*pubsub.Topic{}, subs: map[string]*pubsub.Subscription{},
		mesh: map[string]map[peer.ID]bool{}, inbox: map[string][]message{}}
	opts, err := hostOptions(o)
	if err != nil {
		return nil, err
	}
	more, relays, err := addresses(o, n)
	if err != nil {
		return nil, err
	}
	if n.host, err = libp2p.New(append(opts, more...)...); err != nil {
		return nil, err
	}
	if err := n.watchIdentify(); err != nil {
		return nil, err
	}
	n.host.SetStreamHandler(echoProtocol, handleEcho)
	n.host.SetStreamHandler(perfProtocol, handlePerf)
	n.host.SetStreamHandler(reqresProtocol, handleReqres)
	if o.dht != "off" {
		mode := dht.ModeServer
		if o.dht == "client" {
			mode = dht.ModeClient
		}
		// The prefix frees the table of checks that hold for the public network only.
		n.dht, err = dht.New(n.host, dht.Mode(mode), dht.ProtocolPrefix("/interop"),
			dht.V1ProtocolOverride(protocol.ID(o.dhtProtocol)),
			dht.NamespacedValidator("v", greatest{}))
		if err != nil {
			return nil, err
		}
	}
	if o.autonat2 {
		if err := n.startAutonat2(); err != nil {
			return nil, err
		}
	}
	if o.gossipsub {
		if err := n.startPubsub(ctx, o); err != nil {
			return nil, err
		}
	}
	if o.mdns {
		if err := mdns.NewMdnsService(n.host, "", n).Start(); err != nil {
			return nil, err
		}
	}
	n.reserve(ctx, relays)
	return n, nil
}

func (n *node) addrs() []string {
	out := []string{}
	for _, a := range n.host.Addrs() {
		out = append(out, a.String()+"/p2p/"+n.host.ID().String())
	}
	return out
}

func describe(c network.Conn) reply {
	s := c.ConnState()
	direction := "inbound"
	if c.Stat().Direction == network.DirOutbound {
		direction = "outbound"
	}
	return reply{"peer": c.RemotePeer().String(), "addr": c.RemoteMultiaddr().String(),
		"direction": direction, "security": string(s.Security),
		"muxer": string(s.StreamMultiplexer), "limited": c.Stat().Limited}
}
