"""Real clients of a cluster of three brokers that are killed, paused, cut off and restarted under them.

For each scenario confluent-kafka, kafka-python and aiokafka write with idempotence, read in groups, and copy in transactions
(clusters/workload.py); afterwards nothing acknowledged is lost, nothing is there twice, the order is kept, and all go on.
"""

import logging
import os
import sys
import time
import traceback

from checks import expect
from clusters.local import LocalCluster
from clusters.workload import PARTITIONS, Workload, admin
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
    a_leader_is_paused,
    controllers_are_killed,
    the_controller_is_paused,
    a_leader_is_cut_off,
    a_leader_is_heard_and_does_not_hear,
    a_leader_hears_and_is_not_heard,
    zookeeper_restarts,
    partitions_are_reassigned,
]


def run(cluster, scenario):
    work = Workload(cluster.address, scenario.__name__)
    try:
        work.await_progress()
        scenario(cluster, work)
    finally:
        for broker in (1, 2, 3):
            if cluster.pid(broker) is None:
                cluster.start(broker)
            else:
                cluster.resume(broker)
            cluster.mend(broker)
        if sys.exc_info()[0] is not None:
            work.abandon()
    work.finish()


def main():
    logging.disable(logging.CRITICAL)  # the clients' own words: a scenario says what went wrong
    names = sys.argv[2:]
    known = [scenario.__name__ for scenario in SCENARIOS]
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such scenario: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.__name__ in names]
    failed = 0
    with LocalCluster(sys.argv[1]) as cluster:
        for scenario in chosen:
            began = time.monotonic()
            sentence = scenario.__name__.replace("_", " ")
            try:
                run(cluster, scenario)
                print(f"ok {sentence} ({time.monotonic() - began:.1f} s)")
            except Exception as failure:
                failed += 1
                print(f"FAILED {sentence} ({time.monotonic() - began:.1f} s): {failure}")
                print("  " + "".join(traceback.format_exception(failure)[-3:]).replace("\n", "\n  "))
                print("  the brokers' last words:\n  " + cluster.tail().replace("\n", "\n  "))
            sys.stdout.flush()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # without the clients of scenarios that failed, which may never end
