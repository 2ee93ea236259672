# SPDX-License-Identifier: Apache-2.0
"""Connections end: the hub goes away, and tokens expire. Nothing that the device sent with QoS 1 is missing."""

import time

LIFE_S = 120


def counts(events):
    """The numbers that the device gave to its messages, each once, in their order at the hub."""
    seen = []
    for event in events:
        number = event["payload"]["count"]
        # At least once: a message whose acknowledgement was lost comes twice.
        if number not in seen:
            seen.append(number)
    return seen


def test_after_a_killed_hub_returns_no_message_is_missing(device, hub):
    device.provision(hub, hub.create_sas("steady"))
    hub.events("steady", 3)
    for round_number in (2, 3):
        hub.kill()
        time.sleep(7)
        hub.start()
        hub.wait_for_connections("steady", round_number)
    device.wait("connected|joined", 60)
    queued = int(device.status()["telemetry"].split()[0])
    numbers = counts(hub.events("steady", queued + 2))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= queued


def test_a_token_of_two_minutes_is_renewed_several_times(device, hub):
    device.provision(hub, hub.create_sas("renewing"))
    hub.wait_for_connections("renewing", 1)
    start = time.monotonic()
    hub.wait_for_connections("renewing", 4, timeout=3 * LIFE_S)
    # Three renewals, each after 70 to 85 % of the life of the token before.
    assert 3 * 0.6 * LIFE_S < time.monotonic() - start < 3 * LIFE_S
    status = device.status()
    assert "3 of them to renew the token; 0 failures" in status["connections"]
    numbers = counts(hub.events("renewing", int(status["telemetry"].split()[0])))
    assert numbers == list(range(1, len(numbers) + 1))
