# SPDX-License-Identifier: Apache-2.0
"""What must be true of telemetry however badly things went: at least once, in order, nothing missing uncounted."""

import re
import time


def counts(events):
    """The numbers that the device gave to its messages, each once, in their order at the hub."""
    seen = []
    for event in events:
        number = event["payload"]["count"]
        # At least once: a message whose acknowledgement was lost comes twice.
        if number not in seen:
            seen.append(number)
    return seen


def not_sampled(status):
    """How many messages fell due while the device was busy, such as with a TLS handshake, and were not measured."""
    found = re.search(r"\bnotSampled (\d+)", status["dropped"])
    return int(found.group(1)) if found else 0


def assert_nothing_missing(device, hub, name, timeout=120):
    """All that the device `name` measured so far reaches the hub, and the device learns so."""
    status = device.status()
    due, _, dropped, _ = [int(number) for number in re.findall(r"\d+", status["telemetry"])]
    assert dropped == not_sampled(status), status
    end = time.monotonic() + timeout
    while device.telemetry()[1] < due - dropped:
        assert time.monotonic() < end, f"after {timeout} s: {device.status()}"
        time.sleep(0.5)
    numbers = counts(hub.events(name, due - dropped))
    assert numbers == sorted(numbers)
    missing = numbers[-1] - len(numbers)
    assert missing <= dropped, f"{missing} are missing, {dropped} were counted: {numbers}"
