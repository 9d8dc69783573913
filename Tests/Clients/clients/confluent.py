"""confluent-kafka: a current librdkafka."""

import json
import time

import corpus
from checks import expect, expect_equal
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

SECONDS_MAX = 30


def admin(address):
    """To be kept while its futures are waited for: they fail when it goes."""
    return AdminClient({"bootstrap.servers": address, "log_level": 4})


def create(address, topic, partitions, configs=None):
    client = admin(address)
    client.create_topics([NewTopic(topic, partitions, 1, config=configs or {})])[topic].result(SECONDS_MAX)


def error_code(action):
    """The code of the error that `action` ends with; 0 when it ends well."""
    try:
        action()
    except KafkaException as failure:
        return failure.args[0].code()
    return 0


def produce(address, topic, codec, records, **options):
    failures = []

    def delivered(error, message):
        if error:
            failures.append(error)

    producer = Producer({"bootstrap.servers": address, "log_level": 4, "compression.type": codec, "linger.ms": 50, **options})
    for record in records:
        producer.produce(
            topic,
            partition=record.partition,
            key=record.key,
            value=record.value,
            headers=record.headers,
            timestamp=record.timestamp or 0,
            on_delivery=delivered,
        )
    left = producer.flush(SECONDS_MAX)
    expect_equal(left, 0, "records left unsent")
    expect(not failures, f"{len(failures)} records failed: {failures[:1]}")


def write(address, topic, codec):
    create(address, topic, corpus.PARTITIONS, corpus.RETENTION)
    records = corpus.records()
    produce(address, topic, codec, records)
    return records


def consume(address, assignment, options=None):
    """Everything from the assigned offsets to the partitions' ends."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "clients-checks",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            **(options or {}),
        }
    )
    found, ended = [], set()
    try:
        consumer.assign(assignment)
        deadline = time.monotonic() + SECONDS_MAX
        while len(ended) < len(assignment):
            expect(time.monotonic() < deadline, f"{len(found)} records read and no end in sight")
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
                    continue
                raise KafkaException(message.error())
            found.append(
                corpus.Record(
                    message.partition(),
                    message.key(),
                    message.value(),
                    message.headers() or [],
                    message.timestamp()[1],
                    message.offset(),
                )
            )
    finally:
        consumer.close()
    return found


def read(address, topic, partitions):
    return consume(address, [TopicPartition(topic, partition, 0) for partition in range(partitions)])


def creates_and_deletes_topics(address):
    client = admin(address)
    create(address, "confluent-made", 4, {"cleanup.policy": "delete", "retention.ms": "3600000"})
    topic = client.list_topics(timeout=SECONDS_MAX).topics["confluent-made"]
    expect_equal(sorted(topic.partitions), [0, 1, 2, 3], "the partitions")
    expect_equal({p.leader for p in topic.partitions.values()}, {1}, "the leaders")
    again = client.create_topics([NewTopic("confluent-made", 1, 1)])["confluent-made"]
    expect_equal(error_code(again.result), KafkaError.TOPIC_ALREADY_EXISTS, "creating it again")
    client.delete_topics(["confluent-made"])["confluent-made"].result(SECONDS_MAX)
    expect("confluent-made" not in client.list_topics(timeout=SECONDS_MAX).topics, "the topic is still there")
    gone = client.delete_topics(["confluent-made"])["confluent-made"]
    expect_equal(error_code(gone.result), KafkaError.UNKNOWN_TOPIC_OR_PART, "deleting it again")


def refuses_what_cannot_be_a_topic(address):
    client = admin(address)

    def creating(name, partitions=1, replicas=1, **more):
        return error_code(client.create_topics([NewTopic(name, partitions, replicas, **more)])[name].result)

    expect_equal(creating("no spaces"), KafkaError.TOPIC_EXCEPTION, "a name with a space")
    expect_equal(creating("x" * 250), KafkaError.TOPIC_EXCEPTION, "a name of 250 characters")
    expect_equal(creating("confluent-zero", partitions=0), KafkaError.INVALID_PARTITIONS, "no partitions")
    expect_equal(creating("confluent-two", replicas=2), KafkaError.INVALID_REPLICATION_FACTOR, "two replicas")
    wrong = creating("confluent-wrong", config={"retention.ms": "soon"})
    expect_equal(wrong, KafkaError.INVALID_CONFIG, "a retention that is no number")
    only_asked = client.create_topics([NewTopic("confluent-asked", 1, 1)], validate_only=True)["confluent-asked"]
    only_asked.result(SECONDS_MAX)
    expect("confluent-asked" not in client.list_topics(timeout=SECONDS_MAX).topics, "validate_only made the topic")


def adds_partitions_and_never_removes_them(address):
    client = admin(address)
    create(address, "confluent-grows", 2)
    client.create_partitions([NewPartitions("confluent-grows", 5)])["confluent-grows"].result(SECONDS_MAX)
    topic = client.list_topics("confluent-grows", timeout=SECONDS_MAX).topics["confluent-grows"]
    expect_equal(len(topic.partitions), 5, "the partitions")
    for count in (5, 3):
        refused = client.create_partitions([NewPartitions("confluent-grows", count)])["confluent-grows"]
        expect_equal(error_code(refused.result), KafkaError.INVALID_PARTITIONS, f"going from 5 to {count}")
    produce(address, "confluent-grows", "none", [corpus.Record(4, None, b"here", [], None)])
    expect_equal([r.value for r in consume(address, [TopicPartition("confluent-grows", 4, 0)])], [b"here"], "partition 4")


def described(address, resource):
    client = admin(address)
    [(_, future)] = client.describe_configs([resource]).items()
    return future.result(SECONDS_MAX)


def reads_and_changes_a_topics_configuration(address):
    client = admin(address)
    create(address, "confluent-configs", 1, {"retention.ms": "3600000"})
    resource = ConfigResource(ResourceType.TOPIC, "confluent-configs")
    before = described(address, resource)
    expect_equal(before["retention.ms"].value, "3600000", "retention.ms")
    expect_equal(before["retention.ms"].is_default, False, "whether retention.ms is a default")
    expect_equal(before["segment.bytes"].value, "1073741824", "segment.bytes")
    expect_equal(before["segment.bytes"].is_default, True, "whether segment.bytes is a default")

    change = ConfigResource(
        ResourceType.TOPIC,
        "confluent-configs",
        incremental_configs=[
            ConfigEntry("segment.bytes", "1048576", incremental_operation=AlterConfigOpType.SET),
            ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE),
        ],
    )
    client.incremental_alter_configs([change])[change].result(SECONDS_MAX)
    after = described(address, resource)
    expect_equal(after["segment.bytes"].value, "1048576", "segment.bytes afterwards")
    expect_equal(after["retention.ms"].value, "604800000", "retention.ms afterwards")

    wrong = ConfigResource(
        ResourceType.TOPIC,
        "confluent-configs",
        incremental_configs=[ConfigEntry("segment.bytes", "many", incremental_operation=AlterConfigOpType.SET)],
    )
    expect_equal(
        error_code(client.incremental_alter_configs([wrong])[wrong].result), KafkaError.INVALID_CONFIG, "a wrong value"
    )
    whole = ConfigResource(ResourceType.TOPIC, "confluent-configs", set_config={"max.message.bytes": "2000000"})
    client.alter_configs([whole])[whole].result(SECONDS_MAX)
    replaced = described(address, resource)
    expect_equal(replaced["max.message.bytes"].value, "2000000", "max.message.bytes")
    expect_equal(replaced["segment.bytes"].value, "1073741824", "segment.bytes after alter_configs replaced everything")


def reads_the_brokers_configuration(address):
    configs = described(address, ConfigResource(ResourceType.BROKER, "1"))
    expect_equal(configs["broker.id"].value, "1", "broker.id")
    expect("log.segment.bytes" in configs, "log.segment.bytes is missing")


def deletes_records(address):
    create(address, "confluent-deletes", 1)
    produce(address, "confluent-deletes", "none", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(10)])
    client = admin(address)
    [(_, future)] = client.delete_records([TopicPartition("confluent-deletes", 0, 6)]).items()
    expect_equal(future.result(SECONDS_MAX).low_watermark, 6, "the low watermark")
    remaining = consume(address, [TopicPartition("confluent-deletes", 0, 6)])
    expect_equal([r.offset for r in remaining], [6, 7, 8, 9], "the offsets left")
    [(_, beyond)] = client.delete_records([TopicPartition("confluent-deletes", 0, 11)]).items()
    expect_equal(error_code(beyond.result), KafkaError.OFFSET_OUT_OF_RANGE, "deleting beyond the end")
    try:
        consume(address, [TopicPartition("confluent-deletes", 0, 2)])
        expect(False, "a deleted offset was served")
    except KafkaException as failure:
        expect_equal(failure.args[0].code(), KafkaError._AUTO_OFFSET_RESET, "reading a deleted offset")


def lists_offsets_by_every_specification(address):
    create(address, "confluent-offsets", 1, corpus.RETENTION)
    start = corpus.FIRST_TIMESTAMP_MS
    stamps = [0, 10, 5, 30, 20]
    for stamp in stamps:
        produce(address, "confluent-offsets", "lz4", [corpus.Record(0, None, b"x", [], start + stamp)])
    partition = TopicPartition("confluent-offsets", 0)
    client = admin(address)

    def listed(specification):
        [(_, future)] = client.list_offsets({partition: specification}).items()
        return future.result(SECONDS_MAX).offset

    expect_equal(listed(OffsetSpec.earliest()), 0, "the earliest")
    expect_equal(listed(OffsetSpec.latest()), 5, "the latest")
    expect_equal(listed(OffsetSpec.max_timestamp()), 3, "the one with the largest timestamp")
    expect_equal(listed(OffsetSpec.for_timestamp(start + 6)), 1, "the first at or after 6 ms")
    expect_equal(listed(OffsetSpec.for_timestamp(start + 11)), 3, "the first at or after 11 ms")
    expect_equal(listed(OffsetSpec.for_timestamp(start + 31)), -1, "one after all of them")


def describes_the_cluster(address):
    client = admin(address)
    cluster = client.describe_cluster(request_timeout=SECONDS_MAX).result(SECONDS_MAX)
    expect_equal([f"{node.host}:{node.port}" for node in cluster.nodes], [address], "the nodes")
    expect_equal(cluster.controller.id, 1, "the controller")
    expect(cluster.cluster_id, "no cluster id")


def refuses_records_that_are_too_large(address):
    create(address, "confluent-large", 1, {"max.message.bytes": "10000"})
    big = [corpus.Record(0, None, bytes(20_000), [], None)]
    try:
        produce(address, "confluent-large", "none", big)
        expect(False, "20,000 bytes went into a topic with max.message.bytes of 10,000")
    except AssertionError as failure:
        expect("MSG_SIZE_TOO_LARGE" in str(failure), f"the wrong refusal: {failure}")


def reads_a_batch_larger_than_its_fetch_limit(address):
    create(address, "confluent-small-fetch", 1)
    produce(address, "confluent-small-fetch", "none", [corpus.Record(0, None, bytes(500_000), [], None)] * 2)
    limits = {"fetch.message.max.bytes": 1000, "fetch.max.bytes": 1000, "message.max.bytes": 1000}
    found = consume(address, [TopicPartition("confluent-small-fetch", 0, 0)], limits)
    expect_equal([len(r.value) for r in found], [500_000, 500_000], "the sizes")


def every_kind_of_acknowledgement(address):
    create(address, "confluent-acks", 1)
    for acks in ("0", "1", "all"):
        for idempotent in (False, True) if acks == "all" else (False,):
            records = [corpus.Record(0, None, b"%d" % n, [], None) for n in range(300)]
            produce(address, "confluent-acks", "none", records, **{"acks": acks, "enable.idempotence": idempotent})
    found = consume(address, [TopicPartition("confluent-acks", 0, 0)])
    expect_equal([r.value for r in found], [b"%d" % n for n in range(300)] * 4, "the records")


def reads_in_the_middle_of_a_batch(address):
    create(address, "confluent-middle", 1)
    produce(address, "confluent-middle", "zstd", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(100)])
    found = consume(address, [TopicPartition("confluent-middle", 0, 57)])
    expect_equal([r.offset for r in found], list(range(57, 100)), "the offsets")


def reads_committed_records(address):
    create(address, "confluent-committed", 1)
    produce(address, "confluent-committed", "none", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(10)])
    found = consume(address, [TopicPartition("confluent-committed", 0, 0)], {"isolation.level": "read_committed"})
    expect_equal(len(found), 10, "the records")


def watermarks(address, topic):
    consumer = Consumer({"bootstrap.servers": address, "group.id": "clients-checks", "enable.auto.commit": False})
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS_MAX)
    finally:
        consumer.close()


def retention_by_size_deletes_old_segments(address):
    create(address, "confluent-retention", 1, {"segment.bytes": "1048576", "retention.bytes": "1048576"})
    for _ in range(30):
        produce(address, "confluent-retention", "none", [corpus.Record(0, None, bytes(100_000), [], None)] * 2)
    deadline = time.monotonic() + SECONDS_MAX
    while (low := watermarks(address, "confluent-retention")[0]) == 0:
        expect(time.monotonic() < deadline, "6 MB are in a topic that keeps 1 MB, and nothing is deleted")
        time.sleep(0.2)
    found = consume(address, [TopicPartition("confluent-retention", 0, low)])
    expect_equal([r.offset for r in found], list(range(low, 60)), "the offsets left")


def a_topic_stamps_records_with_the_time_of_the_append(address):
    create(address, "confluent-stamps", 1, {"message.timestamp.type": "LogAppendTime"})
    before = int(time.time() * 1000)
    records = [corpus.Record(0, None, b"%d" % n, [], corpus.FIRST_TIMESTAMP_MS) for n in range(3)]
    for codec in ("none", "gzip"):
        produce(address, "confluent-stamps", codec, records)
    found = consume(address, [TopicPartition("confluent-stamps", 0, 0)])
    expect_equal(len(found), 6, "the records")
    after = int(time.time() * 1000)
    expect(all(before <= r.timestamp <= after for r in found), f"stamped {found[0].timestamp}, written at {before}-{after}")


def a_topic_compresses_with_its_own_codec(address):
    for codec in ("gzip", "snappy", "lz4", "zstd", "uncompressed"):
        topic = f"confluent-codec-{codec}"
        create(address, topic, corpus.PARTITIONS, {"compression.type": codec, **corpus.RETENTION})
        records = corpus.records()
        produce(address, topic, "lz4", records)
        corpus.compare(records, read(address, topic, corpus.PARTITIONS))


def watermarks_and_statistics_are_told(address):
    create(address, "confluent-watermarks", 1)
    produce(address, "confluent-watermarks", "none", [corpus.Record(0, None, b"x", [], None)] * 7)
    expect_equal(watermarks(address, "confluent-watermarks"), (0, 7), "the watermarks")
    statistics = []
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "clients-checks",
            "enable.auto.commit": False,
            "statistics.interval.ms": 100,
            "stats_cb": lambda text: statistics.append(json.loads(text)),
        }
    )
    try:
        consumer.assign([TopicPartition("confluent-watermarks", 0, 0)])
        deadline = time.monotonic() + SECONDS_MAX
        while not statistics and time.monotonic() < deadline:
            consumer.poll(0.1)
    finally:
        consumer.close()
    expect(statistics, "no statistics at all")


CHECKS = [
    creates_and_deletes_topics,
    refuses_what_cannot_be_a_topic,
    adds_partitions_and_never_removes_them,
    reads_and_changes_a_topics_configuration,
    reads_the_brokers_configuration,
    deletes_records,
    lists_offsets_by_every_specification,
    describes_the_cluster,
    refuses_records_that_are_too_large,
    reads_a_batch_larger_than_its_fetch_limit,
    every_kind_of_acknowledgement,
    reads_in_the_middle_of_a_batch,
    reads_committed_records,
    retention_by_size_deletes_old_segments,
    a_topic_stamps_records_with_the_time_of_the_append,
    a_topic_compresses_with_its_own_codec,
    watermarks_and_statistics_are_told,
]
