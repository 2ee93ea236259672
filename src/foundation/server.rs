//! A server as a person writes it: a name or an IP address, with or without a port.

use core::fmt;

/// Reason why a text names no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerError {
    /// There is no name and no address.
    Empty,
    /// The text behind the last colon, or the closing bracket, is no port from 1 to 65535.
    Port,
    /// A bracket is missing, or is around no IPv6 address (RFC 3986, section 3.2.2).
    Brackets,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a server has a name or an address",
            Self::Port => "a port is a number from 1 to 65535, behind a colon",
            Self::Brackets => {
                "brackets belong around an IPv6 address, and its port behind them: [2001:db8::1]:123"
            }
        })
    }
}

/// Splits a text into name or address, without brackets, and the port if there is one. An IPv6 address without brackets
/// has no port: `2001:db8::1`.
///
/// # Errors
///
/// See [`ServerError`].
pub fn split(text: &str) -> Result<(&str, Option<u16>), ServerError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(ServerError::Brackets)?;
        if host.parse::<core::net::Ipv6Addr>().is_err() {
            return Err(ServerError::Brackets);
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            None => return Err(ServerError::Brackets),
            Some(port) => Some(port),
        };
        (host, port)
    } else {
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            Some(_) if text.parse::<core::net::Ipv6Addr>().is_err() => {
                return Err(ServerError::Brackets);
            }
            _ => (text, None),
        }
    };
    if host.is_empty() {
        return Err(ServerError::Empty);
    }
    let port = port.map(|port| match port.parse::<u16>() {
        Ok(port @ 1..) if port_is_plain(text) => Ok(port),
        _ => Err(ServerError::Port),
    });
    Ok((host, port.transpose()?))
}

/// True if the port has digits only: parsing a number takes a sign too.
fn port_is_plain(text: &str) -> bool {
    let port = text.rsplit(':').next().unwrap_or_default();
    port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_both_families_have_a_port_or_not() {
        for (text, host, port) in [
            ("time.windows.com", "time.windows.com", None),
            ("time.windows.com:123", "time.windows.com", Some(123)),
            ("10.0.2.2", "10.0.2.2", None),
            ("10.0.2.2:65535", "10.0.2.2", Some(65535)),
            ("::1", "::1", None),
            ("fec0::2", "fec0::2", None),
            ("[::1]", "::1", None),
            ("[::1]:123", "::1", Some(123)),
            ("[::ffff:192.0.2.1]:1", "::ffff:192.0.2.1", Some(1)),
        ] {
            assert_eq!(split(text), Ok((host, port)), "{text}");
        }
    }

    #[test]
    fn what_names_no_server_is_refused_with_its_reason() {
        use ServerError::{Brackets, Empty, Port};
        for (text, error) in [
            ("", Empty),
            (":123", Empty),
            ("host:", Port),
            ("host:0", Port),
            ("host:+1", Port),
            ("host:65536", Port),
            ("host:x", Port),
            ("[::1]:", Port),
            ("[::1]:0", Port),
            ("[::1", Brackets),
            ("[::1]x", Brackets),
            ("[]:1", Brackets),
            ("[host]:1", Brackets),
            ("[10.0.2.2]:1", Brackets),
            ("::1:x", Brackets),
            ("a:b:c", Brackets),
            ("1::2::3", Brackets),
        ] {
            assert_eq!(split(text), Err(error), "{text}");
        }
    }
}
