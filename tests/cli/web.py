"""A web server with ranges, and with faults on purpose: for tests of files that lie elsewhere."""
import http.server
import os
import re
import ssl
import threading
import time


class Web:
    """Serves the files of a folder at `url` until it is closed.

    fault(number, path, first, last) is asked for each request (the first is 0) and may return None,
    or what to do wrong: ("status", 503), ("location", URL), ("whole",), ("range", first, last, size),
    ("short", bytes), ("stall", seconds), ("drip", seconds), ("flip", at), ("tag", text),
    ("close",), ("raw", bytes). certificate: a file with a key and a certificate for https.
    """

    def __init__(self, folder, ranges=True, delay=0.0, fault=None, certificate=None):
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                web.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *args):
                pass

        self.folder, self.ranges, self.delay, self.fault = folder, ranges, delay, fault
        self.asked, self.lock, self.busy, self.most = [], threading.Lock(), 0, 0
        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, h):
        with self.lock:
            number = len(self.asked)
            self.asked.append((h.path, h.headers.get("Range")))
            self.busy += 1
            self.most = max(self.most, self.busy)
        try:
            time.sleep(self.delay)
            self.reply(h, number)
        except OSError:
            h.close_connection = True
        finally:
            with self.lock:
                self.busy -= 1

    def reply(self, h, number):
        name = os.path.join(self.folder, os.path.basename(h.path.split("?")[0]))
        if not os.path.isfile(name):
            self.head(h, 404, 0)
            return
        size = os.path.getsize(name)
        m = re.match(r"bytes=(\d+)-(\d+)$", h.headers.get("Range") or "") if self.ranges else None
        first, last = (int(m[1]), min(int(m[2]), size - 1)) if m else (0, size - 1)
        what = (self.fault(number, h.path, first, last) if self.fault else None) or (None,)
        with open(name, "rb") as f:
            f.seek(first)
            body = bytearray(f.read(last - first + 1))
        tag = f'"{size:x}-{os.stat(name).st_mtime_ns:x}"'
        if what[0] == "status":
            self.head(h, what[1], 0)
        elif what[0] == "location":
            self.head(h, 302, 0, ("Location", what[1]))
        elif what[0] == "close":
            h.close_connection = True
        elif what[0] == "raw":
            h.wfile.write(what[1])
            h.close_connection = True
        else:
            self.body(h, m, body, (first, last, size), tag, what)

    def body(self, h, ranged, body, place, tag, what):
        first, last, size = what[1:] if what[0] == "range" else place
        if what[0] == "whole":
            ranged, body = None, bytes(size)
        if what[0] == "flip" and place[0] <= what[1] <= place[1]:
            body[what[1] - place[0]] ^= 1
        tag = what[1] if what[0] == "tag" else tag
        fields = [("ETag", tag)] + ([("Content-Range", f"bytes {first}-{last}/{size}")] if ranged else [])
        self.head(h, 206 if ranged else 200, len(body), *fields)
        if what[0] == "short":
            h.wfile.write(body[:what[1]])
            h.close_connection = True
        elif what[0] in ("stall", "drip"):
            h.wfile.write(body[:100])
            h.wfile.flush()
            for i in range(100, 110) if what[0] == "drip" else ():
                time.sleep(what[1] / 10)
                h.wfile.write(body[i:i + 1])
                h.wfile.flush()
            time.sleep(what[1] if what[0] == "stall" else 0)
            h.close_connection = True
        else:
            h.wfile.write(body)

    @staticmethod
    def head(h, status, length, *fields):
        h.send_response(status)
        h.send_header("Content-Length", str(length))
        for name, value in fields:
            h.send_header(name, value)
        h.end_headers()
