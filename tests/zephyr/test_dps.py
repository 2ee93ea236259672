# SPDX-License-Identifier: Apache-2.0
"""The Device Provisioning Service names the hub, for each kind of enrolment, or says why it does not."""

import time

import pytest

POLLS = 3


def assert_works(device, hub, name, registration):
    """The device came to the hub by one registration, and sends."""
    device.wait(f"provisioning: assigned to localhost as {name}", 120)
    hub.wait_for_connections(name, 1)
    assert [event["payload"]["count"] for event in hub.events(name, 2, timeout=90)] == [1, 2]
    assert hub.registrations(registration) == 1


def test_a_symmetric_key_of_an_individual_enrolment(device, hub):
    key = hub.enroll("single", "--device-id", "device-of-single")
    device.enroll(hub, "single", symmetric_key=key)
    assert_works(device, hub, "device-of-single", "single")


def test_a_key_that_is_derived_from_a_groups(device, hub):
    device.enroll(hub, "member-1", group_key=hub.enroll_group("fleet"))
    assert_works(device, hub, "member-1", "member-1")


@pytest.mark.parametrize("key", ["rsa", "ecc"])
def test_a_certificate_of_an_individual_enrolment(device, hub, key):
    certificate, private = hub.certify("certified", key)
    hub.enroll("certified", "--certificate", certificate)
    device.enroll(hub, "certified", certificate=certificate.read_text(), key=private.read_text())
    assert_works(device, hub, "certified", "certified")


def test_a_certificate_of_a_group_with_its_chain(device, hub):
    root = hub.certify("root", ca=True)
    factory = hub.certify("factory", issuer=root, ca=True)
    certificate, private = hub.certify("member-2", issuer=factory)
    hub.enroll_group("factories", "--ca", root[0])
    chain = certificate.read_text() + factory[0].read_text()
    device.enroll(hub, "member-2", certificate=chain, key=private.read_text())
    assert_works(device, hub, "member-2", "member-2")


def test_a_service_that_takes_its_time_is_asked_as_often_as_it_wants(device, hub):
    key = hub.enroll("patient", "--assigning", POLLS, "--retry-after", 2)
    device.enroll(hub, "patient", symmetric_key=key)
    device.wait("provisioning: the service is assigning a hub", 90)
    start = time.monotonic()
    for _ in range(POLLS):
        device.wait("provisioning: the service is assigning a hub")
    assert time.monotonic() - start > 0.8 * 2 * POLLS
    assert_works(device, hub, "patient", "patient")


@pytest.mark.parametrize("status", [429, 500])
def test_a_busy_service_is_asked_again(device, hub, status):
    key = hub.enroll("busy", "--retry-after", 1)
    hub.fault("fail-registration", "busy", status=status, times=2)
    device.enroll(hub, "busy", symmetric_key=key)
    for _ in range(2):
        device.wait(rf"provisioning: the service is busy \({status}\); it is asked again", 120)
    assert_works(device, hub, "busy", "busy")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--disabled"], "provisioning: the enrolment is disabled; enable it"),
        (["--fail", 400207], r"provisioning: no hub could be allocated \(400207\); check the hubs linked"),
    ],
)
def test_an_enrolment_that_provisions_nobody_is_named(device, hub, options, words):
    device.enroll(hub, "unlucky", symmetric_key=hub.enroll("unlucky", *options))
    device.wait(words, 120)
    assert "provisioning: " in device.status()["last failure"]
    assert hub.connections("unlucky") == 0


def test_a_wrong_key_is_named(device, hub):
    hub.enroll("mine")
    device.enroll(hub, "mine", symmetric_key=hub.enroll("other"))
    device.wait(r"provisioning: the service refused the key or certificate \(401002\)", 120)
    assert hub.connections("mine") == 0


def test_a_certificate_of_another_enrolment_is_named(device, hub):
    certificate, _ = hub.certify("twice")
    hub.enroll("twice", "--certificate", certificate)
    certificate, private = hub.certify("twice")
    device.enroll(hub, "twice", certificate=certificate.read_text(), key=private.read_text())
    device.wait(r"provisioning: the service refused the key or certificate \(401002\)|CONNACK 5", 120)
    assert hub.connections("twice") == 0


def test_a_missing_enrolment_is_named(device, hub):
    device.enroll(hub, "nobody", symmetric_key="AAECAwQFBgcICQoLDA0ODw==")
    device.wait(r"provisioning: there is no enrolment for this registration id \(404201\)", 120)
    assert hub.connections("nobody") == 0


def test_a_device_that_its_hub_refuses_is_provisioned_again(device, hub):
    device.enroll(hub, "moved", symmetric_key=hub.enroll("moved"))
    hub.wait_for_connections("moved", 1)
    hub.run("device", "delete", "moved")
    # A refusal that repeats is told the first and the second time; after the third one the service is asked.
    for _ in range(2):
        device.wait("CONNACK 5: not authorized", 120)
    device.wait("asking the provisioning service", 120)
    device.wait("provisioning: assigned to localhost as moved", 120)
    hub.wait_for_connections("moved", 2)
    assert hub.registrations("moved") == 2


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("azure set provisioning not,a,scope device", "id scope"),
        ("azure set provisioning 0ne00ABCDEF no/id", "registration id"),
        ("azure set symmetric-key", "Paste"),
    ],
)
def test_a_bad_enrolment_is_refused_on_the_spot(device, command, words):
    device.command(command, words)
    if words == "Paste":
        device.type("AAECAwQFBgcICQoLDA0ODw==\n")
        device.wait("the key of which registration. First: azure set provisioning")
    assert not device.says("stored")
