#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what the firmware executes, and writes the tables of docs/performance.md.

    docs/performance.py --write BUILD

builds the mps2/an385 image into BUILD/, runs it in QEMU against local-hub, and counts instructions by a plugin of
QEMU's: for a message of telemetry, for a connect, and for a second without work. Zephyr's C sample for Azure, built from
the workspace's Zephyr, is measured beside it. `--functions N` prints the N functions with the most instructions a
message. Needs a Zephyr workspace, a C compiler, qemu-system-arm 9.0 or later, openssl and local-hub (LOCAL_HUB names it).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("tests/performance", "tests/zephyr", "tests", "docs")]

from console import Console  # noqa: E402 (the path is set above)
from footprint import CREDENTIALS, QEMU_BOARD, Machine, tool, write_table  # noqa: E402
from hub import Hub, program, token  # noqa: E402
from instructions import Counts, compile_plugin, difference, whose  # noqa: E402

DOCUMENT = ROOT / "docs/performance.md"
DEVICE = "device"
# Messages of the shorter run, and the seconds that both runs last.
MESSAGES = 20
DURATION = 2 * MESSAGES
IDLE = 20
# Time after which all that a message or a connect brings is done, TCP's late acknowledgement included.
SETTLED = 0.5
# Messages of Zephyr's sample, and the seconds after each in which it surely sends nothing.
SAMPLE_MESSAGES = 6
SAMPLE_REST = 8
# What QEMU needs, no DNS, and AES-GCM as the hub and IoT Hub take it, with its tables in flash as ours.
SAMPLE_SETTINGS = (
    "CONFIG_NET_L2_ETHERNET=y",
    "CONFIG_NET_QEMU_USER=y",
    "CONFIG_TEST_RANDOM_GENERATOR=y",
    "CONFIG_DNS_RESOLVER=n",
    "CONFIG_MBEDTLS_CIPHER_GCM_ENABLED=y",
    "CONFIG_MBEDTLS_AES_ROM_TABLES=y",
)


class Messages:
    """The messages of a device, as they come to the hub."""

    def __init__(self, hub):
        command = [program(), "monitor-events", "--device", DEVICE, "--state", str(hub.state)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def wait(self, count=1):
        """Waits for so many; gives the last."""
        for _ in range(count):
            line = self.process.stdout.readline()
        return json.loads(line)["event"]

    def close(self):
        """Waits for no more."""
        self.process.kill()
        self.process.communicate()


@contextmanager
def measured(build, plugin, **options):
    """A hub, and QEMU with an image whose instructions are counted."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Counts(plugin, folder)
        hub = Hub(folder, **options).start()
        try:
            with Machine(build, counts.arguments) as machine:
                yield hub, machine, counts
        finally:
            hub.close()


def provisioned(hub, machine, credential):
    """The device in QEMU, connected."""
    device = Console(machine.read, machine.write, "10.0.2.2", lasting=False)
    device.ready()
    identity = (hub.create_sas(DEVICE),) if credential == "sas" else hub.create_x509(DEVICE, credential)
    device.provision(hub, *identity)
    hub.wait_for_connections(DEVICE, 1)
    hub.events(DEVICE, 1)
    return device


def set_interval(hub, seconds):
    """Sets the interval of telemetry, and waits until the device says so."""
    hub.desire(DEVICE, telemetryInterval=seconds)
    hub.wait_for_reported(DEVICE, lambda it: it.get("telemetryInterval", {}).get("value") == seconds)


def messages(hub, counts, interval):
    """Instructions of the messages that come in DURATION, and the last message."""
    set_interval(hub, interval)
    arriving = Messages(hub)
    try:
        # What waited since the last one is sent at once.
        arriving.wait(2)
        time.sleep(SETTLED)
        before = counts.read()
        last = arriving.wait(DURATION // interval)
        time.sleep(SETTLED)
        return difference(counts.read(), before), last
    finally:
        arriving.close()


def idle(hub, counts, seconds=IDLE):
    """Instructions without any work."""
    set_interval(hub, 3600)
    time.sleep(2)
    before, started = counts.read(), time.monotonic()
    time.sleep(seconds)
    after, took = counts.read(), time.monotonic() - started
    return {address: count / took for address, count in difference(after, before).items()}


def measure_messages(build, plugin):
    """Instructions by address of one message and of one second without work, and a message."""
    with measured(build, plugin) as (hub, machine, counts):
        provisioned(hub, machine, "sas")
        few, _ = messages(hub, counts, 2)
        many, last = messages(hub, counts, 1)
        rest = idle(hub, counts)
    share = 1 / MESSAGES
    return {address: (many[address] - few[address]) * share for address in many | few}, rest, last


def measure_connect(build, plugin, credential):
    """Instructions of one connect: TCP, TLS, MQTT and the twin, when the hub dropped the connection before."""
    with measured(build, plugin, certificate_size="4500") as (hub, machine, counts):
        provisioned(hub, machine, credential)
        second = sum(idle(hub, counts).values())
        before, started = sum(counts.read().values()), time.monotonic()
        hub.fault("drop-connection", DEVICE)
        hub.wait_for_connections(DEVICE, 2)
        hub.wait_for_reported(DEVICE, lambda it: it.get("connections") == 2)
        time.sleep(SETTLED)
        return sum(counts.read().values()) - before - second * (time.monotonic() - started)


def build_image(build, source, *arguments):
    """Builds an image for QEMU."""
    command = ["west", "build", "-b", QEMU_BOARD, str(source), "-d", str(build), "--", *arguments]
    subprocess.run(command, check=True)


def build_sample(build, hub):
    """Builds Zephyr's C sample for a hub: with its certificate instead of Azure's, its address instead of DNS."""
    source = build.with_name("mqtt_azure_source")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(Path(os.environ["ZEPHYR_BASE"]) / "samples/net/cloud/mqtt_azure", source)
    lines = (f'"{line}\\r\\n"\n' for line in hub.ca.splitlines())
    (source / "src/digicert.cer").write_text("".join(lines), encoding="utf-8")
    fields = dict(part.split("=", 1) for part in hub.create_sas(DEVICE).split(";"))
    host = fields["HostName"]
    texts = {
        "USERNAME": f"{host}/{DEVICE}/?api-version=2021-04-12",
        "PASSWORD": token(f"{host}/devices/{DEVICE}", fields["SharedAccessKey"], life=24 * 3600),
        "CLIENT_ID": DEVICE,
        "HOSTNAME": host,
        "SERVER_ADDR": "10.0.2.2",
    }
    settings = [f'CONFIG_SAMPLE_CLOUD_AZURE_{name}="{value}"' for name, value in texts.items()]
    settings += [f"CONFIG_SAMPLE_CLOUD_AZURE_SERVER_PORT={hub.port}", *SAMPLE_SETTINGS]
    overlay = build.with_name(f"{build.name}.conf")
    overlay.write_text("\n".join(settings) + "\n", encoding="utf-8")
    build_image(build, source, f"-DEXTRA_CONF_FILE={overlay}")


def measure_sample(build, plugin):
    """Instructions of one message of Zephyr's C sample, which sends one each 10 to 15 seconds."""
    with tempfile.TemporaryDirectory() as folder:
        counts = Counts(plugin, folder)
        hub = Hub(folder).start()
        arriving = None
        try:
            build_sample(build, hub)
            arriving = Messages(hub)
            with Machine(build, counts.arguments):
                arriving.wait(2)
                time.sleep(SETTLED)
                start, started, rest, rested = sum(counts.read().values()), time.monotonic(), 0, 0
                for _ in range(SAMPLE_MESSAGES):
                    before, since = sum(counts.read().values()), time.monotonic()
                    time.sleep(SAMPLE_REST)
                    rest, rested = rest + sum(counts.read().values()) - before, rested + time.monotonic() - since
                    arriving.wait()
                    time.sleep(SETTLED)
                total, took = sum(counts.read().values()) - start, time.monotonic() - started
        finally:
            if arriving:
                arriving.close()
            hub.close()
    return (total - rest / rested * took) / SAMPLE_MESSAGES


def table(rows, heading):
    """A table of names and numbers."""
    return [f"| {heading} | Instructions |", "|---|---:|", *(f"| {name} | {count:,.0f} |" for name, count in rows)]


def publish(name, rows, write):
    """Prints a table, and writes it to the document."""
    print("\n".join(rows), end="\n\n", flush=True)
    if write:
        DOCUMENT.write_text(write_table(DOCUMENT.read_text(encoding="utf-8"), name, rows), encoding="utf-8")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=Path, help="directory for the builds, one folder each")
    parser.add_argument("--no-build", action="store_true", help="take the image as it is")
    parser.add_argument("--no-connect", action="store_true", help="measure no connects")
    parser.add_argument("--no-sample", action="store_true", help="do not measure Zephyr's sample")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="print the N most expensive functions")
    parser.add_argument("--write", action="store_true", help="write the tables of docs/performance.md")
    arguments = parser.parse_args()
    arguments.build.mkdir(parents=True, exist_ok=True)
    plugin = compile_plugin(arguments.build)
    image = arguments.build / "mps2_an385"
    if not arguments.no_build:
        build_image(image, ROOT)
    message, rest, last = measure_messages(image, plugin)
    print(json.dumps(last), file=sys.stderr)
    layers, functions = whose(image / "zephyr/zephyr.elf", tool(image, "NM"), tool(image, "ADDR2LINE"), message)
    publish("layers", table(layers.most_common(), "Layer"), arguments.write)
    for name, count in functions.most_common(arguments.functions):
        print(f"{count:10,.0f}  {name}", flush=True)
    costs = [("a message of telemetry with its PUBACK", sum(message.values())), ("a second without work", sum(rest.values()))]
    if not arguments.no_connect:
        costs += [(f"a connect, {name}", measure_connect(image, plugin, kind)) for name, kind in CREDENTIALS.items()]
    publish("costs", table(costs, f"{QEMU_BOARD}, default configuration"), arguments.write and not arguments.no_connect)
    if not arguments.no_sample:
        cost = measure_sample(arguments.build / "mqtt_azure", plugin)
        costs = [("`mqtt_azure`, a message with its PUBACK", cost)]
        publish("sample", table(costs, "Zephyr's C sample"), arguments.write)


if __name__ == "__main__":
    main()
