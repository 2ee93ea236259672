#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows what firmware/scripts/embed.py takes for names and addresses, and that it stops the build at all else."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

GOOD = {
    "HUB_HOST_NAME": ("my-hub.azure-devices.net", "localhost", "a" * 63 + ".net"),
    "HUB_ADDRESS": ("127.0.0.1", "hub_1.local", "fe80::1", "::1"),
    "DEVICE_ID": ("dev-01", "a" * 128, "-.%_*?!(),:=@$'"),
    "MODULE_ID": ("camera",),
    "DPS_ID_SCOPE": ("0ne00ABCDEF",),
    "DPS_REGISTRATION_ID": ("dev-01", "DEV-01", "a:b.c_d-"),
    "DPS_HOST_NAME": ("global.azure-devices-provisioning.net",),
    "SNTP_SERVERS": ("time.windows.com;pool.ntp.org", " a:123 ; b ;", "10.0.2.2:1123", "fe80::1;x"),
    "MODEL_ID": ("dtmi:azure_device:Device;1", "dtmi:a;999999999", "dtmi:a_b:c__d1;10", f"dtmi:{'a' * 121};1"),
    "WIFI_SSID": ("a b", "\u00e9" * 16),
}
BAD = {
    "HUB_HOST_NAME": ("https://my-hub", "my-hub:8883", "my hub", "-hub", "hub..net", "a" * 64, "a." * 126 + "net"),
    "HUB_ADDRESS": ("127.0.0.1:8883", "mqtts://hub", "my hub"),
    "DEVICE_ID": ("dev 01", "dev/01", "a" * 129, "d\u00e9v", "dev#1"),
    "MODULE_ID": ("cam;era",),
    "DPS_ID_SCOPE": ("0ne 1", "0ne_1", "a" * 129),
    "DPS_REGISTRATION_ID": ("dev/camera", "dev_", "dev.", "a" * 129, "dev 01"),
    "DPS_HOST_NAME": ("https://global", "global:443"),
    "SNTP_SERVERS": (";", "ntp://a", "a,b", "a b", "a:b", "a:1234567"),
    "MODEL_ID": (
        *("foo", "dtmi:", "dtmi:;1", "dtmi:a", "dtmi:a;", "dtmi:a;0", "dtmi:a;01", "dtmi:a;1.0", "dtmi:a;1234567890"),
        *("dtmi:a::b;1", "dtmi:a:;1", "dtmi:1a;1", "dtmi:_a;1", "dtmi:a_;1", "dtmi:a_:b;1", "dtmi:a-b;1", "DTMI:a;1"),
        *("dtmi:\u00e4;1", " dtmi:a;1", "dtmi:a;1 ", f"dtmi:{'a' * 122};1"),
    ),
    "WIFI_SSID": ("a" * 33, "\u00e9" * 17),
}


class Forms(unittest.TestCase):
    """Values of .config, and what the script says to them."""

    def embed(self, symbol, value):
        """Runs the script as the configure step does; gives its complaint."""
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / ".config"
            config.write_text(f'CONFIG_AZURE_{symbol}="{value}"\n', encoding="utf-8")
            script = ROOT / "firmware/scripts/embed.py"
            command = [sys.executable, script, "--config", config, "--base", folder, "--out", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertNotIn("Traceback", done.stderr)
            return done.stderr

    def test_names_that_the_device_takes_do_not_stop_the_build(self):
        for symbol, values in GOOD.items():
            for value in values:
                with self.subTest(symbol=symbol, value=value):
                    # Something else is missing then: this configuration has no root CA.
                    self.assertIn("CONFIG_AZURE_ROOT_CA_FILES is empty", self.embed(symbol, value))

    def test_a_product_elsewhere_finds_the_roots_of_this_repository_and_its_own_come_first(self):
        default = "certs/digicert-global-root-g2.pem"
        self.assertEqual("", self.embed("ROOT_CA_FILES", default))
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder) / default
            own.parent.mkdir()
            own.write_text("no certificate", encoding="utf-8")
            config = Path(folder) / ".config"
            config.write_text(f'CONFIG_AZURE_ROOT_CA_FILES="{default}"\n', encoding="utf-8")
            script = ROOT / "firmware/scripts/embed.py"
            command = [sys.executable, script, "--config", config, "--base", folder, "--out", folder]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertIn("CONFIG_AZURE_ROOT_CA_FILES", done.stderr)

    def test_a_wrong_name_stops_the_build_with_the_symbol_and_its_form(self):
        for symbol, values in BAD.items():
            for value in values:
                with self.subTest(symbol=symbol, value=value):
                    error = self.embed(symbol, value)
                    self.assertIn(f"CONFIG_AZURE_{symbol}=", error)
                    self.assertIn("is wrong: it has to be ", error)


if __name__ == "__main__":
    unittest.main()
