// A go-libp2p peer that speaks the line protocol of the interop tests: JSON commands on standard
// input, one a line; JSON results on standard output. It serves and calls the same stream protocols
// as `plexus interop-peer`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

type command struct {
	ID       int64  `json:"id"`
	Op       string `json:"op"`
	Addr     string `json:"addr"`
	Peer     string `json:"peer"`
	Timeout  int64  `json:"timeout"`
	Force    bool   `json:"force"`
	Count    int    `json:"count"`
	Fresh    bool   `json:"fresh"`
	Bytes    *int   `json:"bytes"`
	Chunk    int    `json:"chunk"`
	Up       int64  `json:"up"`
	Down     int64  `json:"down"`
	N        int    `json:"n"`
	Key      string `json:"key"`
	Value    string `json:"value"`
	Cid      string `json:"cid"`
	Data     string `json:"data"`
	Hash     string `json:"hash"`
	Size     int    `json:"size"`
	Topic    string `json:"topic"`
	Contains string `json:"contains"`
	Direct   bool   `json:"direct"`
	Ms       int64  `json:"ms"`
	Protocol string `json:"protocol"`
	Version  int    `json:"version"`
}

type reply map[string]any

type operation func(context.Context, *node, *command) (reply, error)

var operations = map[string]operation{
	"dial": opDial, "ping": opPing, "identify": opIdentify, "echo": opEcho, "reqres": opReqres,
	"perf": opPerf, "handshakes": opHandshakes, "raw": opRaw,
	"kad-put": opKadPut, "kad-get": opKadGet, "provide": opProvide,
	"find-providers": opFindProviders, "find-peer": opFindPeer, "closest": opClosest,
	"kad-table": opKadTable, "wait-table": opWaitTable,
	"sub": opSub, "unsub": opUnsub, "pub": opPub, "wait-subscriber": opWaitSubscriber,
	"wait-mesh": opWaitMesh, "wait-msg": opWaitMsg,
	"cid": opCid, "addrs": opAddrs, "wait-addr": opWaitAddr, "conns": opConns,
	"wait-conn": opWaitConn, "wait-only-direct": opWaitOnlyDirect,
	"wait-discovered": opWaitDiscovered, "wait-reachable": opWaitReachable, "protocols": opProtocols, "hangup": opHangup,
	"sleep": opSleep, "rss": opRss,
}

var sayLock sync.Mutex

func say(r reply) {
	line, _ := json.Marshal(r)
	sayLock.Lock()
	defer sayLock.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

func (c *command) within(usual time.Duration) time.Duration {
	if c.Timeout > 0 {
		return time.Duration(c.Timeout) * time.Millisecond
	}
	return usual
}

// until asks cond again and again until it is true or the time is over.
func until(ctx context.Context, d time.Duration, cond func() bool) error {
	end := time.Now().Add(d)
	for !cond() {
		if time.Now().After(end) {
			return fmt.Errorf("timeout")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Millisecond):
		}
	}
	return nil
}

func serve(ctx context.Context, n *node, c *command) {
	op, found := operations[c.Op]
	r, err := reply{}, error(nil)
	if found {
		r, err = op(ctx, n, c)
	} else {
		err = fmt.Errorf("unknown op")
	}
	if err != nil {
		r = reply{"error": err.Error()}
	}
	if r == nil {
		r = reply{}
	}
	r["id"], r["op"], r["ok"] = c.ID, c.Op, err == nil
	say(r)
}

func (c *command) peerID() (peer.ID, error) {
	if c.Peer != "" {
		return peer.Decode(c.Peer)
	}
	info, err := peer.AddrInfoFromString(c.Addr)
	if err != nil {
		return "", err
	}
	return info.ID, nil
}

func main() {
	o, err := parseOptions()
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-peer:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n, err := newNode(ctx, o)
	if err != nil {
		return err
	}
	say(reply{"event": "ready", "impl": "go", "peer": n.host.ID().String(), "addrs": n.addrs(),
		"protocols": n.host.Mux().Protocols()})
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil
		}
		c := &command{}
		if json.Unmarshal(line, c) != nil {
			continue
		}
		if c.Op == "quit" {
			say(reply{"id": c.ID, "op": c.Op, "ok": true})
			return nil
		}
		go serve(ctx, n, c)
	}
}
