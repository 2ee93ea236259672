# SPDX-License-Identifier: Apache-2.0
"""Connections end: the hub goes away, and tokens expire. Nothing that the device sent with QoS 1 is missing."""

import time

from telemetry import assert_nothing_missing

LIFE_S = 120


def test_after_a_killed_hub_returns_no_message_is_missing(device, hub):
    device.provision(hub, hub.create_sas("steady"))
    hub.events("steady", 3)
    for connections in (2, 3):
        hub.kill()
        device.wait("connection: the hub closed it without a word|connection: it broke")
        device.wait("TCP: nobody listens there")
        # Telemetry falls due meanwhile.
        time.sleep(7)
        hub.start()
        hub.wait_for_connections("steady", connections)
    assert_nothing_missing(device, hub, "steady")


def test_a_token_of_two_minutes_is_renewed_several_times(device, hub):
    device.provision(hub, hub.create_sas("renewing"))
    hub.wait_for_connections("renewing", 1)
    start = time.monotonic()
    hub.wait_for_connections("renewing", 4, timeout=3 * LIFE_S)
    # Three renewals, each after 70 to 85 % of the life of the token before.
    assert 3 * 0.6 * LIFE_S < time.monotonic() - start < 3 * LIFE_S
    assert "3 of them to renew the token; 0 failures" in device.status()["connections"]
    assert_nothing_missing(device, hub, "renewing")
