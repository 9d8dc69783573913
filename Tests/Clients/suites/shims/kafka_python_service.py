"""Stands in for kafka-python's test/service.py, which its source distributions leave out: the broker runs already."""


class ExternalService:
    """A broker that was started, and will be stopped, elsewhere."""

    def __init__(self, host, port):
        self.host = host
        self.port = port

    def stop(self):
        pass


class SpawnedService:
    """What the suite would start itself, Apache Kafka or ZooKeeper: neither is there."""

    def __init__(self, arguments, environment):
        raise RuntimeError(f"the suite wants to start {arguments[0]}: only tests of a running broker can be run")
