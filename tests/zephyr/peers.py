# SPDX-License-Identifier: Apache-2.0
"""Other ends of a connection than the two that are tested: a second device of the same id, and a hub that sends
whatever a test wants, since local-hub sends only what IoT Hub would."""

import os
import queue
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import contextmanager

from hub import PATIENCE, token

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP = 1, 2, 3, 4, 8, 9, 12, 13
# Seconds from 1900, where NTP counts from, to 1970 (RFC 5905, section 6).
NTP_TO_UNIX = 2_208_988_800
# What a TLS record to the device may hold at most (CONFIG_AZURE_TLS_IN_CONTENT_LEN is more).
RECORD = 4096


def packet(kind, body, flags=0):
    """An MQTT control packet (MQTT 3.1.1, section 2)."""
    length, field = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        field += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind << 4 | flags]) + field + body


def string(text):
    """A string, or bytes that pose as one, with its length (section 1.5.3)."""
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack(">H", len(data)) + data


def publish(topic, payload=b"", packet_id=None):
    """A PUBLISH, of QoS 1 if it has an identifier."""
    identifier = struct.pack(">H", packet_id) if packet_id else b""
    return packet(PUBLISH, string(topic) + identifier + payload, flags=2 if packet_id else 0)


def read_packet(stream):
    """The next packet: kind, flags and body. None at the end of the stream."""
    first = stream.read(1)
    length = shift = 0
    while first:
        digit = stream.read(1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first[0] >> 4, first[0] & 15, stream.read(length)
    return None


@contextmanager
def second_device(hub, connection_string):
    """Joins a hub with the identity of a device that is there already, as a cloned one would."""
    fields = dict(part.split("=", 1) for part in connection_string.split(";"))
    host, device = fields["HostName"], fields["DeviceId"]
    user = f"{host}/{device}/?api-version=2021-04-12"
    # User name, password and clean session.
    head = string("MQTT") + bytes([4, 0b1100_0010]) + struct.pack(">H", 60)
    secret = token(f"{host}/devices/{device}", fields["SharedAccessKey"])
    context = ssl.create_default_context(cadata=hub.ca)
    with (
        socket.create_connection(("127.0.0.1", hub.port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=host) as stream,
    ):
        stream.sendall(packet(CONNECT, head + string(device) + string(user) + string(secret)))
        assert stream.makefile("rb").read(4) == b"\x20\x02\x00\x00", "CONNACK"
        yield stream


class PlainHub:
    """Accepts every device and answers what it asks for; beyond that it sends what a test gives it.

    One device at a time. `joined` counts CONNECTs; `received` has the PUBLISH packets as topic and payload.
    """

    def __init__(self, directory, sntp, chain=None):
        """With a self-signed certificate, or with `chain`: a CA to trust, the server's certificates, and their key."""
        self.sntp = sntp
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if chain is None:
            certificate, key = self.certify(directory)
            self.ca = certificate.read_text()
        else:
            self.ca, certificate, key = chain
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.joined = 0
        self.received = queue.Queue()
        self.stream = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def certify(directory):
        """Makes a self-signed certificate for localhost; gives the paths of it and its key."""
        certificate, key = directory / "plain-hub.pem", directory / "plain-hub.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "30", "-sha256", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
        return certificate, key

    def serve(self):
        """Takes connections until `close`."""
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as self.stream:
                    self.talk(self.stream.makefile("rb"))
            except OSError:
                # The device went; it comes back.
                pass

    def talk(self, stream):
        """Answers what the device sends."""
        while (read := read_packet(stream)) is not None:
            kind, flags, body = read
            if kind == CONNECT:
                self.send(packet(CONNACK, b"\0\0"))
                self.joined += 1
            elif kind == SUBSCRIBE:
                self.send(packet(SUBACK, body[:2] + bytes(filters(body[2:]))))
            elif kind == PUBLISH:
                self.published(flags, body)
            elif kind == PINGREQ:
                self.send(packet(PINGRESP, b""))

    def published(self, flags, body):
        """Acknowledges a message, and answers a request to the twin."""
        end = 2 + struct.unpack_from(">H", body)[0]
        topic, rest = body[2:end].decode(), body[end:]
        if flags & 2:
            self.send(packet(PUBACK, rest[:2]))
            rest = rest[2:]
        if found := re.match(r"\$iothub/twin/(GET|PATCH)/.*\$rid=(\w+)", topic):
            answers = {
                "GET": ("200/?$rid={}", b'{"desired":{"$version":1},"reported":{"$version":1}}'),
                "PATCH": ("204/?$rid={}&$version=2", b""),
            }
            answer, twin = answers[found.group(1)]
            self.send(publish("$iothub/twin/res/" + answer.format(found.group(2)), twin))
        self.received.put((topic, rest))

    def send(self, data):
        """Sends bytes to the device, whatever they are, in records that it can take."""
        for start in range(0, len(data), RECORD):
            self.stream.sendall(data[start : start + RECORD])

    def raw(self):
        """The TCP connection under the TLS one."""
        return socket.socket(fileno=os.dup(self.stream.fileno()))

    def expect(self, start, timeout=90):
        """Waits for a PUBLISH whose topic starts so; gives its topic and payload."""
        while True:
            topic, payload = self.received.get(timeout=timeout)
            if topic.startswith(start):
                return topic, payload

    def close(self):
        """Closes the listener and what is connected."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        if self.stream is not None:
            self.stream.close()


class TimeServer:
    """Answers each question for the time, after `spoil` has changed the answer: 48 bytes (RFC 5905, section 7.3)."""

    def __init__(self, spoil):
        self.spoil = spoil
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.asked = 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """Takes questions until `close`."""
        while True:
            try:
                question, client = self.socket.recvfrom(512)
            except OSError:
                return
            if not question:
                return
            assert len(question) == 48 and question[0] & 7 == 3, "a client's question"
            self.asked += 1
            stamp = struct.pack(">II", int(time.time()) + NTP_TO_UNIX, 0)
            answer = bytearray(b"\x24\x01\0\0" + bytes(8) + b"LOCL" + bytes(8) + question[40:] + stamp + stamp)
            self.spoil(answer)
            self.socket.sendto(answer, client)

    def close(self):
        """Ends it, by a datagram without content."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.thread.join(PATIENCE)
        self.socket.close()


def filters(body):
    """The maximum QoS that each topic filter of a SUBSCRIBE asks for."""
    granted = []
    while body:
        end = 2 + struct.unpack_from(">H", body)[0]
        granted.append(body[end])
        body = body[end + 1 :]
    return granted
