//! Packets that the hub sends.

use mqtt_protocol_core::mqtt::packet::{Qos, v3_1_1 as wire};
use mqtt_protocol_core::mqtt::result_code::{ConnectReturnCode, MqttError, SubackReturnCode};

/// CONNACK with 0.
pub(crate) fn accepted(session_present: bool) -> Result<Vec<u8>, MqttError> {
    let packet = wire::Connack::builder()
        .session_present(session_present)
        .return_code(ConnectReturnCode::Accepted)
        .build()?;
    Ok(packet.to_continuous_buffer())
}

/// CONNACK with a refusal.
pub(crate) fn refused(code: ConnectReturnCode) -> Result<Vec<u8>, MqttError> {
    let packet = wire::Connack::builder()
        .session_present(false)
        .return_code(code)
        .build()?;
    Ok(packet.to_continuous_buffer())
}

/// PUBACK.
pub(crate) fn puback(packet_id: u16) -> Result<Vec<u8>, MqttError> {
    Ok(wire::Puback::builder()
        .packet_id(packet_id)
        .build()?
        .to_continuous_buffer())
}

/// SUBACK with one granted QoS, 0 or 1, for each filter.
pub(crate) fn suback(packet_id: u16, granted: &[u8]) -> Result<Vec<u8>, MqttError> {
    let codes = granted
        .iter()
        .map(|qos| match qos {
            0 => SubackReturnCode::SuccessMaximumQos0,
            _ => SubackReturnCode::SuccessMaximumQos1,
        })
        .collect();
    Ok(wire::Suback::builder()
        .packet_id(packet_id)
        .return_codes(codes)
        .build()?
        .to_continuous_buffer())
}

/// UNSUBACK.
pub(crate) fn unsuback(packet_id: u16) -> Result<Vec<u8>, MqttError> {
    Ok(wire::Unsuback::builder()
        .packet_id(packet_id)
        .build()?
        .to_continuous_buffer())
}

/// PINGRESP.
pub(crate) fn pingresp() -> Result<Vec<u8>, MqttError> {
    Ok(wire::Pingresp::builder().build()?.to_continuous_buffer())
}

/// PUBLISH: with QoS 1 if it has a packet identifier, which must not be 0, with QoS 0 otherwise.
pub(crate) fn publish(
    topic: &str,
    payload: &[u8],
    packet_id: Option<u16>,
    dup: bool,
) -> Result<Vec<u8>, MqttError> {
    let builder = wire::Publish::builder()
        .topic_name(topic)?
        .payload(payload.to_vec())
        .retain(false);
    let packet = match packet_id {
        Some(id) => builder
            .qos(Qos::AtLeastOnce)
            .packet_id(id)
            .dup(dup)
            .build()?,
        None => builder.qos(Qos::AtMostOnce).build()?,
    };
    Ok(packet.to_continuous_buffer())
}
