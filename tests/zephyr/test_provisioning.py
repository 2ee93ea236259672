# SPDX-License-Identifier: Apache-2.0
"""What was provisioned over the shell survives a restart, until it is forgotten. Where there is flash for it."""

import struct
import zlib

import pytest
from console import CTRL_D
from pastes import der_of


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


def flip_a_bit(text):
    """For `restart`: the last bit of the last character of each `text` in the flash is another one."""

    def flip(flash):
        content = flash.read_bytes()
        assert text in content
        flash.write_bytes(content.replace(text, text[:-1] + bytes([text[-1] ^ 1])))

    return flip


def test_a_damaged_setting_is_named_and_counts_as_absent(device, hub, restart):
    device.provision(hub, hub.create_sas("damaged"))
    hub.wait_for_connections("damaged", 1)
    restart(flip_a_bit(b"DeviceId=damaged"))
    device.wait("the checksum of connection-string is wrong, so it counts as absent; azure set connection-string")
    device.wait("the device has no identity yet: azure set connection-string")
    assert hub.connections("damaged") == 1


def test_a_damaged_assignment_is_asked_for_again(device, hub, restart):
    key = hub.enroll("flipped", "--device-id", "flipped-device")
    device.enroll(hub, "flipped", symmetric_key=key)
    hub.wait_for_connections("flipped-device", 1)
    restart(flip_a_bit(b"flipped-device"))
    device.wait("the checksum of assignment is wrong, so it counts as absent; the Device Provisioning Service is asked again")
    hub.wait_for_connections("flipped-device", 2)
    assert hub.registrations("flipped") == 2


def spoil(name, der):
    """For `restart`: a stored credential is no DER any more, and its checksum is right (src/storage.rs)."""

    def sealed(value):
        return value + struct.pack("<I", zlib.crc32(name.encode() + b"\0" + value))

    def change(flash):
        content = flash.read_bytes()
        assert sealed(der) in content
        flash.write_bytes(content.replace(sealed(der), sealed(b"\x31" + der[1:])))

    return change


@pytest.mark.parametrize("name", ["root-ca", "certificate", "key"])
def test_a_stored_credential_that_does_not_parse_is_named_and_the_next_correct_one_joins(device, hub, restart, name):
    text, certificate, key = hub.create_x509("unreadable", "ecc")
    correct = {"root-ca": hub.ca, "certificate": certificate, "key": key}[name]
    device.provision(hub, text, certificate, key)
    hub.wait_for_connections("unreadable", 1)
    device.wait("the new pair has connected and is the one in use")
    restart(spoil(f"{name}/0", der_of(correct)))
    device.wait(rf"the {name} cannot be parsed \(-0x[0-9a-f]{{4}}\): provision it again")
    assert hub.connections("unreadable") == 1
    for part in ["root-ca"] if name == "root-ca" else ["certificate", "key"]:
        text = {"root-ca": hub.ca, "certificate": certificate, "key": key}[part]
        device.paste(f"azure set {part}", text + CTRL_D * (part != "key"), " stored")
    hub.wait_for_connections("unreadable", 2)


def test_a_new_pair_survives_a_restart_at_each_step(device, hub, restart):
    root = hub.certify("lasting-root", ca=True)
    text = hub.run("device", "create", "steps", "--auth", "x509-ca", "--certificate", root[0])
    pairs = [[path.read_text() for path in hub.certify("steps", issuer=root)] for _ in range(2)]
    device.provision(hub, text, *pairs[0])
    hub.wait_for_connections("steps", 1)
    device.wait("the new pair has connected and is the one in use")
    certificate, key = pairs[1]
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    restart()
    hub.wait_for_connections("steps", 2)
    assert "a new certificate waits for its key" in device.status()["certificate"]
    hub.kill()
    device.paste("azure set key", key, "Key stored")
    restart()
    assert "on trial; the old one is kept" in device.status()["certificate"]
    hub.start()
    device.wait("the new pair has connected and is the one in use", 90)
    restart()
    hub.wait_for_connections("steps", 4)
    assert device.status()["certificate"] == "the pair that has connected"


def test_what_is_typed_at_once_after_the_start_is_not_lost(device, hub, restart):
    text = hub.create_sas("hasty")
    for again in range(3):
        restart.at_once(f"azure set port {hub.port + again}\n")
        device.wait("port stored", 30)
    device.provision(hub, text)
    hub.wait_for_connections("hasty", 1)
