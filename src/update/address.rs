//! Address of a file: `http://host[:port]/path`, or `https`.

use super::number::small;
use crate::port::update::FileServer;

/// An address in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'u> {
    /// The server.
    pub server: FileServer<'u>,
    /// Path and query, from the first `/` on.
    pub path: &'u str,
}

impl<'u> Address<'u> {
    /// `None` if it is not an address of HTTP, has a user, or has a character that may not stand in one.
    pub fn parse(text: &'u str) -> Option<Self> {
        let is_plain = |byte: u8| {
            (b'!'..=b'~').contains(&byte)
                && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`')
        };
        let (tls, rest) = match text.split_once("://")? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ => return None,
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, small(port)?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let is_good = !host.is_empty()
            && port != 0
            && !host
                .bytes()
                .any(|byte| matches!(byte, b'@' | b'[' | b']' | b'?'))
            && text.bytes().all(is_plain);
        is_good.then_some(Self {
            server: FileServer { host, port, tls },
            path,
        })
    }

    /// The address that a redirect leads to, which is on the same server. `None` if it leads to another one.
    pub fn redirected<'n>(&self, location: &'n str) -> Option<Address<'n>>
    where
        'u: 'n,
    {
        if location.starts_with('/') && !location.starts_with("//") {
            let is_plain = location.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
            return is_plain.then_some(Address {
                server: self.server,
                path: location,
            });
        }
        let address = Address::parse(location)?;
        let is_same = address.server.host.eq_ignore_ascii_case(self.server.host)
            && address.server.port == self.server.port
            && address.server.tls == self.server.tls;
        is_same.then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(&str, u16, bool, &str)> {
        let Address { server, path } = Address::parse(text)?;
        Some((server.host, server.port, server.tls, path))
    }

    #[test]
    fn an_address_has_a_host_a_port_and_a_path() {
        assert_eq!(
            parts("http://a.example/f?x=1#y"),
            Some(("a.example", 80, false, "/f?x=1"))
        );
        assert_eq!(
            parts("HTTPS://a.example"),
            Some(("a.example", 443, true, "/"))
        );
        assert_eq!(
            parts("http://127.0.0.1:8080/"),
            Some(("127.0.0.1", 8080, false, "/"))
        );
        assert_eq!(
            parts("http://[::1]:81/a:b"),
            Some(("::1", 81, false, "/a:b"))
        );
        assert_eq!(parts("http://[::1]/a"), Some(("::1", 80, false, "/a")));
    }

    #[test]
    fn what_is_no_address_of_a_file_is_refused() {
        for text in [
            "",
            "a.example/f",
            "ftp://a/f",
            "http:///f",
            "http://a:0/",
            "http://a:x/",
            "http://u@a/",
            "http://a/\r\nHost: b",
            "http://a/ b",
            "http://a:99999/",
            "http://a\u{e9}/",
        ] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_redirect_stays_on_its_server() {
        let address = Address::parse("http://a.example:81/f").unwrap();
        assert_eq!(address.redirected("/g").map(|to| to.path), Some("/g"));
        assert_eq!(
            address
                .redirected("http://A.example:81/h")
                .map(|to| to.path),
            Some("/h")
        );
        for other in [
            "http://b.example:81/h",
            "http://a.example/h",
            "https://a.example:81/h",
            "//b/h",
            "g",
            "/ g",
            "",
        ] {
            assert_eq!(address.redirected(other), None, "{other}");
        }
    }
}
