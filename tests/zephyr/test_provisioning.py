# SPDX-License-Identifier: Apache-2.0
"""What was provisioned over the shell survives a restart, until it is forgotten. Where there is flash for it."""


def test_provisioning_survives_a_restart(device, hub, restart):
    device.provision(hub, *hub.create_x509("lasting", "ecc"))
    hub.wait_for_connections("lasting", 1)
    restart()
    hub.wait_for_connections("lasting", 2)


def test_an_assignment_survives_a_restart(device, hub, restart):
    key = hub.enroll("kept", "--device-id", "kept-device")
    device.enroll(hub, "kept", symmetric_key=key)
    hub.wait_for_connections("kept-device", 1)
    restart()
    device.wait("provisioning: using the kept assignment to localhost")
    hub.wait_for_connections("kept-device", 2)
    assert hub.registrations("kept") == 1


def test_what_was_forgotten_is_gone_after_a_restart(device, hub, restart):
    device.provision(hub, hub.create_sas("leaving"))
    hub.wait_for_connections("leaving", 1)
    device.command("azure forget", "forgotten")
    restart()
    device.wait("the device has no identity yet: azure set connection-string")
    assert hub.connections("leaving") == 1
