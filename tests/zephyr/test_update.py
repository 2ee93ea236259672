# SPDX-License-Identifier: Apache-2.0
"""Software updates with the real MCUboot, on mps2/an385 in QEMU, whose flash is in a file.

    west build --sysbuild -b mps2/an385 -d BUILD . -- -Dmcuboot_EXTRA_CONF_FILE=tests/zephyr/flash/slow_swap.conf
        -DEXTRA_CONF_FILE="tests/zephyr/test.conf;tests/zephyr/update.conf;tests/zephyr/queue_always.conf"

and then as tests/zephyr/machine.py says. A kill of QEMU is a power cut; AZURE_TEST_KILLS says how many there are. MCUboot's
own development key signs the images, which the workspace has.
"""

import os
import random
import re
import time

import pytest
from images import Images, UpdateHub
from telemetry import not_sampled
from test_queue import starts, wait_until_sent

KILLS = int(os.environ.get("AZURE_TEST_KILLS", "8"))
FIRST = "0.1.0"
# A line of each start of the application.
STARTED = r"Azure IoT Hub device (\S+) on Zephyr"
NOT_KEPT = 8 << 16
TOO_OFTEN = NOT_KEPT | 1
NOT_JOINED = NOT_KEPT | 3
DOWNLOAD, TRUST = 6 << 16, 3 << 16


@pytest.fixture(name="update_hub")
def fixture_update_hub(unlaunched_dut, tmp_path):
    """A hub whose updates the image trusts."""
    hub = UpdateHub(tmp_path / "updates", Images(unlaunched_dut, tmp_path))
    yield hub.start()
    hub.close()


def join(device, hub, name):
    """Provisions a device, and waits until it has joined."""
    device.provision(hub, hub.create_sas(name))
    hub.wait_for_connections(name, 1)
    hub.wait_for_reported(name, lambda reported: "deviceUpdate" in reported)


def wait_for_version(device, version, timeout=120):
    """Waits for the next start, which has to be of this version."""
    assert device.wait(STARTED, timeout).group(1) == version


def assert_reverted(device, hub, name, code, timeout=120):
    """The device is back with the first image, and has told why. An image that ends before it could note that it began is
    tried again, CONFIG_AZURE_UPDATE_RESTARTS times: a power cut looks the same."""
    wait_for_version(device, FIRST)
    result = hub.wait_for_result(name, 0, timeout)
    assert result["extendedResultCode"] == code, result
    assert hub.agent(name)["state"] == 255
    device.command("azure update status", rf"image +{re.escape(FIRST)}, kept")
    return result


def test_an_update_is_taken_proven_and_kept(device, update_hub, restart):
    join(device, update_hub, "modern")
    begun = time.monotonic()
    update_hub.offer("0.2.0", "modern")
    device.wait(r"downloading 0\.2\.0 of \d+ bytes, from byte 0")
    device.wait(r"the file of \S+ is whole and verified", 120)
    downloaded = time.monotonic()
    device.wait("restarting into 0.2.0, on trial")
    device.wait("Swap type: test")
    wait_for_version(device, "0.2.0")
    device.wait(r"update: \S+ is on trial for")
    device.wait("0.2.0 is installed, and is kept", 60)
    kept = time.monotonic()
    print(f"download {downloaded - begun:.1f} s, then swap, start and proof {kept - downloaded:.1f} s", flush=True)
    update_hub.wait_for_result("modern", 700)
    assert '"version":"0.2.0"' in update_hub.agent("modern")["installedUpdateId"]
    assert update_hub.twin("modern")["reported"]["firmwareVersion"] == "0.2.0"
    restart()
    device.command("azure update status", r"image +0\.2\.0, kept")
    device.command("azure update status", rf"other slot +{re.escape(FIRST)}")
    device.command("azure update status", r"download +\d+ of \d+ bytes")


def test_an_image_that_hangs_gives_way_to_the_one_before(device, update_hub):
    join(device, update_hub, "hanging")
    update_hub.offer("0.2.0", "hanging", criterion="0.2.0+1")
    device.wait("restarting into 0.2.0", 120)
    wait_for_version(device, "0.2.0+1")
    # The watchdog bites, after a minute each time.
    assert_reverted(device, update_hub, "hanging", TOO_OFTEN, 420)


def test_an_image_that_panics_gives_way_and_its_fault_is_told(device, update_hub):
    join(device, update_hub, "panicking")
    update_hub.offer("0.2.0", "panicking", criterion="0.2.0+2")
    device.wait("restarting into 0.2.0", 120)
    wait_for_version(device, "0.2.0+2")
    result = assert_reverted(device, update_hub, "panicking", TOO_OFTEN)
    # The details are shortened: one of the fault's addresses has to be left.
    fault = update_hub.twin("panicking")["reported"]["lastFault"]
    addresses = re.findall(r"0x\w+", fault)
    assert any(address in result["resultDetails"] for address in addresses), (fault, result)


def test_an_image_that_cannot_reach_the_hub_goes_back_by_itself(device, update_hub):
    join(device, update_hub, "lonely")
    update_hub.offer("0.2.0", "lonely")
    device.wait("restarting into 0.2.0", 120)
    update_hub.kill()
    wait_for_version(device, "0.2.0")
    device.wait("going back to the image before: the new image did not join its hub in time", 90)
    wait_for_version(device, FIRST)
    update_hub.start()
    result = update_hub.wait_for_result("lonely", 0, 180)
    assert result["extendedResultCode"] == NOT_JOINED, result


def test_an_image_whose_power_is_cut_before_its_report_gives_way(device, update_hub, restart):
    join(device, update_hub, "cut")
    update_hub.offer("0.2.0", "cut")
    device.wait("restarting into 0.2.0", 120)
    wait_for_version(device, "0.2.0")
    device.wait(r"update: \S+ is on trial for")
    restart()
    device.position = 0
    result = update_hub.wait_for_result("cut", 0)
    assert result["extendedResultCode"] == NOT_KEPT, result
    device.command("azure update status", rf"image +{re.escape(FIRST)}, kept")


def test_files_and_manifests_that_are_not_genuine_are_refused(device, update_hub):
    join(device, update_hub, "careful")
    update_hub.publish("0.2.0")
    for fault, code in (("wrong-hash", DOWNLOAD), ("wrong-signature", TRUST), ("unknown-key", TRUST)):
        update_hub.run("update", "fault", fault)
        update_hub.deploy("0.2.0", "careful")
        device.wait("update: failed", 120)
        result = update_hub.wait_for_result("careful", 0)
        assert result["extendedResultCode"] & ~0xFFFF == code, (fault, result)
    # And one that is genuine is taken then.
    update_hub.deploy("0.2.0", "careful")
    device.wait("0.2.0 is installed, and is kept", 180)


class Cuts:
    """Power cuts, spread over an update."""

    # By phase: the line that begins it, and how long it takes, in seconds.
    PHASES = {
        "download": (r"update: downloading", 1.5),
        "restart": (r"update: restarting into", 1),
        "swap": (r"Swap type: (test|revert)", 5),
        "trial": (r"update: \S+ is on trial for", 1),
        "confirmation": (r"is installed, and is kept", 0.3),
        "idle": (r"is installed, and is kept", 5),
    }

    def __init__(self, device, hub, name, restart):
        self.device, self.hub, self.name, self.restart = device, hub, name, restart
        self.chance = random.Random(20261127)
        self.version, self.next, self.measured = FIRST, 0, []
        self.seen = {}

    def told(self, question):
        """The answer to a question. The restart of an update may swallow it: it is asked again then."""
        for _ in range(3):
            start = len(self.device.lines)
            try:
                return question()
            except AssertionError:
                starts = [n for n in range(start, len(self.device.lines)) if "Booting MCUboot" in self.device.lines[n]]
                if not starts:
                    raise
                self.device.position = starts[-1]
                self.device.ready()
        raise AssertionError("the device restarts again and again")

    def running(self):
        """The version that runs, and True if it was kept."""
        pattern = r"image +(\S+), (kept|on trial)"
        found = self.told(lambda: self.device.command("azure update status", pattern, 30))
        return found.group(1), found.group(2) == "kept"

    def offer(self):
        """Deploys a newer version, unless one is under way."""
        agent = self.hub.agent(self.name)
        if agent.get("state") != 6:
            version, kept = self.running()
            self.version = version if kept else self.version
            self.next += 1
            self.hub.offer(f"0.2.{self.next}", self.name)

    def wait_for(self, phase):
        """Waits until a phase has begun. False if the workflow ended before."""
        line, length = self.PHASES[phase]
        ended = r"update: failed|is installed, and is kept|already installed"
        try:
            found = self.device.wait(rf"{line}|{ended}", 90)
        except AssertionError:
            return False
        time.sleep(self.chance.uniform(0, length))
        return re.search(line, found.group(0)) is not None

    def survive(self):
        """Switches the power off and on; the device has to join with the image that was kept, or with a newer one."""
        joined = self.hub.connections(self.name)
        self.restart()
        self.hub.wait_for_connections(self.name, joined + 1, 120)
        version, _ = self.running()
        kept = int(self.version.rsplit(".", 1)[1]) if self.version != FIRST else 0
        assert version in (self.version, *(f"0.2.{n}" for n in range(kept + 1, self.next + 1))), version
        return version

    def note(self):
        """Notes what this start has measured so far, and will not measure less of."""
        status = self.told(self.device.status)
        due = [int(number) for number in re.findall(r"\d+", status["telemetry"])][0]
        start = next(n for n in range(len(self.device.lines) - 1, 0, -1) if "reset cause" in self.device.lines[n])
        mounted = [re.search(r"queue: (\d+) messages of an earlier start", line) for line in self.device.lines[start:]]
        self.measured.append(due - sum(int(match.group(1)) for match in mounted if match) - not_sampled(status))


def test_power_cuts_during_updates_lose_neither_the_device_nor_telemetry(device, update_hub, restart):
    join(device, update_hub, "brave")
    cuts = Cuts(device, update_hub, "brave", restart)
    for kill in range(KILLS):
        phase = list(Cuts.PHASES)[kill % len(Cuts.PHASES)]
        cuts.offer()
        reached = cuts.wait_for(phase)
        version = cuts.survive()
        cuts.note()
        key = (phase if reached else f"{phase} (passed)", "new" if version != cuts.version else "old")
        cuts.seen[key] = cuts.seen.get(key, 0) + 1
        print(f"cut {kill + 1}: {key[0]}, {version}, {cuts.measured[-1]} measured", flush=True)
    events = wait_until_sent(device, update_hub, "brave", 600)
    sums = sum(len(numbers) for numbers in starts(events))
    assert sums >= sum(cuts.measured), f"{sum(cuts.measured) - sums} are missing of {sum(cuts.measured)}"
    print(f"{KILLS} cuts: {cuts.seen}; {sums} messages at the hub, {sum(cuts.measured)} told of", flush=True)
