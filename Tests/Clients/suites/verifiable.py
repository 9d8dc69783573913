"""The verifiable clients of confluent-kafka: its entries for Apache Kafka's system tests.

Its source distribution has no other tests. The clients say what they do, a JSON object a line; what Kafka's system tests check of them
is checked here: every record is acknowledged once, members of a group have all partitions between them and no record twice, and
what is committed is where the next member goes on.
"""

import json
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

from broker import Broker
from checks import expect, expect_equal
from clients import raw

from . import suite
from .kafka_python import download

VERSION = "2.16.1"
SHIM = suite.EXPECTED.parent / "shims/verifiable.py"
SECONDS_MAX = 40
RECORDS = 500
PARTITIONS = 4


class Client:
    """A verifiable client that runs, and what it has said."""

    def __init__(self, tree, kind, *arguments):
        self.events = []
        script = tree / f"src/confluent_kafka/kafkatest/verifiable_{kind}.py"
        command = [sys.executable, "-B", SHIM, script, *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def listen(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, name):
        return [event for event in list(self.events) if event["name"] == name]

    def stop(self):
        """Stops it as Kafka's system tests do, and waits for its last words."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(SECONDS_MAX)
        self.reader.join(SECONDS_MAX)
        expect_equal([event.get("failed", False) for event in self.of("shutdown_complete")], [False], "how the shutdown failed")

    @property
    def consumed(self):
        return sum(event["count"] for event in self.of("records_consumed"))

    @property
    def owned(self):
        """The partitions that it was assigned last."""
        assignments = [event for event in list(self.events) if event["name"].startswith("partitions_")]
        if not assignments or assignments[-1]["name"] == "partitions_revoked":
            return []
        return sorted(partition["partition"] for partition in assignments[-1]["partitions"])


class Clients:
    def __init__(self, tree, address):
        self.tree, self.address, self.running = tree, address, []

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for client in self.running:
            client.process.kill()
            client.process.wait()

    def start(self, kind, topic, *arguments):
        self.running.append(Client(self.tree, kind, "--broker-list", self.address, "--topic", topic, *arguments))
        return self.running[-1]

    def produce(self, topic, *arguments):
        """Has a producer send all records; they are acknowledged."""
        producer = self.start("producer", topic, "--max-messages", str(RECORDS), *arguments)
        producer.process.wait(SECONDS_MAX)
        producer.reader.join(SECONDS_MAX)
        sent = producer.of("producer_send_success")
        expect_equal(sorted(int(event["value"]) for event in sent), list(range(RECORDS)), "the values acknowledged")
        places = {(event["partition"], event["offset"]) for event in sent}
        expect_equal(len(places), RECORDS, "the places of the records")
        expect_equal(producer.of("producer_send_error"), [], "errors")


def wait_for(what, condition):
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        expect(time.monotonic() < deadline, what())
        time.sleep(0.05)


def a_producer_has_every_record_acknowledged(clients):
    for acks in ("1", "-1"):
        topic = f"verifiable-acks{acks}"
        raw.create(clients.address, topic.encode(), partitions=PARTITIONS)
        clients.produce(topic, "--acks", acks)


def members_share_the_partitions(clients, *strategy):
    topic = "-".join(["verifiable-share", *strategy[1:]]).replace("org.apache.kafka.clients.consumer.", "")
    raw.create(clients.address, topic.encode(), partitions=PARTITIONS)
    clients.produce(topic)
    members = [clients.start("consumer", topic, "--group-id", topic, *strategy) for _ in range(2)]
    wait_for(
        lambda: f"the members have {[member.owned for member in members]}",
        lambda: sorted(members[0].owned + members[1].owned) == list(range(PARTITIONS)) and members[0].owned and members[1].owned,
    )
    clients.produce(topic)
    wait_for(lambda: f"{[m.consumed for m in members]} records were consumed", lambda: sum(m.consumed for m in members) >= 2 * RECORDS)
    for member in members:
        member.stop()
    expect_equal(sum(member.consumed for member in members), 2 * RECORDS, "the records consumed")
    for member in members:
        expect(all(event["success"] for event in member.of("offsets_committed")), "a commit failed")


def members_of_the_range_assignor(clients):
    members_share_the_partitions(clients, "--assignment-strategy", "org.apache.kafka.clients.consumer.RangeAssignor")


def members_of_the_round_robin_assignor(clients):
    members_share_the_partitions(clients, "--assignment-strategy", "org.apache.kafka.clients.consumer.RoundRobinAssignor")


def a_member_goes_on_where_another_stopped(clients):
    topic = "verifiable-resume"
    raw.create(clients.address, topic.encode(), partitions=PARTITIONS)
    for _ in range(2):
        clients.produce(topic)
        member = clients.start("consumer", topic, "--group-id", topic)
        wait_for(lambda member=member: f"{member.consumed} records were consumed", lambda member=member: member.consumed >= RECORDS)
        member.stop()
        expect_equal(member.consumed, RECORDS, "the records consumed")


CHECKS = [
    a_producer_has_every_record_acknowledged, members_of_the_range_assignor, members_of_the_round_robin_assignor,
    a_member_goes_on_where_another_stopped,
]  # fmt: skip


def fetch(cache):
    tree = cache / f"confluent-kafka-{VERSION}"
    if not tree.is_dir():
        archive = download(f"confluent-kafka=={VERSION}", cache)
        with tarfile.open(archive) as packed:
            packed.extractall(cache, filter="data")
        shutil.move(cache / archive.name.removesuffix(".tar.gz"), tree)
    return tree


def run(binary, cache, names):
    tree = fetch(cache)
    with Broker(binary) as broker:
        for check in CHECKS:
            if check.__name__ not in names:
                continue
            began, outcome, detail = time.monotonic(), suite.PASSED, ""
            with Clients(tree, broker.address) as clients:
                try:
                    check(clients)
                except Exception as failure:  # noqa: BLE001, whatever it is, the check has failed
                    outcome, detail = suite.FAILED, str(failure)
            yield suite.Result(check.__name__, outcome, detail, time.monotonic() - began)
