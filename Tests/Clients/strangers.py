"""Ten thousand connections of a stranger beside clients that are known: how long those wait, and whether it is too long.

    python3 strangers.py BROKER [--listener SASL_SSL|SASL_PLAINTEXT|MUTUAL] [--connections N] [--limit MS]

One client produces every 5 ms over one connection, another connects anew each time. The stranger, who has another address, opens his connections as
fast as he can: a third says nothing, a third sends the first message of a TLS handshake and no other, a third sends garbage. Where the clients share
few processors with him and the broker, what they wait without him is printed as well.
"""

import argparse
import multiprocessing
import os
import pathlib
import random
import resource
import selectors
import socket
import ssl
import struct
import sys
import tempfile
import time

from broker import Broker, free_port
from certificates import Certificates
from clients import raw

QUIET_SECONDS = 3
AFTER_SECONDS = 3
STRANGER = "127.0.0.2"
CONNECTS_UNDER_WAY = 400


class Known:
    """A connection of a client that is known."""

    def __init__(self, scene):
        steps = [time.monotonic()]
        self.socket = socket.create_connection(("127.0.0.1", scene["port"]), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        steps.append(time.monotonic())
        if scene["listener"] != "SASL_PLAINTEXT":
            context = ssl.create_default_context(cafile=scene["ca"])
            if scene["listener"] == "MUTUAL":
                context.load_cert_chain(scene["certificate"], scene["key"])
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        steps.append(time.monotonic())
        if scene["listener"] != "MUTUAL":
            self.ask(17, 1, raw.string(b"PLAIN"))
            answer = self.ask(36, 0, struct.pack(">i", 12) + b"\0bob\0builder")
            if answer[:2] != b"\0\0":
                raise RuntimeError(f"bob is not let in: {answer}")
        steps.append(time.monotonic())
        # Milliseconds of connecting, of TLS and of SASL.
        self.steps = [round((end - begin) * 1e3) for begin, end in zip(steps, steps[1:])]

    def ask(self, key, version, body):
        header = struct.pack(">hhi", key, version, 1) + raw.string(b"known")
        self.socket.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])[4:]

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise RuntimeError("the broker closed the connection of a client that is known")
            data += piece
        return data

    def produce(self, batch):
        answer = self.ask(0, 3, raw.produce_body(b"known", batch))
        error, _ = raw.produced(answer, b"known")
        if error != 0:
            raise RuntimeError(f"produce: error {error}")


def steady(scene, stop, results):
    """Times of single answers."""
    batch = raw.batch([b"x" * 100])
    times = []
    known = Known(scene)
    while not stop.is_set():
        began = time.monotonic()
        known.produce(batch)
        times.append((began, time.monotonic() - began))
        time.sleep(0.005)
    results.put(("an answer", times))


def returning(scene, stop, results):
    """Times from nothing to the first answer."""
    batch = raw.batch([b"x" * 100])
    times, slowest = [], (0, [])
    while not stop.is_set():
        began = time.monotonic()
        known = Known(scene)
        known.produce(batch)
        times.append((began, time.monotonic() - began))
        slowest = max(slowest, (times[-1][1], known.steps))
        known.socket.close()
        time.sleep(0.02)
    print(f"  the slowest new connection: TCP, TLS, SASL {slowest[1]} of {slowest[0] * 1e3:.0f} ms", flush=True)
    results.put(("a new connection", times))


def first_message():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def stranger(scene, count, done, results):
    """Opens `count` connections; keeps them until `done` is set."""
    os.nice(0)
    hello = first_message()
    draw = random.Random(1)
    selector = selectors.DefaultSelector()
    open_sockets, under_way, begun, failed = [], 0, 0, 0
    began = time.monotonic()
    while begun < count or under_way > 0:
        while begun < count and under_way < CONNECTS_UNDER_WAY:
            one = socket.socket()
            one.setblocking(False)
            one.bind((STRANGER, 0))
            one.connect_ex(("127.0.0.1", scene["port"]))
            selector.register(one, selectors.EVENT_WRITE, begun % 3)
            begun += 1
            under_way += 1
        for key, _ in selector.select(1):
            under_way -= 1
            selector.unregister(key.fileobj)
            try:
                if key.data == 1:
                    key.fileobj.send(hello)
                elif key.data == 2:
                    key.fileobj.send(draw.randbytes(200))
                open_sockets.append(key.fileobj)
            except OSError:
                failed += 1
    ended = time.monotonic()
    results.put(("stranger", (began, ended, failed)))
    done.wait()


def summary(times, since, until):
    some = sorted(seconds for began, seconds in times if since <= began < until or since <= began + seconds < until)
    if not some:
        return "none", 0
    figures = [some[len(some) // 2], some[int(len(some) * 0.99)], some[-1]]
    return f"{len(some)}: median {figures[0] * 1e3:.1f} ms, 99 % {figures[1] * 1e3:.1f} ms, longest {figures[2] * 1e3:.1f} ms", some[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("broker")
    parser.add_argument("--listener", default="SASL_SSL", choices=["SASL_SSL", "SASL_PLAINTEXT", "MUTUAL"])
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--limit", type=float, default=100, help="milliseconds")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(pathlib.Path(directory) / "certificates")
        port, plaintext = free_port(), free_port()
        settings = {
            "listeners": f"PLAINTEXT://127.0.0.1:{plaintext},{options.listener}://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,MUTUAL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": certificates.path("server.both.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": certificates.ca,
            "listener.name.mutual.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN",
            f"listener.name.{options.listener.lower()}.plain.sasl.jaas.config": 'M required user_bob="builder";',
            **dict(pair.split("=", 1) for pair in options.set),
        }
        scene = {
            "port": port, "listener": options.listener, "ca": certificates.ca,
            "certificate": certificates.path("alice.pem"), "key": certificates.path("alice.key"),
        }
        broker = Broker(options.broker, settings)
        broker.port = plaintext
        with broker:
            raw.create(f"127.0.0.1:{plaintext}", b"known")
            stop, done, results = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
            clients = [multiprocessing.Process(target=body, args=(scene, stop, results)) for body in (steady, returning)]
            for client in clients:
                client.start()
            quiet_from = time.monotonic() + 0.5
            time.sleep(QUIET_SECONDS)
            other = multiprocessing.Process(target=stranger, args=(scene, options.connections, done, results))
            other.start()
            _, (began, ended, failed) = results.get(timeout=120)
            time.sleep(AFTER_SECONDS)
            stop.set()
            figures = dict(results.get(timeout=60) for _ in clients)
            done.set()
            other.join()
            for client in clients:
                client.join()
            print(f"{options.listener}: {options.connections} connections in {ended - began:.1f} s, {failed} ended while he wrote")
            longest = 0
            for what, times in figures.items():
                quiet, _ = summary(times, quiet_from, began)
                loud, worst = summary(times, began, ended + AFTER_SECONDS)
                longest = max(longest, worst)
                print(f"  {what} without him: {quiet}\n  {what} beside him:  {loud}")
            if broker.process.poll() is not None:
                print(broker.tail())
                return 1
        if longest * 1e3 > options.limit:
            print(f"a client waited for {longest * 1e3:.0f} ms, more than {options.limit:.0f}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
