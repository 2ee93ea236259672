# SPDX-License-Identifier: Apache-2.0
"""The device's console as an engineer sees and uses it."""

import re
import time

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CTRL_D = "\x04"
# What an emulated UART takes without losing bytes, and how long the shell needs for it.
CHUNK, PAUSE = 32, 0.02


class Console:
    """Lines of the device, and its shell.

    `read` gives the next line, or None after a number of seconds without one; `write` takes bytes; `host` is
    the address under which the device reaches this machine's loopback interface; `lasting` says whether what was
    provisioned survives a restart.
    """

    def __init__(self, read, write, host, lasting):
        self.read, self.write, self.host, self.lasting = read, write, host, lasting
        self.lines = []
        self.position = 0

    def pump(self, timeout):
        """Takes what the device printed within `timeout` seconds."""
        end = time.monotonic() + timeout
        while (line := self.read(max(0.01, end - time.monotonic()))) is not None:
            self.lines.append(ESCAPE.sub("", line))

    def wait(self, pattern, timeout=60):
        """Waits for a line behind the last one that was waited for; gives the match."""
        end = time.monotonic() + timeout
        while True:
            while self.position < len(self.lines):
                line = self.lines[self.position]
                self.position += 1
                if match := re.search(pattern, line):
                    return match
            recent = "\n".join(self.lines[-40:])
            assert time.monotonic() < end, f"no line matches {pattern!r} after {timeout} s; the last ones:\n{recent}"
            self.pump(0.2)

    def says(self, pattern):
        """Whether a line so far matches."""
        self.pump(0.1)
        return any(re.search(pattern, line) for line in self.lines)

    def type(self, text):
        """Types, slowly enough for a UART."""
        self.send(text.encode())

    def send(self, data):
        """Types bytes."""
        for start in range(0, len(data), CHUNK):
            self.write(data[start : start + CHUNK])
            time.sleep(PAUSE)

    def command(self, text, answer, timeout=10):
        """Runs a shell command and waits for its answer."""
        self.type(f"{text}\n")
        return self.wait(answer, timeout)

    def ready(self):
        """Waits until the shell takes commands."""
        self.wait(r"reset cause", 60)
        self.command("azure status", r"^stack ")

    def provision(self, hub, connection_string, certificate=None, key=None, ca=None):
        """Gives the device its identity, and the hub to trust and to connect to."""
        self.reach(hub, ca)
        if certificate:
            self.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
            self.paste("azure set key", key, "Key stored")
        self.command(f"azure set connection-string {connection_string}", "Connection string stored")

    def enroll(self, hub, registration, id_scope=None, **credential):
        """Gives the device an enrolment: `symmetric_key`, `group_key`, or `certificate` and `key`."""
        self.reach(hub)
        self.command("azure set provisioning-host localhost", "stored")
        self.command(f"azure set provisioning {id_scope or hub.id_scope} {registration}", "Enrolment stored")
        if "certificate" in credential:
            self.paste("azure set certificate", credential["certificate"] + CTRL_D, "Certificate stored")
            self.paste("azure set key", credential["key"], "Key stored")
        else:
            ((kind, key),) = credential.items()
            self.paste(f"azure set {kind.replace('_', '-')}", key + "\n", "Symmetric key stored")

    def reach(self, hub, ca=None):
        """Tells the device where the hub and the time are, and what to trust."""
        self.command("azure set address " + self.host, "stored")
        self.command(f"azure set port {hub.port}", "stored")
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.command(f"azure set sntp {host}:{hub.sntp}", "stored")
        self.paste("azure set root-ca", (ca or hub.ca) + CTRL_D, "Root CAs stored")

    def paste(self, command, text, answer):
        """Runs a command that takes a paste."""
        self.command(command, "Paste")
        self.type(text)
        self.wait(answer, 30)

    def join(self, ssid, password):
        """Tells the device its Wi-Fi network."""
        self.command(f'azure set wifi "{ssid}"', "Type the password")
        self.type(password + "\n")
        self.wait("Wi-Fi network stored", 30)

    def telemetry(self):
        """How many messages of telemetry fell due, were acknowledged, were dropped, and wait."""
        return [int(number) for number in re.findall(r"\d+", self.status()["telemetry"])]

    def dropped(self, cause):
        """How many messages of telemetry were dropped for this cause."""
        found = re.search(rf"\b{cause} (\d+)", self.status()["dropped"])
        return int(found.group(1)) if found else 0

    def ignored(self):
        """How many messages of the hub were passed over."""
        return int(re.search(r"(\d+) ignored", self.status()["messages"]).group(1))

    def status(self):
        """What `azure status` prints, by the first word of each line."""
        self.position = len(self.lines)
        self.command("azure status", r"^stack ")
        found = {}
        for line in self.lines[self.position - 24 :]:
            if match := re.match(r"([\w-]+(?: failure| pair)?)  +(.*)", line):
                found[match.group(1)] = match.group(2)
        return found
