"""Real clients of a cluster of three brokers that are killed, paused, cut off and restarted under them.

For each scenario confluent-kafka, kafka-python and aiokafka write with idempotence, read in groups, and copy in transactions
(clusters/workload.py); afterwards nothing acknowledged is lost, nothing is there twice, the order is kept, and all go on.
"""

import argparse
import logging
import os
import sys
import time
import traceback

from checks import expect, expect_equal
from clusters.local import LocalCluster
from clusters.workload import PARTITIONS, Workload, admin, create
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

# What the cluster needs to notice that a broker is gone: its session's time, and then some.
NOTICE_SECONDS = 5


def leader(cluster, topic, partition=0):
    found = admin(cluster.address).list_topics(topic, timeout=20)
    return found.topics[topic].partitions[partition].leader


def follower(cluster, topic):
    first = leader(cluster, topic)
    return next(broker for broker in (1, 2, 3) if broker != first)


def await_in_sync(cluster, topics=None, seconds=40):
    """Returns when every replica of every partition is in sync."""
    deadline = time.monotonic() + seconds
    while True:
        found = admin(cluster.address).list_topics(timeout=20)
        lacking = [
            f"{name}-{number} (leader {partition.leader}, in sync {partition.isrs})"
            for name, topic in found.topics.items()
            for number, partition in topic.partitions.items()
            if partition.leader < 0 or len(partition.isrs) < len(partition.replicas)
        ]
        if len(found.brokers) == 3 and not lacking:
            return
        expect(time.monotonic() < deadline, f"after {seconds} s not in sync: {len(found.brokers)} brokers, {lacking[:4]}")
        time.sleep(0.2)


def leaders_are_killed(cluster, work):
    """Each leader of a partition in turn; the others take its place."""
    for writer in work.writers[:2]:
        victim = leader(cluster, writer.topic)
        cluster.kill(victim)
        work.await_progress()
        cluster.start(victim)
        await_in_sync(cluster)


def a_killed_broker_is_back_at_once(cluster, work):
    """Before its session has ended: its start waits for that."""
    victim = leader(cluster, work.copier.source)
    cluster.kill(victim)
    cluster.start(victim)
    work.await_progress()
    await_in_sync(cluster)


def brokers_restart_in_turn(cluster, work):
    for broker in (1, 2, 3):
        cluster.stop(broker)
        cluster.start(broker)
        await_in_sync(cluster)
    work.await_progress()


def brokers_restart_with_another_configuration(cluster, work):
    """In turn, and without a request that fails: the clients repeat those that are refused meanwhile."""
    topic = sizes_topic(cluster, work)
    expect(not takes(cluster, topic, 2_000_000), "records larger than message.max.bytes are taken")
    for broker in (1, 2, 3):
        cluster.stop(broker)
        cluster.start(broker, message_max_bytes=3_000_000, replica_fetch_max_bytes=3_000_000)
        await_in_sync(cluster)
    work.await_progress()
    for broker in (1, 2, 3):
        found = describe(cluster, broker)["message.max.bytes"]
        expect_equal(found.value, "3000000", f"message.max.bytes of broker {broker}")
        expect_equal(found.source, ConfigSource.STATIC_BROKER_CONFIG.value, f"its source at broker {broker}")
    expect(takes(cluster, topic, 2_000_000), "records below message.max.bytes are refused")
    for writer in work.writers:
        expect(not writer.refused, f"{writer.name} was refused: {writer.refused[:3]}")


def a_brokers_configuration_changes_while_it_runs(cluster, work):
    """By IncrementalAlterConfigs of the broker, which the others do not follow."""
    topic = sizes_topic(cluster, work)
    broker = leader(cluster, topic)
    alter(cluster, broker, "message.max.bytes", "300000")
    for partition in range(PARTITIONS):
        is_taken = leader(cluster, topic, partition) != broker
        cluster.wait(
            lambda: takes(cluster, topic, 400_000, [partition]) == is_taken,
            f"partition {partition} {'takes' if is_taken else 'refuses'} a record of 400,000 bytes",
        )
    found = describe(cluster, broker)["message.max.bytes"]
    expect_equal((found.value, found.source), ("300000", ConfigSource.DYNAMIC_BROKER_CONFIG.value), "the broker's value")
    cluster.stop(broker)
    cluster.start(broker)
    await_in_sync(cluster)
    expect_equal(describe(cluster, broker)["message.max.bytes"].value, "300000", "the value after a restart")
    alter(cluster, broker, "message.max.bytes", None)
    cluster.wait(lambda: takes(cluster, topic, 400_000), "the value of before counts again")
    work.await_progress()


def the_configuration_of_all_brokers_changes_while_they_run(cluster, work):
    """Their common default, as kafka-configs --entity-default sets it."""
    topic = sizes_topic(cluster, work)
    change = ["configs", "alter", "--broker-defaults", "--bootstrap-server", cluster.address]
    expect(not takes(cluster, topic, 5_000_000), "records larger than message.max.bytes are taken")
    cluster.run(*change, "--add-config", "message.max.bytes=6000000")
    cluster.wait(lambda: takes(cluster, topic, 5_000_000), "every leader takes a record of 5,000,000 bytes")
    sources = {describe(cluster, broker)["message.max.bytes"].source for broker in (1, 2, 3)}
    expect(
        sources <= {ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG.value, ConfigSource.STATIC_BROKER_CONFIG.value}, f"{sources}"
    )
    cluster.run(*change, "--delete-config", "message.max.bytes")
    cluster.wait(lambda: not takes(cluster, topic, 5_000_000), "the value of before counts again")
    work.await_progress()


def a_brokers_disk_is_full(cluster, work):
    """Its only log directory fails, and the broker with it, as Kafka's does; it must be well again when there is space."""
    victim = leader(cluster, work.copier.source)
    cluster.fill(victim)
    cluster.wait(lambda: cluster.pid(victim) is None, f"broker {victim}, whose disk is full, has ended")
    work.await_progress()
    cluster.mend(victim)
    cluster.start(victim)
    await_in_sync(cluster)
    work.await_progress()


def a_leader_is_paused(cluster, work):
    """For longer than its session lasts; when it goes on, it leads in its mind and must be refused."""
    victim = leader(cluster, work.copier.source)
    cluster.pause(victim)
    time.sleep(NOTICE_SECONDS)
    work.await_progress()
    cluster.resume(victim)
    await_in_sync(cluster)
    work.await_progress()


def controllers_are_killed(cluster, work):
    for _ in range(2):
        victim = cluster.controller()
        expect(victim is not None, "there is no controller")
        cluster.kill(victim)
        cluster.wait(lambda: cluster.controller() not in (victim, None), "another broker is the controller")
        work.await_progress()
        cluster.start(victim)
        await_in_sync(cluster)


def the_controller_is_paused(cluster, work):
    victim = cluster.controller()
    cluster.pause(victim)
    cluster.wait(lambda: cluster.controller() not in (victim, None), "another broker is the controller")
    work.await_progress()
    cluster.resume(victim)
    await_in_sync(cluster)


def a_leader_is_cut_off(cluster, work):
    """In both directions, from ZooKeeper, the others and the clients."""
    victim = leader(cluster, work.copier.source)
    cluster.cut(victim)
    time.sleep(NOTICE_SECONDS)
    work.await_progress()
    cluster.mend(victim)
    await_in_sync(cluster)
    work.await_progress()


def a_leader_is_heard_and_does_not_hear(cluster, work):
    victim = leader(cluster, work.copier.source)
    cluster.cut(victim, "in")
    time.sleep(NOTICE_SECONDS)
    work.await_progress()
    cluster.mend(victim)
    await_in_sync(cluster)


def a_leader_hears_and_is_not_heard(cluster, work):
    victim = leader(cluster, work.copier.source)
    cluster.cut(victim, "out")
    time.sleep(NOTICE_SECONDS)
    work.await_progress()
    cluster.mend(victim)
    await_in_sync(cluster)


def zookeeper_restarts(cluster, work):
    cluster.restart_zookeeper()
    work.await_progress()
    await_in_sync(cluster)
    work.await_progress()


def partitions_are_reassigned(cluster, work):
    """To fewer replicas with another leader, and back, by AlterPartitionReassignments."""
    topic = work.copier.source
    client = KafkaAdminClient(bootstrap_servers=cluster.address.split(","), request_timeout_ms=20_000)
    try:
        for wanted in ([1, 2], [3, 1], [2, 3, 1]):
            reassign(client, topic, wanted)
            deadline = time.monotonic() + 30
            while not is_assigned(cluster, topic, wanted):
                expect(time.monotonic() < deadline, f"{topic} is not on {wanted} after 30 s")
                time.sleep(0.2)
            work.await_progress()
    finally:
        client.close()
    await_in_sync(cluster)


def describe(cluster, broker):
    """The configuration of a broker."""
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker))
    client = admin(cluster.address)  # Alive until there is a result.
    return client.describe_configs([resource], request_timeout=20)[resource].result(20)


def alter(cluster, broker, name, value):
    """Sets one value of a broker, or deletes it where it is None."""
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(name, value, incremental_operation=operation)
    resource = ConfigResource(ConfigResource.Type.BROKER, str(broker), incremental_configs=[entry])
    client = admin(cluster.address)  # Alive until there is a result.
    client.incremental_alter_configs([resource], request_timeout=20)[resource].result(20)


def sizes_topic(cluster, work):
    """A topic for records of all sizes, which nobody reads."""
    topic = f"{work.copier.source}-sizes"
    create(cluster.address, topic)
    return topic


def takes(cluster, topic, size, partitions=range(PARTITIONS)):
    """Whether every one of these partitions takes a record of so many bytes."""
    refused = []
    producer = Producer(
        {"bootstrap.servers": cluster.address, "message.max.bytes": 10_000_000, "message.timeout.ms": 30_000, "log_level": 0}
    )
    for partition in partitions:
        producer.produce(topic, b"x" * size, partition=partition, on_delivery=lambda error, _: error and refused.append(error))
    expect_equal(producer.flush(40), 0, "records without an answer")
    others = [error for error in refused if error.code() != KafkaError.MSG_SIZE_TOO_LARGE]
    expect(not others, f"a record of {size} bytes: {others}")
    return not refused


def reassign(client, topic, replicas):
    wanted = {TopicPartition(topic, partition): replicas for partition in range(PARTITIONS)}
    client.alter_partition_reassignments(wanted)


def is_assigned(cluster, topic, replicas):
    found = admin(cluster.address).list_topics(topic, timeout=20).topics[topic].partitions.values()
    return all(sorted(p.replicas) == sorted(replicas) and sorted(p.isrs) == sorted(replicas) for p in found)


SCENARIOS = [
    leaders_are_killed,
    a_killed_broker_is_back_at_once,
    brokers_restart_in_turn,
    brokers_restart_with_another_configuration,
    a_brokers_configuration_changes_while_it_runs,
    the_configuration_of_all_brokers_changes_while_they_run,
    a_brokers_disk_is_full,
    a_leader_is_paused,
    controllers_are_killed,
    the_controller_is_paused,
    a_leader_is_cut_off,
    a_leader_is_heard_and_does_not_hear,
    a_leader_hears_and_is_not_heard,
    zookeeper_restarts,
    partitions_are_reassigned,
]


def run(cluster, scenario, turn):
    work = Workload(cluster.address, scenario.__name__ + (f"-{turn}" if turn else ""))
    try:
        work.await_progress()
        scenario(cluster, work)
    finally:
        for broker in (1, 2, 3):
            cluster.mend(broker)
            if cluster.pid(broker) is None:
                cluster.start(broker)
            else:
                cluster.resume(broker)
        if sys.exc_info()[0] is not None:
            work.abandon()
    work.finish()


def arguments():
    known = {scenario.__name__: scenario for scenario in SCENARIOS}
    parser = argparse.ArgumentParser(description="Real clients of a cluster of three brokers that fail under them.")
    parser.add_argument("programs", help="the directory of the built programs")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"default: all, {', '.join(known)}")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run the scenarios N times on one cluster, until one fails")
    parser.add_argument("--client-log", metavar="FILE", help="what aiokafka logs, down to its debugging words, is appended to this file")
    given = parser.parse_args()
    unknown = [name for name in given.scenarios if name not in known]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(known)}")
    given.scenarios = [known[name] for name in given.scenarios] or SCENARIOS
    return given


def show(cluster, scenario, turn):
    """Runs a scenario, prints how it went, and returns whether it passed."""
    began = time.monotonic()
    sentence = scenario.__name__.replace("_", " ") + (f", turn {turn}" if turn else "")
    try:
        run(cluster, scenario, turn)
        print(f"ok {sentence} ({time.monotonic() - began:.1f} s)", flush=True)
        return True
    except Exception as failure:
        print(f"FAILED {sentence} ({time.monotonic() - began:.1f} s): {failure}")
        print("  " + "".join(traceback.format_exception(failure)[-3:]).replace("\n", "\n  "))
        print("  the brokers' last words:\n  " + cluster.tail().replace("\n", "\n  "), flush=True)
        return False


def log_clients(path):
    """The clients are silent, for a scenario says what went wrong; or aiokafka, which copies in transactions, tells all to a file."""
    if path is None:
        logging.disable(logging.CRITICAL)
        return
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(name)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    for name in ("aiokafka", "copier"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).propagate = False


def main():
    given = arguments()
    log_clients(given.client_log)
    passed = failed = 0
    with LocalCluster(given.programs) as cluster:
        for turn in range(given.repeat):
            for scenario in given.scenarios:
                if show(cluster, scenario, turn):
                    passed += 1
                else:
                    failed += 1
            if failed:
                break
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # without the clients of scenarios that failed, which may never end
