"""Transactional producers of confluent-kafka, aiokafka and kafka-python, and readers of committed records."""

import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AIOTopicPartition
from aiokafka.errors import KafkaError as AIOKafkaError
from checks import expect, expect_equal
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from kafka import KafkaConsumer, KafkaProducer
from kafka import TopicPartition as PythonTopicPartition

from clients import aio, confluent, kcat

SECONDS_MAX = 30


def producer(address, transactional_id, **options):
    made = Producer(
        {
            "bootstrap.servers": address,
            "log_level": 4,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 60_000,
            **options,
        }
    )
    made.init_transactions(SECONDS_MAX)
    return made


def values(address, topic, partitions=1, level="read_committed"):
    """What is read up to the partitions' ends, which are reached, in the order of each partition."""
    assignment = [TopicPartition(topic, partition, 0) for partition in range(partitions)]
    return [record.value for record in confluent.consume(address, assignment, {"isolation.level": level})]


def code(action):
    return confluent.error_code(action)


def confluent_reads_what_was_committed_and_not_what_was_aborted(address):
    topic = "txn-confluent"
    confluent.create(address, topic, 1)
    made = producer(address, topic)
    for number in range(10):
        made.begin_transaction()
        for _ in range(5):
            made.produce(topic, partition=0, value=b"%d" % number)
        if number % 2:
            made.abort_transaction(SECONDS_MAX)
        else:
            made.commit_transaction(SECONDS_MAX)
    expect_equal(values(address, topic), [b"%d" % n for n in range(0, 10, 2) for _ in range(5)], "the committed records")
    everything = values(address, topic, level="read_uncommitted")
    expect(len(everything) >= 25, f"only {len(everything)} records are there")


def confluent_waits_for_the_end_of_an_open_transaction(address):
    topic = "txn-open"
    confluent.create(address, topic, 1)
    made = producer(address, topic)
    made.begin_transaction()
    made.produce(topic, partition=0, value=b"later")
    expect_equal(made.flush(SECONDS_MAX), 0, "records left unsent")
    confluent.produce(address, topic, "none", [confluent.corpus.Record(0, None, b"outside", [], None)])
    expect_equal(values(address, topic), [], "what is stable while the transaction is open")
    expect_equal(values(address, topic, level="read_uncommitted"), [b"later", b"outside"], "everything")
    made.commit_transaction(SECONDS_MAX)
    expect_equal(values(address, topic), [b"later", b"outside"], "what is stable afterwards")


def confluent_commits_in_all_partitions_or_in_none(address):
    topic = "txn-many"
    confluent.create(address, topic, 6)
    made = producer(address, topic)
    for number in range(30):
        made.begin_transaction()
        for partition in range(6):
            made.produce(topic, partition=partition, value=b"%d" % number)
        made.abort_transaction(SECONDS_MAX) if number % 3 == 0 else made.commit_transaction(SECONDS_MAX)
    found = sorted(values(address, topic, 6))
    expect_equal(found, sorted(b"%d" % n for n in range(30) if n % 3 for _ in range(6)), "the committed records")


def confluent_fences_the_producer_before(address):
    topic = "txn-fenced"
    confluent.create(address, topic, 1)
    first = producer(address, topic)
    first.begin_transaction()
    first.produce(topic, partition=0, value=b"first")
    expect_equal(first.flush(SECONDS_MAX), 0, "records left unsent")
    second = producer(address, topic)
    try:
        first.commit_transaction(SECONDS_MAX)
        raise AssertionError("the fenced producer has committed")
    except KafkaException as failure:
        expect(failure.args[0].fatal(), f"{failure} is not fatal")
        expect_equal(failure.args[0].code(), KafkaError._FENCED, "the error")
    second.begin_transaction()
    second.produce(topic, partition=0, value=b"second")
    second.commit_transaction(SECONDS_MAX)
    expect_equal(values(address, topic), [b"second"], "the committed records")


def confluent_is_aborted_when_it_takes_too_long(address):
    topic = "txn-slow"
    confluent.create(address, topic, 1)
    made = producer(address, topic, **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000})
    made.begin_transaction()
    made.produce(topic, partition=0, value=b"slow")
    expect_equal(made.flush(SECONDS_MAX), 0, "records left unsent")
    confluent.produce(address, topic, "none", [confluent.corpus.Record(0, None, b"outside", [], None)])
    deadline = time.monotonic() + SECONDS_MAX
    while values(address, topic) != [b"outside"]:
        expect(time.monotonic() < deadline, "the transaction has not been aborted")
    expect(code(lambda: made.commit_transaction(SECONDS_MAX)) != 0, "the commit of an aborted transaction succeeds")
    expect_equal(values(address, topic), [b"outside"], "the committed records")


def confluent_commits_the_offsets_that_it_has_read_with_what_it_has_written(address):
    source, target = "txn-source", "txn-target"
    for topic in (source, target):
        confluent.create(address, topic, 1)
    confluent.produce(address, source, "none", [confluent.corpus.Record(0, None, b"%d" % n, [], None) for n in range(10)])
    made = producer(address, "txn-offsets")
    for commits in (False, True):
        consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "txn-group",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
            }
        )
        try:
            consumer.subscribe([source])
            read = []
            deadline = time.monotonic() + SECONDS_MAX
            while len(read) < 10:
                expect(time.monotonic() < deadline, f"only {len(read)} records were read")
                message = consumer.poll(1)
                if message is not None and message.error() is None:
                    read.append(message.value())
            made.begin_transaction()
            for value in read:
                made.produce(target, partition=0, value=value)
            made.send_offsets_to_transaction(
                consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), SECONDS_MAX
            )
            made.commit_transaction(SECONDS_MAX) if commits else made.abort_transaction(SECONDS_MAX)
            committed = consumer.committed([TopicPartition(source, 0)], SECONDS_MAX)[0].offset
            expect_equal(committed, 10 if commits else OFFSET_INVALID, "the group's committed offset")
        finally:
            consumer.close()
    expect_equal(values(address, target), [b"%d" % n for n in range(10)], "the committed records")


def confluent_is_refused_a_timeout_that_is_too_long(address):
    options = {"transaction.timeout.ms": 900_001}
    expect_equal(
        code(lambda: producer(address, "txn-long", **options)), KafkaError.INVALID_TRANSACTION_TIMEOUT, "the error"
    )


def aiokafka_commits_and_aborts(address):
    topic = "txn-aio"

    async def body():
        await aio.create(address, topic, 1)
        made = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
        await made.start()
        try:
            for number in range(6):
                try:
                    async with made.transaction():
                        for _ in range(3):
                            await made.send_and_wait(topic, b"%d" % number, partition=0)
                        if number % 2:
                            raise ValueError("to be aborted")
                except ValueError:
                    pass
        finally:
            await made.stop()
        consumer = AIOKafkaConsumer(
            bootstrap_servers=address, isolation_level="read_committed", enable_auto_commit=False
        )
        await consumer.start()
        try:
            partition = AIOTopicPartition(topic, 0)
            consumer.assign([partition])
            consumer.seek(partition, 0)
            found = []
            while len(found) < 9:
                for batch in (await consumer.getmany(timeout_ms=500)).values():
                    found += [record.value for record in batch]
            return found
        finally:
            await consumer.stop()

    expect_equal(aio.run(body()), [b"%d" % n for n in (0, 2, 4) for _ in range(3)], "the committed records")


def aiokafka_commits_the_offsets_that_it_has_read_with_what_it_has_written(address):
    source, target, group = "txn-aio-source", "txn-aio-target", "txn-aio-group"
    partition = AIOTopicPartition(source, 0)

    async def body():
        for topic in (source, target):
            await aio.create(address, topic, 1)
        await aio.produce(address, source, "none", [confluent.corpus.Record(0, None, b"%d" % n, [], None) for n in range(6)])
        made = AIOKafkaProducer(bootstrap_servers=address, transactional_id=group)
        consumer = AIOKafkaConsumer(
            source, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await made.start()
        await consumer.start()
        committed = []
        try:
            for commits in (False, True):
                await made.begin_transaction()
                for number in range(6):
                    await made.send_and_wait(target, b"%d" % number, partition=0)
                await made.send_offsets_to_transaction({partition: 6}, group)
                await (made.commit_transaction() if commits else made.abort_transaction())
                committed.append(await consumer.committed(partition))
        finally:
            await consumer.stop()
            await made.stop()
        return committed

    expect_equal(aio.run(body()), [None, 6], "the group's committed offset after an abort, and after a commit")
    expect_equal(values(address, target), [b"%d" % n for n in range(6)], "the committed records")


def aiokafka_fences_the_producer_before(address):
    topic = "txn-aio-fenced"

    async def body():
        await aio.create(address, topic, 1)
        first = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
        second = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
        await first.start()
        try:
            await first.begin_transaction()
            await first.send_and_wait(topic, b"first", partition=0)
            await second.start()
            try:
                async with second.transaction():
                    await second.send_and_wait(topic, b"second", partition=0)
            finally:
                await second.stop()
            try:
                await first.commit_transaction()
            except AIOKafkaError:
                return True
            return False
        finally:
            try:
                await first.stop()
            except AIOKafkaError:
                pass

    expect(aio.run(body()), "the fenced producer has committed")
    expect_equal(values(address, topic), [b"second"], "the committed records")


def kafka_python_commits_and_aborts(address):
    topic = "txn-python"
    confluent.create(address, topic, 1)
    made = KafkaProducer(bootstrap_servers=address, transactional_id=topic)
    try:
        made.init_transactions()
        for number in range(6):
            made.begin_transaction()
            for _ in range(3):
                made.send(topic, b"%d" % number, partition=0)
            made.abort_transaction() if number % 2 else made.commit_transaction()
    finally:
        made.close(SECONDS_MAX)
    consumer = KafkaConsumer(
        bootstrap_servers=address, isolation_level="read_committed", enable_auto_commit=False, consumer_timeout_ms=2000
    )
    try:
        partition = PythonTopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        found = [record.value for record in consumer]
    finally:
        consumer.close()
    expect_equal(found, [b"%d" % n for n in (0, 2, 4) for _ in range(3)], "the committed records")


def kcat_writes_all_lines_in_one_transaction(address):
    topic = "txn-kcat"
    confluent.create(address, topic, 1)
    lines = [b"%d" % number for number in range(50)]
    kcat.kcat(address, "-P", "-t", topic, "-p", "0", "-X", f"transactional.id={topic}", stdin=b"\n".join(lines) + b"\n")
    expect_equal(values(address, topic), lines, "the committed records")
    expect_equal(confluent.watermarks(address, topic), (0, 51), "the watermarks: of the records and the marker of their commit")


CHECKS = [
    confluent_reads_what_was_committed_and_not_what_was_aborted,
    confluent_waits_for_the_end_of_an_open_transaction,
    confluent_commits_in_all_partitions_or_in_none,
    confluent_fences_the_producer_before,
    confluent_is_aborted_when_it_takes_too_long,
    confluent_commits_the_offsets_that_it_has_read_with_what_it_has_written,
    confluent_is_refused_a_timeout_that_is_too_long,
    aiokafka_commits_and_aborts,
    aiokafka_commits_the_offsets_that_it_has_read_with_what_it_has_written,
    aiokafka_fences_the_producer_before,
    kafka_python_commits_and_aborts,
    kcat_writes_all_lines_in_one_transaction,
]
