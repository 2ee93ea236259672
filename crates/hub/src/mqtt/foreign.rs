//! Clients that speak something else than MQTT 3.1.1 over TLS: what it is, and what to do about it.

/// Bytes that tell every protocol from the others.
pub(super) const ENOUGH: usize = 32;

/// Protocol of a client whose first bytes on the TCP connection are these; `None` if it may be TLS.
pub(super) fn before_tls(first: &[u8]) -> Option<&'static str> {
    match first {
        // A handshake record (RFC 5246, section 6.2.1).
        [22, ..] | [] => None,
        _ if is_http(first) => Some(
            "the client speaks HTTP without TLS; this port is for MQTT over TLS, and operators use https:// on the \
             operator's port",
        ),
        _ if first.starts_with(b"AMQP") => {
            Some("the client speaks AMQP without TLS; this hub has no AMQP: choose MQTT")
        }
        // CONNECT.
        [0x10, ..] => Some(
            "the client speaks MQTT without TLS; have it use TLS, and trust ca.pem from the state directory",
        ),
        _ => Some("the client does not speak TLS; this port is for MQTT over TLS"),
    }
}

/// Protocol of a client whose first bytes within TLS are these, if they are known and not MQTT.
pub(super) fn within_tls(first: &[u8]) -> Option<&'static str> {
    if first.starts_with(b"AMQP") {
        return Some(
            "the client speaks AMQP; this hub has no AMQP: choose MQTT, or MQTT over WebSocket",
        );
    }
    if !is_http(first) {
        return None;
    }
    let head = String::from_utf8_lossy(first).to_ascii_lowercase();
    if head.contains("/$iothub/websocket") || head.contains("upgrade: websocket") {
        return Some(
            "the client speaks WebSocket; this port is for MQTT over TLS: MQTT over WebSocket is served on the \
             operator's port (`serve --operator-listen`), and Microsoft's SDKs look for it on port 443",
        );
    }
    Some(
        "the client speaks HTTP; this port is for MQTT, and operators use https:// on the operator's port",
    )
}

/// True if these are the first bytes of a request of HTTP/1.1 or HTTP/2.
fn is_http(first: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"POST ",
        b"PUT ",
        b"PATCH ",
        b"DELETE ",
        b"HEAD ",
        b"OPTIONS ",
        b"CONNECT ",
        b"PRI ",
    ];
    METHODS.iter().any(|method| first.starts_with(method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_tls_is_told_apart() {
        for (first, told) in [
            (&b"GET / HTTP/1.1\r\n"[..], "HTTP without TLS"),
            (b"AMQP\0\x01\0\0", "AMQP without TLS"),
            (b"\x10\x10\0\x04MQTT\x04", "MQTT without TLS"),
            (b"SSH-2.0-x", "does not speak TLS"),
        ] {
            assert!(
                before_tls(first).is_some_and(|said| said.contains(told)),
                "{told}"
            );
        }
        assert_eq!(before_tls(b"\x16\x03\x01\x02\0"), None);
        assert_eq!(before_tls(b""), None);
    }

    #[test]
    fn what_is_not_mqtt_is_told_apart() {
        for (first, told) in [
            (
                &b"GET /$iothub/websocket?iothub-no-client-cert=true HTTP/1.1"[..],
                "WebSocket",
            ),
            (b"GET /chat HTTP/1.1\r\nUpgrade: WebSocket\r\n", "WebSocket"),
            (b"POST /devices/d/messages/events HTTP/1.1", "speaks HTTP;"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "speaks HTTP;"),
            (b"AMQP\x03\x01\0\0", "AMQP;"),
        ] {
            assert!(
                within_tls(first).is_some_and(|said| said.contains(told)),
                "{told}"
            );
        }
        assert_eq!(within_tls(b"\x10\x10\0\x04MQTT\x04"), None);
        assert_eq!(within_tls(b"GETX"), None);
    }
}
