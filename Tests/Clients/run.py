"""Every client writes every codec; every client reads what every other wrote; then each one's own checks."""

import importlib
import logging
import sys

import corpus
from broker import Broker
from checks import Checks, expect_equal
from clients import raw

CLIENTS = [
    "raw", "kcat", "confluent", "kafka_python", "aio", "kcat_groups", "confluent_groups", "kafka_python_groups", "aio_groups",
    "confluent_consumer_protocol", "transactions",
]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def main():
    logging.disable(logging.CRITICAL)  # the clients' own words: a check says what went wrong
    binary = sys.argv[1]
    names = sys.argv[2:] or CLIENTS
    clients = {name: importlib.import_module(f"clients.{name}") for name in names}
    with Broker(binary) as broker:
        checks = Checks(broker)
        written = {}
        libraries = {name: client for name, client in clients.items() if hasattr(client, "write")}
        for name, client in libraries.items():
            for codec in CODECS:
                topic = f"{name}-{codec}"
                checks.run(f"{name} writes {codec}", lambda: written.update({topic: client.write(broker.address, topic, codec)}))
        for name, client in libraries.items():
            for topic, records in written.items():
                checks.run(
                    f"{name} reads what {topic} wrote",
                    lambda: corpus.compare(records, client.read(broker.address, topic, corpus.PARTITIONS)),
                )
        for name, client in clients.items():
            for check in client.CHECKS:
                sentence = check.__name__.replace("_", " ")
                checks.run(f"{name}: {sentence}", lambda: check(broker.address))
            for check in getattr(client, "RESTART_CHECKS", []):
                sentence = check.__name__.replace("_", " ")
                checks.run(f"{name}: {sentence}", lambda: check(broker))
        if libraries:
            reader = list(libraries.values())[-1]
            checks.run("after a kill and a start everything is still there", lambda: restarted(broker, broker.kill, reader, written))
            checks.run("after a stop and a start everything is still there", lambda: restarted(broker, broker.stop, reader, written))
        checks.run("the broker stops on SIGTERM with exit code 0", lambda: expect_equal(broker.stop(), 0, "the exit code"))
    for name in checks.failed:
        print(f"failed: {name}")
    print(f"{checks.passed} passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


def restarted(broker, end, reader, written):
    end()
    broker.start()
    # From the first connection on: a client that is told a wrong address keeps it for minutes.
    expect_equal(raw.brokers(broker.address), [(1, broker.address)], "the brokers in the first answer to Metadata")
    for topic, records in written.items():
        corpus.compare(records, reader.read(broker.address, topic, corpus.PARTITIONS))


if __name__ == "__main__":
    sys.exit(main())
