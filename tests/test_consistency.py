#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that tests/consistency.py finds what it is there for: each test damages a copy of the application."""

import shutil
import tempfile
import unittest
from pathlib import Path

import consistency

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("Kconfig", "VERSION", "Cargo.toml", "README.md", "prj.conf", "sample.yaml", "boards", "docs", "firmware", "tests")


class Consistency(unittest.TestCase):
    """Damage, and the error that it gives."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns("target", "__pycache__")
                shutil.copytree(source, self.root / part, ignore=ignored)
            else:
                shutil.copy(source, self.root / part)

    def change(self, path, old, new):
        """Replaces text, which has to be there."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        self.assertIn(old, text)
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, path, text):
        """Adds a line at the end, and gives its number."""
        file = self.root / path
        before = file.read_text(encoding="utf-8")
        file.write_text(f"{before}{text}\n", encoding="utf-8")
        return before.count("\n") + 1

    def assert_error(self, *parts):
        """One error holds all parts."""
        errors = consistency.check(self.root)
        self.assertTrue(any(all(part in error for part in parts) for error in errors), errors)

    def test_the_application_is_consistent(self):
        self.assertEqual(consistency.check(self.root), [])

    def test_a_misspelt_symbol_in_a_configuration_file_is_found_with_its_line(self):
        line = self.append("prj.conf", "CONFIG_AZURE_HUB_PROT=8883")
        self.assert_error(f"prj.conf:{line}:", "CONFIG_AZURE_HUB_PROT is not defined")

    def test_a_symbol_that_the_sources_use_and_nobody_defines_is_found(self):
        self.append("firmware/src/lib.rs", "const X: i32 = kconfig::CONFIG_AZURE_NOTHING;")
        self.assert_error("firmware/src/lib.rs", "CONFIG_AZURE_NOTHING is not defined")

    def test_a_symbol_that_nothing_uses_is_found(self):
        self.change("firmware/Kconfig", "endmenu", 'config AZURE_IDLE\n\tbool "Idle"\n\thelp\n\t  Nothing.\n\nendmenu')
        self.assert_error("firmware/Kconfig", "AZURE_IDLE is used nowhere")
        self.assert_error("docs/configuration.md", "differs from Kconfig")

    def test_a_symbol_without_help_is_found(self):
        self.change("firmware/Kconfig", "endmenu", 'config AZURE_IDLE\n\tbool "Idle"\n\nendmenu')
        self.assert_error("firmware/Kconfig", "AZURE_IDLE has no help text")

    def test_a_changed_default_makes_the_documentation_stale(self):
        self.change("firmware/kconfig/Kconfig.network", "default 8883", "default 8884")
        self.assert_error("docs/configuration.md", "run tests/consistency.py --write")

    def test_values_outside_their_range_or_type_are_found(self):
        for setting, remedy in (
            ("CONFIG_AZURE_HUB_PORT=65536", "from 1 to 65535"),
            ("CONFIG_AZURE_HUB_PORT=high", "write a number"),
            ("CONFIG_AZURE_SHELL=yes", "write y or n"),
            ("CONFIG_AZURE_MODEL_ID=dtmi:x;1", "double quotes"),
            ("CONFIG_TIMESLICING=yes", "is no value"),
            ("AZURE_SHELL=y", "is no setting"),
        ):
            with self.subTest(setting):
                line = self.append("prj.conf", setting)
                self.assert_error(f"prj.conf:{line}:", remedy)

    def test_a_symbol_that_is_set_twice_is_found(self):
        line = self.append("prj.conf", "CONFIG_TIMESLICING=y")
        self.assert_error(f"prj.conf:{line}:", "CONFIG_TIMESLICING is set in line")

    def test_a_board_without_a_scenario_is_found(self):
        (self.root / "boards/frdm_k22f.conf").write_text("CONFIG_TIMESLICING=y\n", encoding="utf-8")
        self.assert_error("boards/frdm_k22f.conf", "sample.yaml does not build frdm_k22f")

    def test_a_board_without_files_or_documentation_is_found(self):
        self.change("sample.yaml", "mps2/an385", "mps2/an521")
        self.assert_error("sample.yaml", "boards/ has no mps2_an521")
        self.assert_error("README.md", "the board mps2/an521 is missing")
        self.assert_error("docs/boards.md", "the board mps2/an521 is missing")

    def test_a_command_for_an_unknown_board_is_found(self):
        line = self.append("docs/boards.md", "    west build -b disco_l476_iot1 .")
        self.assert_error(f"docs/boards.md:{line}:", "does not build disco_l476_iot1")

    def test_a_misspelt_alias_is_found_on_both_sides(self):
        for overlay in (self.root / "boards").glob("*.overlay"):
            text = overlay.read_text(encoding="utf-8")
            overlay.write_text(text.replace("azure-button", "azure-buton"), encoding="utf-8")
        self.assert_error(".overlay", "the firmware reads no alias azure-buton")
        self.assert_error("firmware/shim", "no board gives the alias azure-button")

    def test_a_shell_command_that_does_not_exist_is_found(self):
        line = self.append("docs/boards.md", "Type `azure set colour`.")
        self.assert_error(f"docs/boards.md:{line}:", "azure set colour")

    def test_a_shell_command_that_is_not_documented_is_found(self):
        self.change("firmware/shim/shell.c", "SHELL_CMD_ARG(forget,", "SHELL_CMD_ARG(forget-all,")
        self.assert_error("firmware/shim/shell.c", "azure forget-all", "documented nowhere")

    def test_a_version_that_differs_is_found(self):
        self.change("VERSION", "VERSION_MAJOR = ", "VERSION_MAJOR = 7")
        self.assert_error("Cargo.toml", "VERSION says 7")


if __name__ == "__main__":
    unittest.main()
