"""How the members of a job find each other: over a store that all of them trust, torch's.

Rank 0 makes a key and a number for the job; each member says its address; each says whether it could
open the job. Either all have it open at the end, or none has, and all know why.
"""
import json
import os
import socket

from . import _plexus

ATTEMPTS = 3  # a port that was free may be taken before it is opened


class NotHere(Exception):
    """The job cannot be: the text is the reason, the same on all ranks."""


def route(host):
    """The address by which this machine sends to another."""
    family, kind, proto, _, to = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, proto) as s:
        s.connect(to)
        return s.getsockname()[0]


def is_loopback(ip):
    return ip.startswith("127.") or ip == "::1"


def common(own, all_ips):
    """Our address, or, if only this machine reaches it and others are elsewhere, the one to them."""
    others = [ip for ip in all_ips if not is_loopback(ip)]
    return route(others[0]) if is_loopback(own) and others else own


def reserve(ip):
    """A socket with a free port."""
    s = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.bind((ip, 0))
    except OSError:
        s.close()
        raise
    return s


class Board:
    """What the members of one job say to each other in a store."""

    def __init__(self, store, prefix, rank, world):
        self.store, self.prefix, self.rank, self.world = store, prefix, rank, world

    def say(self, what, value):
        self.store.set(f"{self.prefix}/{what}", json.dumps(value))

    def hear(self, what):
        return json.loads(bytes(self.store.get(f"{self.prefix}/{what}")))

    def forget(self, what):
        try:
            self.store.delete_key(f"{self.prefix}/{what}")
        except (RuntimeError, NotImplementedError):
            pass  # a store of files forgets nothing

    def gather(self, what, value):
        """What each says, in the order of ranks."""
        self.say(f"{what}/{self.rank}", value)
        return [self.hear(f"{what}/{i}") for i in range(self.world)]


def agree(board, what, fact, why):
    """Each gives a fact, or why not. Facts of all; NotHere with the first reason if there is one."""
    said = board.gather(what, {"fact": fact, "why": why})
    for rank, s in enumerate(said):
        if s["why"]:
            raise NotHere(f"rank {rank}: {s['why']}")
    return [s["fact"] for s in said]


def _once(board, attempt, ip, options):
    """Open the job; (member, "") or (None, why not)."""
    hold = None
    try:
        hold = reserve(ip)
        fact, why = hold.getsockname()[1], ""
    except OSError as e:
        fact, why = 0, f"no port at {ip}: {e.strerror}"
    key = f"{attempt}/key"
    if board.rank == 0:
        board.say(key, {"secret": os.urandom(32).hex(), "job": int.from_bytes(os.urandom(4), "big")})
    given = board.hear(key)
    try:
        places = agree(board, f"{attempt}/port", [ip, fact], why)
    finally:
        if hold:
            hold.close()
    addresses = tuple(f"/ip{'6' if ':' in i else '4'}/{i}/udp/{port}" for i, port in places)
    try:
        member = _plexus.Reduce(rank=board.rank, addresses=addresses, job=given["job"],
                                secret=bytes.fromhex(given["secret"]), **options)
        return member, ""
    except (_plexus.Error, ValueError) as e:
        return None, str(e)


def meet(board, host, why="", address=None, **options):
    """A plexus._plexus.Reduce that all members have opened. host: where rank 0 is; why: this member
    knows that it cannot; options: of Reduce. Raises NotHere."""
    ip = ""
    try:
        ip = address or route(host)
    except OSError as e:
        why = why or f"no way to {host}: {e.strerror}"
    ips = agree(board, "ip", ip, why)
    try:
        ip = address or common(ip, ips)
    except OSError:
        pass  # it stays as it is, and the sums say who does not answer
    said = []
    for attempt in range(ATTEMPTS):
        member, why = None, ""
        try:
            member, why = _once(board, attempt, ip, options)
            said = board.gather(f"{attempt}/open", why)
        finally:
            if board.rank == 0:  # all have read it, or nobody needs it
                board.forget(f"{attempt}/key")
        if not any(said):
            return member
        if member:
            member.close()
    raise NotHere(next(f"rank {i}: {s}" for i, s in enumerate(said) if s))
