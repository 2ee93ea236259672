//! Requests to the page of a hub: HTTP/1.1 in plain text.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use super::PATIENCE;

/// Address of a page, and the token that opens it.
#[derive(Clone, Debug)]
pub struct Page {
    /// `127.0.0.1:PORT`.
    pub authority: String,
    pub token: String,
}

impl Page {
    /// The page at an address that a hub announced.
    pub fn at(address: &str) -> Self {
        let (server, token) = address.split_once("/#token=").unwrap();
        Self {
            authority: server.strip_prefix("http://").unwrap().to_owned(),
            token: token.to_owned(),
        }
    }

    /// Sends a request with these headers beside `Host`, which is right unless one of them is it.
    pub fn send(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut reader = self.open(line, headers, body);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// The same with the token.
    pub fn ask(&self, line: &str, body: &str) -> Reply {
        let token = format!("Bearer {}", self.token);
        self.send(line, &[("Authorization", &token)], body)
    }

    fn open(&self, line: &str, headers: &[(&str, &str)], body: &str) -> BufReader<TcpStream> {
        let mut tcp = TcpStream::connect(&self.authority).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut text = format!(
            "{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "Host") {
            text.push_str(&format!("Host: {}\r\n", self.authority));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        tcp.write_all(format!("{text}\r\n{body}").as_bytes())
            .unwrap();
        BufReader::new(tcp)
    }

    /// Subscribes to live data.
    pub fn live(&self, path: &str) -> Live {
        let token = format!("Bearer {}", self.token);
        let line = format!("GET /api/page/live/{path}");
        let mut reader = self.open(&line, &[("Authorization", &token)], "");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.contains(" 200 "), "{head}");
        assert!(head.contains("text/event-stream"), "{head}");
        Live {
            reader,
            rest: String::new(),
            end: Instant::now() + PATIENCE * 3,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The sentence of a refusal.
    pub fn message(&self) -> String {
        self.json()["Message"].as_str().unwrap().to_owned()
    }
}

/// Live data, as they come.
pub struct Live {
    reader: BufReader<TcpStream>,
    rest: String,
    /// Time to give up: the hub says again and again that it is there.
    end: Instant,
}

impl Live {
    /// The next event: its name and its data.
    pub fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.rest.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.rest = rest;
                if let Some((name, data)) = event.split_once("\ndata: ") {
                    let name = name.strip_prefix("event: ").unwrap().to_owned();
                    return (name, serde_json::from_str(data).unwrap());
                }
                continue;
            }
            self.chunk();
        }
    }

    /// The next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.next();
            if found == name {
                return data;
            }
        }
    }

    /// The next event of this name of which `wanted` says true.
    pub fn until(&mut self, name: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        loop {
            let data = self.event(name);
            if wanted(&data) {
                return data;
            }
        }
    }

    /// A chunk of the transfer coding.
    fn chunk(&mut self) {
        assert!(
            Instant::now() < self.end,
            "what is waited for does not come"
        );
        let mut size = String::new();
        self.reader.read_line(&mut size).unwrap();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        assert!(size > 0, "the stream ended");
        let mut bytes = vec![0; size + 2];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes.truncate(size);
        self.rest.push_str(&String::from_utf8(bytes).unwrap());
    }
}
