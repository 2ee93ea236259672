# SPDX-License-Identifier: Apache-2.0
"""A PPP line, as the Renesas RZ/A board has: it is cut, and its other end restarts. Nothing that was sent is missing."""

import time

import pytest
from telemetry import assert_nothing_missing

NAME = "line-device"
RENEWED = "the PPP link brings nothing; it is taken down and up again"
# Seconds until a dead line is noticed (keep-alive of 10 s, an answer to PINGREQ), and three attempts of 30 s each with
# their waits.
BOUND = 180


@pytest.fixture(name="joined")
def fixture_joined(device, hub, ppp):
    """A device that has sent over the line."""
    device.provision(hub, hub.create_sas(NAME))
    hub.wait_for_connections(NAME, 1)
    hub.events(NAME, 3)
    assert ppp.requests > 0
    return device


def assert_back(device, hub, since):
    """New telemetry arrives, and none before it is missing."""
    stored = len(hub.events(NAME, 1))
    hub.events(NAME, stored + 3)
    print(f"telemetry again {time.monotonic() - since:.1f} s after it")
    assert_nothing_missing(device, hub, NAME, timeout=BOUND)


def test_a_line_that_is_cut_for_20_s_is_used_again_as_it_was(joined, hub, ppp):
    requests = ppp.requests
    ppp.cut()
    time.sleep(20)
    ppp.mend()
    assert_back(joined, hub, time.monotonic())
    assert ppp.requests == requests, "nothing was negotiated anew"


def test_a_peer_that_restarts_and_asks_is_answered(joined, hub, ppp):
    start = time.monotonic()
    ppp.restart(waits=False)
    connections = hub.connections(NAME)
    hub.wait_for_connections(NAME, connections + 1, timeout=BOUND)
    print(f"joined again {time.monotonic() - start:.1f} s after the restart")
    assert_back(joined, hub, start)


def test_a_peer_that_restarts_and_waits_is_asked_within_a_bounded_time(joined, hub, ppp):
    start = time.monotonic()
    requests = ppp.requests
    ppp.restart(waits=True)
    connections = hub.connections(NAME)
    joined.wait(RENEWED, BOUND)
    print(f"renewed {time.monotonic() - start:.1f} s after the restart")
    hub.wait_for_connections(NAME, connections + 1, timeout=BOUND)
    print(f"joined again {time.monotonic() - start:.1f} s after the restart")
    assert ppp.requests > requests
    assert_back(joined, hub, start)


def test_a_line_that_was_dead_at_the_start_comes_up(request, hub, ppp):
    ppp.cut()
    ppp.restart(waits=True)
    device = request.getfixturevalue("device")
    device.provision(hub, hub.create_sas(NAME))
    device.wait("network: waiting for an address", 90)
    start = time.monotonic()
    ppp.mend()
    hub.wait_for_connections(NAME, 1, timeout=BOUND)
    print(f"joined {time.monotonic() - start:.1f} s after the line was whole")
    assert_back(device, hub, start)


def test_a_hub_out_of_reach_does_not_end_a_line_that_answers(joined, hub, ppp):
    requests = ppp.requests
    hub.kill()
    # Told the first, the second and the fourth time.
    for _ in range(3):
        joined.wait("TCP: nobody listens there", 90)
    assert ppp.requests == requests
    assert not joined.says(RENEWED)
    hub.start()
    assert_back(joined, hub, time.monotonic())
