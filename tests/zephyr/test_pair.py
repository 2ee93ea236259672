# SPDX-License-Identifier: Apache-2.0
"""A new certificate and its key take the place of the old pair at once, or not at all."""

import pytest
from console import CTRL_D
from pastes import DAMAGES, der_of, pem

NAME = "renewed"


@pytest.fixture(name="pair")
def fixture_pair(device, hub):
    """Makes pairs for one device, which has joined with the first of them."""
    root = hub.certify("pair-root", ca=True)

    def make(issuer=root):
        certificate, key = hub.certify(NAME, issuer=issuer)
        return certificate.read_text(), key.read_text()

    text = hub.run("device", "create", NAME, "--auth", "x509-ca", "--certificate", root[0])
    device.provision(hub, text, *make())
    hub.wait_for_connections(NAME, 1)
    device.wait("the new pair has connected and is the one in use")
    return make


def test_a_new_pair_replaces_the_old_one_without_an_error(device, hub, pair):
    certificate, key = pair()
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    # The device goes on with the old pair meanwhile.
    device.command("azure send", "Sent, and acknowledged", 30)
    assert hub.connections(NAME) == 1
    assert "waits for its key" in device.status()["certificate"]
    device.paste("azure set key", key, "Key stored")
    device.wait("the new pair has connected and is the one in use", 60)
    assert hub.connections(NAME) == 2
    assert device.status()["certificate"] == "the pair that has connected"
    assert "<err>" not in "\n".join(device.lines)


def test_the_key_may_come_first(device, hub, pair):
    certificate, key = pair()
    device.paste("azure set key", key, "Key stored")
    assert "waits for its certificate" in device.status()["certificate"]
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.wait("the new pair has connected and is the one in use", 60)
    assert hub.connections(NAME) == 2


def test_a_pair_that_the_hub_refuses_gives_way_to_the_old_one(device, hub, pair):
    certificate, key = pair(issuer=None)
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "Key stored")
    device.wait("certificate: the new pair was refused; going back to the old one", 60)
    device.wait("the old one stays in use", 60)
    hub.wait_for_connections(NAME, 2)
    status = device.status()
    assert status["certificate"] == "the pair that has connected; a new pair was refused: bring another one"
    assert "CONNACK 5" in status["refused pair"]
    # Another one gets its chance.
    certificate, key = pair()
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "Key stored")
    device.wait("the new pair has connected and is the one in use", 60)
    assert hub.connections(NAME) == 3


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_certificate_that_does_not_parse_changes_nothing_and_the_next_correct_one_joins(device, hub, pair, damage):
    certificate, key = pair()
    # Behind a good one, which must not count without it.
    chain = certificate + pem("CERTIFICATE", DAMAGES[damage](der_of(certificate)))
    device.paste("azure set certificate", chain + CTRL_D, "mbedTLS cannot use this certificate")
    device.command("azure send", "Sent, and acknowledged", 30)
    assert device.status()["certificate"] == "the pair that has connected"
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "Key stored")
    device.wait("the new pair has connected and is the one in use", 60)
    assert hub.connections(NAME) == 2


def test_a_wrong_paste_changes_nothing_of_the_pair_in_use(device, hub, pair):
    certificate, key = pair()
    other, _ = pair()
    device.paste("azure set certificate", certificate + other[:200] + CTRL_D, "no -----END")
    device.paste("azure set certificate", other + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "the key does not belong")
    device.command("azure send", "Sent, and acknowledged", 30)
    assert hub.connections(NAME) == 1
