//! Packets as a server writes them.

use std::vec::Vec;

/// A PUBLISH of any size, with this packet identifier if it has QoS 1.
pub(crate) fn publish(topic: &[u8], packet_id: Option<u16>, body: &[u8]) -> Vec<u8> {
    let length = 2 + topic.len() + packet_id.map_or(0, |_| 2) + body.len();
    let mut packet = std::vec![if packet_id.is_some() { 0x32 } else { 0x30 }];
    let mut left = length;
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        packet.push((left % 128) as u8 | more);
        left /= 128;
        if left == 0 {
            break;
        }
    }
    packet.extend((topic.len() as u16).to_be_bytes());
    packet.extend(topic);
    packet.extend(packet_id.into_iter().flat_map(u16::to_be_bytes));
    packet.extend(body);
    packet
}

/// A PUBLISH of QoS 0.
pub(crate) fn message(topic: &str, body: &str) -> Vec<u8> {
    publish(topic.as_bytes(), None, body.as_bytes())
}
