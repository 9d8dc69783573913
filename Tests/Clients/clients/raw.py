"""A client of bytes written by hand: what no library sends, and what every library takes for granted."""

import socket
import struct
import time

from checks import expect, expect_equal

SECONDS_MAX = 10

PRODUCE, FETCH, METADATA, API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, CREATE_PARTITIONS = 0, 1, 3, 18, 19, 20, 37

NOT_CONTROLLER = 41


class Connection:
    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=SECONDS_MAX)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.socket.close()

    def send(self, key, version, correlation, body, client=b"raw", flexible=False):
        header = struct.pack(">hhi", key, version, correlation) + string(client) + (b"\0" if flexible else b"")
        self.send_bytes(struct.pack(">i", len(header) + len(body)) + header + body)

    def send_bytes(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next answer's correlation id and what follows it."""
        frame = self.exactly(struct.unpack(">i", self.exactly(4))[0])
        return struct.unpack(">i", frame[:4])[0], frame[4:]

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            expect(piece, f"the broker closed the connection after {len(data)} of {count} bytes")
            data += piece
        return data

    def expect_closed(self, what):
        try:
            rest = self.socket.recv(1)
        except ConnectionResetError:
            rest = b""
        except TimeoutError:
            rest = None
        expect_equal(rest, b"", f"what the broker says to {what}")


def string(text):
    return struct.pack(">h", len(text)) + text


def create(address, topic, configs=(), partitions=1):
    """CreateTopics version 2."""
    entries = b"".join(string(key) + string(value) for key, value in configs)
    settings = struct.pack(">ihii", partitions, 1, 0, len(configs)) + entries
    body = struct.pack(">i", 1) + string(topic) + settings + struct.pack(">ib", 10_000, 0)
    ask_about(address, topic, CREATE_TOPICS, 2, body, "creating")


def delete(address, topic):
    """DeleteTopics version 1."""
    ask_about(address, topic, DELETE_TOPICS, 1, struct.pack(">i", 1) + string(topic) + struct.pack(">i", 10_000), "deleting")


def extend(address, topic, partitions):
    """CreatePartitions version 0: to so many partitions in all, wherever the broker puts them."""
    body = struct.pack(">i", 1) + string(topic) + struct.pack(">iiib", partitions, -1, 10_000, 0)
    ask_about(address, topic, CREATE_PARTITIONS, 0, body, "extending")


def ask_about(address, topic, key, version, body, what):
    """For answers that are throttle time, one topic's name and its error. Of several addresses, separated by commas, one is the controller's."""
    for broker in address.split(","):
        with Connection(broker) as connection:
            connection.send(key, version, 1, body)
            answer = connection.receive()[1]
        at = 4 + 4 + 2 + len(topic)
        error = struct.unpack(">h", answer[at : at + 2])[0]
        if error != NOT_CONTROLLER:
            break
    expect_equal(error, 0, f"the error for {what} {topic.decode()}")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def batch(values, timestamps=None):
    """A record batch of magic 2 without compression, of now: an old one would be for retention to delete."""
    timestamps = timestamps or [int(time.time() * 1000)] * len(values)
    first, last = timestamps[0], max(timestamps)
    records = b""
    for delta, value in enumerate(values):
        body = b"\0" + varint(timestamps[delta] - first) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    checked = struct.pack(">hiqqqhii", 0, len(values) - 1, first, last, -1, -1, -1, len(values)) + records
    after_length = struct.pack(">ibI", 0, 2, crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(after_length)) + after_length


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def produce_body(topic, records, acks=1):
    """Produce version 3, partition 0."""
    one = struct.pack(">ii", 0, len(records)) + records
    return struct.pack(">hhi", -1, acks, 5000) + struct.pack(">i", 1) + string(topic) + struct.pack(">i", 1) + one


def fetch_body(topic, offset, wait_ms, min_bytes=1):
    """Fetch version 4, partition 0."""
    partition = struct.pack(">iqi", 0, offset, 1 << 20)
    settings = struct.pack(">iiiib", -1, wait_ms, min_bytes, 1 << 20, 0)
    return settings + struct.pack(">i", 1) + string(topic) + struct.pack(">i", 1) + partition


def produced(answer, topic):
    """Error code and base offset of a Produce version 3 answer for one partition."""
    at = 4 + 2 + len(topic) + 4 + 4
    return struct.unpack(">hq", answer[at : at + 10])


def brokers(address):
    """Id and address of every broker that Metadata version 0 names."""
    with Connection(address) as connection:
        connection.send(METADATA, 0, 1, struct.pack(">i", 0))
        answer = connection.receive()[1]
    named, at = [], 4
    for _ in range(struct.unpack(">i", answer[:4])[0]):
        node, length = struct.unpack(">ih", answer[at : at + 6])
        host = answer[at + 6 : at + 6 + length].decode()
        at += 6 + length + 4
        named.append((node, f"{host}:{struct.unpack('>i', answer[at - 4 : at])[0]}"))
    return named


def is_alive(address):
    with Connection(address) as connection:
        connection.send(API_VERSIONS, 0, 77, b"")
        correlation, answer = connection.receive()
        expect_equal((correlation, answer[:2]), (77, b"\0\0"), "ApiVersions' answer")


def an_unknown_version_of_ApiVersions_is_answered_in_version_0(address):
    with Connection(address) as connection:
        connection.send(API_VERSIONS, 99, 5, b"\x04raw\x021\0", flexible=True)
        correlation, answer = connection.receive()
        expect_equal((correlation, answer.hex()), (5, "0023" + "00000001" + "0012" + "0000" + "0004"), "the answer")
        connection.send(API_VERSIONS, 3, 6, b"\x04raw\x021\0", flexible=True)
        correlation, answer = connection.receive()
        expect_equal((correlation, answer[:2]), (6, b"\0\0"), "the answer to the next, in version 3 behind header 0")


def a_version_3_client_without_a_proper_name_is_refused(address):
    with Connection(address) as connection:
        connection.send(API_VERSIONS, 3, 1, b"\x01\x01\0", flexible=True)
        expect_equal(connection.receive()[1][:2], struct.pack(">h", 42), "the error code")


def librdkafka_finds_the_single_versions_it_looks_for(address):
    with Connection(address) as connection:
        connection.send(API_VERSIONS, 0, 1, b"")
        answer = connection.receive()[1]
    count = struct.unpack(">i", answer[2:6])[0]
    ranges = {}
    for index in range(count):
        key, low, high = struct.unpack(">hhh", answer[6 + 6 * index : 12 + 6 * index])
        ranges[key] = (low, high)
    # Which feature needs which version of which API: librdkafka's rdkafka_feature.c, before 2.11.1.
    needed = {PRODUCE: [0, 3, 7], FETCH: [4, 10], METADATA: [0, 4], 2: [1], 10: [0], 22: [0], API_VERSIONS: [0, 3]}
    for key, versions in needed.items():
        for version in versions:
            low, high = ranges[key]
            expect(low <= version <= high, f"API {key} is offered in {low}-{high}, without {version}")


def answers_leave_in_the_order_of_their_requests(address):
    create(address, b"raw-order")
    with Connection(address) as connection:
        began = time.monotonic()
        connection.send(FETCH, 4, 1, fetch_body(b"raw-order", 0, wait_ms=700))
        for correlation in (2, 3, 4):
            connection.send(API_VERSIONS, 0, correlation, b"")
        order = [connection.receive()[0] for _ in range(4)]
        waited = time.monotonic() - began
    expect_equal(order, [1, 2, 3, 4], "the correlation ids")
    expect(waited > 0.5, f"an empty fetch was answered after {waited:.2f} s instead of waiting 0.7 s")


def a_waiting_fetch_is_answered_when_records_arrive(address):
    create(address, b"raw-wake")
    with Connection(address) as reader, Connection(address) as writer:
        began = time.monotonic()
        reader.send(FETCH, 4, 1, fetch_body(b"raw-wake", 0, wait_ms=8000))
        time.sleep(0.2)  # so that the fetch is there first, which is what is checked
        writer.send(PRODUCE, 3, 1, produce_body(b"raw-wake", batch([b"hello"])))
        answer = reader.receive()[1]
        expect(b"hello" in answer, "the record is not in the answer")
        expect(time.monotonic() - began < 4, "the fetch waited to its end although a record came")


def empty_records_are_not_null(address):
    create(address, b"raw-empty")
    with Connection(address) as connection:
        connection.send(FETCH, 4, 1, fetch_body(b"raw-empty", 0, wait_ms=0))
        answer = connection.receive()[1]
    expect_equal(struct.unpack(">i", answer[-4:])[0], 0, "the length of the records")


def without_acknowledgement_there_is_no_answer(address):
    create(address, b"raw-silent")
    with Connection(address) as connection:
        connection.send(PRODUCE, 3, 1, produce_body(b"raw-silent", batch([b"a"]), acks=0))
        connection.send(API_VERSIONS, 0, 2, b"")
        expect_equal(connection.receive()[0], 2, "the correlation id of the first answer")
        connection.send(FETCH, 4, 3, fetch_body(b"raw-silent", 0, wait_ms=1000))
        expect(b"a" in connection.receive()[1], "the record was not written")


def a_batch_is_kept_byte_for_byte(address):
    create(address, b"raw-bytes")
    sent = batch([b"one", b"two", b"three"])
    with Connection(address) as connection:
        for correlation in (1, 2):
            connection.send(PRODUCE, 3, correlation, produce_body(b"raw-bytes", sent))
            expect_equal(produced(connection.receive()[1], b"raw-bytes"), (0, 3 * (correlation - 1)), "error, base offset")
        connection.send(FETCH, 4, 3, fetch_body(b"raw-bytes", 4, wait_ms=0))
        answer = connection.receive()[1]
    read = answer[-len(sent) :]
    # The broker fills in the base offset (8 bytes) and the leader epoch (4 bytes at 12); the rest is under the checksum.
    expect_equal(struct.unpack(">q", read[:8])[0], 3, "the base offset of the batch that holds offset 4")
    expect_equal(read[8:12] + read[16:], sent[8:12] + sent[16:], "the batch")


def a_topics_own_codec_is_what_is_stored(address):
    for number, codec in enumerate((b"uncompressed", b"gzip", b"snappy", b"lz4")):
        topic = b"raw-codec-" + codec
        create(address, topic, [(b"compression.type", codec)])
        with Connection(address) as connection:
            connection.send(PRODUCE, 3, 1, produce_body(topic, batch([b"x" * 2000] * 5)))
            expect_equal(produced(connection.receive()[1], topic), (0, 0), "error, base offset")
            connection.send(FETCH, 4, 2, fetch_body(topic, 0, wait_ms=0))
            answer = connection.receive()[1]
        # Before the records stand: throttle, count, name, count, partition, error, watermark, stable offset, aborted, length.
        stored = answer[4 + 4 + 2 + len(topic) + 4 + 4 + 2 + 8 + 8 + 4 + 4 :]
        expect_equal(stored[22] & 7, number, f"the codec of the batch stored in a {codec.decode()} topic")
        crc = struct.unpack(">I", stored[17:21])[0]
        expect_equal(crc, crc32c(stored[21:]), "the checksum of the stored batch")


def broken_batches_are_refused_by_their_names(address):
    create(address, b"raw-broken")
    good = batch([b"some value"])

    def refusal(records):
        with Connection(address) as connection:
            connection.send(PRODUCE, 3, 1, produce_body(b"raw-broken", records))
            return produced(connection.receive()[1], b"raw-broken")[0]

    flipped = bytearray(good)
    flipped[-3] ^= 0x40
    expect_equal(refusal(bytes(flipped)), 2, "the error for a flipped bit")
    expect_equal(refusal(good[:-4]), 2, "the error for a cut batch")
    wrong_count = bytearray(good)
    wrong_count[57:61] = struct.pack(">i", 7)
    wrong_count[17:21] = struct.pack(">I", crc32c(bytes(wrong_count[21:])))
    expect(refusal(bytes(wrong_count)) in (2, 87), "a count that is not the records' was taken")
    expect_equal(refusal(good), 0, "the error for a good batch afterwards")


def an_unknown_topic_and_an_offset_out_of_range(address):
    create(address, b"raw-range")
    with Connection(address) as connection:
        connection.send(PRODUCE, 3, 1, produce_body(b"raw-nowhere", batch([b"x"])))
        expect_equal(produced(connection.receive()[1], b"raw-nowhere")[0], 3, "the error for an unknown topic")
        connection.send(FETCH, 4, 2, fetch_body(b"raw-range", 5, wait_ms=5000))
        answer = connection.receive()[1]
        at = 4 + 4 + 2 + len(b"raw-range") + 4 + 4
        expect_equal(struct.unpack(">h", answer[at : at + 2])[0], 1, "the error for an offset beyond the end")


def what_is_no_frame_closes_the_connection_and_harms_nobody(address):
    strangers = {
        "a negative length": struct.pack(">i", -1),
        "a length of two gigabytes": struct.pack(">i", 2**31 - 1),
        "a web browser": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a frame too short for a header": struct.pack(">i", 2) + b"\0\x12",
        "an API nobody has": struct.pack(">ihhi", 10, 999, 0, 1) + b"\xff\xff",
        "an array of two billion topics": struct.pack(">ihhi", 14, METADATA, 1, 1) + b"\xff\xff" + struct.pack(">i", 2**31 - 1),
        "a topic name longer than the request": struct.pack(">ihhi", 16, METADATA, 1, 1) + b"\xff\xff" + struct.pack(">ih", 1, 500),
    }
    for what, data in strangers.items():
        with Connection(address) as connection:
            connection.send_bytes(data)
            connection.expect_closed(what)
        is_alive(address)


def requests_may_arrive_in_pieces_and_in_bundles(address):
    request = struct.pack(">ihhi", 10, API_VERSIONS, 0, 1) + b"\xff\xff"
    with Connection(address) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.send_bytes(bytes([byte]))
        expect_equal(connection.receive()[0], 1, "the correlation id of a request sent byte by byte")
        connection.send_bytes(request * 200)
        expect_equal([connection.receive()[0] for _ in range(200)], [1] * 200, "the answers to 200 requests in one piece")


def a_closed_connection_in_the_middle_of_a_request_harms_nobody(address):
    for _ in range(20):
        with Connection(address) as connection:
            connection.send_bytes(struct.pack(">i", 1_000_000) + b"half a request")
    is_alive(address)


CHECKS = [
    an_unknown_version_of_ApiVersions_is_answered_in_version_0,
    a_version_3_client_without_a_proper_name_is_refused,
    librdkafka_finds_the_single_versions_it_looks_for,
    answers_leave_in_the_order_of_their_requests,
    a_waiting_fetch_is_answered_when_records_arrive,
    empty_records_are_not_null,
    without_acknowledgement_there_is_no_answer,
    a_batch_is_kept_byte_for_byte,
    a_topics_own_codec_is_what_is_stored,
    broken_batches_are_refused_by_their_names,
    an_unknown_topic_and_an_offset_out_of_range,
    what_is_no_frame_closes_the_connection_and_harms_nobody,
    requests_may_arrive_in_pieces_and_in_bundles,
    a_closed_connection_in_the_middle_of_a_request_harms_nobody,
]
