# SPDX-License-Identifier: Apache-2.0
"""Stops QEMU before each operation on its simulated flash, by QEMU's gdb stub, to cut the power there.

The remote serial protocol is in the manual of GDB, appendix E. QEMU's stub listens on a Unix socket:
`-gdb unix:PATH,server=on,wait=off`, and stops the machine when somebody connects.
"""

import re
import socket
import subprocess
import threading

OPERATIONS = ("flash_sim_write", "flash_sim_erase")
# A breakpoint of software on a Thumb instruction has this kind (appendix E.5.1).
THUMB = 2


def addresses(elf, nm="arm-none-eabi-nm"):
    """Addresses at which the operations on the flash begin."""
    listed = subprocess.run([nm, elf], check=True, capture_output=True, text=True).stdout
    found = [re.search(rf"^(\w+) [tT] {name}(?:\.lto_priv\.\d+)?$", listed, re.MULTILINE) for name in OPERATIONS]
    return [int(match.group(1), 16) & ~1 for match in found]


class Stub:
    """A connection to the stub."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.buffer = b""

    def send(self, text):
        """Sends a packet."""
        self.socket.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def receive(self):
        """The next packet; None at the end of QEMU."""
        while not (match := re.search(rb"\$([^#]*)#..", self.buffer)):
            try:
                piece = self.socket.recv(4096)
            except OSError:
                piece = b""
            if not piece:
                return None
            self.buffer += piece
        self.buffer = self.buffer[match.end() :]
        self.socket.sendall(b"+")
        return match.group(1).decode()

    def ask(self, text):
        """Sends a packet, and gives the answer."""
        self.send(text)
        return self.receive()


class PowerCut:
    """Ends the machine before the operation of this number on its flash, counted from 1. `count` says how many came."""

    def __init__(self, machine, path, operation):
        self.machine, self.operation, self.count = machine, operation, 0
        self.happened = threading.Event()
        self.stub = Stub(path)
        for address in addresses(machine.image):
            assert self.stub.ask(f"Z0,{address:x},{THUMB}") == "OK"
        self.stub.send("c")
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        """Counts the operations."""
        while self.stub.receive() is not None:
            self.count += 1
            if self.count == self.operation:
                self.machine.process.kill()
                self.machine.process.wait()
                self.happened.set()
                return
            # Past the breakpoint, and on.
            if self.stub.ask("s") is None:
                return
            self.stub.send("c")
