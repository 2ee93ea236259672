#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A simulated ISM43362 (eS-WiFi) Wi-Fi module: its commands, its limits and its faults, over a UART or over SPI.

A device under test speaks to it through a Unix socket: QEMU's second serial port (--uart), or the SPI emulator of
native_sim (--spi). The sockets of the module are sockets of this machine, and reach its loopback interface only.
Tests and people steer it through a second Unix socket (--control): one command a line, one answer of JSON a line.

What is known of the real module, from what ST's and Zephyr's drivers send and expect: the commands, their order and
the form of the answers; that a write is answered with its length or with -1; one prompt after a reset, half a second
to one and a half after it. What is assumed: a read of a connection that has ended is answered with -1 (`end-as`
chooses an error or nothing instead); a command that is not known, or comes with a value out of its range, is refused;
the module keeps four sockets with a receive window of two reads.

Commands of the control socket (numbers are counts; a count of -1 lasts until `clear`):
  status                     counters and state, as a JSON object
  network SSID [PASSWORD]    the network in reach; without a password it is open
  lose [SECONDS]             the network is out of reach: at once, and for this time or until `back`
  back                       it is in reach again
  dns NAME ADDRESS           a name that can be resolved; `localhost` is known
  restart                    the module restarts by itself: it forgets network and sockets, and says its prompt
  end-as minus|error|nothing the answer to a read from a connection that has ended
  no-prompt COUNT            the next resets by the pin bring no prompt, and no answer to anything
  fault KIND COUNT [VALUE]   what happens to the next answers (with `only`: of this command, such as R0):
      silent                 none
      late MILLISECONDS      later
      cut BYTES              only the first bytes
      repeat                 twice
      garbage                other bytes instead
      refuse                 refused, and not carried out
      unasked                a line that nobody asked for before it
      write-fails            a write is answered with -1, and its bytes are lost
  only COMMAND|all           limits the faults that follow to one command
  clear                      ends all faults
"""

import argparse
import asyncio
import json
import random
import shlex
import struct
import sys
import time

SOCKETS = 4
PAYLOAD = 1460
MAC = "C4:7F:51:00:00:01"
ADDRESS = "192.0.2.7"
PROMPT = b"\r\n> "
REFUSED = b"\r\nERROR: invalid\r\nUsage: see the manual\r\n> "
KINDS = ("silent", "late", "cut", "repeat", "garbage", "refuse", "unasked", "write-fails")


class Refused(Exception):
    """The module does not carry out a command."""


class Datagrams(asyncio.DatagramProtocol):
    """What has arrived on a UDP socket; what exceeds the window is lost, as datagrams are."""

    def __init__(self):
        self.arrived = asyncio.Queue(4)

    def datagram_received(self, data, addr):
        if not self.arrived.full():
            self.arrived.put_nowait(data)


class Socket:
    """One of the module's sockets."""

    def __init__(self):
        self.kind, self.host, self.port = 0, None, 0
        self.size, self.wait = PAYLOAD, 0
        self.reader = self.writer = self.datagrams = self.transport = None

    @property
    def open(self):
        return self.writer is not None or self.transport is not None

    async def connect(self):
        if self.host is None or not self.host.startswith("127."):
            raise Refused
        try:
            if self.kind == 0:
                connecting = asyncio.open_connection(self.host, self.port, limit=PAYLOAD)
                self.reader, self.writer = await asyncio.wait_for(connecting, 5)
            else:
                loop = asyncio.get_running_loop()
                self.transport, self.datagrams = await loop.create_datagram_endpoint(
                    Datagrams, remote_addr=(self.host, self.port)
                )
        except (OSError, asyncio.TimeoutError) as error:
            raise Refused from error

    def close(self):
        for end in (self.writer, self.transport):
            if end is not None:
                end.close()
        self.reader = self.writer = self.datagrams = self.transport = None

    async def read(self):
        """What has arrived; b"" if nothing has, None at the end."""
        source = self.reader.read(self.size) if self.reader else self.datagrams.arrived.get()
        try:
            data = await asyncio.wait_for(source, max(self.wait, 1) / 1000)
        except asyncio.TimeoutError:
            return b""
        except OSError:
            return None
        return data or None

    async def write(self, data):
        """True if the peer's side took it."""
        if self.transport:
            self.transport.sendto(data)
            return True
        try:
            self.writer.write(data)
            await asyncio.wait_for(self.writer.drain(), 10)
        except (OSError, asyncio.TimeoutError):
            return False
        return not self.writer.is_closing()


class Module:
    """The module behind its bus. `say` gives bytes to the host: an answer, or what was not asked for."""

    def __init__(self, seed=1):
        self.say = None
        self.random = random.Random(seed)
        self.ssid, self.password = "test network", "test password"
        self.in_reach, self.back_at = True, None
        self.names = {"localhost": "127.0.0.1"}
        self.end_as, self.no_prompt, self.dead = "minus", 0, False
        self.faults, self.only = [], "all"
        self.counters = dict.fromkeys(
            "commands resets restarts joins refusals violations bytes_sent bytes_received faults".split(), 0
        )
        self.by_name = {}
        self.sockets = []
        self.violations = []
        self.forget()

    def forget(self):
        """A restart: network, sockets and settings are gone."""
        for socket in self.sockets:
            socket.close()
        self.sockets = [Socket() for _ in range(SOCKETS)]
        self.selected = self.sockets[0]
        self.joined = False
        self.wanted = {"C1": "", "C2": "", "C3": "0"}
        self.dhcp = False

    def violated(self, text):
        self.counters["violations"] += 1
        self.violations.append(text)

    async def reset(self):
        """The reset pin was pulled and let go."""
        self.counters["resets"] += 1
        self.forget()
        self.dead = self.no_prompt != 0
        if self.no_prompt > 0:
            self.no_prompt -= 1
        if not self.dead:
            await asyncio.sleep(0.05)
            await self.say(PROMPT)

    async def restart(self):
        """A restart of its own."""
        self.counters["restarts"] += 1
        self.forget()
        await self.say(PROMPT)

    def lose(self, seconds):
        self.in_reach, self.joined = False, False
        self.back_at = time.monotonic() + seconds if seconds else None
        for socket in self.sockets:
            socket.close()

    def look(self):
        """The network comes back by itself."""
        if self.back_at is not None and time.monotonic() >= self.back_at:
            self.in_reach, self.back_at = True, None

    def fault(self, name):
        """The fault of this command's answer, as kind and value."""
        for index, (kind, only, count, value) in enumerate(self.faults):
            if only not in ("all", name) or (kind == "write-fails" and name != "S3"):
                continue
            if count == 1:
                del self.faults[index]
            elif count > 1:
                self.faults[index] = (kind, only, count - 1, value)
            self.counters["faults"] += 1
            return kind, value
        return None, 0

    async def command(self, text, payload):
        """Carries out a command and answers it."""
        self.look()
        name, _, value = text.partition("=")
        self.counters["commands"] += 1
        self.by_name[name] = self.by_name.get(name, 0) + 1
        kind, number = (None, 0) if self.dead else self.fault(name)
        if self.dead:
            return
        if kind == "refuse":
            answer = REFUSED
        elif kind == "write-fails":
            answer = b"\r\n-1\r\nOK\r\n> "
        else:
            answer = await self.carry_out(name, value, payload)
        await self.answer(answer, kind, number)

    async def carry_out(self, name, value, payload):
        try:
            handle = getattr(self, "do_" + name, None)
            if handle is None:
                raise Refused
            data = await handle(value, payload) if name == "S3" else await handle(value)
            return b"\r\n" + data + b"\r\nOK\r\n> "
        except (Refused, ValueError):
            self.counters["refusals"] += 1
            return REFUSED

    async def answer(self, answer, kind, number):
        if kind == "silent":
            return
        if kind == "late":
            await asyncio.sleep(number / 1000)
        if kind == "cut":
            answer = answer[:number]
        if kind == "garbage":
            answer = self.random.randbytes(len(answer))
        if kind == "unasked":
            await self.say(b"\r\n[SOMA][WIFI] something happened\r\n[EOMA]")
        await self.say(answer)
        if kind == "repeat":
            await self.say(answer)

    # The commands. Each gives the data of its answer.

    async def do_Z5(self, value):
        return MAC.encode()

    async def do_C4(self, value):
        self.dhcp = value == "1"
        return b""

    async def do_PR(self, value):
        return b""

    async def do_MR(self, value):
        return b"[SOMA][EOMA]"

    async def want(self, name, value, longest):
        if len(value.encode()) > longest:
            raise Refused
        self.wanted[name] = value
        return b""

    async def do_C1(self, value):
        return await self.want("C1", value, 32)

    async def do_C2(self, value):
        return await self.want("C2", value, 64)

    async def do_C3(self, value):
        if value not in "012345":
            raise Refused
        return await self.want("C3", value, 1)

    async def do_C0(self, value):
        ssid = self.wanted["C1"]
        password = self.wanted["C2"] if self.wanted["C3"] != "0" else ""
        await asyncio.sleep(0.2)
        self.joined = self.in_reach and ssid == self.ssid and password == self.password
        if not self.joined:
            return f"[JOIN   ] {ssid}\r\n[JOIN   ] Failed".encode()
        self.counters["joins"] += 1
        address = ADDRESS if self.dhcp else "0.0.0.0"
        return f"[JOIN   ] {ssid},{address},0,0".encode()

    async def do_CD(self, value):
        self.joined = False
        for socket in self.sockets:
            socket.close()
        return b""

    async def do_CS(self, value):
        return b"1" if self.joined else b"0"

    async def do_CR(self, value):
        return b"-52" if self.joined else b"0"

    async def do_D0(self, value):
        if not self.joined:
            raise Refused
        return self.names.get(value, "0.0.0.0").encode()

    async def do_P0(self, value):
        self.selected = self.sockets[self.number(value, SOCKETS - 1)]
        return b""

    @staticmethod
    def number(value, highest):
        number = int(value)
        if not 0 <= number <= highest:
            raise Refused
        return number

    async def do_P1(self, value):
        self.selected.kind = self.number(value, 1)
        return b""

    async def do_P2(self, value):
        self.number(value, 65535)
        return b""

    async def do_P3(self, value):
        self.selected.host = value
        return b""

    async def do_P4(self, value):
        self.selected.port = self.number(value, 65535)
        return b""

    async def do_P5(self, value):
        self.number(value, 0)
        return b""

    async def do_P6(self, value):
        if self.number(value, 1) == 0:
            self.selected.close()
            return b""
        if not self.joined or self.selected.open:
            raise Refused
        await self.selected.connect()
        return f"[TCP  RC] Connecting to {self.selected.host}".encode()

    async def do_S2(self, value):
        self.number(value, 30000)
        return b""

    async def do_S3(self, value, payload):
        length = self.number(value, PAYLOAD)
        if length != len(payload):
            self.violated(f"S3={value} with {len(payload)} bytes")
        if not self.selected.open or not await self.selected.write(payload[:length]):
            return b"-1"
        self.counters["bytes_sent"] += length
        return str(length).encode()

    async def do_R1(self, value):
        self.selected.size = self.number(value, PAYLOAD)
        return b""

    async def do_R2(self, value):
        self.selected.wait = self.number(value, 30000)
        return b""

    async def do_R0(self, value):
        data = await self.selected.read() if self.selected.open else None
        if data is None and self.end_as == "error":
            raise Refused
        if data is None:
            return b"-1" if self.end_as == "minus" else b""
        self.counters["bytes_received"] += len(data)
        return data


class Uart:
    """The module on a UART: commands are parted by carriage returns."""

    def __init__(self, module, reader, writer):
        self.module, self.reader, self.writer = module, reader, writer
        module.say = self.say

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def serve(self):
        await self.module.say(PROMPT)
        while True:
            text = (await self.reader.readuntil(b"\r"))[:-1].decode("utf-8", "replace")
            payload = b""
            if text.startswith("S3=") and text[3:].isdigit():
                payload = await self.reader.readexactly(int(text[3:]))
            await self.module.command(text, payload)


class Spi:
    """The module on SPI, whose emulator sends frames: a type, a length of two bytes (little endian), the bytes.

    From the host: `C` a command as it was clocked in, `R` the reset pin went low, `r` it went high. To the host:
    `D` an answer to be clocked out, for which the data-ready line rises; `P` ready for a command.
    """

    def __init__(self, module, reader, writer):
        self.module, self.reader, self.writer = module, reader, writer
        module.say = self.say

    async def frame(self, kind, data=b""):
        self.writer.write(kind + struct.pack("<H", len(data)) + data)
        await self.writer.drain()

    async def say(self, data):
        await self.frame(b"D", data + b"\x15" * (len(data) % 2))

    async def serve(self):
        working = None
        while True:
            kind, length = struct.unpack("<cH", await self.reader.readexactly(3))
            data = await self.reader.readexactly(length)
            if working is not None and kind != b"C":
                working.cancel()
            if kind == b"r":
                working = asyncio.create_task(self.start())
            elif kind == b"C":
                if working is not None and not working.done():
                    self.module.violated("a command before the last one was answered")
                    await working
                working = asyncio.create_task(self.take(data))

    async def start(self):
        await self.module.reset()
        if not self.module.dead:
            await self.frame(b"P")

    async def take(self, data):
        if len(data) % 2:
            self.module.violated("a command of an odd number of bytes")
        head, _, rest = data.partition(b"\r")
        text = head.decode("utf-8", "replace")
        payload = b""
        if text.startswith("S3=") and text[3:].isdigit():
            payload, rest = rest[: int(text[3:])], rest[int(text[3:]) :]
        if rest not in (b"", b"\n"):
            self.module.violated(f"{text} is followed by {len(rest)} bytes")
        await self.module.command(text, payload)
        await self.frame(b"P")


async def watch_reset_pin(module, path):
    """Follows bit 0 of mps2's FPGAIO MISC register through QEMU's monitor: pins do not leave QEMU otherwise."""
    reader, writer = await asyncio.open_unix_connection(path)

    async def ask(name, **arguments):
        writer.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(await reader.readline())
            if "return" in answer:
                return answer["return"]

    await reader.readline()
    await ask("qmp_capabilities")
    was = 1
    while True:
        text = await ask("human-monitor-command", **{"command-line": "xp /1wx 0x4002804c"})
        now = int(text.split(":")[1], 16) & 1
        if now and not was:
            await module.reset()
        was = now
        await asyncio.sleep(0.02)


class Control:
    """Carries out the commands of the control socket."""

    def __init__(self, module):
        self.module = module

    async def serve(self, reader, writer):
        while line := await reader.readline():
            try:
                answer = await self.run(*shlex.split(line.decode()))
            except (TypeError, ValueError, AttributeError) as error:
                answer = {"error": f"{line.decode().strip()!r}: {error}; --help lists the commands"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def run(self, name="", *arguments):
        handle = getattr(self, "do_" + name.replace("-", "_"), None)
        if handle is None:
            raise ValueError("no such command")
        return await handle(*arguments) or {}

    async def do_status(self):
        module = self.module
        module.look()
        open_sockets = [index for index, socket in enumerate(module.sockets) if socket.open]
        return {
            **module.counters,
            "joined": module.joined,
            "in_reach": module.in_reach,
            "open": open_sockets,
            "by_name": module.by_name,
            "violations_told": module.violations[-10:],
        }

    async def do_network(self, ssid, password=""):
        self.module.ssid, self.module.password = ssid, password

    async def do_lose(self, seconds="0"):
        self.module.lose(float(seconds))

    async def do_back(self):
        self.module.in_reach, self.module.back_at = True, None

    async def do_dns(self, name, address):
        self.module.names[name] = address

    async def do_restart(self):
        await self.module.restart()

    async def do_end_as(self, how):
        if how not in ("minus", "error", "nothing"):
            raise ValueError("minus, error or nothing")
        self.module.end_as = how

    async def do_no_prompt(self, count):
        self.module.no_prompt = int(count)

    async def do_only(self, command):
        self.module.only = command

    async def do_fault(self, kind, count, value="0"):
        if kind not in KINDS:
            raise ValueError("one of " + ", ".join(KINDS))
        self.module.faults.append((kind, self.module.only, int(count), int(value)))

    async def do_clear(self):
        self.module.faults.clear()
        self.module.only, self.module.no_prompt = "all", 0
        self.module.end_as = "minus"


async def main(arguments):
    module = Module(arguments.seed)
    control = Control(module)
    tasks = set()

    async def on_device(reader, writer):
        link = (Uart if arguments.uart else Spi)(module, reader, writer)
        tasks.add(asyncio.current_task())
        module.forget()
        module.dead = False
        if arguments.qmp:
            tasks.add(asyncio.create_task(watch_reset_pin(module, arguments.qmp)))
        try:
            await link.serve()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    await asyncio.start_unix_server(on_device, arguments.uart or arguments.spi)
    server = await asyncio.start_unix_server(control.serve, arguments.control)
    print("ready", flush=True)
    await server.serve_forever()


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bus = parser.add_mutually_exclusive_group(required=True)
    bus.add_argument("--uart", metavar="PATH", help="Unix socket of a serial port")
    bus.add_argument("--spi", metavar="PATH", help="Unix socket of native_sim's SPI emulator")
    parser.add_argument("--control", metavar="PATH", required=True, help="Unix socket for commands")
    parser.add_argument("--qmp", metavar="PATH", help="Unix socket of QEMU's monitor, to see mps2's reset pin")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (garbage)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        asyncio.run(main(parse(sys.argv[1:])))
    except KeyboardInterrupt:
        pass
