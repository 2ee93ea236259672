# SPDX-License-Identifier: Apache-2.0
"""What must be true of telemetry however badly things went: at least once, in order, nothing missing."""

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


def assert_nothing_missing(device, hub, name, timeout=120):
    """All that the device `name` measured so far reaches the hub, and the device learns so."""
    queued, _, dropped, _ = device.telemetry()
    assert dropped == 0
    end = time.monotonic() + timeout
    while device.telemetry()[1] < queued:
        assert time.monotonic() < end, f"after {timeout} s: {device.status()}"
        time.sleep(0.5)
    numbers = counts(hub.events(name, queued))
    assert numbers == list(range(1, len(numbers) + 1))
