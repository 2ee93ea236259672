# SPDX-License-Identifier: Apache-2.0
"""Files of updates by https (CONFIG_AZURE_UPDATE_HTTPS), with the image of test_update.py and built as it says."""

import ssl
import threading
import time
from socket import create_server

import pytest
from images import Images, UpdateHub
from test_update import DOWNLOAD, wait_for_version

# This machine, as QEMU's network has it.
HOST = "10.0.2.2"
# Of an address that could not be reached: its place in the list of failures of a download.
NOT_REACHED = DOWNLOAD | 2


class Impostor:
    """A server of https with a certificate that a device must not accept. Counts the handshakes that succeeded all the
    same."""

    def __init__(self, certificate, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.context = context
        self.listener = create_server(("127.0.0.1", 0))
        self.address = f"https://{HOST}:{self.listener.getsockname()[1]}/image"
        self.accepted = 0
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        """Takes connections until `close`."""
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(plain, server_side=True) as stream:
                    # A device that refuses the certificate has left by now; TLS 1.2's handshake has ended for both.
                    self.accepted += 1
                    stream.recv(1024)
            except OSError:
                pass

    def close(self):
        """Ends it."""
        self.listener.close()


@pytest.fixture(name="secure_hub")
def fixture_secure_hub(unlaunched_dut, tmp_path):
    """A hub whose updates the image trusts, with files by https and a certificate for this machine's address."""
    hub = UpdateHub(tmp_path / "updates", Images(unlaunched_dut, tmp_path), updates_tls=True, host_name=HOST)
    yield hub.start()
    hub.close()


def test_a_file_comes_by_https_from_a_server_that_shows_a_good_certificate_and_from_no_other(device, secure_hub):
    hub = secure_hub
    root = hub.certify("trusted-root", ca=True)
    elsewhere = hub.certify("files.elsewhere.example", issuer=root, extensions=["subjectAltName=DNS:files.elsewhere.example"])
    stranger = hub.certify(HOST, extensions=[f"subjectAltName=IP:{HOST}"])
    device.provision(hub, hub.create_sas("secure"), ca=hub.ca + root[0].read_text())
    hub.wait_for_connections("secure", 1)
    hub.wait_for_reported("secure", lambda reported: "deviceUpdate" in reported)
    hub.publish("0.2.0")
    for pair, words in ((elsewhere, "for another host"), (stranger, "self-signed")):
        impostor = Impostor(*pair)
        # The hub's own server has nothing to give until the file's address is another one.
        hub.run("update", "fault", "status", "--value", "503", "--times", "1000")
        hub.deploy_from(impostor.address, "0.2.0", "secure")
        device.wait(rf"update: the server of the file: .*TLS.*{words}.* the download goes on later", 60)
        device.wait(rf"update: failed: the server of the file: .*{words}", 120)
        result = hub.wait_for_result("secure", 0)
        assert result["extendedResultCode"] == NOT_REACHED, result
        assert words in result["resultDetails"], result
        assert impostor.accepted == 0
        impostor.close()
        hub.run("update", "fault", "clear")
    # The hub was not left meanwhile.
    assert hub.connections("secure") == 1
    # Slowly, so that it can be looked at.
    hub.run("update", "fault", "slow", "--value", "60000")
    hub.deploy("0.2.0", "secure")
    device.wait(r"downloading 0\.2\.0 of \d+ bytes, from byte 0", 60)
    service = hub.twin("secure")["desired"]["deviceUpdate"]["service"]
    assert all(address.startswith(f"https://{HOST}:") for address in service["fileUrls"].values()), service
    time.sleep(3)
    stack = device.command("azure update status", r"^download +(.*)").group(1)
    print(f"stack {stack}, heap {device.status()['heap']}", flush=True)
    device.wait("whole and verified", 120)
    wait_for_version(device, "0.2.0")
    device.wait("0.2.0 is installed, and is kept", 60)
    hub.wait_for_result("secure", 700)
