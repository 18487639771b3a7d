package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	echoProtocol   = protocol.ID("/echo/1.0.0")
	perfProtocol   = protocol.ID("/perf/1.0.0")
	reqresProtocol = protocol.ID("/interop/reqres/1.0.0")
	block          = 64 * 1024
)

func finish(s network.Stream, err error) {
	if err != nil {
		_ = s.Reset()
		return
	}
	_ = s.Close()
}

func handleEcho(s network.Stream) {
	_, err := io.CopyBuffer(struct{ io.Writer }{s}, s, make([]byte, block))
	finish(s, err)
}

func sendZeros(w io.Writer, n int64) error {
	zeros := make([]byte, block)
	for n > 0 {
		part := min(n, block)
		if _, err := w.Write(zeros[:part]); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

func handlePerf(s network.Stream) {
	var head [8]byte
	_, err := io.ReadFull(s, head[:])
	if err == nil {
		_, err = io.Copy(io.Discard, s)
	}
	if err == nil {
		err = sendZeros(s, int64(binary.BigEndian.Uint64(head[:])))
	}
	finish(s, err)
}

func handleReqres(s network.Stream) {
	in := bufio.NewReaderSize(s, block)
	for {
		n, err := binary.ReadUvarint(in)
		if err == io.EOF {
			finish(s, nil)
			return
		}
		sum := sha256.New()
		if err == nil {
			_, err = io.CopyN(sum, in, int64(n))
		}
		if err == nil {
			_, err = s.Write(append([]byte{32}, sum.Sum(nil)...))
		}
		if err != nil {
			finish(s, err)
			return
		}
	}
}

func open(ctx context.Context, n *node, c *command, p protocol.ID) (network.Stream, error) {
	id, err := c.peerID()
	if err != nil {
		return nil, err
	}
	return n.host.NewStream(network.WithAllowLimitedConn(ctx, "interop"), id, p)
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func opEcho(ctx context.Context, n *node, c *command) (reply, error) {
	s, err := open(ctx, n, c, echoProtocol)
	if err != nil {
		return nil, err
	}
	bytes, chunk := block, block
	if c.Bytes != nil {
		bytes = *c.Bytes
	}
	if c.Chunk > 0 {
		chunk = c.Chunk
	}
	want := make([]byte, bytes)
	_, _ = rand.Read(want)
	start := time.Now()
	sent := make(chan error, 1)
	go func() {
		var err error
		for rest := want; len(rest) > 0 && err == nil; {
			part := min(chunk, len(rest))
			_, err = s.Write(rest[:part])
			rest = rest[part:]
		}
		if err == nil {
			err = s.CloseWrite()
		}
		sent <- err
	}()
	got, err := io.ReadAll(s)
	if err == nil {
		err = <-sent
	}
	finish(s, err)
	if err != nil {
		return nil, err
	}
	if string(got) != string(want) {
		return nil, fmt.Errorf("echo mismatch: sent %d got %d", len(want), len(got))
	}
	return reply{"bytes": len(got), "ms": milliseconds(time.Since(start))}, nil
}

// One request of random bytes; the answer is their digest.
func request(s network.Stream, bytes int) error {
	body := make([]byte, bytes)
	_, _ = rand.Read(body)
	var answer [33]byte
	_, err := s.Write(append(binary.AppendUvarint(nil, uint64(bytes)), body...))
	if err == nil {
		_, err = io.ReadFull(s, answer[:])
	}
	if sum := sha256.Sum256(body); err == nil && (answer[0] != 32 || string(answer[1:]) != string(sum[:])) {
		err = fmt.Errorf("bad response")
	}
	return err
}

// Requests one after the other, on one stream or ("fresh") each on a new one.
func opReqres(ctx context.Context, n *node, c *command) (reply, error) {
	count, bytes := max(c.Count, 1), 1000
	if c.Bytes != nil {
		bytes = *c.Bytes
	}
	start := time.Now()
	s, err := open(ctx, n, c, reqresProtocol)
	if err != nil {
		return nil, err
	}
	if !c.Fresh {
		start = time.Now()
	}
	for i := range count {
		if i > 0 && c.Fresh {
			finish(s, nil)
			if s, err = open(ctx, n, c, reqresProtocol); err != nil {
				return nil, err
			}
		}
		if err = request(s, bytes); err != nil {
			finish(s, err)
			return nil, err
		}
	}
	took := milliseconds(time.Since(start))
	finish(s, nil)
	return reply{"count": count, "fresh": c.Fresh, "ms": took}, nil
}

func opPerf(ctx context.Context, n *node, c *command) (reply, error) {
	s, err := open(ctx, n, c, perfProtocol)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if _, err = s.Write(binary.BigEndian.AppendUint64(nil, uint64(c.Down))); err == nil {
		err = sendZeros(s, c.Up)
	}
	if err == nil {
		err = s.CloseWrite()
	}
	var got int64
	if err == nil {
		got, err = io.Copy(io.Discard, s)
	}
	if err == nil && got != c.Down {
		err = fmt.Errorf("perf: wanted %d got %d", c.Down, got)
	}
	finish(s, err)
	if err != nil {
		return nil, err
	}
	seconds := time.Since(start).Seconds()
	return reply{"up": c.Up, "down": c.Down, "seconds": seconds,
		"MBps": float64(c.Up+c.Down) / 1e6 / seconds}, nil
}

// opRaw opens any protocol, sends zeros, half-closes and counts what comes back.
func opRaw(ctx context.Context, n *node, c *command) (reply, error) {
	s, err := open(ctx, n, c, protocol.ID(c.Protocol))
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if c.Bytes != nil {
		err = sendZeros(s, int64(*c.Bytes))
	}
	if err == nil {
		err = s.CloseWrite()
	}
	var got int64
	if err == nil {
		got, err = io.Copy(io.Discard, s)
	}
	finish(s, err)
	return reply{"got": got, "ms": milliseconds(time.Since(start))}, err
}
