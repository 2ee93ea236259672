# SPDX-License-Identifier: Apache-2.0
"""The host's side of the simulated Wi-Fi module, for tests/test_ism43362.py: a UART or SPI, and the reset pin."""

import json
import select
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "zephyr"))
from wifi_module import WifiModule  # noqa: E402 pylint: disable=wrong-import-position

PROMPT = b"\r\n> "
END = b"\r\nOK\r\n> "
# Seconds of silence after which nothing more is expected, and after which a test fails.
SILENCE, TIMEOUT = 0.3, 10


class Monitor:
    """QEMU's monitor, as far as the module uses it: it shows mps2's reset pin."""

    def __init__(self, path):
        self.pin = 0
        self.looks = 0
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        """Serves one connection after the other."""
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with connection:
                self.talk(connection)

    def talk(self, connection):
        """Answers each question; an event comes in between, as they do."""
        lines = connection.makefile("rw")
        try:
            self.say(lines, {"QMP": {"version": {}, "capabilities": []}})
            for line in lines:
                question = json.loads(line)
                if question["execute"] == "qmp_capabilities":
                    self.say(lines, {"event": "RESUME"})
                    self.say(lines, {"return": {}})
                else:
                    # The pin as it was when it was read.
                    self.say(lines, {"return": f"000000004002804c: 0x{self.pin:08x}\r\n"})
                    self.looks += 1
        except OSError:
            pass

    @staticmethod
    def say(lines, message):
        """Writes one message."""
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    def close(self):
        """Frees the path."""
        self.server.close()

    def pull(self):
        """Pulls the reset pin and lets go, each time until it was looked at."""
        for self.pin in (0, 1):
            # One look may be under way with the old value.
            seen = self.looks + 2
            end = time.monotonic() + TIMEOUT
            while self.looks < seen:
                assert time.monotonic() < end, "nobody looks at the reset pin"
                time.sleep(0.005)


class Link:
    """A module that was started, and a host's connection to it."""

    bus = None

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        self.module = WifiModule(self.folder, self.bus)
        self.connection = socket.socket(socket.AF_UNIX)

    def close(self):
        """Ends the program, without looking at what it has to tell."""
        self.connection.close()
        self.module.process.kill()
        self.module.process.wait()
        self.module.process.stdout.close()
        shutil.rmtree(self.folder)

    def connect(self):
        """Switches the module on."""
        self.connection.settimeout(TIMEOUT)
        self.connection.connect(str(self.folder / "ism43362.sock"))

    def more(self, seconds):
        """True if something comes within this time."""
        return bool(select.select([self.connection], [], [], seconds)[0])

    def ask(self, text, payload=b"", silence=SILENCE):
        """Writes a command; gives everything that is said to it."""
        self.write(text, payload)
        return self.hear(silence)

    def data(self, text, payload=b""):
        """Writes a command that is carried out; gives the answer's data."""
        answer = self.ask(text, payload)
        assert answer.startswith(b"\r\n") and answer.endswith(END), (text, answer)
        return answer[2 : -len(END)]


class Uart(Link):
    """A UART, which has nothing but bytes."""

    bus = "uart"
    # By the pin, of a module that was only switched on.
    resets_before = 0

    def __init__(self):
        super().__init__()
        self.monitor = Monitor(self.folder / "qmp.sock")
        self.connect()
        assert self.hear() == PROMPT

    def close(self):
        super().close()
        self.monitor.close()

    def reset(self):
        """Resets the module by its pin; gives what it says."""
        self.monitor.pull()
        return self.hear()

    def write(self, text, payload=b""):
        """Writes a command."""
        self.connection.sendall(text.encode() + b"\r" + payload)

    def hear(self, silence=SILENCE):
        """What comes until a prompt that nothing follows, or until silence."""
        heard = b""
        while self.more(0.02 if heard.endswith(b"> ") else silence):
            part = self.connection.recv(65536)
            assert part, "the module has hung up"
            heard += part
        return heard


class Spi(Link):
    """SPI, on which the module tells when it can be written to."""

    bus = "spi"
    resets_before = 1

    def __init__(self):
        super().__init__()
        self.frames = []
        self.connect()
        assert self.reset() == PROMPT

    def send_frame(self, kind, data=b""):
        """Sends what the emulator would."""
        self.connection.sendall(kind + struct.pack("<H", len(data)) + data)

    def reset(self):
        """Resets the module by its pin; gives what it says."""
        self.send_frame(b"R")
        self.send_frame(b"r")
        return self.hear()

    def write(self, text, payload=b""):
        """Writes a command."""
        command = text.encode() + b"\r" + payload
        self.send_frame(b"C", command + b"\n" * (len(command) % 2))

    def receive(self, length):
        """This many bytes."""
        data = b""
        while len(data) < length:
            part = self.connection.recv(length - len(data))
            assert part, "the module has hung up"
            data += part
        return data

    def hear(self, silence=SILENCE):
        """What comes until the module is ready for a command, or until silence."""
        self.frames = []
        while not (self.frames and self.frames[-1][0] == b"P") and self.more(silence):
            kind, length = struct.unpack("<cH", self.receive(3))
            self.frames.append((kind, self.receive(length)))
            assert len(self.frames[-1][1]) % 2 == 0, "half a word"
        return b"".join(data.removesuffix(b"\x15") for kind, data in self.frames if kind == b"D")
