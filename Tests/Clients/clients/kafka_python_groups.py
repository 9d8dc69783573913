"""kafka-python as members of groups."""

import threading
import time

import corpus
from checks import expect, expect_equal
from clients.kafka_python import SECONDS_MAX, Admin, create, produce
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata


class Member:
    """A consumer that a thread polls."""

    def __init__(self, address, group, topic, **options):
        self.owned = set()
        self.read = []
        self.stop = threading.Event()
        self.consumer = KafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", session_timeout_ms=6000,
            heartbeat_interval_ms=300, metadata_max_age_ms=1000, **options,
        )
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        # kafka-python 3.0.12 loses the answer to a SyncGroup when a poll ends between the JoinGroup and that answer, and the member
        # had joined again for new metadata: it believes itself joined, and neither heartbeats nor fetches. So a poll has ample time.
        while not self.stop.is_set():
            for batch in self.consumer.poll(timeout_ms=1000).values():
                self.read += [(record.partition, record.offset) for record in batch]
            self.owned = {partition.partition for partition in self.consumer.assignment()}
        self.consumer.close()

    def close(self):
        self.stop.set()
        self.thread.join(SECONDS_MAX)


def wait_for(what, condition):
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        expect(time.monotonic() < deadline, what())
        time.sleep(0.02)


def members_share_the_partitions_and_take_over(address):
    create(address, "python-share", 4)
    members = [Member(address, "python-share", "python-share")]
    try:
        wait_for(lambda: f"the first owns {members[0].owned}", lambda: len(members[0].owned) == 4)
        members.append(Member(address, "python-share", "python-share"))
        wait_for(
            lambda: f"the members own {[m.owned for m in members]}",
            lambda: [len(m.owned) for m in members] == [2, 2] and members[0].owned | members[1].owned == {0, 1, 2, 3},
        )
        members[1].close()
        wait_for(lambda: f"the first owns {members[0].owned}", lambda: len(members[0].owned) == 4)
    finally:
        for member in members:
            member.close()


def a_group_goes_on_where_it_was(address):
    create(address, "python-resume", 1)
    produce(address, "python-resume", "none", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(100)])
    partition = TopicPartition("python-resume", 0)

    def read(count, commits):
        consumer = KafkaConsumer(
            "python-resume", bootstrap_servers=address, group_id="python-resume", auto_offset_reset="earliest",
            enable_auto_commit=False, max_poll_records=10,
        )
        found = []
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while len(found) < count:
                expect(time.monotonic() < deadline, f"{len(found)} of {count} records were read")
                for batch in consumer.poll(timeout_ms=500).values():
                    found += [record.offset for record in batch]
            if commits:
                consumer.commit({partition: OffsetAndMetadata(count, "as far as this", -1)})
                expect_equal(consumer.committed(partition), count, "what is committed")
            return found[:count]
        finally:
            consumer.close()

    expect_equal(read(30, commits=True), list(range(30)), "the offsets read first")
    expect_equal(read(20, commits=False), list(range(30, 50)), "the offsets read next")
    expect_equal(read(70, commits=False), list(range(30, 100)), "the offsets read after no commit")


def administers_groups(address):
    create(address, "python-groups", 1)
    produce(address, "python-groups", "none", [corpus.Record(0, None, b"x", [], None)] * 10)
    member = Member(address, "python-groups", "python-groups", auto_commit_interval_ms=100)
    try:
        wait_for(lambda: f"{len(member.read)} records were read", lambda: len(member.read) == 10)
        with Admin(address) as admin:
            expect("python-groups" in str(admin.list_groups()), "the group is not listed")
            expect("Stable" in str(admin.describe_groups(["python-groups"])), "the group is not stable")
    finally:
        member.close()
    with Admin(address) as admin:
        offsets = admin.list_group_offsets(["python-groups"])
        expect("10" in str(offsets), f"the offsets are {offsets}")
        admin.delete_groups(["python-groups"])
        expect("python-groups" not in str(admin.list_groups()), "the group is still listed")


CHECKS = [members_share_the_partitions_and_take_over, a_group_goes_on_where_it_was, administers_groups]
