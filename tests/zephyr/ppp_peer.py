#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other end of a PPP line: Debian's slirp, which needs no privilege, behind QEMU's second serial port.

    ppp_peer.py SOCKET      serves the Unix socket until Ctrl-C; the device reaches this computer's loopback interface
                            as 10.0.2.2

A test steers a `PppPeer` in its own process: it cuts the line, and restarts the peer in one of two ways. A peer that
`asks` begins to negotiate by itself, as pppd does. One that `waits` says nothing until it is asked.

slirp asks for the address 0.0.0.0 as its own and takes whatever the device names. A device names nothing, so this
program refuses that address in the device's place and proposes 10.0.2.2, as a real peer has an address (RFC 1332,
section 3.3). Nor does slirp ever begin: it begins once it is asked. So a peer that asks is asked by this program first.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tty

FLAG, ESCAPE = 0x7E, 0x7D
LCP, IPCP = 0xC021, 0x8021
CONFIGURE_REQUEST, CONFIGURE_ACK, CONFIGURE_NAK = 1, 2, 3
IP_ADDRESS = 3
PEER = bytes([10, 0, 2, 2])
# The longest frame: an MTU of 1,500 bytes with header and checksum.
FRAME = 1600
# The identifier of the request that has slirp ask: a device counts its own up from 1.
PROMPT = 255


def checksum(data):
    """The frame check sequence (RFC 1662, appendix C.2), as the sender appends it."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return (value ^ 0xFFFF).to_bytes(2, "little")


def unstuff(data):
    """The content of a frame without its flags (RFC 1662, section 4.2)."""
    content, escaped = bytearray(), False
    for byte in data:
        if byte == ESCAPE and not escaped:
            escaped = True
        else:
            content.append(byte ^ 0x20 if escaped else byte)
            escaped = False
    return bytes(content)


def stuff(content):
    """A frame with its flags, each byte below 32 escaped."""
    frame = bytearray([FLAG])
    for byte in content + checksum(content):
        if byte < 0x20 or byte in (FLAG, ESCAPE):
            frame += bytes([ESCAPE, byte ^ 0x20])
        else:
            frame.append(byte)
    return bytes(frame + bytes([FLAG]))


class Frames:
    """Cuts a stream of bytes into frames, stuffed and without flags; what precedes the first flag is none."""

    def __init__(self):
        self.pending, self.inside = bytearray(), False

    def of(self, data):
        """The frames that these bytes complete."""
        for byte in data:
            if byte == FLAG:
                if self.inside and self.pending:
                    yield bytes(self.pending)
                self.pending.clear()
                self.inside = True
            elif self.inside:
                self.pending.append(byte)
                if len(self.pending) > 2 * FRAME:
                    self.pending.clear()
                    self.inside = False


def control(frame):
    """Protocol and packet of a control frame, or None; addresses may be left out (RFC 1661, section 6.6)."""
    content = unstuff(frame)
    if len(content) < 2 or checksum(content[:-2]) != content[-2:]:
        return None
    content = content[:-2]
    if content[:2] == b"\xff\x03":
        content = content[2:]
    protocol = int.from_bytes(content[:2], "big")
    return (protocol, content[2:]) if protocol in (LCP, IPCP) and len(content) >= 6 else None


def refusal_of_no_address(packet):
    """The answer to a Configure-Request for the address 0.0.0.0; None to anything else."""
    if packet[0] != CONFIGURE_REQUEST:
        return None
    options = packet[4 : int.from_bytes(packet[2:4], "big")]
    while len(options) >= 2 and options[1] >= 2:
        kind, value, options = options[0], options[2 : options[1]], options[options[1] :]
        if kind == IP_ADDRESS and value == bytes(4):
            header = bytes([CONFIGURE_NAK, packet[1], 0, 10, IP_ADDRESS, 6])
            return stuff(b"\xff\x03" + IPCP.to_bytes(2, "big") + header + PEER)
    return None


class PppPeer:
    """A peer that serves a Unix socket in a thread of its own, until `close`."""

    def __init__(self, path):
        # The build that does not hold itself to the speed of a modem.
        self.program = shutil.which("slirp-fullbolt")
        if self.program is None:
            raise FileNotFoundError("slirp is missing: install Debian's package slirp")
        path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        # By way of the folder: a Unix socket's path has 107 bytes at most.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
        self.listener.listen()
        # When slirp is to be asked the next time, if it is.
        self.next_prompt = None
        self.lock = threading.Lock()
        self.device = None
        self.is_cut = False
        # True while the peer waits to be asked: what slirp says meanwhile is held back.
        self.waits = False
        self.requests = 0
        self.running = True
        self.slirp = None
        self.start_slirp()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def start_slirp(self):
        """Starts slirp on a terminal of its own."""
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.slirp = subprocess.Popen(
            [self.program, "ppp", "mtu 1500", "mru 1500"],
            stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/",
        )
        os.close(slave)
        self.up, self.down = Frames(), Frames()

    def end_slirp(self):
        """Ends it as a power failure would."""
        self.slirp.kill()
        self.slirp.wait(10)
        os.close(self.master)

    def close(self):
        """Ends the thread and slirp."""
        self.running = False
        self.thread.join(10)
        self.end_slirp()
        self.listener.close()
        if self.device:
            self.device.close()

    def cut(self):
        """Nothing passes the line any more, in either direction."""
        with self.lock:
            self.is_cut = True

    def mend(self):
        """The line is whole again."""
        with self.lock:
            self.is_cut = False

    def restart(self, waits):
        """The peer forgets everything; it asks the device by itself, or waits to be asked."""
        with self.lock:
            self.end_slirp()
            self.start_slirp()
            self.waits, self.next_prompt = waits, None if waits else time.monotonic()

    def serve(self):
        """Carries bytes until `close`."""
        while self.running:
            with self.lock:
                sources = [self.listener, self.master] + ([self.device] if self.device else [])
            ready, _, _ = select.select(sources, [], [], 0.1)
            with self.lock:
                # A restart may have changed them meanwhile.
                if self.next_prompt and time.monotonic() >= self.next_prompt:
                    self.prompt()
                if self.listener in ready:
                    self.accept()
                elif self.device in ready:
                    self.from_device()
                if self.master in ready and select.select([self.master], [], [], 0)[0]:
                    self.from_slirp()

    def prompt(self):
        """Asks slirp, again and again until it asks back: it throws away what comes while it starts."""
        self.next_prompt = time.monotonic() + 0.5
        request = bytes([CONFIGURE_REQUEST, PROMPT, 0, 4])
        os.write(self.master, stuff(b"\xff\x03" + LCP.to_bytes(2, "big") + request))

    def accept(self):
        """Takes the device that has just been started, instead of the one before it."""
        if self.device:
            self.device.close()
        self.device, _ = self.listener.accept()
        # A device that reads nothing stops nobody: it loses a frame.
        self.device.settimeout(2)

    def from_device(self):
        """Hands on what the device sends."""
        try:
            data = self.device.recv(4096)
        except OSError:
            data = b""
        if not data:
            self.device.close()
            self.device = None
            return
        if self.is_cut:
            return
        for frame in self.up.of(data):
            match control(frame):
                case (protocol, packet) if protocol == LCP and packet[0] == CONFIGURE_REQUEST:
                    self.requests += 1
                    self.waits = False
        with contextlib.suppress(OSError):
            os.write(self.master, data)

    def from_slirp(self):
        """Hands on what slirp sends, but for its request for no address."""
        try:
            data = os.read(self.master, 4096)
        except OSError:
            # It has ended by itself: as a restart of the peer.
            self.end_slirp()
            self.start_slirp()
            return
        for frame in self.down.of(data):
            if self.is_cut or self.waits:
                continue
            match control(frame):
                case (protocol, packet) if protocol == LCP and packet[:2] == bytes([CONFIGURE_ACK, PROMPT]):
                    continue
                case (protocol, packet) if protocol == LCP and packet[0] == CONFIGURE_REQUEST:
                    self.next_prompt = None
                case (protocol, packet) if protocol == IPCP and (answer := refusal_of_no_address(packet)):
                    with contextlib.suppress(OSError):
                        os.write(self.master, answer)
                    continue
            if self.device:
                with contextlib.suppress(OSError):
                    self.device.sendall(bytes([FLAG]) + frame + bytes([FLAG]))


def main():
    """Serves a socket until Ctrl-C."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    from pathlib import Path  # pylint: disable=import-outside-toplevel

    peer = PppPeer(Path(sys.argv[1]).resolve())
    print(f"slirp serves {sys.argv[1]}; Ctrl-C ends it", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    peer.close()


if __name__ == "__main__":
    main()
