#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prepares the credentials that Kconfig names for the firmware.

Reads Zephyr's .config, checks the AZURE_ symbols that name credentials, and writes into --out the
certificates and the key as DER, and credentials.rs, which the Rust crate includes. Prints the files that it
read, one a line. Ends with a sentence on stderr and status 1 if something is wrong. Secrets never appear
in its output.
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
from pathlib import Path

PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\s*(.*?)-----END \1-----", re.DOTALL)
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = rf"(?=.{{1,253}}$){LABEL}(?:\.{LABEL})*"
HOST_NAME_WORDS = "a host name without scheme and port, such as my-hub.azure-devices.net"
ID = r"[A-Za-z0-9.%_*?!(),:=@$'-]{1,128}"
ID_WORDS = "an id of 1 to 128 letters, digits and -.%_*?!(),:=@$'"
# Names of a local network may have an underscore. An IPv6 address has more than one colon.
NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?"
IPV6 = r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*"
TIME_SERVER = rf"(?:{NAME}(?::[0-9]{{1,5}})?|{IPV6})"
SEGMENT = r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?"
# What the device itself would reject at its start (src/iot_hub/identity, src/provisioning/enrollment.rs).
FORMS = {
    "HUB_HOST_NAME": (HOST_NAME, HOST_NAME_WORDS),
    "DPS_HOST_NAME": (HOST_NAME, HOST_NAME_WORDS),
    "HUB_ADDRESS": (rf"{NAME}|{IPV6}", "a host name or an address, without a port"),
    "DEVICE_ID": (ID, ID_WORDS),
    "MODULE_ID": (ID, ID_WORDS),
    "DPS_ID_SCOPE": (r"[A-Za-z0-9-]{1,128}", "an id scope as the portal shows it, such as 0ne00ABCDEF"),
    "DPS_REGISTRATION_ID": (
        r"[A-Za-z0-9._:-]{0,127}[A-Za-z0-9-]",
        "a registration id of 1 to 128 letters, digits and -._:, which ends with a letter, a digit or a hyphen",
    ),
    "SNTP_SERVERS": (
        rf"[; ]*{TIME_SERVER} *(?:;[; ]*{TIME_SERVER} *)*[; ]*",
        "names or addresses of time servers, each with :port if it is not 123, separated by ;",
    ),
    "MODEL_ID": (
        rf"(?=.{{1,128}}$)dtmi:{SEGMENT}(?::{SEGMENT})*;[1-9][0-9]{{0,8}}",
        "a model id (DTMI) of at most 128 letters, digits and _ between colons, and a version, such as "
        "dtmi:com:example:Thermostat;1; or empty",
    ),
    # Octets of IEEE 802.11, section 9.4.2.2.
    "WIFI_SSID": (r"(?s:.{1,32})", "a network's name of 1 to 32 bytes"),
}
# SHA-256 of the moduli of Microsoft's root keys of updates (src/update/key.rs).
FINGERPRINTS = {
    "ADU.200702.R": "6242c8e6385f174d8ab5c896d99deb334e0700c8d7ba84dcf655668d60e8de66",
    "ADU.200703.R": "6c7546350919e4e605bc94f9ab297af60ed5cfc1e291a2ac7b8dd3d6f276c09c",
}
KEY_LABELS = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")


class Wrong(Exception):
    """What is wrong with the configuration, in a sentence."""


def read_config(path):
    """The AZURE_ symbols of a .config, without their prefix. Booleans that are n are absent."""
    symbols = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"CONFIG_AZURE_(\w+)=(.*)", line)
        if match:
            name, value = match.groups()
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            symbols[name] = value
    return symbols


# This repository, wherever the application is.
MODULE = Path(__file__).resolve().parents[2]


class Credentials:
    """Collects the files that go into the image."""

    def __init__(self, symbols, base, out):
        self.symbols, self.base, self.out = symbols, Path(base), Path(out)
        self.inputs = []

    def read(self, symbol, name):
        """The bytes of the file `name`, which the symbol names."""
        path = self.base / Path(name).expanduser()
        if not path.exists() and (MODULE / name).exists():
            # A product finds the roots that come with this module.
            path = MODULE / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Wrong(
                f"CONFIG_AZURE_{symbol} names {path}, which cannot be read ({error.strerror}). "
                f"Give the path of an existing file; a relative one starts at {self.base}, or at {MODULE}."
            ) from None
        self.inputs.append(path)
        return data

    def text(self, symbol):
        """A secret that is given by a symbol or by the file that symbol_FILE names."""
        value = self.symbols.get(symbol, "")
        name = self.symbols.get(f"{symbol}_FILE", "")
        if value and name:
            raise Wrong(f"CONFIG_AZURE_{symbol} and CONFIG_AZURE_{symbol}_FILE are both set. Keep one.")
        if name:
            try:
                value = self.read(f"{symbol}_FILE", name).decode("ascii").strip()
            except UnicodeDecodeError:
                raise Wrong(f"The file of CONFIG_AZURE_{symbol}_FILE is not a text file.") from None
        return value

    def blocks(self, symbol, name):
        """The labels and DER contents of a PEM file, or the content of a DER file without a label."""
        data = self.read(symbol, name)
        if b"-----BEGIN" not in data:
            if data[:1] != b"\x30":
                raise Wrong(f"CONFIG_AZURE_{symbol}: {name} is neither PEM nor DER.")
            return [(None, data)]
        blocks = []
        for label, body in PEM.findall(data.decode("ascii", "replace")):
            if "ENCRYPTED" in label or "ENCRYPTED" in body:
                raise Wrong(
                    f"CONFIG_AZURE_{symbol}: {name} is encrypted. Decrypt it outside the repository, "
                    "such as by openssl pkey -in KEY -out PLAIN."
                )
            try:
                blocks.append((label, base64.b64decode("".join(body.split()), validate=True)))
            except binascii.Error:
                raise Wrong(f"CONFIG_AZURE_{symbol}: {name} holds a {label} that is not base64.") from None
        return blocks

    def certificates(self, symbol, name):
        """The certificates of a file, in its order."""
        found = [der for label, der in self.blocks(symbol, name) if label in (None, "CERTIFICATE")]
        if not found:
            raise Wrong(f"CONFIG_AZURE_{symbol}: {name} holds no certificate (-----BEGIN CERTIFICATE-----).")
        return found

    def key(self, symbol, name):
        """The only private key of a file."""
        found = [der for label, der in self.blocks(symbol, name) if label in (None, *KEY_LABELS)]
        if len(found) != 1:
            raise Wrong(
                f"CONFIG_AZURE_{symbol}: {name} holds {len(found)} private keys, and one is needed "
                "(-----BEGIN PRIVATE KEY-----)."
            )
        return found[0]

    def required(self, symbol):
        """The value of a symbol that the chosen credential needs."""
        value = self.symbols.get(symbol, "")
        if not value:
            raise Wrong(f"CONFIG_AZURE_{symbol} is empty, and the chosen credential needs it.")
        return value

    def secret(self, symbol):
        """A secret that the chosen credential needs."""
        value = self.text(symbol)
        if not value:
            raise Wrong(
                f"The chosen credential needs CONFIG_AZURE_{symbol}_FILE (or CONFIG_AZURE_{symbol})."
            )
        return value

    def check_forms(self):
        """Names and addresses have to be such as the device takes."""
        for symbol, (form, words) in FORMS.items():
            value = self.symbols.get(symbol, "")
            # A character for each byte.
            if value and not re.fullmatch(form, value.encode().decode("latin-1")):
                raise Wrong(f'CONFIG_AZURE_{symbol}="{value}" is wrong: it has to be {words}.')

    def check_payload(self):
        """What goes to a custom allocation policy has to be JSON."""
        payload = self.symbols.get("DPS_PAYLOAD", "")
        try:
            if payload:
                json.loads(payload)
        except ValueError as error:
            raise Wrong(f"CONFIG_AZURE_DPS_PAYLOAD is no JSON ({error}): correct it, or leave it empty.") from None

    def check_update(self):
        """Names by which updates are chosen."""
        for symbol in ("UPDATE_MANUFACTURER", "UPDATE_MODEL"):
            value = self.symbols.get(symbol, "")
            if not 1 <= len(value.encode()) <= 64:
                raise Wrong(
                    f"CONFIG_AZURE_{symbol} has {len(value.encode())} bytes, and it has to have 1 to 64: "
                    "updates are chosen by it."
                )

    def root_keys(self):
        """The root keys of updates: name, modulus and exponent."""
        self.check_update()
        symbol = "UPDATE_ROOT_KEYS"
        name = self.required_file(symbol)
        try:
            entries = json.loads(self.read(symbol, name))
            keys = [
                (kid, base64.urlsafe_b64decode(key["n"] + "==").lstrip(b"\0"), int(key["e"]))
                for kid, key in entries.items()
                if key["keyType"] == "RSA"
            ]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Wrong(f"CONFIG_AZURE_{symbol}: {name} is not as docs/updates.md describes it.") from None
        if not keys or len(keys) != len(entries):
            raise Wrong(f"CONFIG_AZURE_{symbol}: {name} holds no keys, or one that is not of RSA.")
        for kid, modulus, exponent in keys:
            if not 1 <= len(kid.encode()) <= 32 or not 256 <= len(modulus) <= 512 or not 3 <= exponent < 1 << 32:
                raise Wrong(f"CONFIG_AZURE_{symbol}: the key {kid!r} is not one of RSA with 2048 to 4096 bits.")
            if FINGERPRINTS.get(kid, digest(modulus)) != digest(modulus):
                raise Wrong(
                    f"CONFIG_AZURE_{symbol}: the key {kid} is not Microsoft's, whose modulus has the SHA-256 "
                    f"{FINGERPRINTS[kid]}."
                )
            if kid.endswith(".T") and "TEST_UPDATE_KEYS" not in self.symbols:
                raise Wrong(
                    f"CONFIG_AZURE_{symbol}: the key {kid} signs for tests, and whoever has its private half installs "
                    "any image. A product needs Microsoft's keys (docs/updates.md); a test sets "
                    "CONFIG_AZURE_TEST_UPDATE_KEYS=y."
                )
        return keys

    def required_file(self, symbol):
        """The name of a file that an image with updates needs."""
        value = self.symbols.get(symbol, "")
        if not value:
            raise Wrong(
                f"CONFIG_AZURE_{symbol} is empty: CONFIG_AZURE_UPDATE=y needs the keys that updates must be signed "
                "under (docs/updates.md)."
            )
        return value

    def write(self, stem, ders):
        """Writes DER files and gives the Rust slice that includes them."""
        items = []
        for number, der in enumerate(ders):
            path = self.out / f"{stem}-{number}.der"
            update(path, der)
            items.append(f"include_bytes!({rust(str(path))})")
        return f"&[{', '.join(items)}]"

    def generate(self):
        """Writes everything into the output directory."""
        self.check_forms()
        self.out.mkdir(parents=True, exist_ok=True)
        roots = []
        for name in filter(None, self.required("ROOT_CA_FILES").split(";")):
            roots += self.certificates("ROOT_CA_FILES", name)
        chain, keys, credential, enrollment_key = [], [], None, None
        enrolled = bool(self.symbols.get("DPS_ID_SCOPE"))
        if "CREDENTIAL_SHARED_ACCESS_KEY" in self.symbols:
            enrollment_key = self.secret("SHARED_ACCESS_KEY")
            credential = f"SharedAccessKey={enrollment_key}"
        if "CREDENTIAL_SAS_TOKEN" in self.symbols:
            credential = f"SharedAccessSignature={self.secret('SAS_TOKEN')}"
        if "CREDENTIAL_X509" in self.symbols:
            credential = "x509=true"
            chain = self.certificates("CERTIFICATE_FILE", self.required("CERTIFICATE_FILE"))
            keys = [self.key("PRIVATE_KEY_FILE", self.required("PRIVATE_KEY_FILE"))]
        connection_string = None
        if credential and not enrolled:
            module = self.symbols.get("MODULE_ID", "")
            connection_string = (
                f"HostName={self.required('HUB_HOST_NAME')};DeviceId={self.required('DEVICE_ID')};"
                + (f"ModuleId={module};" if module else "")
                + credential
            )
        if enrolled and self.symbols.get("MODULE_ID"):
            raise Wrong(
                "CONFIG_AZURE_MODULE_ID and CONFIG_AZURE_DPS_ID_SCOPE are both set, and DPS provisions no modules. "
                "For a module set CONFIG_AZURE_HUB_HOST_NAME and CONFIG_AZURE_DEVICE_ID instead of the id scope."
            )
        source = (
            "// Written by firmware/scripts/embed.py. Holds secrets: keep it in the build directory.\n"
            f"pub(crate) const CONNECTION_STRING: Option<&str> = {optional(connection_string)};\n"
            f"pub(crate) const ROOTS: &[&[u8]] = {self.write('root', roots)};\n"
            f"pub(crate) const CHAIN: &[&[u8]] = {self.write('certificate', chain)};\n"
            f"pub(crate) const KEY: &[&[u8]] = {self.write('key', keys)};\n"
        )
        if "DPS" in self.symbols:
            self.check_payload()
            key = enrollment_key if enrolled else None
            source += (
                f"pub(crate) const ENROLLED: bool = {str(enrolled).lower()};\n"
                f"pub(crate) const ENROLLMENT_KEY: Option<&str> = {optional(key)};\n"
            )
        if "WIFI" in self.symbols:
            source += f"pub(crate) const WIFI_PASSWORD: &str = {rust(self.text('WIFI_PASSWORD'))};\n"
        if "UPDATE" in self.symbols:
            source += f"pub(crate) const UPDATE_ROOTS: [(&str, &[u8], u32); {len(keys := self.root_keys())}] = [\n"
            for number, (name, modulus, exponent) in enumerate(keys):
                path = self.out / f"update-root-{number}.bin"
                update(path, modulus)
                source += f"    ({rust(name)}, include_bytes!({rust(str(path))}), {exponent}),\n"
            source += "];\n"
        update(self.out / "credentials.rs", source.encode())


def digest(data):
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def optional(text):
    """A Rust expression of type Option<&str>."""
    return "None" if text is None else f"Some({rust(text)})"


def rust(text):
    """A Rust string literal."""
    escaped = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text)
    return f'"{escaped}"'


def update(path, data):
    """Writes a file that only its owner can read, unless it has this content already."""
    if not path.exists() or path.read_bytes() != data:
        path.touch(mode=0o600)
        path.write_bytes(data)


def main():
    """Reads the arguments and reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="Zephyr's .config")
    parser.add_argument("--base", required=True, help="where relative paths start")
    parser.add_argument("--out", required=True, help="output directory")
    arguments = parser.parse_args()
    credentials = Credentials(read_config(arguments.config), arguments.base, arguments.out)
    try:
        credentials.generate()
    except Wrong as wrong:
        print(wrong, file=sys.stderr)
        return 1
    for path in credentials.inputs:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
