# SPDX-License-Identifier: Apache-2.0
"""What was provisioned over the shell survives a restart, until it is forgotten. No secret is shown."""

import pytest


@pytest.fixture(name="restart")
def fixture_restart(device, unlaunched_dut):
    """Switches the device off and on; what it prints then is waited for from its first line on."""

    def restart():
        unlaunched_dut.close()
        unlaunched_dut.launch()
        start = len(device.lines)
        device.position = start
        device.ready()
        device.position = start

    return restart


def test_provisioning_survives_a_restart(device, hub, restart):
    device.provision(hub, *hub.create_x509("lasting", "ecc"))
    hub.wait_for_connections("lasting", 1)
    restart()
    hub.wait_for_connections("lasting", 2)


def test_what_was_forgotten_is_gone_after_a_restart(device, hub, restart):
    device.provision(hub, hub.create_sas("leaving"))
    hub.wait_for_connections("leaving", 1)
    device.command("azure forget", "forgotten")
    restart()
    device.wait("the device has no identity yet: azure set connection-string")
    assert hub.connections("leaving") == 1


def test_a_pasted_secret_is_not_shown(device, hub):
    text = hub.create_sas("quiet")
    key = text.split("SharedAccessKey=")[1]
    device.command("azure set connection-string", "Paste")
    device.type(text + "\n")
    device.wait("Connection string stored")
    device.command("azure status", "^stack ")
    assert not device.says(key[:16])


def test_a_key_of_another_certificate_is_refused(device, hub):
    _, certificate, _ = hub.create_x509("first", "ecc")
    _, _, key = hub.create_x509("second", "ecc")
    device.paste("azure set certificate", certificate + "\x04", "Certificate stored")
    device.paste("azure set key", key, "the key does not belong to the stored certificate")
