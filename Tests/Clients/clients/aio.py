"""aiokafka: asyncio, older versions of most requests."""

import asyncio

import corpus
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from checks import expect, expect_equal

SECONDS_MAX = 30


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, SECONDS_MAX))


async def create(address, topic, partitions, configs=None):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        made = NewTopic(topic, partitions, 1, topic_configs=configs or {})
        response = await admin.create_topics([made])
        expect_equal([error[1] for error in response.topic_errors], [0], "the error code")
    finally:
        await admin.close()


async def produce(address, topic, codec, records, **options):
    producer = AIOKafkaProducer(
        bootstrap_servers=address, compression_type=None if codec == "none" else codec, linger_ms=50, **options
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                topic, value=r.value, key=r.key, headers=r.headers, partition=r.partition, timestamp_ms=r.timestamp
            )
            for r in records
        ]
        return [await future for future in sent]
    finally:
        await producer.stop()


async def consume(address, topic, partitions):
    consumer = AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="none", enable_auto_commit=False)
    assignment = [TopicPartition(topic, partition) for partition in range(partitions)]
    await consumer.start()
    found = []
    try:
        consumer.assign(assignment)
        for partition in assignment:
            consumer.seek(partition, 0)
        ends = await consumer.end_offsets(assignment)
        while True:
            positions = [await consumer.position(partition) for partition in assignment]
            if all(position >= ends[partition] for position, partition in zip(positions, assignment)):
                break
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                found += batch
    finally:
        await consumer.stop()
    return [corpus.Record(r.partition, r.key, r.value, list(r.headers), r.timestamp, r.offset) for r in found]


def write(address, topic, codec):
    async def both():
        await create(address, topic, corpus.PARTITIONS, corpus.RETENTION)
        return await produce(address, topic, codec, records)

    records = corpus.records(null_headers=False)  # it sends none, but reads them
    for record, metadata in zip(records, run(both())):
        expect_equal(metadata.offset, record.offset, f"an acknowledged offset in partition {record.partition}")
    return records


def read(address, topic, partitions):
    return run(consume(address, topic, partitions))


def administers_topics(address):
    async def body():
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            await admin.create_topics([NewTopic("aio-made", 2, 1)])
            expect("aio-made" in await admin.list_topics(), "the topic is not listed")
            await admin.create_partitions({"aio-made": NewPartitions(3)})
            [topic] = await admin.describe_topics(["aio-made"])
            expect_equal(len(topic["partitions"]), 3, "the partitions")
            resource = ConfigResource(ConfigResourceType.TOPIC, "aio-made", configs={"retention.ms": "50000"})
            await admin.alter_configs([resource])
            asked = ConfigResource(ConfigResourceType.TOPIC, "aio-made", configs={"retention.ms": None})
            [response] = await admin.describe_configs([asked])
            entries = {entry[0]: entry[1] for entry in response.resources[0][4]}
            expect_equal(entries["retention.ms"], "50000", "retention.ms")
            cluster = await admin.describe_cluster()
            expect_equal(len(cluster["brokers"]), 1, "the brokers")
            await admin.delete_topics(["aio-made"])
            expect("aio-made" not in await admin.list_topics(), "the topic is still there")
        finally:
            await admin.close()

    run(body())


def deletes_records_and_finds_offsets(address):
    async def body():
        await create(address, "aio-offsets", 1, corpus.RETENTION)
        start = corpus.FIRST_TIMESTAMP_MS
        records = [corpus.Record(0, None, b"x", [], start + n * 10) for n in range(20)]
        await produce(address, "aio-offsets", "lz4", records)
        partition = TopicPartition("aio-offsets", 0)
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            low = await admin.delete_records({partition: RecordsToDelete(before_offset=4)})
            expect_equal(low[partition], 4, "the low watermark")
        finally:
            await admin.close()
        consumer = AIOKafkaConsumer(bootstrap_servers=address)
        await consumer.start()
        try:
            expect_equal((await consumer.beginning_offsets([partition]))[partition], 4, "the beginning")
            found = (await consumer.offsets_for_times({partition: start + 95}))[partition]
            expect_equal((found.offset, found.timestamp), (10, start + 100), "the first record at or after 95 ms")
        finally:
            await consumer.stop()

    run(body())


def every_kind_of_acknowledgement(address):
    async def body():
        await create(address, "aio-acks", 1)
        for options in ({"acks": 0}, {"acks": 1}, {"acks": "all"}, {"enable_idempotence": True}):
            await produce(address, "aio-acks", "none", [corpus.Record(0, None, b"x", [], None)] * 100, **options)
        return await consume(address, "aio-acks", 1)

    expect_equal(len(run(body())), 400, "records")


CHECKS = [administers_topics, deletes_records_and_finds_offsets, every_kind_of_acknowledgement]
