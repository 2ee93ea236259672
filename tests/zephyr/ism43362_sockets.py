# SPDX-License-Identifier: Apache-2.0
"""The sockets of the simulated ISM43362 (ism43362.py): real ones of this machine, on its loopback interface only."""

import asyncio
import socket as host

# The most in one read or write, in bytes.
PAYLOAD = 1460
# Of a TCP connection, in bytes, each way; the kernel doubles it.
HOST_BUFFER = 8192
# Seconds for a connection to come about.
CONNECT = 5


class Refused(Exception):
    """The module does not carry out a command."""


class Datagrams(asyncio.DatagramProtocol):
    """What has arrived on a UDP socket; what exceeds the window is lost, as datagrams are."""

    def __init__(self):
        self.arrived = asyncio.Queue(4)

    def datagram_received(self, data, addr):
        if not self.arrived.full():
            self.arrived.put_nowait(data)


def number(text, lowest, highest):
    """A whole number in decimal, strictly."""
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise Refused
    return int(text)


class Socket:
    """One of the module's sockets."""

    def __init__(self):
        self.kind, self.host, self.port = 0, None, 0
        self.size, self.wait, self.write_wait = PAYLOAD, 0, 10000
        self.reader = self.writer = self.datagrams = self.transport = None

    @property
    def open(self):
        return self.writer is not None or self.transport is not None

    async def connect(self):
        if self.host is None or not self.host.startswith("127."):
            raise Refused
        try:
            await (self.connect_stream() if self.kind == 0 else self.connect_datagrams())
        except (OSError, asyncio.TimeoutError) as error:
            raise Refused from error

    async def connect_stream(self):
        end = host.socket()
        try:
            end.setblocking(False)
            end.setsockopt(host.SOL_SOCKET, host.SO_RCVBUF, HOST_BUFFER)
            end.setsockopt(host.SOL_SOCKET, host.SO_SNDBUF, HOST_BUFFER)
            connecting = asyncio.get_running_loop().sock_connect(end, (self.host, self.port))
            await asyncio.wait_for(connecting, CONNECT)
            self.reader, self.writer = await asyncio.open_connection(sock=end, limit=PAYLOAD)
        except BaseException:
            end.close()
            raise
        # A write is done when the kernel has it.
        self.writer.transport.set_write_buffer_limits(0)

    async def connect_datagrams(self):
        self.transport, self.datagrams = await asyncio.get_running_loop().create_datagram_endpoint(
            Datagrams, remote_addr=(self.host, self.port)
        )

    def close(self):
        for end in (self.writer, self.transport):
            if end is not None:
                end.close()
        self.reader = self.writer = self.datagrams = self.transport = None

    async def read(self):
        """What has arrived; b"" if nothing has, None at the end. The rest of a datagram is dropped."""
        source = self.reader.read(self.size) if self.reader else self.datagrams.arrived.get()
        try:
            data = await asyncio.wait_for(source, max(self.wait, 1) / 1000)
        except asyncio.TimeoutError:
            return b""
        except OSError:
            return None
        return data[: self.size] if data or self.datagrams else None

    async def write(self, data):
        """True if the peer's side took it."""
        if self.transport:
            self.transport.sendto(data)
            return True
        if self.writer.is_closing():
            return False
        try:
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), max(self.write_wait, 1) / 1000)
        except (OSError, asyncio.TimeoutError):
            return False
        return not self.writer.is_closing()
