//! Server of files: HTTP/1.1 with ranges, and faults that a proper library would not let through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::faults::UpdateFault;
use super::files;
use crate::core::Core;

/// Most bytes of the head of a request.
const MAX_HEAD: usize = 8192;
/// Bytes that are sent at a time.
const PIECE: usize = 4096;
/// Most connections at a time.
const MAX_CONNECTIONS: usize = 1000;

/// Serves files for as long as the runtime lives.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, tls: Option<TlsAcceptor>) {
    let permits = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let (core, tls) = (Arc::clone(&core), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(&core, tcp, peer).await,
                        Some(tls) => {
                            match timeout(core.limits.operator_timeout, tls.accept(tcp)).await {
                                Ok(Ok(stream)) => connection(&core, stream, peer).await,
                                Ok(Err(error)) => {
                                    log::warn!("{peer}: no TLS with who asks for a file: {error}");
                                }
                                Err(_) => log::warn!("{peer} is silent in the TLS handshake"),
                            }
                        }
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                log::error!("cannot accept a connection for a file: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers requests until the client leaves, or a fault ends the connection.
async fn connection(
    core: &Core,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
) {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            let mut piece = [0; 1024];
            let read = timeout(core.limits.operator_timeout, stream.read(&mut piece)).await;
            match read {
                Ok(Ok(count @ 1..)) if bytes.len() < MAX_HEAD => {
                    bytes.extend(piece.iter().take(count));
                }
                _ => return,
            }
        };
        let head: Vec<u8> = bytes.drain(..end + 4).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let request = Request::parse(&head);
        let answer = Answer::to(core, request.as_ref());
        log::debug!(
            "{peer} asks for {:?}: {}",
            request.as_ref().map(|it| it.path),
            answer.head.lines().next().unwrap_or_default()
        );
        let goes_on = request.is_some_and(|request| !request.closes);
        if !answer.send(&mut stream).await || !goes_on {
            // Of TLS: the end of the file is one that the client can tell from a cut.
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// A request for a file.
struct Request<'h> {
    is_head: bool,
    path: &'h str,
    /// The first byte, and the last one if it is said.
    range: Option<(usize, Option<usize>)>,
    closes: bool,
}

impl<'h> Request<'h> {
    /// `None` if it is not a request for a file.
    fn parse(head: &'h str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        let (method, path, version) = (words.next()?, words.next()?, words.next()?);
        let mut request = Self {
            is_head: method == "HEAD",
            path,
            range: None,
            closes: version != "HTTP/1.1",
        };
        if !matches!(method, "GET" | "HEAD") {
            return None;
        }
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.to_ascii_lowercase().as_str() {
                "range" => request.range = range(value.trim()),
                "connection" => request.closes |= value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        Some(request)
    }
}

/// Reads `bytes=5-` or `bytes=5-9`; other forms mean the whole file, as RFC 9110 allows.
fn range(value: &str) -> Option<(usize, Option<usize>)> {
    let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
    let last = match last {
        "" => None,
        last => Some(last.parse().ok()?),
    };
    Some((first.parse().ok()?, last))
}

/// An answer: its head, its body, and how it is sent.
struct Answer {
    head: String,
    body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    cut: Option<usize>,
    /// Bytes a second.
    rate: Option<u32>,
}

impl Answer {
    fn empty(status: &str, more: &str) -> Self {
        Self {
            head: format!("HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\n\r\n"),
            body: Vec::new(),
            cut: None,
            rate: None,
        }
    }

    fn to(core: &Core, request: Option<&Request<'_>>) -> Self {
        let Some(request) = request else {
            return Self::empty("400 Bad Request", "");
        };
        let path = request.path.split('?').next().unwrap_or_default();
        let mut parts = path.trim_start_matches('/').split('/');
        let found = match (parts.next(), parts.next()) {
            (Some("files"), Some(name)) => files::load(&core.updates.folder, name),
            (Some("root-keys"), Some(name)) => {
                return match core.updates.package(name) {
                    Some(package) => Self::of(package.into_bytes(), request, false),
                    None => Self::empty("404 Not Found", ""),
                };
            }
            _ => None,
        };
        let Some(mut file) = found else {
            return Self::empty("404 Not Found", "");
        };
        let fault = core.updates.take_fault(false);
        match fault {
            Some(UpdateFault::Status { status }) => {
                return Self::empty(&format!("{status} Fault"), "");
            }
            Some(UpdateFault::Redirect) => {
                return Self::empty("302 Found", "Location: http://elsewhere.invalid/file\r\n");
            }
            Some(UpdateFault::Moved) => {
                let path = request.path.split('?').next().unwrap_or_default();
                return Self::empty(
                    "307 Temporary Redirect",
                    &format!("Location: {path}?moved\r\n"),
                );
            }
            Some(UpdateFault::WrongHash) => {
                if let Some(last) = file.last_mut() {
                    *last ^= 1;
                }
            }
            Some(UpdateFault::WrongSize) => {
                file.pop();
            }
            _ => {}
        }
        let mut answer = Self::of(file, request, fault == Some(UpdateFault::NoRanges));
        match fault {
            Some(UpdateFault::Cut { bytes }) => answer.cut = Some(bytes as usize),
            Some(UpdateFault::Slow { rate }) => answer.rate = Some(rate.max(1)),
            _ => {}
        }
        answer
    }

    /// The file, or the part of it that is asked for.
    fn of(mut file: Vec<u8>, request: &Request<'_>, ignores_range: bool) -> Self {
        let total = file.len();
        let head = match request.range.filter(|_| !ignores_range) {
            None => format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n"),
            Some((first, _)) if first >= total => {
                return Self::empty(
                    "416 Range Not Satisfiable",
                    &format!("Content-Range: bytes */{total}\r\n"),
                );
            }
            Some((first, last)) => {
                let last = last.unwrap_or(total - 1).min(total - 1);
                if last < first {
                    return Self::empty(
                        "416 Range Not Satisfiable",
                        &format!("Content-Range: bytes */{total}\r\n"),
                    );
                }
                file.truncate(last + 1);
                file.drain(..first);
                format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {first}-{last}/{total}\r\n",
                    file.len()
                )
            }
        };
        if request.is_head {
            file.clear();
        }
        Self {
            head: format!(
                "{head}Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n\r\n"
            ),
            body: file,
            cut: None,
            rate: None,
        }
    }

    /// False if the connection is of no more use.
    async fn send(self, stream: &mut (impl AsyncWrite + Unpin)) -> bool {
        if stream.write_all(self.head.as_bytes()).await.is_err() {
            return false;
        }
        let length = self.cut.unwrap_or(usize::MAX).min(self.body.len());
        let body = self.body.get(..length).unwrap_or_default();
        let piece = self
            .rate
            .map_or(PIECE, |rate| (rate as usize / 10).clamp(1, PIECE));
        for bytes in body.chunks(piece) {
            if stream.write_all(bytes).await.is_err() {
                return false;
            }
            if let Some(rate) = self.rate {
                sleep(Duration::from_secs_f64(
                    bytes.len() as f64 / f64::from(rate),
                ))
                .await;
            }
        }
        let _ = stream.flush().await;
        self.cut.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_far_as_a_download_asks_for_them() {
        assert_eq!(range("bytes=5-"), Some((5, None)));
        assert_eq!(range("bytes=5-9"), Some((5, Some(9))));
        for other in [
            "bytes=-5",
            "bytes=5",
            "items=1-2",
            "bytes=1-2,4-5",
            "bytes=a-",
        ] {
            assert_eq!(range(other), None, "{other}");
        }
    }

    #[test]
    fn a_part_of_a_file_has_its_place_in_the_head() {
        let request = |text: &'static str| Request::parse(text).expect("a request");
        let part = request("GET /f HTTP/1.1\r\nRange: bytes=2-3\r\n\r\n");
        let answer = Answer::of(b"abcdef".to_vec(), &part, false);
        assert_eq!(answer.body, b"cd");
        assert!(answer.head.contains("Content-Range: bytes 2-3/6\r\n"));
        let answer = Answer::of(b"abcdef".to_vec(), &part, true);
        assert!(answer.head.starts_with("HTTP/1.1 200 "));
        assert_eq!(answer.body, b"abcdef");
        let behind = request("GET /f HTTP/1.1\r\nRange: bytes=6-\r\n\r\n");
        assert!(
            Answer::of(b"abcdef".to_vec(), &behind, false)
                .head
                .starts_with("HTTP/1.1 416 ")
        );
        let head = request("HEAD /f HTTP/1.0\r\n\r\n");
        assert!(head.closes && Answer::of(b"abc".to_vec(), &head, false).body.is_empty());
        assert!(Request::parse("POST /f HTTP/1.1\r\n\r\n").is_none());
    }
}
