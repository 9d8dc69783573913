#!/usr/bin/env python3
"""Stands in for Kafka's tool of this name, as far as librdkafka's test suite calls it: $KAFKA_PATH/bin/kafka-topics.sh.

  kafka-topics.sh --bootstrap-server ADDRESS --topic NAME (--create [--config KEY=VALUE ...] | --alter | --delete) \
      [--partitions N] [--replication-factor 1]
"""

import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from clients import raw  # noqa: E402, the path had to be told first

parser = argparse.ArgumentParser()
parser.add_argument("--bootstrap-server", required=True)
parser.add_argument("--topic", required=True)
action = parser.add_mutually_exclusive_group(required=True)
for name in ("create", "alter", "delete"):
    action.add_argument(f"--{name}", action="store_true")
parser.add_argument("--partitions", type=int, default=1)
parser.add_argument("--replication-factor", type=int, choices=[1], default=1)
parser.add_argument("--config", action="append", default=[])
asked = parser.parse_args()

topic = asked.topic.encode()
if asked.create:
    configs = [tuple(part.encode() for part in config.split("=", 1)) for config in asked.config]
    raw.create(asked.bootstrap_server, topic, configs, asked.partitions)
elif asked.alter:
    raw.extend(asked.bootstrap_server, topic, asked.partitions)
else:
    raw.delete(asked.bootstrap_server, topic)
