"""Clients that write, read in groups and copy in transactions while a cluster suffers, and what they may then expect of it.

Each writer numbers its records by partition: `p-n`, in the order in which it sends them. What a partition holds in the end must have
every acknowledged record, none twice, and all in order.
"""

import asyncio
import collections
import logging
import threading
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener
from checks import expect, expect_equal
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer, KafkaProducer

PARTITIONS = 3
INTERVAL = 0.01
PATIENCE = 60
# What the copier does, among what aiokafka logs (cluster.py --client-log).
log = logging.getLogger("copier")


def admin(address):
    return AdminClient({"bootstrap.servers": address, "log_level": 0})


def create(address, topic, partitions=PARTITIONS, configs=None):
    deadline = time.monotonic() + PATIENCE
    client = admin(address)
    while True:
        made = client.create_topics([NewTopic(topic, partitions, 3, config=configs or {})], request_timeout=15)
        try:
            return made[topic].result(20)
        except KafkaException as failure:
            if failure.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def read_all(address, topic, partitions=PARTITIONS, level="read_committed", seconds=PATIENCE):
    """The values of each partition from its first record to its end, which is the end of what is committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "reads-all",
            "enable.auto.commit": False,
            "isolation.level": level,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "log_level": 0,
        }
    )
    found = collections.defaultdict(list)
    try:
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        left = set(range(partitions))
        deadline = time.monotonic() + seconds
        while left:
            expect(time.monotonic() < deadline, f"{topic} cannot be read to the ends of {sorted(left)}")
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error() is None:
                found[message.partition()].append((message.offset(), message.value().decode()))
            elif message.error().code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
    finally:
        consumer.close()
    return found


class Client:
    """A thread with a name that runs until it is told to stop, and what it died of."""

    def __init__(self, name):
        self.name = name
        self.stopping = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.main, daemon=True, name=name)

    def start(self):
        self.thread.start()
        return self

    def main(self):
        try:
            self.run()
        except BaseException as failure:  # noqa: a client's exceptions have many bases
            self.failure = failure

    def join(self):
        self.stopping.set()
        self.thread.join(PATIENCE)
        expect(not self.thread.is_alive(), f"{self.name} does not end")
        if self.failure is not None:
            raise AssertionError(f"{self.name}: {type(self.failure).__name__}: {self.failure}") from self.failure


class Writer(Client):
    """Writes `p-n` to the partitions of its topic in turn; `acked` has what was acknowledged, with its offset."""

    def __init__(self, name, address, topic):
        super().__init__(name)
        self.address = address
        self.topic = topic
        self.sent = collections.Counter()
        self.acked = {p: {} for p in range(PARTITIONS)}
        self.refused = []

    @property
    def progress(self):
        return min(len(of) for of in self.acked.values())

    def next(self):
        partition = sum(self.sent.values()) % PARTITIONS
        number = self.sent[partition]
        self.sent[partition] += 1
        return partition, number

    def check(self):
        """Of the whole topic, when nothing is sent any more."""
        for partition, found in read_all(self.address, self.topic).items():
            numbers = [int(value.split("-")[1]) for _, value in found]
            doubled = [number for number, count in collections.Counter(numbers).items() if count > 1]
            expect(not doubled, f"{self.topic}-{partition} has twice: {doubled[:5]}")
            expect(numbers == sorted(numbers), f"{self.topic}-{partition} is not in order")
            at = {number: offset for (offset, _), number in zip(found, numbers)}
            lost = sorted(set(self.acked[partition]) - set(numbers))
            expect(not lost, f"{self.topic}-{partition} has lost {len(lost)} acknowledged records: {lost[:5]}")
            moved = [n for n, offset in self.acked[partition].items() if offset is not None and at[n] != offset]
            expect(not moved, f"{self.topic}-{partition} has at other offsets than were acknowledged: {moved[:5]}")
            # An idempotent producer that never gave up has everything there.
            if not self.refused:
                expect_equal(len(numbers), self.sent[partition], f"the number of records in {self.topic}-{partition}")


class ConfluentWriter(Writer):
    def run(self):
        producer = Producer(
            {
                "bootstrap.servers": self.address,
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 120_000,
                "socket.timeout.ms": 10_000,
                "log_level": 0,
            }
        )

        def delivered(error, message):
            if error:
                self.refused.append(str(error))
            else:
                self.acked[message.partition()][int(message.value().split(b"-")[1])] = message.offset()

        while not self.stopping.is_set():
            partition, number = self.next()
            producer.produce(self.topic, b"%d-%d" % (partition, number), partition=partition, on_delivery=delivered)
            producer.poll(INTERVAL)
        expect_equal(producer.flush(PATIENCE), 0, "records without an answer")


class PythonWriter(Writer):
    def run(self):
        producer = KafkaProducer(
            bootstrap_servers=self.address.split(","),
            enable_idempotence=True,
            linger_ms=5,
            request_timeout_ms=10_000,
            delivery_timeout_ms=120_000,
            max_block_ms=60_000,
            retry_backoff_ms=100,
        )
        waiting = []
        while not self.stopping.is_set():
            partition, number = self.next()
            sent = producer.send(self.topic, b"%d-%d" % (partition, number), partition=partition)
            waiting.append((partition, number, sent))
            waiting = [one for one in waiting if not self.settled(*one)]
            time.sleep(INTERVAL * 2)
        producer.flush(timeout=PATIENCE)
        left = [one for one in waiting if not self.settled(*one)]
        expect(not left, f"{len(left)} records have no answer")
        producer.close(timeout=10)

    def settled(self, partition, number, sent):
        if not sent.is_done:
            return False
        if sent.failed():
            self.refused.append(str(sent.exception))
        else:
            self.acked[partition][number] = sent.value.offset
        return True


class AIOWriter(Writer):
    def run(self):
        asyncio.run(self.write())

    async def write(self):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address, enable_idempotence=True, linger_ms=5, request_timeout_ms=10_000,
        )
        await producer.start()
        waiting = []
        try:
            while not self.stopping.is_set():
                partition, number = self.next()
                sent = await producer.send(self.topic, b"%d-%d" % (partition, number), partition=partition)
                waiting.append((partition, number, sent))
                waiting = [one for one in waiting if not self.settled(*one)]
                await asyncio.sleep(INTERVAL * 2)
            await asyncio.wait_for(producer.flush(), PATIENCE)
            left = [one for one in waiting if not self.settled(*one)]
            expect(not left, f"{len(left)} records have no answer")
        finally:
            await asyncio.wait_for(producer.stop(), 20)

    def settled(self, partition, number, sent):
        if not sent.done():
            return False
        if sent.exception():
            self.refused.append(repr(sent.exception()))
        else:
            self.acked[partition][number] = sent.result().offset
        return True


class Reader(Client):
    """A member of a group: reads, and commits what it has read. `seen` is shared by the group's members."""

    def __init__(self, name, address, topic, group, seen):
        super().__init__(name)
        self.address = address
        self.topic = topic
        self.group = group
        self.seen = seen


class Seen:
    """What a group has read, and has committed as far as it was told."""

    def __init__(self):
        self.values = {p: set() for p in range(PARTITIONS)}
        self.committed = {p: 0 for p in range(PARTITIONS)}
        self.backwards = []

    @property
    def progress(self):
        return min(len(of) for of in self.values.values())

    def read(self, partition, value):
        self.values[partition].add(value.decode())

    def committed_to(self, partition, offset):
        self.committed[partition] = max(self.committed[partition], offset)

    def found(self, partition, offset):
        """A member begins at a committed offset."""
        if offset < self.committed[partition]:
            self.backwards.append(f"partition {partition}: {offset} after {self.committed[partition]}")


class ConfluentReader(Reader):
    def run(self):
        consumer = Consumer(
            {
                "bootstrap.servers": self.address,
                "group.id": self.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "socket.timeout.ms": 10_000,
                "log_level": 0,
            }
        )

        def assigned(consumer, partitions):
            try:
                for found in consumer.committed(partitions, 10):
                    if found.error is None:
                        self.seen.found(found.partition, max(found.offset, 0))
            except KafkaException:
                pass  # The coordinator is on its way; the positions come from it later.

        consumer.subscribe([self.topic], on_assign=assigned)
        try:
            while not self.stopping.is_set():
                batch = [m for m in consumer.consume(50, 0.1) if m.error() is None]
                for message in batch:
                    self.seen.read(message.partition(), message.value())
                if not batch:
                    continue
                try:
                    for done in consumer.commit(asynchronous=False) or []:
                        if done.error is None:
                            self.seen.committed_to(done.partition, done.offset)
                except KafkaException:
                    pass  # Not committed: it is read again.
        finally:
            consumer.close()


class PythonReader(Reader):
    def run(self):
        consumer = KafkaConsumer(
            self.topic, bootstrap_servers=self.address.split(","), group_id=self.group, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=500, request_timeout_ms=10_000,
            retry_backoff_ms=100,
        )
        try:
            while not self.stopping.is_set():
                found = consumer.poll(timeout_ms=1000, max_records=100)
                for records in found.values():
                    for record in records:
                        self.seen.read(record.partition, record.value)
                if not found:
                    continue
                try:
                    consumer.commit(timeout_ms=10_000)
                except Exception:  # noqa: not committed: it is read again
                    continue
                for partition, records in found.items():
                    self.seen.committed_to(partition.partition, records[-1].offset + 1)
        finally:
            consumer.close(timeout_ms=5000)


class AIOReader(Reader):
    def run(self):
        asyncio.run(self.read())

    async def read(self):
        consumer = AIOKafkaConsumer(
            self.topic, bootstrap_servers=self.address, group_id=self.group, enable_auto_commit=False,
            auto_offset_reset="earliest", session_timeout_ms=6000, heartbeat_interval_ms=500, request_timeout_ms=10_000,
        )
        await consumer.start()
        try:
            while not self.stopping.is_set():
                found = await consumer.getmany(timeout_ms=200)
                for records in found.values():
                    for record in records:
                        self.seen.read(record.partition, record.value)
                if not found:
                    continue
                try:
                    await asyncio.wait_for(consumer.commit(), 10)
                except Exception:  # noqa: not committed: it is read again
                    continue
                for partition, records in found.items():
                    self.seen.committed_to(partition.partition, records[-1].offset + 1)
        finally:
            await asyncio.wait_for(consumer.stop(), 20)


class Rebalanced(Exception):
    """The group gave the copier's partitions out anew."""


class Assignments(ConsumerRebalanceListener):
    """Counts how often a consumer was assigned partitions."""

    def __init__(self):
        self.count = 0

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.count += 1


class Copier(Client):
    """Copies a topic to another in transactions that commit the offsets read (aiokafka): each record once.

    Each assignment of partitions has a producer of its own, as before KIP-447. A consumer that is assigned partitions goes on from their
    committed offsets; while a transaction that commits offsets is not complete, the coordinator has only those before it, which a client
    learns of by asking for stable offsets (OffsetFetch v7). aiokafka 0.14 asks with v3: where its coordinator is paused while the commit is
    under way, it reads the transaction's records again and would copy them twice. A new producer's InitProducerId is answered when the
    transaction before it is complete, and only then the consumer asks.

    aiokafka asks a broker that is paused, and after the request's timeout perhaps the same one for another coordinator: with 10 s for each, its
    transaction times out meanwhile (ProducerFenced), and the copy seems to hang.

    Not by confluent-kafka: librdkafka 2.16 forgets a broker that the metadata have no more, and then waits for it for ever where it was
    the coordinator of the group whose offsets are sent.
    """

    def __init__(self, name, address, source, target):
        super().__init__(name)
        self.address = address
        self.source = source
        self.target = target
        self.committed = 0
        self.sessions = 0
        self.doing = "nothing"
        self.last = None

    @property
    def progress(self):
        return self.committed

    def __str__(self):
        return f"the copier is {self.doing} in session {self.sessions}, and had last: {self.last}"

    def run(self):
        asyncio.run(self.copy())

    async def copy(self):
        while not self.stopping.is_set():
            self.sessions += 1
            try:
                await self.session()
            except (Exception, asyncio.CancelledError) as failure:  # noqa: another producer takes its place
                self.last = f"{self.doing}: {failure!r}"
                log.info("session %d has failed while %s", self.sessions, self.last)
                await asyncio.sleep(0.2)

    async def session(self):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address, transactional_id=self.target, transaction_timeout_ms=20_000,
            request_timeout_ms=4000, linger_ms=5,
        )
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, group_id=self.target, enable_auto_commit=False,
            auto_offset_reset="earliest", isolation_level="read_committed", session_timeout_ms=6000,
            heartbeat_interval_ms=500, request_timeout_ms=10_000,
        )
        assignments = Assignments()
        consumer.subscribe([self.source], listener=assignments)
        self.doing = "beginning"
        log.info("session %d begins", self.sessions)
        try:
            await asyncio.wait_for(producer.start(), 30)
            await asyncio.wait_for(consumer.start(), 30)
            while not self.stopping.is_set():
                self.doing = "reading"
                found = await asyncio.wait_for(consumer.getmany(timeout_ms=200, max_records=100), 30)
                if assignments.count > 1:
                    raise Rebalanced()
                if found:
                    await asyncio.wait_for(self.transact(producer, found), 15)
        finally:
            for client in (consumer, producer):
                try:
                    await asyncio.wait_for(client.stop(), 5)
                except (Exception, asyncio.CancelledError):  # noqa: its successor fences it
                    pass

    async def transact(self, producer, found):
        self.doing = "writing"
        log.info("session %d copies %s", self.sessions, {p.partition: (r[0].offset, r[-1].offset) for p, r in found.items()})
        async with producer.transaction():
            sent = [
                await producer.send(self.target, record.value, partition=partition.partition)
                for partition, records in found.items()
                for record in records
            ]
            self.doing = "sending offsets"
            await producer.send_offsets_to_transaction(
                {partition: records[-1].offset + 1 for partition, records in found.items()}, self.target
            )
            self.doing = "waiting for answers"
            for one in sent:
                await one  # A record that was refused does not keep aiokafka from committing.
            self.doing = "committing"
        log.info("session %d has committed", self.sessions)
        self.committed += sum(len(records) for records in found.values())

    def check(self):
        """The copy is what was read, each record once, in order."""
        source = read_all(self.address, self.source)
        target = read_all(self.address, self.target)
        for partition in range(PARTITIONS):
            wanted = [value for _, value in source[partition]]
            found = [value for _, value in target[partition]]
            doubled = [value for value, count in collections.Counter(found).items() if count > 1]
            expect(not doubled, f"{self.target}-{partition} has twice: {doubled[:5]}")
            lost = [value for value in wanted if value not in set(found)]
            expect(not lost, f"{self.target}-{partition} lacks {len(lost)} of {len(wanted)} records: {lost[:5]}")
            expect(found == wanted, f"{self.target}-{partition} is not in the order of {self.source}")


class Workload:
    """All clients at once, for one scenario."""

    def __init__(self, address, name):
        self.address = address
        kinds = [("confluent", ConfluentWriter, ConfluentReader), ("python", PythonWriter, PythonReader), ("aio", AIOWriter, AIOReader)]
        self.writers, self.readers, self.seen = [], [], {}
        for kind, writer, reader in kinds:
            topic = f"{name}-{kind}"
            create(address, topic)
            self.writers.append(writer(f"the writer of {kind}", address, topic))
            self.seen[topic] = Seen()
            for number in range(2):
                self.readers.append(reader(f"reader {number} of {kind}", address, topic, f"{topic}-group", self.seen[topic]))
        create(address, f"{name}-copy")
        self.copier = Copier("the transactional copier", address, f"{name}-confluent", f"{name}-copy")
        for client in [*self.writers, *self.readers, self.copier]:
            client.start()

    def progress(self):
        made = {writer.name: writer.progress for writer in self.writers}
        made |= {f"the group of {topic}": seen.progress for topic, seen in self.seen.items()}
        return made | {self.copier.name: self.copier.progress}

    def await_progress(self, records=10, seconds=PATIENCE):
        """Returns when every client has come further than it is now by so many records in each partition."""
        before = self.progress()
        deadline = time.monotonic() + seconds
        while True:
            now = self.progress()
            stuck = [name for name in now if now[name] < before[name] + records]
            if not stuck:
                return
            dead = [client for client in [*self.writers, *self.readers, self.copier] if client.failure is not None]
            expect(not dead, "; ".join(f"{client.name}: {client.failure!r}" for client in dead))
            expect(time.monotonic() < deadline, f"after {seconds} s these do not go on: {', '.join(stuck)}; {self.copier}")
            time.sleep(0.05)

    def abandon(self):
        for client in [*self.writers, *self.readers, self.copier]:
            client.stopping.set()

    def finish(self):
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join()
        deadline = time.monotonic() + PATIENCE
        while left := self.unread():
            expect(time.monotonic() < deadline, f"groups do not come to the end: {left}")
            time.sleep(0.1)
        for client in [*self.readers, self.copier]:
            client.stopping.set()
        for client in [*self.readers, self.copier]:
            client.join()
        for writer in self.writers:
            writer.check()
        self.copier.check()
        for topic, seen in self.seen.items():
            expect(not seen.backwards, f"committed offsets of {topic} went back: {seen.backwards}")

    def unread(self):
        left = {}
        for writer in self.writers:
            missing = sum(
                f"{p}-{n}" not in self.seen[writer.topic].values[p] for p in range(PARTITIONS) for n in list(writer.acked[p])
            )
            if missing:
                left[writer.topic] = missing
        return left or self.uncopied()

    def uncopied(self):
        source, target = (read_all(self.address, topic) for topic in (self.copier.source, self.copier.target))
        missing = sum(map(len, source.values())) - sum(map(len, target.values()))
        return {self.copier.target: missing} if missing > 0 else {}
