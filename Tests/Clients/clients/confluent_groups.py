"""confluent-kafka as members of groups."""

import threading
import time

import corpus
from checks import expect, expect_equal
from clients.confluent import SECONDS_MAX, admin, create, produce
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition


class Member:
    """A consumer that a thread polls, with what it was assigned and what it has read."""

    def __init__(self, address, group, topic, **options):
        self.assignments = []
        self.owned = set()
        self.lost = []
        self.read = []
        self.errors = []
        self.pause = threading.Event()
        self.stop = threading.Event()
        settings = {
            "bootstrap.servers": address,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 300,
            "topic.metadata.refresh.interval.ms": 1000,
            "log_level": 0,
            **{name.replace("_", "."): value for name, value in options.items()},
        }
        # An option of None is left to the client.
        self.consumer = Consumer({name: value for name, value in settings.items() if value is not None})
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost_all)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def assigned(self, consumer, partitions):
        self.assignments.append(sorted(p.partition for p in partitions))
        self.owned |= {p.partition for p in partitions}

    def revoked(self, consumer, partitions):
        self.owned -= {p.partition for p in partitions}

    def lost_all(self, consumer, partitions):
        self.lost.append(sorted(p.partition for p in partitions))
        self.owned -= {p.partition for p in partitions}

    def run(self):
        while not self.stop.is_set():
            if self.pause.is_set():
                time.sleep(0.05)
                continue
            message = self.consumer.poll(0.1)
            if message is None:
                continue
            if message.error():
                self.errors.append(message.error().code())
            else:
                self.read.append((message.partition(), message.offset()))

    def close(self):
        self.stop.set()
        self.thread.join(SECONDS_MAX)
        self.consumer.close()


class Group:
    """Members that are closed at the end."""

    def __init__(self, address, group, topic):
        self.of = (address, group, topic)
        self.members = []

    def add(self, **options):
        self.members.append(Member(*self.of, **options))
        return self.members[-1]

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        for member in self.members:
            if not member.stop.is_set():
                member.close()


def wait_for(what, condition, seconds=SECONDS_MAX):
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, f"after {seconds} s: {what()}")
        time.sleep(0.02)


def owns(member, count):
    wait_for(lambda: f"a member owns {sorted(member.owned)}, not {count} partitions", lambda: len(member.owned) == count)


def share(first, second, partitions):
    wait_for(
        lambda: f"the members own {sorted(first.owned)} and {sorted(second.owned)}",
        lambda: len(first.owned) == len(second.owned) == partitions // 2 and first.owned | second.owned == set(range(partitions)),
    )


def members_share_the_partitions_and_take_over(address):
    create(address, "confluent-share", 4)
    for kind in ("range", "roundrobin", "cooperative-sticky"):
        with Group(address, f"confluent-{kind}", "confluent-share") as group:
            first = group.add(partition_assignment_strategy=kind)
            owns(first, 4)
            second = group.add(partition_assignment_strategy=kind)
            share(first, second, 4)
            second.close()
            owns(first, 4)
            expect_equal(first.lost, [], "partitions lost")
            if kind == "cooperative-sticky":
                expect_equal([len(a) for a in first.assignments if a], [4, 2], "partitions assigned anew at a time")


def no_record_is_skipped_over_rebalances(address):
    create(address, "confluent-once", 4)
    records = [corpus.Record(n % 4, None, b"%d" % n, [], None) for n in range(2000)]
    with Group(address, "confluent-once", "confluent-once") as group:
        members = [group.add(partition_assignment_strategy="cooperative-sticky", auto_commit_interval_ms=100)]
        owns(members[0], 4)
        for round in range(3):
            produce(address, "confluent-once", "none", records)
            members.append(group.add(partition_assignment_strategy="cooperative-sticky", auto_commit_interval_ms=100))
        found = lambda: {place for member in members for place in member.read}
        wanted = {(partition, offset) for partition in range(4) for offset in range(1500)}
        wait_for(lambda: f"{len(found())} of {len(wanted)} records were read", lambda: found() == wanted)


def a_group_goes_on_where_it_was(address):
    create(address, "confluent-resume", 1)
    produce(address, "confluent-resume", "none", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(100)])

    def read(count, commits):
        consumer = Consumer(
            {"bootstrap.servers": address, "group.id": "confluent-resume", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        )
        consumer.subscribe(["confluent-resume"])
        found = []
        try:
            deadline = time.monotonic() + SECONDS_MAX
            while len(found) < count:
                expect(time.monotonic() < deadline, f"{len(found)} of {count} records were read")
                message = consumer.poll(1)
                if message is not None and not message.error():
                    found.append(message.offset())
            if commits:
                consumer.commit(offsets=[TopicPartition("confluent-resume", 0, found[-1] + 1, metadata="as far as this")], asynchronous=False)
            [committed] = consumer.committed([TopicPartition("confluent-resume", 0)], timeout=SECONDS_MAX)
            return found, committed
        finally:
            consumer.close()

    found, committed = read(30, commits=True)
    expect_equal(found, list(range(30)), "the offsets read first")
    expect_equal((committed.offset, committed.metadata), (30, "as far as this"), "what is committed")
    expect_equal(read(20, commits=False)[0], list(range(30, 50)), "the offsets read next")
    expect_equal(read(70, commits=True)[0], list(range(30, 100)), "the offsets read after no commit")


def a_static_member_comes_back_without_a_rebalance(address):
    create(address, "confluent-static", 4)
    with Group(address, "confluent-static", "confluent-static") as group:
        first = group.add(group_instance_id="one", session_timeout_ms=20000)
        owns(first, 4)
        second = group.add(group_instance_id="two", session_timeout_ms=20000)
        share(first, second, 4)
        before, owned = list(first.assignments), set(second.owned)
        second.close()
        time.sleep(1)
        again = group.add(group_instance_id="two", session_timeout_ms=20000)
        owns(again, 2)
        expect_equal(again.owned, owned, "what the member gets back")
        expect_equal(first.assignments, before, "the assignments of the other")


def two_members_with_one_instance_id_are_told_apart(address):
    create(address, "confluent-fenced", 1)
    with Group(address, "confluent-fenced", "confluent-fenced") as group:
        first = group.add(group_instance_id="same")
        owns(first, 1)
        second = group.add(group_instance_id="same")
        owns(second, 1)
        wait_for(lambda: f"errors of the first: {first.errors}", lambda: {KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID} & set(first.errors))


def a_member_that_polls_too_seldom_leaves_and_comes_back(address):
    create(address, "confluent-slow", 2)
    with Group(address, "confluent-slow", "confluent-slow") as group:
        first = group.add(max_poll_interval_ms=6000)
        second = group.add(max_poll_interval_ms=6000)
        share(first, second, 2)
        second.pause.set()
        owns(first, 2)
        second.pause.clear()
        share(first, second, 2)
        expect(KafkaError._MAX_POLL_EXCEEDED in second.errors, f"the errors were {second.errors}")


def a_killed_member_is_replaced_when_its_session_ends(address):
    create(address, "confluent-killed", 2)
    with Group(address, "confluent-killed", "confluent-killed") as group:
        first, second = group.add(), group.add(group_instance_id="static")
        share(first, second, 2)
        second.close()  # a static member does not leave: as for the others, it is gone
        owns(first, 2)


def administers_groups(address):
    create(address, "confluent-admin", 2)
    produce(address, "confluent-admin", "none", [corpus.Record(n % 2, None, b"x", [], None) for n in range(20)])
    client = admin(address)
    partitions = [TopicPartition("confluent-admin", 0, 3), TopicPartition("confluent-admin", 1, 4)]
    with Group(address, "confluent-admin", "confluent-admin") as group:
        member = group.add(auto_commit_interval_ms=100)
        owns(member, 2)
        described = client.describe_consumer_groups(["confluent-admin"])["confluent-admin"].result(SECONDS_MAX)
        expect_equal(described.state.name, "STABLE", "the state")
        expect_equal(described.partition_assignor, "range", "the assignor")
        [only] = described.members
        expect_equal(sorted(p.partition for p in only.assignment.topic_partitions), [0, 1], "the assignment")
        listed = {g.group_id: g for g in client.list_consumer_groups().result(SECONDS_MAX).valid}
        expect_equal(listed["confluent-admin"].state.name, "STABLE", "the state in the list")
        expect_equal(group_error(client.delete_consumer_groups(["confluent-admin"])["confluent-admin"]), KafkaError.NON_EMPTY_GROUP, "deleting it")
        request = [ConsumerGroupTopicPartitions("confluent-admin", partitions)]
        altered = client.alter_consumer_group_offsets(request)["confluent-admin"]
        expect_equal(group_error(altered), KafkaError.UNKNOWN_MEMBER_ID, "altering its offsets")
    altered = client.alter_consumer_group_offsets(request)["confluent-admin"].result(SECONDS_MAX)
    expect_equal([p.error for p in altered.topic_partitions], [None, None], "altering the offsets of an empty group")
    fetched = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions("confluent-admin")])["confluent-admin"].result(SECONDS_MAX)
    expect_equal({p.partition: p.offset for p in fetched.topic_partitions}, {0: 3, 1: 4}, "the offsets")
    client.delete_consumer_groups(["confluent-admin"])["confluent-admin"].result(SECONDS_MAX)
    expect_equal(group_error(client.delete_consumer_groups(["confluent-admin"])["confluent-admin"]), KafkaError.GROUP_ID_NOT_FOUND, "deleting it again")
    expect("confluent-admin" not in {g.group_id for g in client.list_consumer_groups().result(SECONDS_MAX).valid}, "it is still listed")


def group_error(future):
    """The code of the error of a group, or of its first partition; 0 when there is none."""
    try:
        result = future.result(SECONDS_MAX)
    except KafkaException as failure:
        return failure.args[0].code()
    for partition in getattr(result, "topic_partitions", None) or []:
        if partition.error:
            return partition.error.code()
    return 0


def members_go_on_after_the_broker_is(broker, end):
    topic = f"confluent-restart-{end.__name__}"
    create(broker.address, topic, 4)
    records = [corpus.Record(n % 4, None, b"%d" % n, [], None) for n in range(400)]
    with Group(broker.address, topic, topic) as group:
        first = group.add(auto_commit_interval_ms=100)
        second = group.add(auto_commit_interval_ms=100)
        share(first, second, 4)
        produce(broker.address, topic, "none", records)
        end()
        broker.start()
        produce(broker.address, topic, "none", records)
        found = lambda: {place for member in group.members for place in member.read}
        wanted = {(partition, offset) for partition in range(4) for offset in range(200)}
        wait_for(lambda: f"{len(found())} of {len(wanted)} records were read", lambda: found() == wanted)
        share(first, second, 4)


def members_go_on_after_a_kill_and_a_start(broker):
    members_go_on_after_the_broker_is(broker, broker.kill)


def members_go_on_after_a_stop_and_a_start(broker):
    members_go_on_after_the_broker_is(broker, broker.stop)


CHECKS = [
    members_share_the_partitions_and_take_over,
    no_record_is_skipped_over_rebalances,
    a_group_goes_on_where_it_was,
    a_static_member_comes_back_without_a_rebalance,
    two_members_with_one_instance_id_are_told_apart,
    a_member_that_polls_too_seldom_leaves_and_comes_back,
    a_killed_member_is_replaced_when_its_session_ends,
    administers_groups,
]
RESTART_CHECKS = [members_go_on_after_a_kill_and_a_start, members_go_on_after_a_stop_and_a_start]
