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
a write that takes longer than command S2 allows (ten seconds if it was not given) is answered with -1; a command
that is under way when the module restarts is never answered.

Limits: four sockets; 1,460 bytes in a read and in a write; 32 bytes in a network's name, 64 in its password. A TCP
connection buffers two reads here and some 16 KB in this computer's socket; then its sender has to wait. Four datagrams
wait for a UDP socket; more are lost. A peer sees the end of its connection at once, even if the network is lost.

Commands of the control socket (a COUNT is 1 or more; -1 lasts until `clear`):
  status                     counters and state, as a JSON object
  network SSID [PASSWORD]    the network in reach of the next attempt to join; without a password it is open
  lose [SECONDS]             the network is out of reach: at once, and for this time or until `back`
  back                       it is in reach again
  dns NAME ADDRESS           a name that can be resolved; `localhost` is known
  restart                    the module restarts by itself: it forgets network and sockets, and says its prompt
  end-as minus|error|nothing the answer to a read from a connection that has ended
  no-prompt COUNT            the next resets by the pin bring no prompt, and no answer to anything
  fault KIND COUNT [VALUE]   what happens to the next answers (with `only`: of this command, such as R0):
      silent                 none; on SPI the data-ready line stays low until a reset
      late MILLISECONDS      later
      cut BYTES              only the first bytes (0: on SPI the line rises for the next command only)
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
import ipaddress
import json
import random
import shlex
import struct
import sys
import time

from ism43362_sockets import PAYLOAD, Refused, Socket, number

SOCKETS = 4
# The longest command without its carriage return: a name of 253 bytes to resolve.
COMMAND = 256
MAC = "C4:7F:51:00:00:01"
ADDRESS = "192.0.2.7"
PROMPT = b"\r\n> "
REFUSED = b"\r\nERROR: invalid\r\nUsage: see the manual\r\n> "
UNASKED = b"\r\n[SOMA][WIFI] something happened\r\n[EOMA]"
WITHOUT_VALUE = ("Z5", "MR", "C0", "CD", "CS", "CR", "R0")
KINDS = ("silent", "late", "cut", "repeat", "garbage", "refuse", "unasked", "write-fails")
# These need a value.
MEASURED = ("late", "cut")


class Module:
    """The module behind its bus. `say` gives bytes to the host; `ready` lets it write the next command."""

    def __init__(self, seed=1):
        self.say = self.ready = None
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
        self.working, self.life = None, 0
        self.forget()

    def forget(self):
        """A restart: network, sockets, settings and the command under way are gone."""
        self.life += 1
        if self.working is not None:
            self.working.cancel()
        for socket in self.sockets:
            socket.close()
        self.sockets = [Socket() for _ in range(SOCKETS)]
        self.selected = self.sockets[0]
        self.joined = False
        self.wanted = {"C1": "", "C2": "", "C3": "0"}
        self.dhcp = False

    def violated(self, text):
        """Notes that the host broke a rule."""
        self.counters["violations"] += 1
        self.violations = [*self.violations[-9:], text]

    @property
    def is_working(self):
        return self.working is not None and not self.working.done()

    def begin(self, work):
        """Starts a piece of work, which a restart ends; gives its task."""

        def done(task):
            # A host that is gone is noticed where it is read from.
            if not task.cancelled() and not isinstance(task.exception(), (OSError, type(None))):
                raise task.exception()

        self.working = asyncio.ensure_future(work)
        self.working.add_done_callback(done)
        return self.working

    def connected(self, say, ready):
        """A host is at the bus, and the module has its power."""
        self.say, self.ready = say, ready
        self.forget()
        self.dead = False

    async def start(self, seconds=0.05):
        """What a module does whose power or reset pin came up."""
        await asyncio.sleep(seconds)
        await self.say(PROMPT)
        await self.ready()

    def reset(self):
        """The reset pin was pulled and let go."""
        self.counters["resets"] += 1
        self.forget()
        self.dead = self.no_prompt != 0
        if self.no_prompt > 0:
            self.no_prompt -= 1
        if not self.dead:
            self.begin(self.start())

    def restart(self):
        """A restart of its own."""
        self.counters["restarts"] += 1
        self.forget()
        self.dead = False
        if self.say is not None:
            self.begin(self.start(0))

    def lose(self, seconds):
        self.in_reach, self.joined = False, False
        self.back_at = None if seconds is None else time.monotonic() + seconds
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
        name, equals, value = text.partition("=")
        known = name if hasattr(self, "do_" + name) else "unknown"
        self.counters["commands"] += 1
        self.by_name[known] = self.by_name.get(known, 0) + 1
        if self.dead:
            return
        life = self.life
        kind, amount = self.fault(name)
        if kind == "refuse":
            answer = REFUSED
        elif kind == "write-fails":
            answer = b"\r\n-1\r\nOK\r\n> "
        else:
            answer = await self.carry_out(name, equals, value, payload)
        if life == self.life:
            await self.answer(answer, kind, amount)

    async def carry_out(self, name, equals, value, payload):
        try:
            handle = getattr(self, "do_" + name, None)
            if handle is None or bool(equals) == (name in WITHOUT_VALUE):
                raise Refused
            if name in WITHOUT_VALUE:
                data = await handle()
            else:
                data = await handle(value, payload) if name == "S3" else await handle(value)
            return b"\r\n" + data + b"\r\nOK\r\n> "
        except (Refused, ValueError):
            self.counters["refusals"] += 1
            return REFUSED

    async def answer(self, answer, kind, amount):
        if kind == "silent":
            return
        if kind == "late":
            await asyncio.sleep(amount / 1000)
        if kind == "cut":
            answer = answer[:amount]
        if kind == "garbage":
            answer = self.random.randbytes(len(answer))
        if kind == "unasked":
            await self.say(UNASKED)
        await self.say(answer)
        if kind == "repeat":
            await self.say(answer)
        await self.ready()

    # The commands. Each gives the data of its answer.

    async def do_Z5(self):
        return MAC.encode()

    async def do_C4(self, value):
        self.dhcp = number(value, 0, 1) == 1
        return b""

    async def do_PR(self, value):
        number(value, 0, 1)
        return b""

    async def do_MR(self):
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
        number(value, 0, 5)
        return await self.want("C3", value, 1)

    async def do_C0(self):
        ssid = self.wanted["C1"]
        password = self.wanted["C2"] if self.wanted["C3"] != "0" else ""
        await asyncio.sleep(0.2)
        self.joined = self.in_reach and ssid == self.ssid and password == self.password
        if not self.joined:
            return f"[JOIN   ] {ssid}\r\n[JOIN   ] Failed".encode()
        self.counters["joins"] += 1
        address = ADDRESS if self.dhcp else "0.0.0.0"
        return f"[JOIN   ] {ssid},{address},0,0".encode()

    async def do_CD(self):
        self.joined = False
        for socket in self.sockets:
            socket.close()
        return b""

    async def do_CS(self):
        return b"1" if self.joined else b"0"

    async def do_CR(self):
        return b"-52" if self.joined else b"0"

    async def do_D0(self, value):
        if not self.joined or not value:
            raise Refused
        return self.names.get(value, "0.0.0.0").encode()

    async def do_P0(self, value):
        self.selected = self.sockets[number(value, 0, SOCKETS - 1)]
        return b""

    async def do_P1(self, value):
        self.selected.kind = number(value, 0, 1)
        return b""

    async def do_P2(self, value):
        number(value, 0, 65535)
        return b""

    async def do_P3(self, value):
        self.selected.host = str(ipaddress.IPv4Address(value))
        return b""

    async def do_P4(self, value):
        self.selected.port = number(value, 0, 65535)
        return b""

    async def do_P5(self, value):
        number(value, 0, 0)
        return b""

    async def do_P6(self, value):
        if number(value, 0, 1) == 0:
            self.selected.close()
            return b""
        if not self.joined or self.selected.open:
            raise Refused
        await self.selected.connect()
        return f"[TCP  RC] Connecting to {self.selected.host}".encode()

    async def do_S2(self, value):
        self.selected.write_wait = number(value, 0, 30000)
        return b""

    async def do_S3(self, value, payload):
        length = number(value, 1, PAYLOAD)
        if length != len(payload):
            self.violated(f"S3={value} with {len(payload)} bytes")
            raise Refused
        if not self.selected.open or not await self.selected.write(payload):
            return b"-1"
        self.counters["bytes_sent"] += length
        return str(length).encode()

    async def do_R1(self, value):
        self.selected.size = number(value, 1, PAYLOAD)
        return b""

    async def do_R2(self, value):
        self.selected.wait = number(value, 0, 30000)
        return b""

    async def do_R0(self):
        data = await self.selected.read() if self.selected.open else None
        if data is None and self.end_as == "error":
            raise Refused
        if data is None:
            return b"-1" if self.end_as == "minus" else b""
        self.counters["bytes_received"] += len(data)
        return data


def payload_length(text):
    """How many bytes follow a command; None if the module does not take so many."""
    if not text.startswith("S3="):
        return 0
    try:
        return number(text[3:], 1, PAYLOAD)
    except Refused:
        return None


class Uart:
    """The module on a UART: commands are parted by carriage returns."""

    def __init__(self, module, reader, writer):
        self.module, self.reader, self.writer = module, reader, writer
        self.received = b""
        module.connected(self.say, self.ready)

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def ready(self):
        """The host sees by the prompt that it may write."""

    async def serve(self):
        await self.module.start(0)
        life = self.module.life
        while data := await self.reader.read(4096):
            # A restart forgets what had come before it.
            if life != self.module.life:
                life, self.received = self.module.life, b""
            self.received += data
            while life == self.module.life and (command := self.next_command()) is not None:
                working = self.module.begin(self.module.command(*command))
                await asyncio.wait([working])
                if not working.cancelled():
                    working.result()

    def next_command(self):
        """The next command and its payload, if both have come whole."""
        head, end, rest = self.received.partition(b"\r")
        if len(head) > COMMAND:
            self.module.violated(f"a command of {len(head)} bytes")
            self.received = b""
            return "", b""
        if not end:
            return None
        text = head.decode("utf-8", "replace")
        length = payload_length(text)
        if length is None:
            self.module.violated(f"{text} is not a length that the module takes")
        if len(rest) < (length or 0):
            return None
        self.received = rest[length or 0 :]
        return text, rest[: length or 0]


class Spi:
    """The module on SPI, whose emulator sends frames: a type, a length of two bytes (little endian), the bytes.

    From the host: `C` a command as it was clocked in, `R` the reset pin went low, `r` it went high. To the host:
    `D` an answer to be clocked out, for which the data-ready line rises; `P` ready for a command.
    """

    def __init__(self, module, reader, writer):
        self.module, self.reader, self.writer = module, reader, writer
        module.connected(self.say, self.ready)

    async def frame(self, kind, data=b""):
        self.writer.write(kind + struct.pack("<H", len(data)) + data)
        await self.writer.drain()

    async def say(self, data):
        await self.frame(b"D", data + b"\x15" * (len(data) % 2))

    async def ready(self):
        await self.frame(b"P")

    async def serve(self):
        while True:
            kind, length = struct.unpack("<cH", await self.reader.readexactly(3))
            data = await self.reader.readexactly(length)
            if kind == b"R":
                self.module.forget()
            elif kind == b"r":
                self.module.reset()
            elif kind != b"C":
                self.module.violated(f"a frame of the type {kind}")
            elif self.module.is_working:
                self.module.violated("a command before the last one was answered")
            else:
                self.module.begin(self.module.command(*self.parse(data)))

    def parse(self, data):
        """A command and its payload, without the line feed that fills it up."""
        if len(data) % 2:
            self.module.violated("a command of an odd number of bytes")
        head, end, rest = data.partition(b"\r")
        text = head.decode("utf-8", "replace")
        if not end or len(head) > COMMAND:
            self.module.violated(f"a command of {len(head)} bytes, or without a carriage return")
            return "", b""
        length = payload_length(text)
        if length is None:
            self.module.violated(f"{text} is not a length that the module takes")
        elif rest[length:] not in (b"", b"\n"):
            self.module.violated(f"{text} is followed by {len(rest)} bytes")
        return text, rest[: length or 0]


async def connect_monitor(path):
    """Connects to QEMU's monitor, which QEMU opens after its serial ports."""
    for _ in range(200):
        try:
            return await asyncio.open_unix_connection(path)
        except OSError:
            await asyncio.sleep(0.05)
    raise TimeoutError(f"no monitor at {path}")


async def watch_reset_pin(module, path):
    """Follows bit 0 of mps2's FPGAIO MISC register through QEMU's monitor: pins do not leave QEMU otherwise."""
    reader, writer = await connect_monitor(path)

    async def ask(name, **arguments):
        writer.write(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while line := await reader.readline():
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
        raise ConnectionError("the monitor is gone")

    try:
        await reader.readline()
        await ask("qmp_capabilities")
        was = 1
        while True:
            text = await ask("human-monitor-command", **{"command-line": "xp /1wx 0x4002804c"})
            now = int(text.split(":")[1], 16) & 1
            if now and not was:
                module.reset()
            was = now
            await asyncio.sleep(0.02)
    except OSError:
        # QEMU ends, and the device's connection with it.
        pass
    finally:
        writer.close()


class Control:
    """Carries out the commands of the control socket."""

    def __init__(self, module):
        self.module = module

    async def serve(self, reader, writer):
        while line := await reader.readline():
            try:
                answer = await self.run(*shlex.split(line.decode()))
            except (TypeError, ValueError) as error:
                text = line.decode("utf-8", "replace").strip()
                answer = {"error": f"{text!r}: {error}; --help lists the commands"}
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

    async def do_lose(self, seconds=None):
        time_out = None if seconds is None else float(seconds)
        if time_out is not None and not 0 <= time_out < 1e9:
            raise ValueError("a time of 0 seconds or more")
        self.module.lose(time_out)

    async def do_back(self):
        self.module.in_reach, self.module.back_at = True, None

    async def do_dns(self, name, address):
        self.module.names[name] = str(ipaddress.IPv4Address(address))

    async def do_restart(self):
        self.module.restart()

    async def do_end_as(self, how):
        if how not in ("minus", "error", "nothing"):
            raise ValueError("minus, error or nothing")
        self.module.end_as = how

    @staticmethod
    def count(text):
        """A count as the help describes it."""
        count = int(text)
        if count < 1 and count != -1:
            raise ValueError("a count of 1 or more, or -1")
        return count

    async def do_no_prompt(self, count):
        self.module.no_prompt = self.count(count)

    async def do_only(self, command):
        if command != "all" and not hasattr(self.module, "do_" + command):
            raise ValueError("the module has no such command")
        self.module.only = command

    async def do_fault(self, kind, count, value=None):
        if kind not in KINDS:
            raise ValueError("one of " + ", ".join(KINDS))
        if value is None and kind in MEASURED:
            raise ValueError("it needs a value")
        amount = int(value or 0)
        if amount < 0:
            raise ValueError("a value of 0 or more")
        self.module.faults.append((kind, self.module.only, self.count(count), amount))

    async def do_clear(self):
        self.module.faults.clear()
        self.module.only, self.module.no_prompt = "all", 0
        self.module.end_as = "minus"


async def main(arguments):
    module = Module(arguments.seed)
    control = Control(module)

    async def on_device(reader, writer):
        link = (Uart if arguments.uart else Spi)(module, reader, writer)
        watch = asyncio.create_task(watch_reset_pin(module, arguments.qmp)) if arguments.qmp else None
        try:
            await link.serve()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            if watch:
                watch.cancel()
            writer.close()

    device = await asyncio.start_unix_server(on_device, arguments.uart or arguments.spi)
    server = await asyncio.start_unix_server(control.serve, arguments.control)
    print("ready", flush=True)
    async with device, server:
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
