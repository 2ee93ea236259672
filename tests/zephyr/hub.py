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

    def __init__(self, directory, loopback="127.0.0.1", **options):
        self.loopback = loopback
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.state = self.directory / "state"
        self.log = self.directory / "hub.log"
        self.options = options
        self.port = self.sntp = self.certificate_message = 0
        self.process = None

    def start(self):
        """Starts it, on the ports that it had before if there are any."""
        ports = {"listen": f"{self.loopback}:{self.port}", "sntp": f"{self.loopback}:{self.sntp}"}
        command = [program(), "serve", "--state", self.state, "--log", "info"]
        for name, value in {**ports, **self.options}.items():
            command += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        said = ""
        for line in self.process.stdout:
            said += line
            if line == "ready\n":
                break
        else:
            raise RuntimeError(f"the hub did not start: {said}{self.log.read_text()}")
        self.port = int(re.search(r"^mqtt\s+\S+:(\d+)", said, re.MULTILINE).group(1))
        self.sntp = int(re.search(r"^sntp\s+\S+:(\d+)", said, re.MULTILINE).group(1))
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

    def run(self, *arguments, timeout=PATIENCE):
        """Runs a command of local-hub against this hub, and gives what it printed."""
        command = [program(), *map(str, arguments), "--state", str(self.state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout.strip()

    @property
    def ca(self):
        """The certificate that a device has to trust, in PEM."""
        return (self.state / "ca.pem").read_text()

    def create_sas(self, device):
        """Registers a device with a shared access key; gives its connection string."""
        return self.run("device", "create", device, "--auth", "sas")

    def certify(self, name, key="ecc", issuer=None, ca=False, extensions=()):
        """Makes a certificate of this common name, self-signed or by an issuer; gives the paths of it and its key."""
        certificate, private = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        algorithm = {"rsa": ["rsa:2048"], "ecc": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}[key]
        command = ["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "30", "-sha256"]
        command += ["-subj", f"/CN={name}", "-keyout", str(private), "-out", str(certificate)]
        command += ["-addext", f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}"]
        for extension in extensions:
            command += ["-addext", extension]
        if issuer:
            command += ["-CA", str(issuer[0]), "-CAkey", str(issuer[1])]
        subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE)
        return certificate, private

    def create_x509(self, device, key="rsa"):
        """Registers a device with a self-signed certificate; gives connection string, certificate and key."""
        certificate, private = self.certify(device, key)
        text = self.run("device", "create", device, "--auth", "x509-thumbprint", "--certificate", certificate)
        return text, certificate.read_text(), private.read_text()

    def create_ca_signed(self, device):
        """Registers a device under the hub's CA for devices; gives connection string, certificate and key."""
        text = self.run("device", "create", device, "--auth", "x509-ca", "--out", self.directory)
        certificate, key = (self.directory / f"{device}.{kind}.pem" for kind in ("cert", "key"))
        return text, certificate.read_text(), key.read_text()

    @property
    def id_scope(self):
        """The id scope of the hub's provisioning service."""
        return self.run("dps", "id-scope")

    def enroll(self, registration, *options):
        """Enrols one registration; gives its symmetric key if it has one."""
        return self.primary_key("enroll", registration, *options)

    def enroll_group(self, name, *options):
        """Enrols a group of registrations; gives its symmetric key if it has one."""
        return self.primary_key("enroll-group", name, *options)

    def primary_key(self, command, *arguments):
        """Runs a command of `local-hub dps` that prints an enrolment, and gives its primary key; None without one."""
        attestation = json.loads(self.run("dps", command, *arguments))["attestation"]
        return attestation.get("symmetricKey", {}).get("primaryKey")

    def registrations(self, registration):
        """How many times the provisioning service let a registration in."""
        return self.log.read_text().count(f'registration "{registration}" connected from')

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

    def all_events(self, device):
        """All messages that the hub has stored of a device."""
        output = self.run("monitor-events", "--from-start", "--device", device, "--timeout", "1")
        return [json.loads(line)["event"] for line in output.splitlines()]

    def send(self, device, text, *options):
        """Sends a cloud-to-device message."""
        self.run("send-c2d", device, "--data", text, *options)

    def twin(self, device):
        """The properties of a device's twin."""
        return json.loads(self.run("device-twin", "show", device))["properties"]

    def desire(self, device, **desired):
        """Changes desired properties; gives the version that this makes."""
        answer = self.run("device-twin", "update", device, "--desired", json.dumps(desired))
        return json.loads(answer)["properties"]["desired"]["$version"]

    def wait_for_reported(self, device, wanted, timeout=90):
        """Waits until what a device reports is as `wanted` says; gives it."""
        end = time.monotonic() + timeout
        while not wanted(reported := self.twin(device)["reported"]):
            assert time.monotonic() < end, f"after {timeout} s {device} reports only {reported}"
            time.sleep(0.5)
        return reported

    def call(self, device, method, payload=None, timeout=60):
        """Calls a direct method; gives the device's status and payload."""
        command = ["invoke-device-method", device, "--method-name", method, "--timeout", timeout]
        command += ["--method-payload", json.dumps(payload)]
        answer = json.loads(self.run(*command, timeout=timeout + PATIENCE))
        return answer["status"], answer["payload"]

    def fault(self, name, device, **options):
        """Has something go wrong with a device."""
        self.run("fault", name, device, *(part for key, value in options.items() for part in (f"--{key}", value)))

    def connections(self, device):
        """How many times the hub let a device in."""
        return len(re.findall(rf'(?<!registration )"{re.escape(device)}" connected from', self.log.read_text()))

    def wait_for_connections(self, device, count, timeout=90):
        """Waits until the hub let a device in that often."""
        end = time.monotonic() + timeout
        while self.connections(device) < count:
            log = self.log.read_text()
            assert time.monotonic() < end, f"{device} connected {self.connections(device)} times, not {count}:\n{log}"
            time.sleep(0.2)

    def rest(self, method, path, body=None, timeout=PATIENCE):
        """A call of the hub's REST interface: status, and what it answers."""
        text = (self.state / "service.connection-string").read_text().strip()
        fields = dict(part.split("=", 1) for part in text.split(";"))
        operator = json.loads((self.state / "endpoints.json").read_text())["operator"]
        address = f"https://localhost:{operator.rsplit(':', 1)[1]}{path}?api-version=2021-04-12"
        signed = token(fields["HostName"], fields["SharedAccessKey"], fields["SharedAccessKeyName"])
        headers = {"Authorization": signed, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address, data, headers, method=method)
        context = ssl.create_default_context(cafile=self.state / "ca.pem")
        with urllib.request.urlopen(request, context=context, timeout=timeout) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    def feedback(self, timeout=60):
        """The next batch of feedback on cloud-to-device messages."""
        end = time.monotonic() + timeout
        while True:
            status, records = self.rest("GET", "/messages/serviceBound/feedback")
            if status == 200:
                return records
            assert time.monotonic() < end, "the hub has no feedback"
            time.sleep(1)


def token(resource, key, policy=None, life=600):
    """A SAS token for so many seconds ("Control access to IoT Hub by using shared access signatures")."""
    resource = urllib.parse.quote(resource, safe="")
    expiry = int(time.time()) + life
    digest = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256)
    signature = urllib.parse.quote(base64.b64encode(digest.digest()), safe="")
    text = f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"
    return f"{text}&skn={policy}" if policy else text
