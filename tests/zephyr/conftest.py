# SPDX-License-Identifier: Apache-2.0
"""A hub for each test, and the device that twister built, with nothing provisioned."""

import pytest
from console import Console
from hub import Hub
from machine import Machine
from ppp_peer import PppPeer
from wifi_module import PASSWORD, SSID, WifiModule
from twister_harness.exceptions import TwisterHarnessException, TwisterHarnessTimeoutException


def config_of(dut):
    """The image's Kconfig values, as text."""
    return (dut.device_config.app_build_dir / "zephyr" / ".config").read_text(encoding="utf-8")


@pytest.fixture(name="unlaunched_dut")
def fixture_unlaunched_dut(request):
    """The device, switched off: twister's. Twister's QEMU has no flash that outlives it, so machine.py runs an image whose
    flash does."""
    harness = getattr(request.config, "twister_harness_config", None)
    build = harness and harness.devices[0].app_build_dir
    image = build and build / "zephyr" / "zephyr.elf"
    if not image or not Machine.outlives(image):
        yield request.getfixturevalue("unlaunched_dut")
        return
    machine = Machine(image)
    yield machine
    machine.close()


@pytest.fixture(name="ipv6")
def fixture_ipv6(unlaunched_dut):
    """True if the device reaches the hub by IPv6: it has nothing else, or its network has nothing else."""
    config = config_of(unlaunched_dut)
    return "CONFIG_AZURE_IPV6=y" in config or "ipv4=off" in config


@pytest.fixture(name="start_hub")
def fixture_start_hub(tmp_path, ipv6):
    """Starts hubs, each in a directory of its own; they end with the test."""
    hubs = []

    def start(**options):
        loopback = "[::1]" if ipv6 else "127.0.0.1"
        hubs.append(Hub(tmp_path / f"hub{len(hubs)}", loopback, **options))
        return hubs[-1].start()

    yield start
    for hub in hubs:
        hub.close()


@pytest.fixture(name="hub")
def fixture_hub(start_hub):
    """A hub as Azure would be."""
    return start_hub()


def launch(dut):
    """Starts the device; one that does not come up is ended, which the harness leaves undone."""
    try:
        dut.launch()
    except TwisterHarnessException:
        dut._close_device()  # pylint: disable=protected-access
        raise


@pytest.fixture(name="wifi")
def fixture_wifi(unlaunched_dut):
    """The simulated Wi-Fi module, for an image that has its driver; None for others."""
    build = unlaunched_dut.device_config.app_build_dir
    config = config_of(unlaunched_dut)
    if "CONFIG_AZURE_ISM43362=y" not in config:
        yield None
        return
    module = WifiModule(build, "uart" if "CONFIG_AZURE_ISM43362_UART=y" in config else "spi")
    yield module
    module.close()


@pytest.fixture(name="ppp")
def fixture_ppp(unlaunched_dut):
    """The other end of the line, for an image whose network is PPP; None for others."""
    if "CONFIG_NET_L2_PPP=y" not in config_of(unlaunched_dut):
        yield None
        return
    peer = PppPeer(unlaunched_dut.device_config.app_build_dir / "ppp.sock")
    yield peer
    peer.close()


@pytest.fixture(name="device")
def fixture_device(unlaunched_dut, wifi, ppp, ipv6):  # pylint: disable=unused-argument
    """The device, freshly flashed; with Wi-Fi, in its network."""
    dut = unlaunched_dut
    (dut.device_config.app_build_dir / "flash.bin").unlink(missing_ok=True)

    def read(timeout):
        try:
            return dut.readline(timeout=timeout)
        except TwisterHarnessTimeoutException:
            return None

    # A simulator's sockets are the host's, and so are the simulated Wi-Fi module's; in QEMU, and behind
    # slirp, 10.0.2.2 and fec0::2 are the host's loopback interface. What is provisioned lies in a file there, and in memory here.
    simulator = dut.device_config.type == "native"
    if wifi:
        host = "localhost"
    elif ipv6:
        host = "::1" if simulator else "fec0::2"
    else:
        host = "127.0.0.1" if simulator else "10.0.2.2"
    launch(dut)
    lasting = simulator or getattr(dut.device_config, "lasting", False)
    console = Console(read, dut.write, host, lasting)
    console.ready()
    if wifi:
        console.join(SSID, PASSWORD)
    return console


@pytest.fixture(name="restart")
def fixture_restart(device, unlaunched_dut):
    """Switches the device off and on; what it prints then is waited for from its first line on.

    `meanwhile` is given the file of the flash, while the device is off. `restart.at_once` types as soon as the device
    says its name."""

    def switch_on():
        launch(unlaunched_dut)
        start = len(device.lines)
        device.position = start
        return start

    def restart(meanwhile=lambda flash: None):
        unlaunched_dut.close()
        meanwhile(unlaunched_dut.device_config.app_build_dir / "flash.bin")
        start = switch_on()
        device.ready()
        device.position = start

    def at_once(text):
        unlaunched_dut.close()
        switch_on()
        device.wait("Azure IoT Hub device", 60)
        device.type(text)

    restart.at_once = at_once
    return restart
