"""Stands in for kafka-python 2.0's test/conftest.py, which its source distributions leave out: fixtures of a broker that runs already.

KAFKA_URI is the broker's address, as in later versions of the suite.
"""

import os
import urllib.parse
import uuid

import pytest
from kafka import KafkaAdminClient, KafkaClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic
from test.testutil import env_kafka_version, random_string

PARTITIONS = 4


class RunningBroker:
    def __init__(self, address):
        self.host, self.port = address.hostname, address.port
        self.settings = {"bootstrap_servers": address.netloc, "api_version": env_kafka_version()}

    def create(self, topic):
        client = KafkaAdminClient(**self.settings)
        client.create_topics([NewTopic(topic, PARTITIONS, 1)])
        client.close()


@pytest.fixture(scope="session")
def kafka_broker():
    return RunningBroker(urllib.parse.urlparse(os.environ["KAFKA_URI"]))


@pytest.fixture(scope="module")
def kafka_broker_factory():
    pytest.skip("the test starts a broker with SASL")


@pytest.fixture
def topic(kafka_broker, request):
    name = f"{request.node.name.replace('[', '-').replace(']', '')}_{random_string(10)}"
    kafka_broker.create(name)
    return name


def factory(kind, broker, **defaults):
    """Yields a function that makes clients, and closes them all at the end."""
    made = []

    def make(*topics, **options):
        made.append(kind(*topics, **{**broker.settings, **defaults, **options}))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def kafka_client(kafka_broker, request):
    yield from (make(client_id=request.node.name) for make in factory(KafkaClient, kafka_broker))


@pytest.fixture
def kafka_consumer_factory(kafka_broker, topic, request):
    defaults = {"client_id": request.node.name, "auto_offset_reset": "earliest"}
    for make in factory(KafkaConsumer, kafka_broker, **defaults):
        yield lambda topics=(topic,), **options: make(*topics, **options)


@pytest.fixture
def kafka_consumer(kafka_consumer_factory):
    return kafka_consumer_factory()


@pytest.fixture
def kafka_producer_factory(kafka_broker, request):
    yield from factory(KafkaProducer, kafka_broker, client_id=request.node.name)


@pytest.fixture
def kafka_producer(kafka_producer_factory):
    return kafka_producer_factory()


@pytest.fixture
def kafka_admin_client_factory(kafka_broker):
    yield from factory(KafkaAdminClient, kafka_broker)


@pytest.fixture
def kafka_admin_client(kafka_admin_client_factory):
    return kafka_admin_client_factory()


@pytest.fixture
def topic2(kafka_broker):
    name = f"second_{random_string(10)}"
    kafka_broker.create(name)
    return name


@pytest.fixture
def send_messages(topic, kafka_producer, request):
    def send(numbers, partition=0, topic=topic, producer=kafka_producer):
        values = [f"{number}-{request.node.name}-{uuid.uuid4()}".encode() for number in numbers]
        sent = [producer.send(topic, value=value, partition=partition) for value in values]
        producer.flush()
        assert all(future.succeeded() for future in sent)
        return values

    return send
