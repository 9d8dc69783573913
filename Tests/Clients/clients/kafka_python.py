"""kafka-python 3: pure Python, fetch sessions, the newest versions of the admin requests."""

import time

import corpus
from checks import expect, expect_equal
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import InvalidPartitionsError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

SECONDS_MAX = 30


class Admin:
    """An admin client that is closed when done with."""

    def __init__(self, address):
        self.client = KafkaAdminClient(bootstrap_servers=address)

    def __enter__(self):
        return self.client

    def __exit__(self, *failure):
        self.client.close()


def create(address, topic, partitions, configs=None):
    with Admin(address) as admin:
        admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1, "configs": configs or {}}})


def produce(address, topic, codec, records, **options):
    producer = KafkaProducer(
        bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=50, **options
    )
    try:
        futures = [
            producer.send(
                topic, value=r.value, key=r.key, headers=r.headers, partition=r.partition, timestamp_ms=r.timestamp
            )
            for r in records
        ]
        producer.flush(SECONDS_MAX)
        return [future.get(SECONDS_MAX) for future in futures]
    finally:
        producer.close(SECONDS_MAX)


def write(address, topic, codec):
    create(address, topic, corpus.PARTITIONS, corpus.RETENTION)
    records = corpus.records(null_headers=False)  # it sends none, but reads them
    placed = produce(address, topic, codec, records)
    for record, metadata in zip(records, placed):
        expect_equal(metadata.offset, record.offset, f"an acknowledged offset in partition {record.partition}")
    return records


def read(address, topic, partitions):
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="none", enable_auto_commit=False)
    assignment = [TopicPartition(topic, partition) for partition in range(partitions)]
    found = []
    try:
        consumer.assign(assignment)
        for partition in assignment:
            consumer.seek(partition, 0)
        ends = consumer.end_offsets(assignment)
        deadline = time.monotonic() + SECONDS_MAX
        while any(consumer.position(partition) < ends[partition] for partition in assignment):
            expect(time.monotonic() < deadline, f"{len(found)} records read and no end in sight")
            for batch in consumer.poll(timeout_ms=500).values():
                found += batch
    finally:
        consumer.close()
    return [corpus.Record(r.partition, r.key, r.value, [tuple(h) for h in r.headers], r.timestamp, r.offset) for r in found]


def raises(kind, action):
    try:
        action()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def administers_topics(address):
    with Admin(address) as admin:
        options = {"num_partitions": 2, "replication_factor": 1}
        admin.create_topics({"python-made": options})
        raises(TopicAlreadyExistsError, lambda: admin.create_topics({"python-made": options}))
        admin.create_partitions({"python-made": 4})
        raises(InvalidPartitionsError, lambda: admin.create_partitions({"python-made": 3}))
        [topic] = admin.describe_topics(["python-made"])
        expect_equal(len(topic["partitions"]), 4, "the partitions")
        admin.delete_topics(["python-made"])
        expect("python-made" not in admin.list_topics(), "the topic is still there")
        raises(UnknownTopicOrPartitionError, lambda: admin.delete_topics(["python-made"]))


def administers_configurations(address):
    create(address, "python-configs", 1, {"retention.ms": "7200000"})
    with Admin(address) as admin:

        def value(key):
            resource = ConfigResource(ConfigResourceType.TOPIC, "python-configs")
            configs = admin.describe_configs([resource], config_filter="all", include_synonyms=True)
            return configs["topic"]["python-configs"][key]["value"]

        expect_equal(value("retention.ms"), "7200000", "retention.ms")
        change = ConfigResource(ConfigResourceType.TOPIC, "python-configs", {"retention.ms": "100000"})
        admin.alter_configs([change])
        expect_equal(value("retention.ms"), "100000", "retention.ms afterwards")
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, "python-configs", {"segment.bytes": "2097152"})], incremental=False
        )
        expect_equal(value("segment.bytes"), "2097152", "segment.bytes afterwards")


def deletes_records_and_finds_offsets(address):
    create(address, "python-offsets", 1, corpus.RETENTION)
    partition = TopicPartition("python-offsets", 0)
    start = corpus.FIRST_TIMESTAMP_MS
    produce(address, "python-offsets", "gzip", [corpus.Record(0, None, b"x", [], start + n * 10) for n in range(20)])
    with Admin(address) as admin:
        admin.delete_records({partition: 4})
    consumer = KafkaConsumer(bootstrap_servers=address)
    try:
        expect_equal(consumer.beginning_offsets([partition])[partition], 4, "the beginning")
        expect_equal(consumer.end_offsets([partition])[partition], 20, "the end")
        found = consumer.offsets_for_times({partition: start + 95})[partition]
        expect_equal((found.offset, found.timestamp), (10, start + 100), "the first record at or after 95 ms")
        expect_equal(consumer.offsets_for_times({partition: start + 10_000})[partition], None, "one after all of them")
    finally:
        consumer.close()


def describes_cluster_and_log_directories(address):
    create(address, "python-sizes", 1)
    produce(address, "python-sizes", "none", [corpus.Record(0, None, bytes(1000), [], None)] * 5)
    with Admin(address) as admin:
        cluster = admin.describe_cluster()
        expect_equal([f"{broker['host']}:{broker['port']}" for broker in cluster["brokers"]], [address], "the brokers")
        text = str(admin.describe_log_dirs({"python-sizes": [0]}))
        expect("python-sizes" in text and "partition_size" in text, f"no size of the partition: {text:.300}")


def every_kind_of_acknowledgement(address):
    create(address, "python-acks", 1)
    for options in ({"acks": 0}, {"acks": 1}, {"acks": "all"}):
        records = [corpus.Record(0, None, b"x", [], None)] * 100
        produce(address, "python-acks", "none", records, enable_idempotence=False, **options)
    produce(address, "python-acks", "none", [corpus.Record(0, None, b"x", [], None)] * 100)  # idempotent by default
    expect_equal(len(read(address, "python-acks", 1)), 400, "records")


def binary_records_survive(address):
    create(address, "python-binary", corpus.PARTITIONS, corpus.RETENTION)
    records = corpus.records(binary=True, null_headers=False)
    produce(address, "python-binary", "snappy", records)
    corpus.compare(records, read(address, "python-binary", corpus.PARTITIONS))


CHECKS = [
    administers_topics,
    administers_configurations,
    deletes_records_and_finds_offsets,
    describes_cluster_and_log_directories,
    every_kind_of_acknowledgement,
    binary_records_survive,
]
