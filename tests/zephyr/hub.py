# SPDX-License-Identifier: Apache-2.0
"""The local hub as the tests use it: started on kernel-chosen ports, killed, restarted, and asked what it saw."""

import base64
import hashlib
import hmac
import json
import os
import re
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30


def program():
    """The path of local-hub: LOCAL_HUB, or what `cargo build -p local-hub` leaves."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = Path(os.environ.get("LOCAL_HUB", target / "debug/local-hub"))
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run `cargo build -p local-hub`, or set LOCAL_HUB to the program")
    return str(path)


class Hub:
    """A local hub in a directory of its own."""

    def __init__(self, directory, **options):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.state = self.directory / "state"
        self.log = self.directory / "hub.log"
        self.options = options
        self.port = self.sntp = self.certificate_message = 0
        self.process = None

    def start(self):
        """Starts it, on the ports that it had before if there are any."""
        ports = {"listen": f"127.0.0.1:{self.port}", "sntp": f"127.0.0.1:{self.sntp}"}
        command = [program(), "serve", "--state", self.state, "--log", "info"]
        for name, value in {**ports, **self.options}.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if line == "ready\n":
                break
        else:
            raise RuntimeError(f"the hub did not start: {said}{self.log.read_text()}")
        self.port = int(re.search(r"^mqtt\s+127\.0\.0\.1:(\d+)", said, re.MULTILINE).group(1))
        self.sntp = int(re.search(r"^sntp\s+127\.0\.0\.1:(\d+)", said, re.MULTILINE).group(1))
        self.certificate_message = int(re.search(r"^certificate message of (\d+) bytes", said, re.MULTILINE).group(1))
        return self

    def kill(self):
        """Ends it as a power failure would."""
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process = None

    def close(self):
        """Ends it if it runs."""
        if self.process is not None:
            self.kill()

    def run(self, *arguments):
        """Runs a command of local-hub against this hub, and gives what it printed."""
        command = [program(), *map(str, arguments), "--state", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout.strip()

    @property
    def ca(self):
        """The certificate that a device has to trust, in PEM."""
        return (self.state / "ca.pem").read_text()

    def create_sas(self, device):
        """Registers a device with a shared access key; gives its connection string."""
        return self.run("device", "create", device, "--auth", "sas")

    def create_x509(self, device, key="rsa"):
        """Registers a device with a self-signed certificate; gives connection string, certificate and key."""
        certificate, private = self.directory / f"{device}.pem", self.directory / f"{device}.key"
        algorithm = {"rsa": ["rsa:2048"], "ecc": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}[key]
        command = ["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "30", "-sha256"]
        command += ["-subj", f"/CN={device}", "-keyout", str(private), "-out", str(certificate)]
        subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
        text = self.run("device", "create", device, "--auth", "x509-thumbprint", "--certificate", certificate)
        return text, certificate.read_text(), private.read_text()

    def create_ca_signed(self, device):
        """Registers a device under the hub's CA for devices; gives connection string, certificate and key."""
        text = self.run("device", "create", device, "--auth", "x509-ca", "--out", self.directory)
        certificate, key = (self.directory / f"{device}.{kind}.pem" for kind in ("cert", "key"))
        return text, certificate.read_text(), key.read_text()

    def events(self, device, count, timeout=60):
        """The first `count` messages that the hub stored of a device."""
        command = ["monitor-events", "--from-start", "--device", device, "--count", str(count)]
        command = [program(), *command, "--state", str(self.state)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise AssertionError(f"the hub has {output.count(chr(10))} of {count} messages of {device}") from None
        return [json.loads(line)["event"] for line in output.splitlines()]

    def send(self, device, text, *options):
        """Sends a cloud-to-device message."""
        self.run("send-c2d", device, "--data", text, *options)

    def connections(self, device):
        """How many times the hub let a device in."""
        return self.log.read_text().count(f'"{device}" connected from')

    def wait_for_connections(self, device, count, timeout=90):
        """Waits until the hub let a device in that often."""
        end = time.monotonic() + timeout
        while self.connections(device) < count:
            log = self.log.read_text()
            assert time.monotonic() < end, f"{device} connected {self.connections(device)} times, not {count}:\n{log}"
            time.sleep(0.2)

    def feedback(self, timeout=60):
        """The next batch of feedback on cloud-to-device messages, by the hub's REST interface."""
        text = (self.state / "service.connection-string").read_text().strip()
        fields = dict(part.split("=", 1) for part in text.split(";"))
        operator = json.loads((self.state / "endpoints.json").read_text())["operator"]
        address = f"https://localhost:{operator.rsplit(':', 1)[1]}/messages/serviceBound/feedback?api-version=2021-04-12"
        request = urllib.request.Request(address, headers={"Authorization": token(fields)})
        context = ssl.create_default_context(cafile=self.state / "ca.pem")
        end = time.monotonic() + timeout
        while True:
            with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as answer:
                if answer.status == 200:
                    return json.load(answer)
            assert time.monotonic() < end, "the hub has no feedback"
            time.sleep(1)


def token(fields):
    """A SAS token for a policy of the hub ("Control access to IoT Hub by using shared access signatures")."""
    resource = urllib.parse.quote(fields["HostName"], safe="")
    expiry = int(time.time()) + 600
    digest = hmac.new(base64.b64decode(fields["SharedAccessKey"]), f"{resource}\n{expiry}".encode(), hashlib.sha256)
    signature = urllib.parse.quote(base64.b64encode(digest.digest()), safe="")
    policy = fields["SharedAccessKeyName"]
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={policy}"
