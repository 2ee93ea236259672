# SPDX-License-Identifier: Apache-2.0
"""Messages in flash outlive restarts, power cuts and days without the hub. AZURE_TEST_KILLS says how often the power is cut."""

import os
import random
import re
import time

from conftest import config_of
from telemetry import not_sampled

KILLS = int(os.environ.get("AZURE_TEST_KILLS", "5"))
# Messages that a power cut may cost in the mode spill: those of CONFIG_AZURE_QUEUE_SPILL_AFTER_S, at one each 2 s, and one
# that was being measured.
SPILL_AFTER_S = 6
YOUNG = SPILL_AFTER_S // 2 + 2
# What `azure send` answers.
SENT = r"Sent, and|Queued|Asked for|was dropped|nothing was sent"
ALWAYS = "CONFIG_AZURE_QUEUE_ALWAYS=y"


def queued(device):
    """How many messages are in flash."""
    return int(re.search(r"(\d+) messages in flash", device.status()["queue"]).group(1))


def first_copies(events):
    """The messages in the order in which the hub got each for the first time: time of measuring, if it is known, and number.

    A simulator's random numbers, and so its message ids, may repeat after a restart: the time is added. A start that was
    cut before its clock was set gives uptimes instead."""
    seen, first = set(), []
    for event in events:
        application = event["properties"]["application"]
        time_of = application.get("iothub-creation-time-utc")
        undated = (application.get("createdBoot"), application.get("createdUptimeMs"))
        assert time_of or all(undated), event
        key = (event["properties"]["system"]["message_id"], time_of, undated)
        if key not in seen:
            seen.add(key)
            first.append((time_of, event["payload"]["count"]))
    return first


def starts(events):
    """The numbers of the messages of each start of the device, which counts from 1. They came in order."""
    first = first_copies(events)
    times = [time_of for time_of, _ in first if time_of]
    assert times == sorted(times), "oldest first"
    found = []
    for _, count in first:
        if not found or count <= found[-1][-1]:
            found.append([])
        found[-1].append(count)
    return found


def wait_until_sent(device, hub, name, timeout=180):
    """Waits until nothing is queued any more; gives the hub's messages."""
    end = time.monotonic() + timeout
    while queued(device) > 0 or device.telemetry()[3] > 0:
        assert time.monotonic() < end, f"after {timeout} s: {device.status()}"
        time.sleep(0.5)
    return hub.all_events(name)


def test_an_outage_with_a_restart_loses_nothing(device, hub, restart):
    device.provision(hub, hub.create_sas("patient"))
    hub.events("patient", 3)
    hub.kill()
    device.wait("TCP: nobody listens there", 60)
    time.sleep(20)
    kept = queued(device)
    assert kept >= 4, device.status()
    restart()
    device.wait(r"queue: \d+ messages of an earlier start wait to be sent", 60)
    end = time.monotonic() + 60
    while queued(device) < kept:
        assert time.monotonic() < end, device.status()
        time.sleep(1)
    hub.start()
    events = wait_until_sent(device, hub, "patient")
    found = starts(events)
    assert len(found) == 2
    first, second = found
    assert first == list(range(1, len(first) + 1)) and len(first) >= kept
    # What fell due while the device waited for a time server, which blocks on Zephyr, was not measured.
    assert second[-1] - len(second) <= not_sampled(device.status())


def test_the_queue_is_shown_and_cleared(device, hub):
    device.provision(hub, hub.create_sas("cleared"))
    hub.events("cleared", 2)
    hub.kill()
    device.wait("TCP: nobody listens there", 60)
    time.sleep(15)
    before = queued(device)
    assert before > 4
    device.command("azure queue", r"queue +\d+ messages in flash, the oldest of 20\d\d-")
    device.command("azure queue maybe", "azure queue clear")
    device.command("azure queue clear", "what was not sent yet is erased")
    device.wait(r"queue: \d+ messages were erased, as asked", 30)
    end = time.monotonic() + 30
    while device.dropped("erased") < before:
        assert time.monotonic() < end, device.status()
        time.sleep(1)
    assert queued(device) < before
    hub.start()
    hub.wait_for_connections("cleared", 2)
    time.sleep(15)
    status, answer = hub.call("cleared", "clearQueue")
    assert (status, "queued" in answer) == (200, True)
    reported = hub.wait_for_reported("cleared", lambda reported: reported.get("dropped", {}).get("erased", 0) > 0)
    assert reported["queuedInFlash"] >= 0


def test_power_cuts_under_load_cost_only_what_the_mode_allows(device, hub, restart, unlaunched_dut):
    always = ALWAYS in config_of(unlaunched_dut)
    device.provision(hub, hub.create_sas("unlucky"))
    hub.events("unlucky", 2)
    chance = random.Random(20261126)
    measured = []
    hub_runs = True
    for kill in range(KILLS):
        if hub_runs != (chance.random() < 0.5):
            hub_runs = not hub_runs
            (hub.start if hub_runs else hub.kill)()
        time.sleep(chance.uniform(0, 12))
        for _ in range(chance.randrange(4)):
            device.command("azure send", SENT, 60)
        status = device.status()
        due = [int(number) for number in re.findall(r"\d+", status["telemetry"])][0]
        # What this start measured itself, and will not measure less of.
        start = next((n for n in range(len(device.lines) - 1, 0, -1) if "reset cause" in device.lines[n]), 0)
        mounted = [re.search(r"queue: (\d+) messages of an earlier start", line) for line in device.lines[start:]]
        mounted = sum(int(match.group(1)) for match in mounted if match)
        lost = sum(int(number) for number in re.findall(r"(?:notSampled|damaged) (\d+)", status["dropped"]))
        measured.append(due - mounted - lost)
        time.sleep(chance.uniform(0, 0.3))
        restart()
        device.wait("network: address", 60)
        print(f"kill {kill + 1}: {measured[-1]} measured, {queued(device)} in flash", flush=True)
    if not hub_runs:
        hub.start()
    events = wait_until_sent(device, hub, "unlucky", 600)
    sums = sum(len(numbers) for numbers in starts(events))
    allowed = 0 if always else YOUNG * KILLS
    assert sums >= sum(measured) - allowed, f"{sum(measured) - sums} are missing of {sum(measured)}"
    copies = len(events) - sums
    assert copies <= KILLS * (8 + 2 * 4), f"{copies} copies"
    print(f"{KILLS} kills: {sums} messages at the hub, {sum(measured)} told before the kills, {copies} copies")
