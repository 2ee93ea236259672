# SPDX-License-Identifier: Apache-2.0
"""Images for updates: the one that was built, signed again with other versions, and a hub that has them."""

import os
import re
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from conftest import config_of
from hub import ROOT, Hub

ID = ("--provider", "Contoso", "--name", "Toaster")
COMPATIBILITY = "deviceManufacturer=Contoso,deviceModel=Toaster"
# Of sysbuild/boards/mps2_an385.overlay.
SLOT_SIZE = 0x80000


def imgtool():
    """MCUboot's tool that signs images: IMGTOOL, or the one of Zephyr's workspace."""
    workspace = Path(os.environ["ZEPHYR_BASE"]).parent / "bootloader/mcuboot/scripts/imgtool.py"
    return os.environ.get("IMGTOOL", str(workspace))


class Images:
    """Images of the device under test."""

    def __init__(self, dut, directory):
        self.build = dut.device_config.app_build_dir / "zephyr"
        self.config = config_of(dut)
        self.directory = Path(directory)

    def value(self, symbol):
        """A Kconfig value of the image."""
        return re.search(rf'^CONFIG_{symbol}="?([^"\n]*)', self.config, re.MULTILINE).group(1)

    def signed(self, version):
        """The path of the image, signed with this version."""
        path = self.directory / f"image-{version}.bin"
        command = [sys.executable, imgtool(), "sign", "--version", version, "--align", "4"]
        command += ["--key", self.value("MCUBOOT_SIGNATURE_KEY_FILE"), "--slot-size", hex(SLOT_SIZE)]
        command += ["--header-size", self.value("ROM_START_OFFSET"), self.build / "zephyr.bin", path]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return path


class UpdateHub(Hub):
    """A hub that signs with the keys that the image trusts, and serves files."""

    def __init__(self, directory, images, **options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(directory, updates=f"127.0.0.1:{port}", updates_host="10.0.2.2", **options)
        self.images = images
        # From the project's directory, as the build takes it.
        keys = (ROOT / images.value("AZURE_UPDATE_ROOT_KEYS")).parent
        (self.state / "updates").mkdir(parents=True)
        for name in ("keys.json", "root-keys.json"):
            shutil.copy(keys / name, self.state / "updates" / name)

    def publish(self, version, criterion=None, image=None):
        """Imports an image of this version. `criterion` is the version that it says it has."""
        path = image or self.images.signed(criterion or version)
        criteria = ["--installed-criteria", criterion] if criterion else []
        self.run("update", "import", path, *ID, "--version", version, "--compatibility", COMPATIBILITY, *criteria)

    def deploy(self, version, device):
        """Has a device take an update."""
        self.run("update", "deploy", *ID, "--version", version, "--device", device)

    def deploy_from(self, address, version, device):
        """Has a device take an update whose file is at this address. The manifest's signature does not cover it."""
        self.deploy(version, device)
        service = self.twin(device)["desired"]["deviceUpdate"]["service"]
        files = dict.fromkeys(service["fileUrls"], address)
        workflow = {**service["workflow"], "id": str(uuid.uuid4())}
        self.desire(device, deviceUpdate={"service": {"fileUrls": files, "workflow": workflow}})

    def offer(self, version, device, **options):
        """Imports an image, and has a device take it."""
        self.publish(version, **options)
        self.deploy(version, device)

    def agent(self, device):
        """The reported state of updates."""
        return self.twin(device)["reported"].get("deviceUpdate", {}).get("agent", {})

    def wait_for_result(self, device, code, timeout=120):
        """Waits until a device has reported this result of an update; gives it."""

        def is_there(reported):
            result = reported.get("deviceUpdate", {}).get("agent", {}).get("lastInstallResult") or {}
            return result.get("resultCode") == code

        self.wait_for_reported(device, is_there, timeout)
        return self.agent(device)["lastInstallResult"]
