# SPDX-License-Identifier: Apache-2.0
"""A fault or a panic ends in a restart, and what is known of it is told then. Where there is a processor that faults."""

import re
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

NOWHERE = "0xf0000000"
# Where `azure panic` panics.
PANICS = Path(__file__).parents[2] / "firmware/src/shell/mod.rs"


@pytest.fixture(name="function_at")
def fixture_function_at(unlaunched_dut):
    """Names the image's function that an address lies in."""
    with open(unlaunched_dut.device_config.app_build_dir / "zephyr" / "zephyr.elf", "rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")
        functions = [
            # The lowest bit of an address only says that the code is Thumb.
            (symbol["st_value"] & ~1, symbol["st_size"], symbol.name)
            for symbol in symbols.iter_symbols()
            if symbol["st_info"]["type"] == "STT_FUNC"
        ]
    return lambda address: next((name for start, size, name in functions if start <= address < start + size), "")


@pytest.fixture(name="places_of")
def fixture_places_of(unlaunched_dut):
    """Names the places in the source that a message's addresses lead to, by the command of docs/faults.md."""
    build = unlaunched_dut.device_config.app_build_dir
    cache = (build / "CMakeCache.txt").read_text(encoding="utf-8")
    addr2line = re.search(r"^CMAKE_ADDR2LINE:\w+=(.+)$", cache, re.MULTILINE)[1]

    def places(told):
        addresses = re.findall(r"0x[0-9a-f]{8}", told)
        command = [addr2line, "-fipe", build / "zephyr" / "zephyr.elf", *addresses]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    return places


def fault(device):
    """Lets the shell read where nothing is; gives what the next run says of it."""
    device.type(f"devmem {NOWHERE}\n")
    told = device.wait(r"the last run ended with (a fault of the processor \(\d+\) at 0x.*); addr2line")[1]
    device.command("azure status", r"^stack ")
    return told


def test_a_fault_is_told_after_the_restart_and_in_the_twin(device, hub):
    told = fault(device)
    device.provision(hub, hub.create_sas("fallen"))
    hub.wait_for_reported("fallen", lambda reported: reported.get("lastFault") == told)


def test_the_places_of_a_fault_lead_to_its_source(device, function_at):
    places = [function_at(int(place, 16)) for place in re.findall(r"0x[0-9a-f]{8}", fault(device))]
    assert places[0].startswith("cmd_devmem")
    assert any("shell" in name for name in places[1:]), places


def panic(device):
    """Has Rust panic in the shell's thread; gives what the next run says of it."""
    device.type("azure panic\n")
    told = device.wait(r"the last run ended with (a panic \(4\) at 0x.*); addr2line")[1]
    device.command("azure status", r"^stack ")
    return told


def test_a_panic_of_rust_ends_in_a_restart_and_is_told_in_the_twin(device, hub):
    told = panic(device)
    device.provision(hub, hub.create_sas("panicked"))
    hub.wait_for_reported("panicked", lambda reported: reported.get("lastFault") == told)


def test_the_places_of_a_panic_lead_to_the_line_that_panicked(device, places_of):
    lines = PANICS.read_text(encoding="utf-8").splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if "panic!(" in text)
    places = places_of(panic(device))
    assert re.search(rf"/{PANICS.parent.name}/{PANICS.name}:{line}\b", places), places


def test_a_fault_is_told_once(device, hub):
    fault(device)
    device.provision(hub, hub.create_sas("risen"))
    hub.wait_for_connections("risen", 1)
    assert hub.call("risen", "reboot")[0] == 200
    device.wait("reset cause")
    device.wait("the device has no identity yet")
    assert sum("the last run ended" in line for line in device.lines) == 1
