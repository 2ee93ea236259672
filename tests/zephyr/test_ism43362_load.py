# SPDX-License-Identifier: Apache-2.0
"""10,000 telemetry messages and 1,000 cloud-to-device messages at the same time over the Wi-Fi module, without a stop."""

import re
import threading
import time

from telemetry import counts

NAME = "busy"
SENT, TAKEN = 10_000, 1_000
# Commands that fit into the shell's receive buffer.
AT_ONCE = 10
SIZES = (10, 300, 1400, 1700)
# Without an answer for so long, the device has stopped.
STOPPED_S = 60


def bring(hub, problems):
    """Sends the cloud-to-device messages, a few each second, since fifty at most may wait for a device."""
    try:
        for number in range(TAKEN):
            size = SIZES[number % len(SIZES)]
            hub.send(NAME, f"{number:06}".ljust(size, "."))
            time.sleep(0.3)
    except Exception as problem:  # pylint: disable=broad-exception-caught
        problems.append(problem)


def answers(device):
    """How many times the shell told what became of a message."""
    return sum(bool(re.search("Sent, and acknowledged|Queued|Asked for", line)) for line in device.lines)


def test_ten_thousand_messages_out_and_a_thousand_in_at_the_same_time(device, hub, wifi):
    device.provision(hub, hub.create_sas(NAME))
    hub.events(NAME, 1)
    problems = []
    bringer = threading.Thread(target=bring, args=(hub, problems))
    start = time.monotonic()
    bringer.start()
    longest = 0.0
    for done in range(AT_ONCE, SENT + 1, AT_ONCE):
        device.send(b"azure send\n" * AT_ONCE)
        asked = time.monotonic()
        while answers(device) < AT_ONCE:
            device.pump(0.05)
            waited = time.monotonic() - asked
            assert waited < STOPPED_S, f"nothing for {waited:.0f} s after {done} messages:\n" + "\n".join(device.lines[-30:])
        longest = max(longest, time.monotonic() - asked)
        # The console's lines of an hour would be searched again and again.
        device.lines.clear()
        device.position = 0
    bringer.join(1800)
    assert not problems, problems
    seconds = time.monotonic() - start
    end = time.monotonic() + 120
    while int(re.match(r"\d+", device.status()["messages"]).group()) < TAKEN:
        assert time.monotonic() < end, device.status()
        time.sleep(1)
    status = device.status()
    due, acknowledged, dropped, _ = [int(number) for number in re.findall(r"\d+", status["telemetry"])]
    numbers = counts(hub.events(NAME, acknowledged, timeout=300))
    assert due >= SENT and numbers == sorted(numbers)
    assert len(numbers) + dropped >= numbers[-1]
    assert hub.connections(NAME) <= 1 + seconds // 60, "renewals of the token, and nothing else"
    told = wifi.status()
    print(
        f"ism43362: {acknowledged} telemetry messages acknowledged, {dropped} not measured, "
        f"{status['messages']} from the cloud, in {seconds:.0f} s; the longest wait for {AT_ONCE} messages {longest:.1f} s; "
        f"{told['commands']} commands, {told['bytes_sent']} bytes out, {told['bytes_received']} in; resets {told['resets']}"
    )
