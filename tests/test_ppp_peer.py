# SPDX-License-Identifier: Apache-2.0
"""Tests of the framing in tests/zephyr/ppp_peer.py: what it passes on, and what it answers in the device's place."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("zephyr")))

import ppp_peer  # noqa: E402  pylint: disable=wrong-import-position


def request(*options, code=ppp_peer.CONFIGURE_REQUEST):
    """A packet of IPCP with these options."""
    body = b"".join(options)
    return bytes([code, 7]) + (4 + len(body)).to_bytes(2, "big") + body


def address(*value):
    """The option of an IP address."""
    return bytes([ppp_peer.IP_ADDRESS, 6, *value])


class Framing(unittest.TestCase):
    """RFC 1662."""

    def test_the_checksum_is_that_of_the_standards_check_value(self):
        # CRC-16/IBM-SDLC of "123456789".
        self.assertEqual(ppp_peer.checksum(b"123456789"), (0x906E).to_bytes(2, "little"))

    def test_every_byte_passes_stuffing(self):
        content = bytes(range(256))
        frames = list(ppp_peer.Frames().of(ppp_peer.stuff(content)))
        self.assertEqual(len(frames), 1)
        self.assertEqual(ppp_peer.unstuff(frames[0]), content + ppp_peer.checksum(content))

    def test_text_before_the_first_flag_is_no_frame_and_flags_may_be_shared(self):
        frames = ppp_peer.Frames()
        self.assertEqual(list(frames.of(b"SLiRP Ready\r\n")), [])
        self.assertEqual(list(frames.of(b"~ab~cd~~")), [b"ab", b"cd"])

    def test_a_frame_without_end_is_given_up(self):
        frames = ppp_peer.Frames()
        self.assertEqual(list(frames.of(b"~" + b"x" * 10_000 + b"~ab~")), [b"ab"])
        self.assertLess(len(frames.pending), 2 * ppp_peer.FRAME)


class Control(unittest.TestCase):
    """RFC 1332 and RFC 1661."""

    def of(self, content):
        (frame,) = ppp_peer.Frames().of(ppp_peer.stuff(content))
        return ppp_peer.control(frame)

    def test_addresses_may_be_left_out(self):
        packet = request(address(0, 0, 0, 0))
        for header in (b"\xff\x03", b""):
            self.assertEqual(self.of(header + b"\x80\x21" + packet), (ppp_peer.IPCP, packet))

    def test_data_and_damaged_frames_are_no_control_packets(self):
        self.assertIsNone(self.of(b"\x00\x21" + bytes(40)))
        (frame,) = ppp_peer.Frames().of(ppp_peer.stuff(b"\x80\x21" + request()))
        self.assertIsNone(ppp_peer.control(frame[:-1] + bytes([frame[-1] ^ 1])))

    def test_no_address_is_refused_with_one(self):
        answer = ppp_peer.refusal_of_no_address(request(bytes([2, 6, 0, 0x2D, 15, 1]), address(0, 0, 0, 0)))
        (frame,) = ppp_peer.Frames().of(answer)
        protocol, packet = ppp_peer.control(frame)
        self.assertEqual(protocol, ppp_peer.IPCP)
        self.assertEqual(packet, request(address(10, 0, 2, 2), code=ppp_peer.CONFIGURE_NAK))

    def test_an_address_another_code_and_broken_options_pass(self):
        for packet in (
            request(address(10, 0, 2, 2)),
            request(address(0, 0, 0, 0), code=2),
            request(bytes([ppp_peer.IP_ADDRESS, 0])),
            request(),
        ):
            self.assertIsNone(ppp_peer.refusal_of_no_address(packet))


if __name__ == "__main__":
    unittest.main()
