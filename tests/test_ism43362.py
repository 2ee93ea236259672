#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulated Wi-Fi module (tests/zephyr/ism43362.py) keeps the rules that its help tells."""

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

from ism43362_host import END, PROMPT, SILENCE, TIMEOUT, Spi, Uart

from ism43362 import ADDRESS, KINDS, MAC, PAYLOAD, UNASKED, Control, Module
from wifi_module import PASSWORD, PROGRAM, SSID

JOINED = f"[JOIN   ] {SSID},{ADDRESS},0,0".encode()


class Bench(unittest.TestCase):
    """A module for each test."""

    link_type = Uart

    def setUp(self):
        self.link = self.link_type()
        self.addCleanup(self.link.close)
        self.command, self.data, self.ask = self.link.module.command, self.link.data, self.link.ask

    def status(self, name):
        return self.link.module.status()[name]

    def join(self, ssid=SSID, password=PASSWORD):
        """Joins; gives the answer's data."""
        self.data("C4=1")
        self.data(f"C1={ssid}")
        self.data(f"C2={password}")
        self.data(f"C3={4 if password else 0}")
        return self.data("C0")

    def open(self, number, port, kind=0):
        """Opens a socket to a port of this machine."""
        for text in (f"P0={number}", f"P1={kind}", "P2=0", "P3=127.0.0.1", f"P4={port}"):
            self.data(text)
        self.assertEqual(self.data("P6=1"), b"[TCP  RC] Connecting to 127.0.0.1")
        self.data("R1=1460")
        self.data("R2=100")

    def listen(self):
        """A TCP server on a free port."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(TIMEOUT)
        self.addCleanup(server.close)
        return server, server.getsockname()[1]

    def connect(self, number=0):
        """Joins, opens a socket, and gives the peer's end of it."""
        if not self.status("joined"):
            self.assertEqual(self.join(), JOINED)
        server, port = self.listen()
        self.open(number, port)
        peer, _ = server.accept()
        peer.settimeout(TIMEOUT)
        self.addCleanup(peer.close)
        return peer

    def datagrams(self):
        """A UDP socket of the module and its peer, which know each other."""
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.settimeout(TIMEOUT)
        peer.bind(("127.0.0.1", 0))
        self.join()
        self.open(0, peer.getsockname()[1], kind=1)
        self.assertEqual(self.data("S3=0002", b"hi"), b"2")
        data, address = peer.recvfrom(100)
        self.assertEqual(data, b"hi")
        peer.connect(address)
        return peer

    def send(self, data):
        return self.data(f"S3={len(data):04}", data)

    def read(self, length):
        """Reads until there are so many bytes."""
        data = b""
        end = time.monotonic() + TIMEOUT
        while len(data) < length:
            self.assertLess(time.monotonic(), end, f"{len(data)} of {length} bytes")
            data += self.data("R0")
        return data

    def assert_refused(self, text, payload=b""):
        self.assertRegex(self.ask(text, payload), rb"^\r\nERROR.*\r\nUsage.*\r\n> $", text)


class Commands(Bench):
    """Each command, over a UART."""

    def test_values_are_checked(self):
        for text in (
            "C4=0 C4=1 PR=0 C3=0 C3=5 P0=0 P0=3 P1=0 P1=1 P2=0 P2=65535 P3=10.0.0.1 P4=0 P4=65535 P5=0 P6=0 R1=1 R1=1460 "
            "R2=0 R2=30000 S2=0 S2=30000 C1= C2="
        ).split():
            self.assertEqual(self.data(text), b"", text)
        wrong = (
            "C4=2 C4 C4= PR=x C3=6 C3= C3=12 P0=4 P0=-1 P0 P0=1_0 P0=+1 P1=2 P2=65536 P3=10.0.0 P3=name P3= P4=x P5=1 P6=2 "
            "R1=0 R1=1461 R2=30001 S2=x Z5=1 C0=1 CS=0 CR=0 R0=1 MR=1 CD= D0= F0 z5 P7=1 =1 S3"
        ).split()
        for text in [*wrong, "", "P0=²", "\n" + "CS", "C1=" + "x" * 33, "C2=" + "x" * 65]:
            self.assert_refused(text)
        self.assertEqual(self.status("refusals"), len(wrong) + 5)
        self.assertEqual(self.status("violations"), 0)

    def test_it_says_who_it_is_and_that_nothing_happened(self):
        self.assertEqual(self.data("Z5"), MAC.encode())
        self.assertEqual(self.data("MR"), b"[SOMA][EOMA]")

    def test_a_network_is_joined_with_its_name_and_password(self):
        self.assertEqual((self.data("CS"), self.data("CR")), (b"0", b"0"))
        self.assertEqual(self.join(), JOINED)
        self.assertEqual((self.data("CS"), self.data("CR")), (b"1", b"-52"))
        self.assertEqual(self.data("CD"), b"")
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(self.status("joins"), 1)
        for ssid, password in ((SSID, "wrong password"), ("other", PASSWORD), (SSID, "")):
            self.assertEqual(self.join(ssid, password), f"[JOIN   ] {ssid}\r\n[JOIN   ] Failed".encode())
            self.assertEqual(self.data("CS"), b"0")

    def test_any_name_of_a_network_is_taken_and_an_open_one_needs_no_password(self):
        for ssid in ("IN", "a b, c", "x" * 32, "café"):
            self.command("network", ssid)
            self.assertEqual(self.join(ssid, ""), f"[JOIN   ] {ssid},{ADDRESS},0,0".encode())

    def test_without_dhcp_there_is_no_address(self):
        self.join()
        self.data("C4=0")
        self.assertEqual(self.data("C0"), f"[JOIN   ] {SSID},0.0.0.0,0,0".encode())

    def test_names_are_resolved_in_a_network(self):
        self.assert_refused("D0=localhost")
        self.join()
        self.assertEqual(self.data("D0=localhost"), b"127.0.0.1")
        self.assertEqual(self.data("D0=hub"), b"0.0.0.0")
        self.command("dns", "hub", "192.0.2.9")
        self.assertEqual(self.data("D0=hub"), b"192.0.2.9")
        self.assertEqual(self.data("D0=" + "x" * 253), b"0.0.0.0")

    def test_four_connections_carry_bytes_both_ways(self):
        peers = [self.connect(number) for number in range(4)]
        self.assertEqual(self.status("open"), [0, 1, 2, 3])
        for number, peer in enumerate(peers):
            self.data(f"P0={number}")
            data = bytes(range(256)) * 5 + b"\r\nOK\r\n> " + bytes([number])
            self.assertEqual(self.send(data), str(len(data)).encode())
            received = b""
            while len(received) < len(data):
                received += peer.recv(2000)
            self.assertEqual(received, data)
            peer.sendall(data)
            self.assertEqual(self.read(len(data)), data)
        self.assertEqual(self.data("R0"), b"")
        self.data("P6=0")
        self.assertEqual(peers[3].recv(1), b"")
        self.assertEqual(self.status("open"), [0, 1, 2])
        self.assertEqual(self.status("bytes_sent"), self.status("bytes_received"))

    def test_what_cannot_be_opened_is_refused(self):
        server, port = self.listen()
        for text in ("P3=127.0.0.1", f"P4={port}"):
            self.data(text)
        self.assert_refused("P6=1")
        self.join()
        self.data("P6=1")
        self.assert_refused("P6=1")
        self.data("P6=0")
        server.close()
        self.assert_refused("P6=1")
        self.data("P3=10.0.0.1")
        self.assert_refused("P6=1")
        self.assertEqual(self.status("open"), [])

    def test_a_read_gives_what_is_wanted_and_waits_as_long_as_is_wanted(self):
        peer = self.connect()
        peer.sendall(b"x" * 4000)
        self.data("R1=100")
        self.assertEqual(len(self.data("R0")), 100)
        self.data("R1=1460")
        self.assertEqual(len(self.data("R0")), PAYLOAD)
        self.assertEqual(self.read(4000 - 1560), b"x" * (4000 - 1560))
        for milliseconds in (0, 250):
            self.data(f"R2={milliseconds}")
            start = time.monotonic()
            self.assertEqual(self.data("R0"), b"")
            waited = time.monotonic() - start
            self.assertGreaterEqual(waited, milliseconds / 1000)
            self.assertLess(waited, milliseconds / 1000 + SILENCE)

    def test_the_end_of_a_connection_is_told_as_wanted(self):
        peer = self.connect()
        peer.sendall(b"last words")
        peer.close()
        self.assertEqual(self.read(10), b"last words")
        for how, answer in (("minus", b"-1"), ("nothing", b"")):
            self.command("end-as", how)
            self.assertEqual(self.data("R0"), answer)
        self.command("end-as", "error")
        self.assert_refused("R0")
        self.command("clear")
        self.assertEqual(self.data("R0"), b"-1")

    def test_a_socket_that_is_not_open_reads_and_writes_nothing(self):
        self.join()
        self.assertEqual(self.data("R0"), b"-1")
        self.assertEqual(self.send(b"x"), b"-1")

    def test_a_write_has_its_limits(self):
        peer = self.connect()
        self.assertEqual(self.send(b"x" * PAYLOAD), b"1460")
        self.assertEqual(self.status("violations"), 0)
        for length in ("1461", "0", "x", "99999999999"):
            self.assert_refused(f"S3={length}")
        self.assertEqual(self.status("violations"), 4)
        self.assertEqual(self.send(b"y"), b"1")
        peer.close()
        self.ask("R0")
        self.assertIn(b"-1", [self.send(b"z") for _ in range(5)])

    def test_a_sender_waits_for_a_module_that_does_not_read(self):
        peer = self.connect()
        data = bytes(range(251)) * 4000
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)

        def send():
            # The test ends it.
            with contextlib.suppress(OSError):
                peer.sendall(data)

        sender = threading.Thread(target=send)
        sender.start()
        sender.join(0.5)
        self.assertTrue(sender.is_alive(), "a megabyte fits into a module's window")
        received = self.read(100_000)
        self.assertEqual(received, data[: len(received)])
        peer.shutdown(socket.SHUT_RDWR)
        sender.join(TIMEOUT)

    def test_a_write_to_a_peer_that_does_not_read_ends_in_time(self):
        self.connect()
        self.data("S2=200")
        start = time.monotonic()
        # What both sides' sockets hold is some megabytes.
        answers = [self.send(b"x" * PAYLOAD)]
        while answers[-1] != b"-1":
            self.assertLess(time.monotonic(), start + 60)
            self.link.write("S3=1460", b"x" * PAYLOAD)
            answer = self.link.hear(2)
            answers.append(answer[2 : -len(END)])
        self.assertEqual(set(answers[:-1]), {b"1460"})

    def test_datagrams_stay_apart_and_are_lost_when_there_are_too_many(self):
        peer = self.datagrams()
        for number in range(8):
            peer.send(f"{number}".encode() * 10)
        time.sleep(0.1)
        self.assertEqual([self.data("R0") for _ in range(5)], [f"{n}".encode() * 10 for n in range(4)] + [b""])
        peer.send(b"0123456789")
        self.data("R1=4")
        self.assertEqual(self.data("R0"), b"0123")
        peer.send(b"")
        self.assertEqual([self.data("R0") for _ in range(2)], [b"", b""])


class Faults(Bench):
    """Each fault and each command of the control socket, over a UART."""

    def test_the_help_tells_all_commands_and_faults(self):
        text = subprocess.run([sys.executable, PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
        told = set(re.findall(r"^  ([a-z-]+)", text.partition("Commands of the control")[2].partition("options:")[0], re.M))
        self.assertEqual(told, {name[3:].replace("_", "-") for name in dir(Control) if name.startswith("do_")})
        self.assertEqual(set(re.findall(r"^      ([a-z-]+)", text, re.M)) & set(KINDS), set(KINDS))

    def test_what_the_control_socket_does_not_know_is_told(self):
        for words in (
            [],
            ["nonsense"],
            ["fault"],
            ["fault", "explode", 1],
            ["fault", "late", 1],
            ["fault", "cut", 1, -1],
            ["fault", "silent", 0],
            ["fault", "silent", -2],
            ["fault", "silent", "many"],
            ["only", "r0"],
            ["lose", "soon"],
            ["lose", -1],
            ["dns", "hub", "nowhere"],
            ["end-as", "music"],
            ["no-prompt", 0],
            ["status", "all"],
        ):
            with self.assertRaises(AssertionError, msg=words) as raised:
                self.command(*words)
            self.assertIn("--help lists the commands", str(raised.exception), words)
        # Nothing of it has an effect.
        self.assertEqual(self.data("Z5"), MAC.encode())

    def test_silent_for_a_number_of_answers(self):
        self.command("fault", "silent", 2)
        self.assertEqual([self.ask("CS"), self.ask("CS")], [b"", b""])
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(self.status("faults"), 2)

    def test_until_it_is_cleared(self):
        self.command("fault", "silent", -1)
        for _ in range(3):
            self.assertEqual(self.ask("CS"), b"")
        self.command("clear")
        self.assertEqual(self.data("CS"), b"0")

    def test_for_one_command_only(self):
        self.command("only", "CS")
        self.command("fault", "silent", 1)
        self.command("only", "all")
        self.assertEqual(self.data("Z5"), MAC.encode())
        self.assertEqual(self.ask("CS"), b"")
        self.assertEqual(self.data("CS"), b"0")

    def test_one_fault_after_the_other(self):
        self.command("fault", "refuse", 1)
        self.command("fault", "cut", 1, 3)
        self.assert_refused("CS")
        self.assertEqual(self.ask("CS"), b"\r\n0")
        self.assertEqual(self.data("CS"), b"0")

    def test_late(self):
        self.command("fault", "late", 1, 700)
        start = time.monotonic()
        self.assertEqual(self.ask("CS", silence=2), b"\r\n0" + END)
        self.assertGreater(time.monotonic() - start, 0.7)

    def test_cut(self):
        self.command("fault", "cut", 1, 5)
        self.assertEqual(self.ask("Z5"), b"\r\nC4:")
        self.command("fault", "cut", 1, 0)
        self.assertEqual(self.ask("Z5"), b"")

    def test_repeated(self):
        self.command("fault", "repeat", 1)
        self.assertEqual(self.ask("CS"), 2 * (b"\r\n0" + END))

    def test_garbage(self):
        self.command("fault", "garbage", 1)
        answer = self.ask("Z5")
        self.assertEqual(len(answer), len(b"\r\n" + MAC.encode() + END))
        self.assertFalse(answer.endswith(PROMPT))

    def test_refused_is_not_carried_out(self):
        self.command("only", "C0")
        self.command("fault", "refuse", 1)
        self.data(f"C1={SSID}")
        self.data(f"C2={PASSWORD}")
        self.data("C3=4")
        self.assert_refused("C0")
        self.assertEqual(self.data("CS"), b"0")

    def test_unasked(self):
        self.command("fault", "unasked", 1)
        self.assertEqual(self.ask("CS"), UNASKED + b"\r\n0" + END)

    def test_a_write_that_fails(self):
        peer = self.connect()
        self.command("fault", "write-fails", 1)
        self.assertEqual(self.data("CS"), b"1")
        self.assertEqual(self.send(b"lost"), b"-1")
        self.assertEqual(self.send(b"here"), b"4")
        self.assertEqual(peer.recv(10), b"here")

    def test_a_network_that_is_lost_takes_its_connections_along(self):
        peer = self.connect()
        self.command("lose")
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(peer.recv(1), b"")
        self.assertEqual(self.data("R0"), b"-1")
        self.assertIn(b"Failed", self.data("C0"))
        self.command("back")
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(self.join(), JOINED)

    def test_a_network_comes_back_by_itself(self):
        self.command("lose", 0.5)
        self.assertIn(b"Failed", self.join())
        self.assertFalse(self.status("in_reach"))
        time.sleep(0.5)
        self.assertTrue(self.status("in_reach"))
        self.assertEqual(self.join(), JOINED)

    def assert_forgotten(self, peer):
        """A restart leaves nothing."""
        self.assertEqual(peer.recv(1), b"")
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(self.status("open"), [])
        self.assertIn(b"Failed", self.data("C0"))

    def test_a_restart_of_its_own(self):
        peer = self.connect()
        self.command("restart")
        self.assertEqual(self.link.hear(), PROMPT)
        self.assert_forgotten(peer)
        self.assertEqual((self.status("restarts"), self.status("resets")), (1, self.link.resets_before))

    def test_a_reset_by_the_pin(self):
        peer = self.connect()
        self.assertEqual(self.link.reset(), PROMPT)
        self.assert_forgotten(peer)
        self.assertEqual(self.status("resets"), self.link.resets_before + 1)

    def test_a_command_under_way_is_forgotten_by_a_reset(self):
        for restart in (self.link.reset, lambda: self.command("restart")):
            self.command("fault", "late", 1, 600)
            self.link.write("CS")
            time.sleep(0.1)
            heard = restart() or self.link.hear()
            self.assertEqual(heard, PROMPT)
            self.assertFalse(self.link.more(0.8), "the command before the restart was answered")
            self.assertEqual(self.data("CS"), b"0")

    def test_resets_that_bring_no_prompt(self):
        self.command("no-prompt", 2)
        for _ in range(2):
            self.assertEqual(self.link.reset(), b"")
            self.assertEqual(self.ask("CS"), b"")
        self.assertEqual(self.link.reset(), PROMPT)
        self.assertEqual(self.data("CS"), b"0")

    def test_it_is_counted(self):
        self.join()
        self.ask("nonsense")
        status = self.link.module.status()
        self.assertEqual(status["by_name"], {"C4": 1, "C1": 1, "C2": 1, "C3": 1, "C0": 1, "unknown": 1})
        self.assertEqual((status["commands"], status["joins"], status["refusals"]), (6, 1, 1))
        self.assertTrue(status["joined"] and status["in_reach"])


class CommandsOverSpi(Commands):
    """Each command, over SPI."""

    link_type = Spi


class FaultsOverSpi(Faults):
    """Each fault, over SPI."""

    link_type = Spi


class UartOnly(Bench):
    """The bytes of a UART."""

    def test_commands_in_pieces_and_together(self):
        peer = self.connect()
        for byte in b"S3=0003\ra\r\n":
            self.link.connection.sendall(bytes([byte]))
        self.assertEqual(self.link.hear(), b"\r\n3" + END)
        self.assertEqual(peer.recv(10), b"a\r\n")
        self.link.connection.sendall(b"CS\rS3=0002\r\r\rZ5\r")
        whole = self.link.hear() + self.link.hear()
        self.assertEqual(whole, b"\r\n1" + END + b"\r\n2" + END + b"\r\n" + MAC.encode() + END)

    def test_half_a_command_is_forgotten_by_a_reset(self):
        self.connect()
        self.link.connection.sendall(b"S3=1000\rabc")
        time.sleep(0.1)
        self.assertEqual(self.link.reset(), PROMPT)
        self.assertEqual(self.data("Z5"), MAC.encode())

    def test_what_is_no_command_is_a_violation(self):
        self.link.connection.sendall(b"x" * 300)
        self.assertIn(b"ERROR", self.link.hear())
        self.assertEqual(self.status("violations"), 1)
        self.assertEqual(self.data("Z5"), MAC.encode())

    def test_a_device_that_starts_anew_finds_a_module_that_starts(self):
        peer = self.connect()
        self.link.connection.close()
        self.link.connection = socket.socket(socket.AF_UNIX)
        self.link.connect()
        self.assertEqual(self.link.hear(), PROMPT)
        self.assertEqual(peer.recv(1), b"")
        self.assertEqual(self.data("CS"), b"0")
        self.assertEqual(self.link.reset(), PROMPT)


class SpiOnly(Bench):
    """The frames of SPI."""

    link_type = Spi

    def frames(self, data):
        """Sends a command as it is; gives the frames that follow."""
        self.link.send_frame(b"C", data)
        self.link.hear()
        return self.link.frames

    def test_answers_are_whole_words_and_the_line_rises_for_the_next_command(self):
        answer = b"\r\n" + MAC.encode() + END
        self.assertEqual(self.frames(b"Z5\r\n"), [(b"D", answer + b"\x15" * (len(answer) % 2)), (b"P", b"")])

    def test_a_repeated_or_unasked_answer_comes_before_the_next_command(self):
        self.command("fault", "repeat", 1)
        self.assertEqual([kind for kind, _ in self.frames(b"CS\r\n")], [b"D", b"D", b"P"])
        self.command("fault", "unasked", 1)
        self.assertEqual([kind for kind, _ in self.frames(b"CS\r\n")], [b"D", b"D", b"P"])

    def test_a_silent_module_does_not_ask_for_a_command(self):
        self.command("fault", "silent", 1)
        self.assertEqual(self.frames(b"CS\r\n"), [])
        self.assertEqual(self.link.reset(), PROMPT)

    def test_a_restart_asks_for_a_command(self):
        self.command("restart")
        self.assertEqual(self.link.hear(), PROMPT)
        self.assertEqual(self.link.frames[-1], (b"P", b""))

    def test_what_the_host_does_wrong_is_told(self):
        for data in (b"CS\r", b"CS\r\n\n", b"CS\n\n", b"S3=0006\rabc\n", b"S3=2000\r" + b"x" * 2000):
            before = self.status("violations")
            self.frames(data)
            self.assertGreater(self.status("violations"), before, data)
        self.command("fault", "late", 1, 300)
        before = self.status("violations")
        self.link.send_frame(b"C", b"CS\r\n")
        self.link.send_frame(b"C", b"CS\r\n")
        self.link.hear(1)
        self.link.send_frame(b"X")
        self.assertEqual(self.data("Z5"), MAC.encode())
        self.assertEqual(self.status("violations"), before + 2)
        self.assertEqual(len(self.status("violations_told")), 8)


class Unchanged(unittest.TestCase):
    """A part that needs no program."""

    def test_the_last_ten_violations_are_kept(self):
        module = Module()
        for number in range(20):
            module.violated(str(number))
        self.assertEqual((module.violations[0], len(module.violations)), ("10", 10))
        self.assertEqual(module.counters["violations"], 20)


if __name__ == "__main__":
    unittest.main()
