"""A cluster of three brokers and ZooKeeper that `millrace cluster up` runs, and the harm that can be done to it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

START_SECONDS_MAX = 90
STOP_SECONDS_MAX = 120
COMMAND_SECONDS_MAX = 150
BROKERS = 3
DISK_MIB = 384
SETTINGS = {
    "zookeeper.session.timeout.ms": 4000,
    "replica.lag.time.max.ms": 5000,
    "num.partitions": 3,
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "offsets.topic.num.partitions": 6,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "transaction.state.log.num.partitions": 6,
    "group.initial.rebalance.delay.ms": 0,
    "controlled.shutdown.retry.backoff.ms": 500,
}


class LocalCluster:
    def __init__(self, programs, settings=None, brokers=BROKERS, racks=()):
        """`programs` is the directory of the built programs; `settings` come on top of the usual ones; `racks` are the brokers' in turn."""
        self.brokers = brokers
        self.racks = racks
        self.millrace = str(pathlib.Path(programs).resolve() / "millrace")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="millrace-cluster-"))
        self.settings = {**SETTINGS, **(settings or {})}
        self.process = None

    def __enter__(self):
        overrides = [f"{key}={value}" for key, value in self.settings.items()]
        out = open(self.directory / "up.log", "ab")
        command = [self.millrace, "cluster", "up", "--brokers", str(self.brokers), "--directory", str(self.directory)]
        command += ["--racks", ",".join(self.racks)] if self.racks else []
        command += ["--disk-mib", str(DISK_MIB)] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([*command, "--override", *overrides], stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS_MAX
        while "Ctrl-C stops" not in self.said():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the cluster does not start:\n{self.said()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                print(f"the cluster does not stop:\n{self.said()}")
                self.process.kill()
                for broker in self.state()["brokers"]:
                    if broker.get("pid"):
                        os.kill(broker["pid"], signal.SIGKILL)
        if not os.environ.get("MILLRACE_KEEP"):
            shutil.rmtree(self.directory, ignore_errors=True)

    def said(self):
        return (self.directory / "up.log").read_text(errors="replace")

    def state(self):
        return json.loads((self.directory / "cluster.json").read_text())

    @property
    def address(self):
        return ",".join(broker["address"] for broker in self.state()["brokers"])

    @property
    def zookeeper(self):
        return self.state()["zooKeeper"]["address"]

    def broker(self, broker):
        return next(found for found in self.state()["brokers"] if found["id"] == broker)

    def pid(self, broker):
        return self.broker(broker).get("pid")

    def controller(self):
        """The id of the broker that is the controller; None where there is none."""
        command = [self.millrace, "znodes", "get", "/controller", "--zookeeper", self.zookeeper]
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
        start = found.stdout.find("{")
        if found.returncode or start < 0:
            return None
        return json.JSONDecoder().raw_decode(found.stdout[start:])[0]["brokerid"]

    def fault(self, *arguments):
        command = [self.millrace, "cluster", "fault", *map(str, arguments), "--directory", str(self.directory)]
        self.run(*command[1:])

    def run(self, *arguments):
        """Runs `millrace` with these arguments, and returns what it prints."""
        done = subprocess.run([self.millrace, *arguments], timeout=COMMAND_SECONDS_MAX, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments[:4])}: {done.stderr.strip()}")
        return done.stdout

    # What can be done to a broker.

    def kill(self, broker):
        self.fault("kill", broker)
        self.wait(lambda: self.pid(broker) is None, f"broker {broker} has ended")

    def stop(self, broker):
        """As an operator does."""
        os.kill(self.pid(broker), signal.SIGTERM)
        self.wait(lambda: self.pid(broker) is None, f"broker {broker} has stopped")

    def start(self, broker, **settings):
        """Returns when it takes clients. With `settings` they are its own from now on; a key's dots are underscores."""
        overrides = [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        self.fault("start", broker, *(["--override", *overrides] if overrides else []))

    def pause(self, broker):
        self.fault("pause", broker)

    def resume(self, broker):
        self.fault("resume", broker)

    def cut(self, broker, direction="both"):
        self.fault("cut", broker, "--direction", direction)

    def fill(self, broker):
        self.fault("fill", broker)

    def mend(self, broker):
        """Undoes `cut` and `fill`."""
        self.fault("mend", broker)

    def restart_zookeeper(self):
        self.fault("restart-zookeeper")

    @staticmethod
    def wait(condition, what, seconds=40):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"not so after {seconds} s: {what}")
            time.sleep(0.05)

    def tail(self, lines=6):
        """The last words of each broker."""
        words = []
        for log in sorted(self.directory.glob("broker-*/broker.log")):
            words += [f"{log.parent.name}: {line[:300]}" for line in log.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(words)
