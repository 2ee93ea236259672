# SPDX-License-Identifier: Apache-2.0
"""The Wi-Fi module fails in every way that the simulated one knows; the device comes back, and nothing is missing."""

import time

import pytest
from telemetry import assert_nothing_missing
from wifi_module import PASSWORD, SSID

NAME = "wireless"
RESET = "the Wi-Fi module does not answer; it is reset"
JOINED = "network: joined the Wi-Fi network"
LOST = "connection: the hub closed it without a word|connection: it broke"
# The longest that the driver waits for an answer to a write, and the module's start.
SILENCE_S = 25


@pytest.fixture(name="figures", scope="session")
def fixture_figures():
    """Seconds that things took; told at the end."""
    found = {}
    yield found
    print("\n".join(f"ism43362: {name}: {seconds:.1f} s" for name, seconds in found.items()))


@pytest.fixture(name="joined")
def fixture_joined(device, hub, wifi):
    """The device has joined its network and its hub, and sends every two seconds."""
    device.provision(hub, hub.create_sas(NAME))
    hub.events(NAME, 1)
    return wifi


def assert_recovered(device, hub, connections=None):
    """The device is connected (for the nth time), takes messages, and lost nothing; gives the seconds until then."""
    start = time.monotonic()
    if connections:
        hub.wait_for_connections(NAME, connections, timeout=120)
    seconds = time.monotonic() - start
    hub.send(NAME, "still there")
    # One whose acknowledgement was lost comes again.
    device.wait("cloud-to-device message of 11 bytes(, again)?: still there", 90)
    assert_nothing_missing(device, hub, NAME)
    return seconds


def test_the_network_is_joined_once_for_a_whole_provisioning(device, hub, wifi, figures):
    start = time.monotonic()
    device.provision(hub, *hub.create_x509(NAME))
    hub.events(NAME, 1)
    figures["provisioned by hand and joined"] = time.monotonic() - start
    status = wifi.status()
    assert status["joins"] == 1
    assert status["resets"] <= 1
    assert device.status()["Wi-Fi"].startswith(f"{SSID}, -52 dBm; ")


@pytest.mark.parametrize("seconds", [3, 20])
def test_the_network_is_lost_and_comes_back(device, hub, joined, figures, seconds):
    joined.command("lose", seconds)
    device.wait("network: the Wi-Fi network is lost")
    assert device.status()["network"] == "no address"
    back = joined.wait(lambda status: status["joined"], 60)
    figures[f"network lost for {seconds} s: joined again after"] = back
    figures[f"network lost for {seconds} s: hub reached after"] = assert_recovered(device, hub, 2)
    assert device.status()["network"] == "192.0.2.7"


def test_a_wrong_password_is_told_once_and_the_right_one_is_taken_at_once(device, hub, wifi):
    device.join(SSID, "wrong password")
    device.wait("cannot join the Wi-Fi network; check its name and password")
    device.pump(25)
    assert sum("cannot join" in line for line in device.lines) == 1
    joins = wifi.status()["joins"]
    device.join(SSID, PASSWORD)
    assert wifi.wait(lambda status: status["joins"] > joins, 8) < 5
    device.wait(JOINED, 5)
    device.provision(hub, hub.create_sas(NAME))
    hub.events(NAME, 1)


@pytest.mark.parametrize("ssid", ["IN", "a b, c", "192.168.1.1", "12345678901234567890123456789012"])
def test_the_address_is_right_whatever_the_network_is_called(device, wifi, ssid):
    wifi.command("network", ssid, PASSWORD)
    device.join(ssid, PASSWORD)
    device.wait(JOINED)
    assert device.status()["network"] == "192.0.2.7"


def test_an_open_network_is_joined(device, wifi):
    wifi.command("network", "open house")
    device.join("open house", "")
    device.wait(JOINED)


def test_a_module_that_falls_silent_is_reset_until_it_answers(device, hub, joined, figures):
    joined.command("fault", "silent", -1)
    device.wait(RESET, SILENCE_S)
    device.wait("does not answer after a reset", 30)
    device.pump(20)
    assert sum("does not answer after a reset" in line for line in device.lines) == 1
    resets = joined.status()["resets"]
    joined.command("clear")
    figures["silent module: joined again after"] = joined.wait(lambda status: status["joined"], 90)
    assert_recovered(device, hub, 2)
    assert resets >= 3
    assert "was reset" in device.status()["Wi-Fi"]


@pytest.mark.parametrize("command", ["R0", "S3", "CS", "P6"])
def test_one_command_without_an_answer(device, hub, joined, figures, command):
    joined.command("only", command)
    joined.command("fault", "silent", 1)
    if command == "P6":
        hub.fault("drop-connection", NAME)
    start = time.monotonic()
    device.wait(RESET, SILENCE_S + 15)
    device.wait(JOINED, 30)
    figures[f"{command} without an answer: joined again after"] = time.monotonic() - start
    assert_recovered(device, hub, 2)


def test_a_module_that_restarts_by_itself(device, hub, joined, figures):
    joins = joined.status()["joins"]
    joined.command("restart")
    figures["module restarted by itself: joined again after"] = joined.wait(lambda now: now["joins"] > joins, 60)
    assert_recovered(device, hub, 2)


def test_a_module_that_does_not_start_after_two_resets(device, hub, joined, figures):
    joined.command("no-prompt", 2)
    joined.command("fault", "silent", 1)
    device.wait(RESET, SILENCE_S)
    start = time.monotonic()
    device.wait(JOINED, 90)
    figures["two resets without a prompt: joined again after"] = time.monotonic() - start
    assert_recovered(device, hub, 2)


@pytest.mark.parametrize(
    "kind, count, value",
    [("garbage", 3, 0), ("cut", 3, 4), ("cut", 1, 0), ("repeat", 3, 0), ("unasked", 20, 0), ("refuse", 2, 0)],
)
def test_wrong_answers(device, hub, joined, figures, kind, count, value):
    joined.command("fault", kind, count, value)
    joined.wait(lambda status: status["faults"] >= count, 90)
    start = time.monotonic()
    assert_recovered(device, hub)
    figures[f"{kind} {value}, {count} times: all well after"] = time.monotonic() - start


def test_late_answers(device, hub, joined):
    joined.command("fault", "late", 30, 300)
    joined.wait(lambda status: status["faults"] >= 30, 90)
    assert_recovered(device, hub)
    assert hub.connections(NAME) == 1, "late is not never"


def test_an_answer_that_is_later_than_the_driver_waits(device, hub, joined):
    joined.command("fault", "late", 1, 12000)
    device.wait(RESET, 40)
    assert_recovered(device, hub, 2)


def test_a_write_that_the_module_does_not_take(device, hub, joined):
    joined.command("fault", "write-fails", 1)
    device.wait(LOST)
    assert_recovered(device, hub, 2)


@pytest.mark.parametrize("how", ["minus", "error", "nothing"])
def test_the_end_of_a_connection_however_the_module_tells_it(device, hub, joined, figures, how):
    joined.command("end-as", how)
    start = time.monotonic()
    hub.kill()
    device.wait(LOST + "|connection: .*keep-alive|connection: .*silent", 90)
    figures[f"end of a connection told as {how}: noticed after"] = time.monotonic() - start
    hub.start()
    assert_recovered(device, hub, 2)


def test_a_name_that_does_not_exist_is_told_and_the_right_one_taken_at_once(device, hub):
    device.provision(hub, hub.create_sas(NAME))
    hub.events(NAME, 1)
    device.command("azure set address nowhere.invalid", "stored")
    device.wait("DNS: ", 60)
    device.command("azure set address localhost", "stored")
    hub.wait_for_connections(NAME, 2, timeout=20)


def test_a_network_that_is_lost_for_long_costs_no_measurement(device, hub, joined):
    # A real module takes some ten seconds for an attempt that fails.
    joined.command("only", "C0")
    joined.command("fault", "late", -1, 8000)
    joined.command("lose", 20)
    device.wait("network: the Wi-Fi network is lost")
    joined.wait(lambda status: status["in_reach"], 40)
    joined.command("clear")
    assert_recovered(device, hub, 2)
    assert device.dropped("notSampled") == 0
