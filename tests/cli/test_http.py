"""The HTTP API over sockets: clients as they should be, and as they should not."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import harness
from harness import equal


def serve(place, *args):
    """Start the API of the model inside; its port."""
    env = place.env(PLEXUS_HOME=place.path("serve"))
    p = subprocess.Popen([place.program, "serve", "tiny", "--api", "127.0.0.1:0", "--threads", "1",
                          "--json-lines", *args], cwd=place.dir, env=env, text=True,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    place.nodes.append(p)
    ready = json.loads(p.stdout.readline() or "{}")
    assert ready.get("event") == "ready", ready
    return int(ready["http"].rsplit(":", 1)[1])


def ask(port, method, path, body=None, **headers):
    """One request on a connection of its own: status, headers, body."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if isinstance(body, dict):
        body = json.dumps(body)
        headers.setdefault("content_type", "application/json")
    c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    r = c.getresponse()
    data = r.read()
    c.close()
    return r.status, r, data


def doc(port, method, path, body=None, **headers):
    status, _, data = ask(port, method, path, body, **headers)
    equal(status, 200, data)
    return json.loads(data)


def raw(port, text, wait=60):
    """Send bytes and read to the end."""
    s = socket.create_connection(("127.0.0.1", port), timeout=wait)
    s.sendall(text)
    out = b""
    try:
        while True:
            more = s.recv(65536)
            if not more:
                break
            out += more
    except (TimeoutError, ConnectionResetError):
        pass
    s.close()
    return out


def alive(port):
    equal(ask(port, "GET", "/health")[0], 200)


def test_answers_are_those_of_run(place):
    port = serve(place)
    want = place.json("run", "tiny", "Once upon a time", "-n", "12", "--temp", "0")["text"]
    got = doc(port, "POST", "/v1/completions",
              {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 12, "temperature": 0})
    equal(got["choices"][0]["text"], want)
    status, r, data = ask(port, "POST", "/v1/completions", {
        "prompt": "Once upon a time", "max_tokens": 12, "temperature": 0, "stream": True,
        "stream_options": {"include_usage": True}})
    equal((status, r.getheader("content-type")), (200, "text/event-stream"))
    events = [e[6:] for e in data.decode().split("\n\n") if e]
    equal(events.pop(), "[DONE]")
    docs = [json.loads(e) for e in events]
    equal(docs.pop()["usage"]["completion_tokens"], 12)
    equal("".join(d["choices"][0]["text"] for d in docs), want)
    lines = ask(port, "POST", "/api/generate", {
        "model": "tiny", "prompt": "Once upon a time", "raw": True,
        "options": {"num_predict": 12, "temperature": 0, "repeat_penalty": 0}})[2]
    docs = [json.loads(x) for x in lines.decode().splitlines()]
    equal("".join(d["response"] for d in docs), want)
    equal((docs[-1]["done"], docs[-1]["eval_count"]), (True, 12))


def test_many_answers_at_once(place):
    port = serve(place, "--parallel", "3")
    body = {"prompt": "Once upon a time", "max_tokens": 24, "temperature": 1}
    want = [doc(port, "POST", "/v1/completions", {**body, "seed": i})["choices"][0]["text"]
            for i in range(8)]
    got = [None] * 8

    def one(i):
        got[i] = doc(port, "POST", "/v1/completions", {**body, "seed": i})["choices"][0]["text"]
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(got, want)
    assert len(set(want)) > 3, want


def test_a_connection_is_kept(place):
    port = serve(place)
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for i in range(50):
        if i % 2:
            c.request("POST", "/tokenize", json.dumps({"content": "x" * i}),
                      {"content-type": "application/json"})
        else:
            c.request("GET", "/health")
        r = c.getresponse()
        r.read()
        equal(r.status, 200)
    c.close()
    equal(doc(port, "GET", "/px/v1/status")["http"]["accepted"], 2)
    # two requests in one piece
    out = raw(port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    equal(out.count(b"HTTP/1.1 200 OK"), 2, out)


def test_other_sites_are_refused(place):
    port = serve(place)
    for headers, want in (({"Host": "evil"}, 403), ({"Origin": "http://evil"}, 403),
                          ({"Origin": "null"}, 403), ({"Host": "localhost:1"}, 200),
                          ({"Origin": f"http://127.0.0.1:{port}"}, 200)):
        equal(ask(port, "GET", "/v1/models", **headers)[0], want, headers)
    equal(ask(port, "POST", "/v1/completions", "prompt=x",
              content_type="application/x-www-form-urlencoded")[0], 415)
    status, r, _ = ask(port, "OPTIONS", "/v1/completions", Origin="http://evil")
    equal((status, r.getheader("access-control-allow-origin")), (403, None))


def test_the_token(place):
    port = serve(place, "--api-token", place.path("token"))
    equal(os.stat(place.path("token")).st_mode & 0o777, 0o600)
    with open(place.path("token"), encoding="ascii") as f:
        token = f.read().strip()
    equal(len(token), 64)
    for value in ("", "Bearer", "Bearer x", f"Basic {token}", f"Bearer {token}x",
                  f"Bearer {token[:-1]}", "Bearer " + "x" * 64):
        equal(ask(port, "GET", "/v1/models", Authorization=value)[0], 401, value)
    equal(ask(port, "GET", "/v1/models", Authorization=f"Bearer {token}")[0], 200)
    equal(ask(port, "GET", "/metrics")[0], 401)
    equal(ask(port, "GET", "/readyz")[0], 200)
    os.chmod(place.path("token"), 0o644)
    r = place.run("serve", "tiny", "--api", "127.0.0.1:0", "--api-token", place.path("token"))
    equal(r.code, 5)


def test_addresses(place):
    for address, code in (("nowhere:1", 2), ("127.0.0.1:99999", 2), ("x", 2), ("off", 2)):
        equal(place.run("serve", "tiny", "--api", address).code, code, address)
    port = serve(place)
    r = place.run("serve", "tiny", "--api", f"127.0.0.1:{port}")
    equal(r.code, 5)
    assert "port" in r.err, r.err


def test_sizes(place):
    port = serve(place)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    cases = (
        (head + b"Content-Length: 1073741824\r\n\r\n", b"413"),
        (head + b"\r\n", b"411"),
        (head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"411"),
        (head + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
        (head + b"Content-Length: -1\r\n\r\n", b"400"),
        (head + b"Content-Length: 2x\r\n\r\n{}", b"400"),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nCookie: " + b"x" * 20000 + b"\r\n\r\n", b"431"),
        (b"PUT /health HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
    )
    for text, want in cases:
        out = raw(port, text)
        equal(out[9:12], want, (text[:200], out[:200]))
    for text in (b"x" * 200000, b"GET / HTTP/1.1\r\n" + b"X-Some: y\r\n" * 10000 + b"\r\n",
                 b"\r\n" * 1000, b"\x00" * 1000, b"GET /\x00\xff HTTP/1.1\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                 b"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
                 b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        out = raw(port, text, wait=2)
        assert b" 200 OK" not in out and b" 101 " not in out, (text[:80], out[:200])
        alive(port)
    deep = '{"prompt":' + "[" * 100000
    equal(ask(port, "POST", "/v1/completions", deep, content_type="application/json")[0], 400)
    big = json.dumps({"content": "x y z " * 170000})
    equal(ask(port, "POST", "/tokenize", big, content_type="application/json")[0], 200)
    r = raw(port, head + b"Content-Length: 9000000\r\n\r\n" + b"x" * 9000000)
    equal(r[9:12], b"413", r[:100])
    alive(port)


def test_requests_that_come_slowly(place):
    port = serve(place)
    slow = []
    for text in (b"GET /hea", b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"):
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        s.sendall(text)
        slow.append(s)
    begun = time.monotonic()
    for i in range(8):  # a byte now and then does not help
        time.sleep(1)
        for s in slow:
            s.sendall(b" ")
        alive(port)
    for s in slow:
        s.settimeout(15)
        try:
            while s.recv(1000):
                pass
        except ConnectionResetError:
            pass
        s.close()
    assert time.monotonic() - begun < 22, "slow clients are cut"
    alive(port)


def test_a_client_that_leaves_frees_its_place(place):
    port = serve(place, "--parallel", "1")
    for _ in range(3):
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        body = json.dumps({"prompt": "Once", "max_tokens": 400, "stream": True, "ignore_eos": True})
        s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
                  f"Content-Type: application/json\r\n\r\n{body}".encode())
        s.recv(1000)
        s.close()
    equal(ask(port, "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 1})[0], 200)
    model = doc(port, "GET", "/px/v1/status")["models"][0]
    equal((model["running"], model["waiting"]), (0, 0))


def test_events(place):
    port = serve(place)
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    s.sendall(b"GET /px/v1/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 0\r\n\r\n")
    out = b""
    ask(port, "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 2})
    while b"event: answer" not in out:
        more = s.recv(65536)
        assert more, out
        out += more
    assert b"event: model" in out and b'"tokens":2' in out.replace(b" ", b""), out
    s.close()


def test_signals_end_it_in_the_middle(place):
    port = serve(place)
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    body = json.dumps({"prompt": "Once", "max_tokens": 400, "stream": True, "ignore_eos": True})
    s.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
              f"Content-Type: application/json\r\n\r\n{body}".encode())
    s.recv(1000)
    place.nodes[-1].send_signal(signal.SIGTERM)
    equal(place.nodes[-1].wait(30), 0)
    s.close()


def test_a_node_serves_beside_its_swarm(place):
    first, _ = place.up("--api", "127.0.0.1:0", "--model", "tiny")
    second, _ = place.up("--bootstrap", first["addrs"][0], "--api", "off", home=place.path("second"))
    equal(second["http"], None)
    port = int(first["http"].rsplit(":", 1)[1])
    end = time.monotonic() + 20
    while not doc(port, "GET", "/px/v1/peers")["peers"] and time.monotonic() < end:
        time.sleep(0.05)
    t = doc(port, "GET", "/px/v1/topology")
    equal([n["peer"] for n in t["nodes"]], [first["peer"], second["peer"]])
    equal(t["links"][0]["to"], second["peer"])
    text = ask(port, "GET", "/metrics")[2].decode()
    assert f'plexus_peer_state{{peer="{second["peer"]}"' in text, text
    equal(doc(port, "GET", "/v1/models")["data"][0]["id"], "tiny")


def test_what_a_swarm_cannot_do_is_said(place):
    node, _ = place.up("--api", "127.0.0.1:0", "--model", "tiny", "--swarm")
    port = int(node["http"].rsplit(":", 1)[1])
    question = {"prompt": "Once", "max_tokens": 12, "temperature": 0}
    for field, value in (("logprobs", 2), ("response_format", {"type": "json_object"})):
        status, _, body = ask(port, "POST", "/v1/completions", {**question, field: value})
        error = json.loads(body)["error"]
        equal((status, error["code"], error["param"]), (400, "unsupported_value", field))
        assert "swarm" in error["message"], error
    status, _, body = ask(port, "POST", "/api/generate",
                          {"model": "tiny", "prompt": "Once", "format": "json"})
    equal(status, 400)
    plain = doc(port, "POST", "/v1/completions", question)["choices"][0]["text"]
    first = place.json("run", "tiny", "Once", "-n", "12", "--temp", "0")["tokens"][0]
    biased = doc(port, "POST", "/v1/completions", {**question, "logit_bias": {str(first): -100}})
    alone = place.json("run", "tiny", "Once", "-n", "12", "--temp", "0", "--bias", f"{first}=-inf")
    equal(biased["choices"][0]["text"], alone["text"])
    assert plain != alone["text"]
    together = place.json("run", "tiny", "Once", "-n", "12", "--temp", "0", "--bias",
                          f"{first}=-inf", "--swarm")
    equal(together["tokens"], alone["tokens"])
    equal(ask(port, "GET", "/readyz")[0], 200)
    place.json("drain")
    status, _, body = ask(port, "GET", "/readyz")
    assert status == 503 and b"drains" in body, (status, body)
    status, _, body = ask(port, "POST", "/v1/completions", question)
    assert status >= 400 and b"drain" in body, (status, body)
    place.json("drain", "--off")
    equal(doc(port, "POST", "/v1/completions", question)["choices"][0]["text"], plain)


def test_stop_waits_for_an_answer(place):
    node, process = place.up("--api", "127.0.0.1:0", "--model", "tiny")
    port = int(node["http"].rsplit(":", 1)[1])
    question = {"prompt": "Once", "max_tokens": 200, "temperature": 0, "ignore_eos": True}
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("POST", "/v1/completions", json.dumps({**question, "stream": True}),
              {"content-type": "application/json"})
    r = c.getresponse()
    r.read(10)  # it is under way
    equal(place.json("stop")["left"], 0)
    assert r.read().endswith(b"data: [DONE]\n\n")
    equal(process.wait(20), 0)


def test_metrics_are_well_formed_and_never_fall(place):
    port = serve(place)
    before = {}
    for _ in range(3):
        ask(port, "POST", "/v1/completions", {"prompt": "Once", "max_tokens": 2})
        typed, now = {}, {}
        for line in ask(port, "GET", "/metrics")[2].decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                assert name not in typed, name
                typed[name] = kind
            elif not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.split("{")[0]
                base = next((name[:-len(e)] for e in ("_bucket", "_sum", "_count")
                             if name.endswith(e) and name[:-len(e)] in typed), name)
                assert base in typed and series not in now, line
                now[series] = float(value)
                if typed[base] != "gauge":
                    assert now[series] >= before.get(series, 0), line
        before = now
    assert len(before) > 40


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
