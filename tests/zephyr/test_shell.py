# SPDX-License-Identifier: Apache-2.0
"""Provisioning over the shell: no secret is shown, what does not fit together is refused, and all can be forgotten."""

import re

import pytest
from console import CTRL_D
from pastes import DAMAGES, KEYS, WRONG, Tools, der_of, pem


@pytest.fixture(name="tools")
def fixture_tools(tmp_path):
    """OpenSSL, which makes what people paste."""
    return Tools(tmp_path)


def assert_nothing_shown(device, pasted):
    """No line of a paste was echoed or run, and the shell takes the next command."""
    device.status()
    shown = "\n".join(device.lines)
    lines = [line.strip() for line in pasted.decode(errors="replace").splitlines()]
    secrets = [line for line in lines if len(line) > 6 and not line.startswith("-----")]
    assert secrets
    for secret in secrets:
        assert secret[:20] not in shown
    assert not re.search("-----END [A-Z]+", shown)
    assert "command not found" not in shown


def test_a_pasted_secret_is_not_shown(device, hub):
    text = hub.create_sas("quiet")
    device.paste("azure set connection-string", text + "\n", "Connection string stored")
    assert_nothing_shown(device, text.split("SharedAccessKey=")[1].encode())


@pytest.mark.parametrize("shape", KEYS)
def test_a_key_is_taken_in_every_shape_that_tools_write(device, tools, shape):
    certificate, key = tools.pair(shape)
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "Key stored")
    assert device.says("They belong together")
    assert_nothing_shown(device, key.encode())


@pytest.mark.parametrize("shape", ["ecparam", "pkcs12", "pkcs1"])
def test_a_key_that_was_pasted_as_tools_write_it_joins(device, hub, tools, shape):
    certificate, key = tools.pair(shape)
    path = tools.path("joins.pem")
    path.write_text(certificate)
    name = f"joins-{shape}"
    text = hub.run("device", "create", name, "--auth", "x509-thumbprint", "--certificate", path)
    device.provision(hub, text, certificate, key)
    hub.wait_for_connections(name, 1)


@pytest.mark.parametrize("case", WRONG)
def test_nothing_of_a_wrong_paste_reaches_the_shell(device, tools, case):
    command, pasted, words = WRONG[case](tools)
    device.command(f"azure set {command}", "Paste|Type")
    device.send(pasted)
    device.wait(words, 60)
    # A person at the keyboard: Up and Enter would bring back and run what the shell took for a command.
    device.type("\x1b[A\n")
    assert_nothing_shown(device, pasted)
    assert not device.says(" stored")


def test_what_does_not_parse_is_named_costs_no_memory_and_the_next_correct_one_joins(device, hub):
    text, certificate, key = hub.create_x509("parsed", "ecc")
    parts = [
        ("root-ca", "certificate", "CERTIFICATE", der_of(hub.ca)),
        ("certificate", "certificate", "CERTIFICATE", der_of(certificate)),
        ("key", "key", "PRIVATE KEY", der_of(key)),
    ]

    def paste_all():
        for command, what, label, der in parts:
            for damage in DAMAGES.values():
                answer = rf"mbedTLS cannot use this {what} \(-0x[0-9a-f]{{4}}\)"
                device.paste(f"azure set {command}", pem(label, damage(der)), answer)

    paste_all()
    # What mbedTLS and the storage had for the first ones, they have again for each.
    heap = device.status()["heap"].split(" of ")[0]
    paste_all()
    assert device.status()["heap"].split(" of ")[0] == heap
    assert not device.says(" stored")
    device.provision(hub, text, certificate, key)
    hub.wait_for_connections("parsed", 1)


def test_a_paste_can_be_given_up_and_the_next_one_counts(device, hub):
    text = hub.create_sas("patient")
    device.command("azure set connection-string", "Paste")
    device.type(text[:40] + "\x03")
    device.wait("Given up")
    device.paste("azure set connection-string", text + "\n", "Connection string stored")


def test_a_key_of_another_certificate_is_refused(device, hub):
    _, certificate, _ = hub.create_x509("first", "ecc")
    _, _, key = hub.create_x509("second", "ecc")
    device.paste("azure set certificate", certificate + CTRL_D, "Certificate stored")
    device.paste("azure set key", key, "the key does not belong to the stored certificate")
    assert_nothing_shown(device, key.encode())


def test_what_is_forgotten_ends_the_connection(device, hub):
    device.provision(hub, hub.create_sas("released"))
    hub.wait_for_connections("released", 1)
    device.command("azure forget", "forgotten")
    device.wait("the device has no identity yet: azure set connection-string", 90)
    assert "not provisioned" in device.status()["device"]


def test_what_is_missing_is_said_once_and_not_after_each_step(device, hub):
    text, certificate, key = hub.create_x509("stepwise", "ecc")
    device.provision(hub, text, certificate, key)
    hub.wait_for_connections("stepwise", 1)
    lines = "\n".join(device.lines)
    assert lines.count("the device has no identity yet") == 1
    assert "<err>" not in lines


def test_a_message_that_is_asked_for_is_accounted_for(device, hub):
    device.command("azure send", "nothing was sent: the device is not provisioned")
    device.provision(hub, hub.create_sas("counted"))
    hub.wait_for_connections("counted", 1)
    device.wait("azure: joined", 30)
    device.command("azure send", "Sent, and acknowledged by the hub", 30)
    hub.kill()
    device.wait("<err> azure: ", 60)
    device.command("azure send", r"Queued: not connected. \d+ messages wait|Asked for; the device is busy", 60)


def test_what_a_simulator_cannot_know_is_not_shown(device):
    status = device.status()
    if device.lasting:
        assert status["heap"].startswith("not known") and status["stack"].startswith("not known")
    else:
        assert re.match(r"\d+ of \d+ bytes", status["heap"]) and re.match(r"\d+ of \d+ bytes", status["stack"])


def test_foreign_text_cannot_act_on_the_console(device, hub):
    device.provision(hub, hub.create_sas("stranger"))
    hub.wait_for_connections("stranger", 1)
    hub.send("stranger", "a\x1b[2J\u009bb\u202ec\r\nd\u200be")
    line = device.wait("cloud-to-device message of").string
    assert r"a\u{1b}[2J\u{9b}b\u{202e}c\u{d}\u{a}d\u{200b}e" in line
