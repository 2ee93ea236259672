# SPDX-License-Identifier: Apache-2.0
"""Provisioning over the shell: no secret is shown, what does not fit together is refused, and all can be forgotten."""


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


def test_what_is_forgotten_ends_the_connection(device, hub):
    device.provision(hub, hub.create_sas("released"))
    hub.wait_for_connections("released", 1)
    device.command("azure forget", "forgotten")
    device.wait("the device has no identity yet: azure set connection-string", 90)
    assert "not provisioned" in device.status()["device"]
