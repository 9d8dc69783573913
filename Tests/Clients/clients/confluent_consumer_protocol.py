"""confluent-kafka as members of groups of the new protocol (KIP-848)."""

import corpus
from checks import expect_equal
from clients.confluent import SECONDS_MAX, admin, create, produce
from clients.confluent_groups import Member, group_error, wait_for
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, TopicPartition

PARTITIONS = 4
RECORDS = 50


class NewMember(Member):
    """As a member of the classic protocol, but the coordinator assigns, and says how long sessions are."""

    def __init__(self, address, group, topic):
        super().__init__(
            address, group, topic, group_protocol="consumer", session_timeout_ms=None, heartbeat_interval_ms=None,
            auto_commit_interval_ms=100,
        )


def shared(*members):
    owned = sorted(partition for member in members for partition in member.owned)
    return owned == list(range(PARTITIONS)) and max(len(m.owned) for m in members) - min(len(m.owned) for m in members) <= 1


def state(*members):
    return lambda: f"the members own {[sorted(member.owned) for member in members]}"


def send(address, topic, count):
    """The same number of records to each partition."""
    records = [corpus.Record(partition, None, b"%d" % number, [], None) for number in range(count) for partition in range(PARTITIONS)]
    produce(address, topic, "none", records)


def make(address, topic):
    create(address, topic, PARTITIONS)
    send(address, topic, RECORDS)


def members_share_the_partitions_and_take_over(address):
    topic = group = "confluent-kip848"
    make(address, topic)
    first = NewMember(address, group, topic)
    try:
        wait_for(state(first), lambda: shared(first))
        second = NewMember(address, group, topic)
        try:
            wait_for(state(first, second), lambda: shared(first, second))
        finally:
            second.close()
        wait_for(state(first), lambda: shared(first))
        wanted = {(partition, offset) for partition in range(PARTITIONS) for offset in range(RECORDS)}
        read = lambda: set(first.read) | set(second.read)
        wait_for(lambda: f"{len(read())} of {len(wanted)} records were read", lambda: read() == wanted)
    finally:
        first.close()


def a_classic_group_becomes_one_of_the_new_protocol_with_its_offsets(address):
    topic = group = "confluent-kip848-moved"
    make(address, topic)
    old = Member(address, group, topic)
    try:
        wait_for(state(old), lambda: len(old.read) == PARTITIONS * RECORDS)
    finally:
        old.close()
    new = NewMember(address, group, topic)
    try:
        wait_for(state(new), lambda: shared(new))
        # Asked by a consumer that is no member.
        asking = Consumer({"bootstrap.servers": address, "group.id": group, "log_level": 0})
        committed = asking.committed([TopicPartition(topic, p) for p in range(PARTITIONS)], timeout=10)
        asking.close()
        expect_equal([p.offset for p in committed], [RECORDS] * PARTITIONS, "the offsets that the classic members committed")
    finally:
        new.close()
    expect_equal(new.read, [], "what the new member read again")


def a_member_commits_and_reads_what_is_committed(address):
    topic = group = "confluent-kip848-commits"
    make(address, topic)
    # One thread does all: in confluent-kafka 2.16.1 `committed` does not return while another thread polls.
    consumer = Consumer(
        {
            "bootstrap.servers": address, "group.id": group, "group.protocol": "consumer", "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "log_level": 0,
        }
    )  # fmt: skip
    try:
        consumer.subscribe([topic])
        read = []
        wait_for(
            lambda: f"{len(read)} records were read",
            lambda: read.extend(consumer.consume(100, 0.5)) or len(read) == PARTITIONS * RECORDS,
        )
        partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        expect_equal([p.offset for p in consumer.committed(partitions, SECONDS_MAX)], [-1001] * PARTITIONS, "committed at first")
        consumer.commit(asynchronous=False)
        expect_equal([p.offset for p in consumer.committed(partitions, SECONDS_MAX)], [RECORDS] * PARTITIONS, "committed then")
    finally:
        consumer.close()


def a_regular_expression_subscribes_to_the_topics_that_match_and_to_those_that_come(address):
    prefix = "confluent-kip848-matched"
    for topic in (f"{prefix}-first", "confluent-kip848-not"):
        make(address, topic)
    consumer = Consumer(
        {
            "bootstrap.servers": address, "group.id": prefix, "group.protocol": "consumer", "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )  # fmt: skip
    read = []

    def has_read(*topics):
        wanted = sorted(topics * PARTITIONS * RECORDS)
        more = lambda: read.extend(message.topic() for message in consumer.consume(1000, 0.2)) or sorted(read) == wanted
        wait_for(lambda: f"{len(read)} of {len(wanted)} records were read, of {set(read)}", more)

    try:
        consumer.subscribe([f"^{prefix}-.*"])
        has_read(f"{prefix}-first")
        make(address, f"{prefix}-later")
        has_read(f"{prefix}-first", f"{prefix}-later")
    finally:
        consumer.close()


def administers_groups(address):
    topic = group = "confluent-kip848-admin"
    make(address, topic)
    client = admin(address)
    member = NewMember(address, group, topic)
    try:
        wait_for(state(member), lambda: shared(member) and len(member.read) == PARTITIONS * RECORDS)
        described = client.describe_consumer_groups([group])[group].result(SECONDS_MAX)
        expect_equal((described.state.name, described.type.name), ("STABLE", "CONSUMER"), "state and type")
        expect_equal(described.partition_assignor, "uniform", "the assignor")
        [only] = described.members
        owned = sorted(p.partition for p in only.assignment.topic_partitions)
        expect_equal(owned, list(range(PARTITIONS)), "the assignment")
        listed = {g.group_id: g for g in client.list_consumer_groups().result(SECONDS_MAX).valid}
        expect_equal(listed[group].type.name, "CONSUMER", "the type in the list")
        expect_equal(group_error(client.delete_consumer_groups([group])[group]), KafkaError.NON_EMPTY_GROUP, "deleting it")
    finally:
        member.close()
    offsets = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(SECONDS_MAX)
    expect_equal([p.offset for p in offsets.topic_partitions], [RECORDS] * PARTITIONS, "the offsets")
    client.delete_consumer_groups([group])[group].result(SECONDS_MAX)
    gone = group_error(client.delete_consumer_groups([group])[group])
    expect_equal(gone, KafkaError.GROUP_ID_NOT_FOUND, "deleting it again")


def members_go_on_after_a_kill_and_a_start(broker):
    topic = group = "confluent-kip848-killed"
    make(broker.address, topic)
    first, second = NewMember(broker.address, group, topic), NewMember(broker.address, group, topic)
    try:
        wait_for(state(first, second), lambda: shared(first, second))
        broker.kill()
        broker.start()
        send(broker.address, topic, 1)
        wanted = {(partition, RECORDS) for partition in range(PARTITIONS)}
        wait_for(lambda: f"of {wanted} were read {wanted & set(first.read + second.read)}", lambda: wanted <= set(first.read + second.read))
        wait_for(state(first, second), lambda: shared(first, second))
    finally:
        first.close()
        second.close()


CHECKS = [
    members_share_the_partitions_and_take_over,
    a_classic_group_becomes_one_of_the_new_protocol_with_its_offsets,
    a_member_commits_and_reads_what_is_committed,
    a_regular_expression_subscribes_to_the_topics_that_match_and_to_those_that_come,
    administers_groups,
]
RESTART_CHECKS = [members_go_on_after_a_kill_and_a_start]
