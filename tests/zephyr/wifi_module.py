# SPDX-License-Identifier: Apache-2.0
"""The simulated Wi-Fi module (ism43362.py) as the tests use it: started beside the device, and steered."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = Path(__file__).with_name("ism43362.py")
SSID, PASSWORD = "test network", "test password"


class WifiModule:
    """A simulated ISM43362 whose sockets lie in a folder; paths are relative to it, since their length is limited."""

    def __init__(self, folder, bus):
        self.folder = folder
        options = [f"--{bus}", "ism43362.sock", "--control", "control.sock"]
        if bus == "uart":
            options += ["--qmp", "qmp.sock"]
        for name in ("ism43362.sock", "control.sock", "qmp.sock"):
            (folder / name).unlink(missing_ok=True)
        command = [sys.executable, str(PROGRAM), *options]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the simulated module did not start"

    def close(self):
        """Ends the program, and fails if the device broke a rule of the bus."""
        told = self.status()["violations_told"]
        self.process.terminate()
        self.process.wait(10)
        assert not told, told

    def command(self, *words):
        """Runs a command of the control socket."""
        # By way of the folder: a Unix socket's path has 107 bytes at most.
        with socket.socket(socket.AF_UNIX) as control:
            folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                control.connect(f"/proc/self/fd/{folder}/control.sock")
            finally:
                os.close(folder)
            control.settimeout(30)
            control.sendall(shlex.join(str(word) for word in words).encode() + b"\n")
            answer = json.loads(control.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def status(self):
        """Counters and state."""
        return self.command("status")

    def wait(self, condition, timeout=60):
        """Waits until the status satisfies a condition; gives the seconds that it took."""
        start = time.monotonic()
        while not condition(status := self.status()):
            assert time.monotonic() - start < timeout, f"not after {timeout} s: {status}"
            time.sleep(0.05)
        return time.monotonic() - start

