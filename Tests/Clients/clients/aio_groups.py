"""aiokafka as members of groups."""

import asyncio

import corpus
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from checks import expect, expect_equal
from clients.aio import SECONDS_MAX, create, produce, run


async def member(address, group, topic, **options):
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", session_timeout_ms=6000,
        heartbeat_interval_ms=300, metadata_max_age_ms=1000, **options,
    )
    await consumer.start()
    return consumer


async def wait_for(what, condition):
    for _ in range(SECONDS_MAX * 20):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(what())


def members_share_the_partitions_and_take_over(address):
    async def body():
        await create(address, "aio-share", 4)
        first = await member(address, "aio-share", "aio-share")
        second = None
        try:
            await wait_for(lambda: f"the first owns {first.assignment()}", lambda: len(first.assignment()) == 4)
            second = await member(address, "aio-share", "aio-share")
            await wait_for(
                lambda: f"the members own {first.assignment()} and {second.assignment()}",
                lambda: len(first.assignment()) == len(second.assignment()) == 2
                and len(first.assignment() | second.assignment()) == 4,
            )
            await second.stop()
            second = None
            await wait_for(lambda: f"the first owns {first.assignment()}", lambda: len(first.assignment()) == 4)
        finally:
            await first.stop()
            if second:
                await second.stop()

    run(body())


def a_group_goes_on_where_it_was(address):
    async def read(count, commits):
        consumer = await member(address, "aio-resume", "aio-resume", enable_auto_commit=False)
        found = []
        try:
            while len(found) < count:
                record = await asyncio.wait_for(consumer.getone(), SECONDS_MAX)
                found.append(record.offset)
            if commits:
                partition = TopicPartition("aio-resume", 0)
                await consumer.commit({partition: (found[-1] + 1, "as far as this")})
                expect_equal(await consumer.committed(partition), found[-1] + 1, "what is committed")
            return found
        finally:
            await consumer.stop()

    async def body():
        await create(address, "aio-resume", 1)
        await produce(address, "aio-resume", "none", [corpus.Record(0, None, b"%d" % n, [], None) for n in range(100)])
        expect_equal(await read(30, commits=True), list(range(30)), "the offsets read first")
        expect_equal(await read(20, commits=False), list(range(30, 50)), "the offsets read next")
        expect_equal(await read(70, commits=True), list(range(30, 100)), "the offsets read after no commit")

    run(body())


def a_static_member_comes_back_without_a_rebalance(address):
    async def body():
        await create(address, "aio-static", 4)
        first = await member(address, "aio-static", "aio-static", group_instance_id="one")
        second = await member(address, "aio-static", "aio-static", group_instance_id="two")
        try:
            await wait_for(
                lambda: f"the members own {first.assignment()} and {second.assignment()}",
                lambda: len(first.assignment()) == len(second.assignment()) == 2,
            )
            owned = second.assignment()
            await second.stop()
            second = await member(address, "aio-static", "aio-static", group_instance_id="two")
            await wait_for(lambda: f"the member owns {second.assignment()}", lambda: len(second.assignment()) == 2)
            expect_equal(second.assignment(), owned, "what the member gets back")
            expect_equal(len(first.assignment()), 2, "partitions of the other")
        finally:
            await first.stop()
            await second.stop()

    run(body())


def administers_groups(address):
    group = topic = "aio-admin"
    partition = TopicPartition(topic, 0)

    async def body():
        await create(address, topic, 1)
        await produce(address, topic, "none", [corpus.Record(0, None, b"x", [], None)] * 5)
        consumer = await member(address, group, topic, enable_auto_commit=False)
        admin = AIOKafkaAdminClient(bootstrap_servers=address)
        await admin.start()
        try:
            await asyncio.wait_for(consumer.getone(), SECONDS_MAX)
            await consumer.commit({partition: 3})
            expect((group, "consumer") in [tuple(found) for found in await admin.list_consumer_groups()], "the group is not listed")
            [response] = await admin.describe_consumer_groups([group])
            [(error, name, state, *_)] = response.groups
            expect_equal((error, name, state), (0, group, "Stable"), "the group")
            offsets = await admin.list_consumer_group_offsets(group)
            expect_equal({place: found.offset for place, found in offsets.items()}, {partition: 3}, "the offsets")
        finally:
            await admin.close()
            await consumer.stop()

    run(body())


CHECKS = [
    members_share_the_partitions_and_take_over,
    a_group_goes_on_where_it_was,
    a_static_member_comes_back_without_a_rebalance,
    administers_groups,
]
