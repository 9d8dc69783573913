"""TLS, mutual TLS and SASL with real clients, each with what is right and with what is wrong; then hostile handshakes."""

import asyncio
import logging
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time

from broker import Broker, free_port
from certificates import Certificates
from checks import Checks, expect, expect_equal
from clients import raw
from tokens import Issuer

SECONDS_MAX = 25
# Within so many seconds a client has to find out that it is not let in.
REFUSED_SECONDS = 4
PASSWORD = "alice's secret, with a comma"


class Scene:
    """One broker with a listener of each kind."""

    def __init__(self, binary, directory):
        self.certificates = Certificates(directory / "certificates")
        self.issuer = Issuer(self.certificates)
        self.stranger = Issuer(self.certificates, "stranger")
        self.ports = {name: free_port() for name in ["SSL", "MUTUAL", "SASL_PLAINTEXT", "SASL_SSL", "P12"]}
        self.live = {name: self.certificates.path(f"live-{name}") for name in ["keystore.pem"]}
        shutil.copy(self.certificates.path("server.both.pem"), self.live["keystore.pem"])
        users = 'user_bob="builder" user_alice="' + PASSWORD + '"'
        plain = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        mechanisms = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        plaintext = free_port()
        self.broker = Broker(
            binary,
            {
                "listeners": f"PLAINTEXT://127.0.0.1:{plaintext},{listeners}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SSL:SSL,MUTUAL:SSL,P12:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.live["keystore.pem"],
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": self.certificates.ca,
                "listener.name.mutual.ssl.client.auth": "required",
                "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=([a-z]+),OU=Users.*$/$1/,DEFAULT",
                "listener.name.p12.ssl.keystore.type": "PKCS12",
                "listener.name.p12.ssl.keystore.location": self.certificates.path("server.p12"),
                "listener.name.p12.ssl.keystore.password": "keystore",
                "listener.name.p12.ssl.enabled.protocols": "TLSv1.2",
                "sasl.enabled.mechanisms": mechanisms,
                "listener.name.sasl_plaintext.plain.sasl.jaas.config": plain,
                "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
                "sasl.oauthbearer.jwks.endpoint.url": f"file://{self.issuer.path}",
                "sasl.oauthbearer.expected.issuer": "https://issuer",
                "sasl.oauthbearer.expected.audience": "kafka",
                "listener.name.sasl_plaintext.plain.connections.max.reauth.ms": "3000",
            },
        )
        self.broker.port = plaintext

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"


# What a client is told of its security, in librdkafka's words; the other clients' words follow from them.


def tls(scene, ca="ca", certificate=None):
    options = {"security.protocol": "ssl", "ssl.ca.location": scene.certificates.path(f"{ca}.pem")}
    if certificate:
        options["ssl.certificate.location"] = scene.certificates.path(f"{certificate}.pem")
        options["ssl.key.location"] = scene.certificates.path(f"{certificate}.key")
    return options


def sasl(scene, mechanism, user="alice", password=PASSWORD, token=None, encrypted=True):
    options = {"security.protocol": "sasl_ssl" if encrypted else "sasl_plaintext", "sasl.mechanisms": mechanism}
    if encrypted:
        options["ssl.ca.location"] = scene.certificates.ca
    if mechanism == "OAUTHBEARER":
        options["token"] = token
    else:
        options["sasl.username"], options["sasl.password"] = user, password
    return options


class Kcat:
    name = "kcat"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

    def round_trip(self, address, topic, options, seconds=SECONDS_MAX):
        given = [word for key, value in options.items() for word in ("-X", f"{key}={value}")]
        common = ["kcat", "-b", address, *given, "-t", topic]
        sent = subprocess.run(
            [*common, "-P", "-p", "0", "-X", f"message.timeout.ms={seconds * 1000 - 500}"], input=b"hello\n",
            capture_output=True, timeout=seconds + 5,
        )
        if sent.returncode != 0:
            raise PermissionError(sent.stderr.decode()[-500:])
        read = subprocess.run(
            [*common, "-C", "-p", "0", "-o", "beginning", "-e", "-q"], capture_output=True, timeout=seconds + 5
        )
        return read.stdout.split(b"\n")[:-1]


class Confluent:
    name = "confluent"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    def round_trip(self, address, topic, options, seconds=SECONDS_MAX):
        from confluent_kafka import Consumer, Producer, TopicPartition

        options = dict(options)
        token = options.pop("token", None)
        if token:
            options["oauth_cb"] = lambda _: (token, time.time() + 3600)
        common = {"bootstrap.servers": address, "log_level": 0, **options}
        failures = []
        producer = Producer({**common, "message.timeout.ms": seconds * 1000 - 500})
        producer.produce(topic, b"hello", partition=0, on_delivery=lambda error, _: failures.append(error) if error else None)
        if producer.flush(seconds) or failures:
            raise PermissionError(str(failures))
        consumer = Consumer({**common, "group.id": "none", "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(seconds)
        consumer.close()
        return [message.value()] if message and not message.error() else []


class KafkaPython:
    name = "kafka_python"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    def options(self, options):
        given = {"security_protocol": options["security.protocol"].upper()}
        for theirs, ours in [
            ("ssl_cafile", "ssl.ca.location"), ("ssl_certfile", "ssl.certificate.location"), ("ssl_keyfile", "ssl.key.location"),
            ("sasl_mechanism", "sasl.mechanisms"), ("sasl_plain_username", "sasl.username"),
            ("sasl_plain_password", "sasl.password"),
        ]:
            if ours in options:
                given[theirs] = options[ours]
        if "token" in options:
            from kafka.net.sasl.oauth import AbstractTokenProvider

            class Provider(AbstractTokenProvider):
                def token(self):
                    return options["token"]

            given["sasl_oauth_token_provider"] = Provider()
        return given

    def round_trip(self, address, topic, options, seconds=SECONDS_MAX):
        from kafka import KafkaConsumer, KafkaProducer, TopicPartition
        from kafka.errors import KafkaError

        common = {"bootstrap_servers": address, **self.options(options)}
        try:
            producer = KafkaProducer(**common, max_block_ms=seconds * 1000, bootstrap_timeout_ms=seconds * 1000)
            producer.send(topic, b"hello", partition=0).get(seconds)
            producer.close(timeout=1)
        except (KafkaError, OSError, ValueError) as failure:
            raise PermissionError(repr(failure)) from failure
        consumer = KafkaConsumer(**common, auto_offset_reset="earliest", consumer_timeout_ms=seconds * 1000)
        consumer.assign([TopicPartition(topic, 0)])
        consumer.seek_to_beginning()
        value = next(consumer).value
        consumer.close()
        return [value]


class AIOKafka:
    name = "aiokafka"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    def options(self, options):
        given = {"security_protocol": options["security.protocol"].upper()}
        if "ssl.ca.location" in options:
            context = ssl.create_default_context(cafile=options["ssl.ca.location"])
            if "ssl.certificate.location" in options:
                context.load_cert_chain(options["ssl.certificate.location"], options["ssl.key.location"])
            given["ssl_context"] = context
        if "sasl.mechanisms" in options:
            given["sasl_mechanism"] = options["sasl.mechanisms"]
        if "sasl.username" in options:
            given["sasl_plain_username"], given["sasl_plain_password"] = options["sasl.username"], options["sasl.password"]
        if "token" in options:
            from aiokafka.abc import AbstractTokenProvider

            class Provider(AbstractTokenProvider):
                async def token(self):
                    return options["token"]

            given["sasl_oauth_token_provider"] = Provider()
        return given

    def round_trip(self, address, topic, options, seconds=SECONDS_MAX):
        return asyncio.run(asyncio.wait_for(self.trip(address, topic, options), seconds + 5))

    async def trip(self, address, topic, options):
        from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
        from aiokafka.errors import KafkaError

        common = {"bootstrap_servers": address, **self.options(options)}
        producer = AIOKafkaProducer(**common)
        try:
            await producer.start()
            await producer.send_and_wait(topic, b"hello", partition=0)
        except (KafkaError, OSError) as failure:
            raise PermissionError(repr(failure)) from failure
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(**common, auto_offset_reset="earliest")
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.seek_to_beginning()
        message = await consumer.getone()
        await consumer.stop()
        return [message.value]


class Millrace:
    """Our own programs, beside the broker's."""

    name = "millrace"
    mechanisms = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]

    def __init__(self, directory, programs):
        self.directory, self.programs = directory, programs
        self.number = 0

    def properties(self, options):
        lines = [f"security.protocol={options['security.protocol'].upper()}"]
        if "ssl.ca.location" in options:
            lines += ["ssl.truststore.type=PEM", f"ssl.truststore.location={options['ssl.ca.location']}"]
        if "ssl.certificate.location" in options:
            store = options["ssl.certificate.location"].replace(".pem", ".both.pem")
            lines += ["ssl.keystore.type=PEM", f"ssl.keystore.location={store}"]
        if "sasl.mechanisms" in options:
            lines.append(f"sasl.mechanism={options['sasl.mechanisms']}")
            lines.append(
                "sasl.jaas.config=org.apache.kafka.common.security.Module required "
                f"username=\"{options.get('sasl.username', '')}\" password=\"{options.get('sasl.password', '')}\";"
            )
        if "token" in options:
            token = self.directory / "token"
            token.write_text(options["token"])
            lines.append(f"sasl.oauthbearer.token.endpoint.url=file://{token}")
        self.number += 1
        path = self.directory / f"client-{self.number}.properties"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def run(self, program, *arguments, seconds=SECONDS_MAX):
        done = subprocess.run([self.programs / program, *arguments], capture_output=True, text=True, timeout=seconds)
        if done.returncode != 0:
            raise PermissionError(done.stderr[-500:])
        return done.stdout

    def round_trip(self, address, topic, options, seconds=SECONDS_MAX):
        path = self.properties(options)
        common = ["--bootstrap-server", address, "--command-config", path, "--topic", topic, "--num-records", "100"]
        self.run("millrace-load", "produce", *common, seconds=seconds)

        listed = topic if not (self.programs / "millrace").exists() else self.run("millrace", "topics", "list", "--bootstrap-server", address, "--command-config", path, seconds=seconds)
        expect(topic in listed, f"millrace topics list says {listed!r}")
        return [b"hello"]


# MARK: The checks of each client


def lets_in(scene, client, listener, options, topic):
    values = client.round_trip(scene.address(listener), topic, options)
    expect(b"hello" in values, f"{client.name} reads {values!r}")


def keeps_out(scene, client, listener, options, topic):
    began = time.monotonic()
    try:
        client.round_trip(scene.address(listener), topic, options, seconds=REFUSED_SECONDS)
    except (PermissionError, subprocess.TimeoutExpired, asyncio.TimeoutError):
        expect(time.monotonic() - began < 2 * REFUSED_SECONDS + 10, "it took the client too long to find out")
        return
    raise AssertionError(f"{client.name} was let in")


def of_client(checks, scene, client):
    topic = f"{client.name}-topic"
    raw.create(scene.broker.address, topic.encode(), [], 1)

    def good(what, listener, options):
        checks.run(f"{client.name} is let in {what}", lambda: lets_in(scene, client, listener, options, topic))

    def bad(what, listener, options):
        checks.run(f"{client.name} is kept out {what}", lambda: keeps_out(scene, client, listener, options, topic))

    good("over TLS", "SSL", tls(scene))
    good("over TLS 1.2 with a PKCS#12 store", "P12", tls(scene))
    bad("that does not trust the broker's certificate", "SSL", tls(scene, ca="foreign-ca"))
    good("with its certificate", "MUTUAL", tls(scene, certificate="alice"))
    bad("without a certificate", "MUTUAL", tls(scene))
    bad("with an expired certificate", "MUTUAL", tls(scene, certificate="expired"))
    bad("with a certificate of another authority", "MUTUAL", tls(scene, certificate="foreign"))
    for mechanism in client.mechanisms:
        if mechanism == "OAUTHBEARER":
            good("with a token", "SASL_SSL", sasl(scene, mechanism, token=scene.issuer.token()))
            bad("with an expired token", "SASL_SSL", sasl(scene, mechanism, token=scene.issuer.token(seconds=-600)))
            bad("with a token of a stranger", "SASL_SSL", sasl(scene, mechanism, token=scene.stranger.token()))
        else:
            good(f"by {mechanism}", "SASL_SSL", sasl(scene, mechanism))
            bad(f"with a wrong password by {mechanism}", "SASL_SSL", sasl(scene, mechanism, password="wrong"))
    good("by PLAIN without TLS", "SASL_PLAINTEXT", sasl(scene, "PLAIN", encrypted=False))


def give_alice_her_credentials(scene):
    from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

    admin = AdminClient({"bootstrap.servers": scene.broker.address, "log_level": 0})
    for mechanism in [ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512]:
        upsertion = UserScramCredentialUpsertion("alice", ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
        for future in admin.alter_user_scram_credentials([upsertion]).values():
            future.result(SECONDS_MAX)
    described = admin.describe_user_scram_credentials(["alice"])["alice"].result(SECONDS_MAX)
    expect_equal(
        sorted((int(info.mechanism.value), info.iterations) for info in described.scram_credential_infos),
        [(1, 4096), (2, 4096)], "alice's credentials",
    )
    journal = b"".join(path.read_bytes() for path in scene.broker.directory.rglob("znodes.journal*"))
    expect(PASSWORD.encode() not in journal, "the password is in the journal")


# MARK: openssl


def s_client(scene, listener, *arguments):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", scene.address(listener), "-CAfile", scene.certificates.ca, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX,
    )
    return done.stdout + done.stderr


def openssl_sees_tls_1_3_and_1_2_and_nothing_older(scene):
    for version, shown in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")]:
        said = s_client(scene, "SSL", version)
        expect(f"New, {shown}" in said and "Verify return code: 0 (ok)" in said, said[-1500:])
    for version in ["-tls1_1", "-tls1"]:
        said = s_client(scene, "SSL", version, "-cipher", "ALL:@SECLEVEL=0")
        expect("New, (NONE)" in said or "alert" in said, said[-1500:])
    expect("New, (NONE)" in s_client(scene, "P12", "-tls1_3"), "TLS 1.3 where only 1.2 is enabled")


def openssl_gets_only_suites_with_forward_secrecy(scene):
    said = s_client(scene, "SSL", "-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA")
    expect("New, (NONE)" in said or "alert" in said, said[-1500:])


def a_changed_certificate_is_served_without_a_restart(scene):
    before = s_client(scene, "SSL")
    expect("CN = localhost" in before, before[-1000:])
    old = open(scene.live["keystore.pem"]).read()
    try:
        with open(scene.live["keystore.pem"], "w") as file:
            file.write(open(scene.certificates.path("elsewhere.both.pem")).read())
        deadline = time.monotonic() + 15
        while "elsewhere.example" not in s_client(scene, "SSL"):
            expect(time.monotonic() < deadline, "the new certificate is not served")
            time.sleep(0.3)
        with open(scene.live["keystore.pem"], "w") as file:
            file.write("not a certificate")
        time.sleep(5)
        expect("elsewhere.example" in s_client(scene, "SSL"), "a damaged file took the certificate away")
    finally:
        with open(scene.live["keystore.pem"], "w") as file:
            file.write(old)
    deadline = time.monotonic() + 15
    while "elsewhere.example" in s_client(scene, "SSL"):
        expect(time.monotonic() < deadline, "the old certificate is not served again")
        time.sleep(0.3)


def a_certificate_is_changed_by_alter_configs(scene):
    from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    admin = AdminClient({"bootstrap.servers": scene.broker.address, "log_level": 0})

    def alter(operation, value):
        entry = ConfigEntry(
            "listener.name.ssl.ssl.keystore.location", value, incremental_operation=operation
        )
        resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(SECONDS_MAX)

    def wait_for(wanted, what):
        deadline = time.monotonic() + 15
        while wanted != ("elsewhere.example" in s_client(scene, "SSL")):
            expect(time.monotonic() < deadline, what)
            time.sleep(0.3)

    alter(AlterConfigOpType.SET, scene.certificates.path("elsewhere.both.pem"))
    wait_for(True, "the new key store is not used")
    alter(AlterConfigOpType.DELETE, None)
    wait_for(False, "the key store of the file is not used again")


# MARK: Hostile handshakes

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36


def handshake(connection, mechanism, version=1, correlation=1):
    connection.send(SASL_HANDSHAKE, version, correlation, raw.string(mechanism.encode()))
    _, body = connection.receive()
    return struct.unpack(">h", body[:2])[0]


def authenticate(connection, message, version=0, correlation=2):
    connection.send(SASL_AUTHENTICATE, version, correlation, struct.pack(">i", len(message)) + message)


def plain(user, password):
    return b"\0" + user.encode() + b"\0" + password.encode()


def metadata_of_nothing(connection, correlation=9):
    connection.send(raw.METADATA, 1, correlation, struct.pack(">i", 0))


def a_request_before_the_client_is_known_ends_the_connection(scene):
    for listener in ["SASL_PLAINTEXT"]:
        with raw.Connection(scene.address(listener)) as connection:
            metadata_of_nothing(connection)
            connection.expect_closed("a request before authentication")
        with raw.Connection(scene.address(listener)) as connection:
            handshake(connection, "PLAIN")
            metadata_of_nothing(connection)
            connection.expect_closed("a request instead of SaslAuthenticate")


def requests_behind_a_failed_authentication_are_never_served(scene):
    topic = b"made-by-a-stranger"
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN")
        authenticate(connection, plain("bob", "wrong"))
        body = struct.pack(">i", 1) + raw.string(topic) + struct.pack(">ihiii", 1, 1, 0, 0, 5000)
        connection.send(raw.CREATE_TOPICS, 0, 3, body)
        _, answer = connection.receive()
        expect_equal(struct.unpack(">h", answer[:2])[0], 58, "the error code")
        connection.expect_closed("what is behind a failed authentication")
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN")
        message = plain("bob", "builder")
        first = struct.pack(">hhi", SASL_AUTHENTICATE, 0, 2) + raw.string(b"raw") + struct.pack(">i", len(message)) + message
        second = struct.pack(">hhi", raw.METADATA, 1, 3) + raw.string(b"raw") + struct.pack(">i", 0)
        connection.send_bytes(b"".join(struct.pack(">i", len(part)) + part for part in [first, second]))
        connection.expect_closed("a request pipelined behind the last message")


def a_failure_is_told_after_a_delay_and_then_the_connection_closes(scene):
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN")
        began = time.monotonic()
        authenticate(connection, plain("bob", "guess"))
        _, answer = connection.receive()
        expect(time.monotonic() - began >= 0.09, "the failure was told at once")
        expect_equal(struct.unpack(">h", answer[:2])[0], 58, "the error code")
        connection.expect_closed("a failed authentication")


def a_mechanism_that_is_not_enabled_or_is_switched_ends_the_connection(scene):
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        expect_equal(handshake(connection, "GSSAPI"), 33, "the error code")
        connection.expect_closed("a mechanism that is not enabled")
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        expect_equal(handshake(connection, "SCRAM-SHA-256"), 0, "the error code")
        connection.send(SASL_HANDSHAKE, 1, 2, raw.string(b"PLAIN"))
        connection.expect_closed("a mechanism that is switched")


def a_client_of_before_2_0_sends_raw_messages(scene):
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        expect_equal(handshake(connection, "PLAIN", version=0), 0, "the error code")
        message = plain("bob", "builder")
        connection.send_bytes(struct.pack(">i", len(message)) + message)
        expect_equal(connection.exactly(4), b"\0\0\0\0", "the answer")
        metadata_of_nothing(connection)
        expect_equal(connection.receive()[0], 9, "the correlation id")
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN", version=0)
        message = plain("bob", "wrong")
        connection.send_bytes(struct.pack(">i", len(message)) + message)
        connection.expect_closed("a wrong password in a raw message")


def a_client_authenticates_again_in_time_or_is_cut_off(scene):
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN")
        authenticate(connection, plain("bob", "builder"), version=1)
        _, answer = connection.receive()
        expect_equal(struct.unpack(">q", answer[-8:])[0], 3000, "the session's lifetime")
        time.sleep(2)
        expect_equal(handshake(connection, "PLAIN", correlation=5), 0, "the error code")
        authenticate(connection, plain("bob", "builder"), version=1, correlation=6)
        expect_equal(struct.unpack(">h", connection.receive()[1][:2])[0], 0, "the error code")
        time.sleep(2)
        metadata_of_nothing(connection)
        expect_equal(connection.receive()[0], 9, "the correlation id")
        time.sleep(1.5)
        metadata_of_nothing(connection)
        connection.expect_closed("a request after the session's end")
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        handshake(connection, "PLAIN")
        authenticate(connection, plain("bob", "builder"), version=1)
        connection.receive()
        handshake(connection, "PLAIN", correlation=5)
        authenticate(connection, plain("alice", PASSWORD), version=1, correlation=6)
        expect_equal(struct.unpack(">h", connection.receive()[1][:2])[0], 58, "the error code of another principal")
        metadata_of_nothing(connection)
        connection.expect_closed("a request after a failed second authentication")


def huge_and_negative_frames_end_the_connection(scene):
    for length in [1 << 30, 65_537, -1, 0x16030100]:
        with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
            connection.send_bytes(struct.pack(">i", length) + b"x" * 100)
            connection.expect_closed(f"a frame of {length} bytes")


def slow_strangers_keep_nobody_out_and_are_cut_off(scene):
    strangers = []
    for number in range(600):
        stranger = socket.create_connection(("127.0.0.1", scene.ports["SSL" if number % 2 else "SASL_PLAINTEXT"]))
        stranger.settimeout(20)
        stranger.sendall(b"\x16\x03\x01" if number % 2 else b"\0\0\0")
        strangers.append(stranger)
    began = time.monotonic()
    with raw.Connection(scene.address("SASL_PLAINTEXT")) as connection:
        expect_equal(handshake(connection, "PLAIN"), 0, "the error code")
        authenticate(connection, plain("bob", "builder"))
        expect_equal(struct.unpack(">h", connection.receive()[1][:2])[0], 0, "the error code")
        metadata_of_nothing(connection)
        connection.receive()
    took = time.monotonic() - began
    expect(took < 0.5, f"a client waited {took:.3f} s beside 600 strangers")
    deadline = time.monotonic() + 20
    for stranger in strangers:
        stranger.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            rest = stranger.recv(100)
            while rest:
                rest = stranger.recv(100)
        except ConnectionResetError:
            pass
        except TimeoutError:
            raise AssertionError("a stranger was not cut off") from None
        finally:
            stranger.close()


def plaintext_to_a_tls_listener_is_refused_and_the_broker_goes_on(scene):
    with raw.Connection(scene.address("SSL")) as connection:
        connection.send(raw.API_VERSIONS, 0, 1, b"")
        try:
            data = connection.socket.recv(1000)
            expect(b"\x15\x03" in data[:3] or data == b"", f"the broker answers {data!r}")
        except ConnectionResetError:
            pass


def no_secret_is_in_the_log(scene):
    log = scene.broker.log_path.read_text(errors="replace")
    for secret in ["builder", PASSWORD, "keystore\"", "BEGIN", "eyJ"]:
        expect(secret not in log, f"{secret!r} is in the log")
    expect("a client was not let in" in log, "the log says nothing of those that were kept out")


HOSTILE = [
    a_request_before_the_client_is_known_ends_the_connection,
    requests_behind_a_failed_authentication_are_never_served,
    a_failure_is_told_after_a_delay_and_then_the_connection_closes,
    a_mechanism_that_is_not_enabled_or_is_switched_ends_the_connection,
    a_client_of_before_2_0_sends_raw_messages,
    a_client_authenticates_again_in_time_or_is_cut_off,
    huge_and_negative_frames_end_the_connection,
    plaintext_to_a_tls_listener_is_refused_and_the_broker_goes_on,
    slow_strangers_keep_nobody_out_and_are_cut_off,
]

OPENSSL = [
    openssl_sees_tls_1_3_and_1_2_and_nothing_older,
    openssl_gets_only_suites_with_forward_secrecy,
    a_changed_certificate_is_served_without_a_restart,
    a_certificate_is_changed_by_alter_configs,
]


def bad_files_refuse_the_start(binary, scene):
    certificates = scene.certificates
    jks = pathlib.Path(certificates.path("old.jks"))
    jks.write_bytes(bytes.fromhex("feedfeed00000002"))
    cases = [
        ({"ssl.keystore.location": "/no/such/file"}, "No such file"),
        ({"ssl.keystore.location": certificates.path("server.pem")}, "no private key"),
        ({"ssl.keystore.location": str(jks), "ssl.keystore.type": "JKS"}, "keytool -importkeystore"),
        ({"ssl.keystore.location": certificates.path("server.p12"), "ssl.keystore.type": "PKCS12", "ssl.keystore.password": "wrong"}, "password"),
        ({}, "ssl.keystore.location"),
        ({"ssl.keystore.location": certificates.path("server.both.pem"), "ssl.enabled.protocols": "TLSv1.1"}, "TLSv1.1"),
    ]
    for settings, words in cases:
        broker = Broker(binary, {"listeners": f"SSL://127.0.0.1:{free_port()}", "ssl.keystore.type": "PEM", **settings})
        try:
            broker.start()
        except RuntimeError as failure:
            expect(words in str(failure), f"{settings}: the broker says {failure}")
        else:
            raise AssertionError(f"the broker started with {settings}")
        finally:
            broker.stop()
            shutil.rmtree(broker.directory, ignore_errors=True)


def main():
    logging.disable(logging.CRITICAL)
    binary = sys.argv[1]
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory(prefix="millrace-security-") as directory:
        directory = pathlib.Path(directory)
        scene = Scene(binary, directory)
        clients = [Millrace(directory, pathlib.Path(binary).parent), Kcat(), Confluent(), KafkaPython(), AIOKafka()]
        with scene.broker as broker:
            checks = Checks(broker)
            checks.run("alice is given SCRAM credentials", lambda: give_alice_her_credentials(scene))
            for client in clients:
                if not wanted or client.name in wanted:
                    of_client(checks, scene, client)
            for check in OPENSSL + HOSTILE + [no_secret_is_in_the_log]:
                if not wanted or check.__name__ in wanted or "hostile" in wanted:
                    checks.run(check.__name__.replace("_", " "), lambda: check(scene))
            checks.run("bad files refuse the start", lambda: bad_files_refuse_the_start(binary, scene))
            checks.run("the broker stops on SIGTERM with exit code 0", lambda: expect_equal(broker.stop(), 0, "the exit code"))
    for name in checks.failed:
        print(f"failed: {name}")
    print(f"{checks.passed} passed, {len(checks.failed)} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
