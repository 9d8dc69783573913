"""A broker of our own on a free loopback port, in a directory that is gone afterwards."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    def __init__(self, binary, settings=None):
        """`settings` come on top of the usual ones, or in their place."""
        self.binary = binary
        self.settings = settings or {}
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-clients-"))
        self.port = free_port()
        self.log_path = self.directory / "broker.log"
        self.process = None
        self.log = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def __enter__(self):
        self.start()
        return self

    def start(self):
        """Starts it, for the first time or on what an earlier run left; returns when it accepts connections."""
        properties = self.directory / "server.properties"
        usual = {
            "broker.id": 1,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": self.directory / "data",
            "num.partitions": 2,
            "auto.create.topics.enable": "true",
            "log.retention.check.interval.ms": 200,
            "group.initial.rebalance.delay.ms": 0,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 500,
        }
        properties.write_text("".join(f"{key}={value}\n" for key, value in {**usual, **self.settings}.items()))
        (self.directory / "data").mkdir(exist_ok=True)
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen([self.binary, str(properties)], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}:\n{self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the broker does not accept connections:\n{self.tail()}")

    def __exit__(self, *failure):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def stop(self):
        """Stops it as an operator does; its exit code, or None when it had to be killed."""
        if self.log is None or self.log.closed:
            return self.process and self.process.returncode
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
        self.log.close()
        return self.process.returncode

    def kill(self):
        """Ends it without a word of warning."""
        self.process.kill()
        self.process.wait()
        self.log.close()

    def tail(self, lines=30):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
