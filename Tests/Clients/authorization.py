"""ACLs and quotas as real clients administer them and feel them: confluent-kafka, kafka-python, kcat.

    Tests/Clients/authorization.sh .build/release/millrace-broker
"""

import logging
import subprocess
import sys
import time

import confluent_kafka
from confluent_kafka import admin as confluent
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import (
    ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType, KafkaAdminClient, ResourcePattern,
    ResourcePatternFilter, ResourceType,
)
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from broker import Broker
from checks import Checks, expect_equal

ANONYMOUS = "User:ANONYMOUS"
AUTHORIZER = {"authorizer.class.name": "kafka.security.authorizer.AclAuthorizer"}


def binding(kind, name, pattern, operation, principal=ANONYMOUS, permission=confluent.AclPermissionType.ALLOW):
    return confluent.AclBinding(kind, name, pattern, principal, "*", operation, permission)


def everything():
    return confluent.AclBindingFilter(
        confluent.ResourceType.ANY, None, confluent.ResourcePatternType.ANY, None, None, confluent.AclOperation.ANY,
        confluent.AclPermissionType.ANY)


def confluent_creates_describes_and_deletes_acls(address):
    admin = confluent.AdminClient({"bootstrap.servers": address})
    prefixed, literal = confluent.ResourcePatternType.PREFIXED, confluent.ResourcePatternType.LITERAL
    topic, group, cluster = confluent.ResourceType.TOPIC, confluent.ResourceType.GROUP, confluent.ResourceType.BROKER
    operation = confluent.AclOperation
    wanted = [
        binding(topic, "ok-", prefixed, each)
        for each in (operation.READ, operation.WRITE, operation.CREATE, operation.DESCRIBE_CONFIGS)
    ] + [binding(group, "ok", literal, operation.READ)] + [
        binding(cluster, "kafka-cluster", literal, each)
        for each in (operation.ALTER, operation.DESCRIBE, operation.ALTER_CONFIGS, operation.DESCRIBE_CONFIGS)
    ] + [binding(topic, "gone", literal, operation.ALL, "User:bob", confluent.AclPermissionType.DENY)]
    for future in admin.create_acls(wanted).values():
        future.result(10)
    expect_equal(set(admin.describe_acls(everything()).result(10)), set(wanted), "the ACLs described")
    about = confluent.AclBindingFilter(
        topic, "gone", confluent.ResourcePatternType.MATCH, None, None, operation.ANY, confluent.AclPermissionType.ANY)
    deleted = list(admin.delete_acls([about]).values())[0].result(10)
    expect_equal(set(deleted), {wanted[-1]}, "the ACLs deleted")
    expect_equal(len(admin.describe_acls(everything()).result(10)), len(wanted) - 1, "the ACLs left")


def kafka_python_creates_describes_and_deletes_acls(address):
    admin = KafkaAdminClient(bootstrap_servers=address)
    try:
        acl = ACL("User:carol", "192.0.2.1", ACLOperation.WRITE, ACLPermissionType.DENY,
                  ResourcePattern(ResourceType.TOPIC, "python-", ACLResourcePatternType.PREFIXED))
        created = admin.create_acls([acl])
        expect_equal((len(created["succeeded"]), created["failed"]), (1, []), "the ACLs created")
        about = ACLFilter("User:carol", None, ACLOperation.ANY, ACLPermissionType.ANY,
                          ResourcePatternFilter(ResourceType.TOPIC, "python-1", ACLResourcePatternType.MATCH))
        found, _ = admin.describe_acls(about)
        expect_equal(found, [acl], "the ACLs described")
        admin.delete_acls([about])
        expect_equal(admin.describe_acls(about)[0], [], "the ACLs left")
    finally:
        admin.close()


def confluent_produces_where_it_may_and_is_refused_elsewhere(address):
    outcomes = {}
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for topic in ("ok-1", "forbidden"):
        producer.produce(topic, b"x", callback=lambda error, message: outcomes.update({message.topic(): error}))
    producer.flush(20)
    expect_equal(outcomes["ok-1"], None, "the error of ok-1")
    expect_equal(outcomes["forbidden"].name(), "TOPIC_AUTHORIZATION_FAILED", "the error of forbidden")


def kafka_python_is_refused_by_topic_and_group(address):
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send("ok-1", b"y").get(10)
    try:
        producer.send("forbidden", b"y").get(10)
        raise AssertionError("a topic that may not be written was written")
    except TopicAuthorizationFailedError:
        pass
    finally:
        producer.close()
    consumer = KafkaConsumer("ok-1", bootstrap_servers=address, group_id="ok", auto_offset_reset="earliest",
                             consumer_timeout_ms=10000)
    expect_equal(next(consumer).topic, "ok-1", "what a member of the group ok reads")
    consumer.close()
    stranger = KafkaConsumer("ok-1", bootstrap_servers=address, group_id="other", consumer_timeout_ms=5000)
    try:
        stranger.poll(5000)
        raise AssertionError("a group that may not be read was joined")
    except GroupAuthorizationFailedError:
        pass
    finally:
        stranger.close(autocommit=False)


def kcat_lists_what_it_may_see(address):
    listed = subprocess.run(["kcat", "-b", address, "-L"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert 'topic "ok-1"' in listed, listed
    assert "forbidden" not in listed, listed


def a_throttled_producer_keeps_to_its_quota(address):
    """Without alter_client_quotas in confluent-kafka: the quota is set by the program under test."""
    rate, seconds = 500_000, 8
    millrace("quotas", "add", "--client", "held", "--quota", f"producer_byte_rate={rate}", "--bootstrap-server", address)
    producer = confluent_kafka.Producer({"bootstrap.servers": address, "client.id": "held", "linger.ms": 5, "batch.size": 20_000,
                                         "queue.buffering.max.kbytes": 1000})
    sent = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            producer.produce("ok-1", b"z" * 1000, callback=lambda error, message: None)
            sent += 1000
        except BufferError:
            producer.poll(0.05)
        producer.poll(0)
    producer.flush(60)
    took = time.monotonic() - began
    got = sent / took
    print(f"  quota {rate} bytes a second: {got:.0f} over {took:.1f} s")
    # A window of one second and a half and the batches under way are what it may have at once.
    assert got < rate * 1.6, f"{got:.0f} bytes a second, and the quota is {rate}"
    assert got > rate * 0.5, f"{got:.0f} bytes a second, and the quota is {rate}"
    millrace("quotas", "remove", "--client", "held", "--quota", "producer_byte_rate", "--bootstrap-server", address)


def millrace(*arguments):
    ran = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)
    if ran.returncode != 0:
        raise AssertionError(f"millrace {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def our_own_commands_show_what_others_made(address):
    listed = millrace("acls", "list", "--topic", "ok-1", "--resource-pattern-type", "match", "--bootstrap-server", address)
    assert "(principal=User:ANONYMOUS, host=*, operation=WRITE, permissionType=ALLOW)" in listed, listed
    millrace("acls", "add", "--allow-principal", "User:dan", "--consumer", "--topic", "t", "--group", "g", "--bootstrap-server", address)
    listed = millrace("acls", "list", "--principal", "User:dan", "--bootstrap-server", address)
    expect_equal(listed.count("User:dan"), 3, "dan's entries")
    removed = millrace("acls", "remove", "--topic", "t", "--group", "g", "--bootstrap-server", address)
    expect_equal(removed.count("User:dan"), 3, "dan's entries removed")
    millrace("quotas", "add", "--user", "dan", "--client-default", "--quota", "consumer_byte_rate=1000", "--bootstrap-server", address)
    listed = millrace("quotas", "list", "--user", "dan", "--bootstrap-server", address)
    assert "user-principal 'dan', the default client-id are consumer_byte_rate=1000.0" in listed, listed
    millrace("quotas", "remove", "--user", "dan", "--client-default", "--quota", "consumer_byte_rate", "--bootstrap-server", address)
    expect_equal(millrace("quotas", "list", "--user", "dan", "--bootstrap-server", address).strip(), "", "dan's quotas left")


FIRST = [confluent_creates_describes_and_deletes_acls, kafka_python_creates_describes_and_deletes_acls]
THEN = [
    confluent_produces_where_it_may_and_is_refused_elsewhere, kafka_python_is_refused_by_topic_and_group,
    kcat_lists_what_it_may_see, our_own_commands_show_what_others_made, a_throttled_producer_keeps_to_its_quota,
]


def main():
    global PROGRAM
    logging.disable(logging.CRITICAL)
    PROGRAM = sys.argv[2]
    with Broker(sys.argv[1], {**AUTHORIZER, "super.users": ANONYMOUS, "quota.window.num": 3}) as broker:
        checks = Checks(broker)
        for check in FIRST:
            checks.run(check.__name__.replace("_", " "), lambda: check(broker.address))
        # From here on nobody who comes without authentication is a super user: the ACLs alone count.
        broker.stop()
        broker.settings["super.users"] = "User:admin"
        broker.start()
        for check in THEN:
            checks.run(check.__name__.replace("_", " "), lambda: check(broker.address))
    for name in checks.failed:
        print(f"failed: {name}")
    print(f"{checks.passed} passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
