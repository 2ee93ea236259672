# SPDX-License-Identifier: Apache-2.0
"""Provisioned values survive a power cut before each operation on the flash: the old value is there, or the new one.

For mps2/an385 with its flash in a file, by `pytest -p machine` (machine.py). The power is cut by QEMU's gdb stub, before the
first operation of a change, before the second, and so on until the change ends without a cut.
"""

import shutil
import tempfile
import time
from pathlib import Path

import pytest
from console import CTRL_D
from gdb import PowerCut

# More operations than any change has.
MOST = 200
FORGOTTEN = "is forgotten"


@pytest.fixture(name="cut")
def fixture_cut(device, unlaunched_dut):
    """Does a change again and again, and cuts the power before one operation more each time. After each cut the device
    starts, and is checked: `check` gets what `mark` gave before that start."""
    machine = unlaunched_dut
    assert machine.device_config.lasting, "the flash has to outlive QEMU"
    folder = tempfile.TemporaryDirectory()
    before, path = Path(folder.name) / "before.bin", Path(folder.name) / "gdb"

    def start():
        machine.launch()
        device.position = len(device.lines)
        device.ready()

    def cut(change, mark, check):
        machine.close()
        shutil.copy(machine.flash, before)
        for operation in range(1, MOST):
            shutil.copy(before, machine.flash)
            path.unlink(missing_ok=True)
            machine.more = ["-gdb", f"unix:{path},server=on,wait=off"]
            start()
            power = PowerCut(machine, path, operation)
            try:
                change(power.happened)
            except (AssertionError, BrokenPipeError):
                if not power.happened.is_set():
                    raise
            ended = not power.happened.is_set()
            machine.close()
            machine.more = []
            marked = mark()
            start()
            check(ended, marked)
            machine.close()
            if ended:
                print(f"{operation - 1} cuts", flush=True)
                return operation - 1
        raise AssertionError("the change does not end")

    yield cut
    machine.close()
    folder.cleanup()


def until(device, happened, command, answer):
    """Types a command. True when it is answered, false when the power is cut before."""
    device.type(f"{command}\n")
    return answered(device, happened, answer)


def answered(device, happened, answer):
    """Waits for an answer. False if the power is cut before."""
    while not happened.is_set():
        start = device.position
        try:
            device.wait(answer, 1)
            return True
        except AssertionError:
            device.position = start
    return False


def joined(device, hub, names, before):
    """Waits until one of the devices has joined since there were so many connections of each; gives its name."""
    end = time.monotonic() + 120
    while True:
        for name, count in zip(names, before, strict=True):
            if hub.connections(name) > count:
                return name
        assert time.monotonic() < end, "\n".join(device.lines[-40:])
        device.pump(0.2)


def test_a_connection_string_is_the_old_or_the_new_one(device, hub, cut):
    old, new = hub.create_sas("old"), hub.create_sas("new")
    device.provision(hub, old)
    hub.wait_for_connections("old", 1)

    names = ("old", "new")

    def check(ended, before):
        assert joined(device, hub, names, before) in (names[1:] if ended else names)

    def change(happened):
        until(device, happened, f"azure set connection-string {new}", "Connection string stored")

    assert cut(change, lambda: [hub.connections(name) for name in names], check) > 0


def test_a_pair_is_the_old_or_the_new_one(device, hub, cut):
    root = hub.certify("root-of-pairs", ca=True)
    text = hub.run("device", "create", "pair", "--auth", "x509-ca", "--certificate", root[0])
    certificate, key = (path.read_text() for path in hub.certify("pair", issuer=root))
    device.provision(hub, text, certificate, key)
    device.wait("the new pair has connected and is the one in use", 60)
    certificate, key = (path.read_text() for path in hub.certify("pair", issuer=root))

    def change(happened):
        if until(device, happened, "azure set certificate", "Paste"):
            device.type(certificate + CTRL_D)
            if answered(device, happened, "Certificate stored") and until(device, happened, "azure set key", "Paste"):
                device.type(key)
                if answered(device, happened, "Key stored"):
                    answered(device, happened, "the new pair has connected and is the one in use")

    cuts = cut(change, lambda: [hub.connections("pair")], lambda _, before: joined(device, hub, ["pair"], before))
    assert cuts > 4


def test_an_assignment_is_kept_or_asked_for_again(device, hub, cut):
    key = hub.enroll("assigned")
    device.enroll(hub, "assigned", symmetric_key=key)
    hub.wait_for_connections("assigned", 1)
    device.command("azure forget", FORGOTTEN, 30)

    def change(happened):
        device.enroll(hub, "assigned", symmetric_key=key)
        answered(device, happened, "provisioning: assigned to localhost")

    def check(_, before):
        # What was provisioned so far is there, and can be completed.
        device.enroll(hub, "assigned", symmetric_key=key)
        joined(device, hub, ["assigned"], before)

    assert cut(change, lambda: [hub.connections("assigned")], check) > 4


def test_forgetting_can_be_repeated(device, hub, cut):
    text, certificate, key = hub.create_x509("fading", "ecc")
    device.provision(hub, text, certificate, key)
    hub.wait_for_connections("fading", 1)

    def check(_, before):
        device.command("azure forget", FORGOTTEN, 30)
        device.provision(hub, text, certificate, key)
        joined(device, hub, ["fading"], before)

    def change(happened):
        until(device, happened, "azure forget", FORGOTTEN)

    assert cut(change, lambda: [hub.connections("fading")], check) > 2
