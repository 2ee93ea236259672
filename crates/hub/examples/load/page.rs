//! A page that is open: two of its streams, as a browser reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Views that are read: the list of devices, and one device.
const VIEWS: [&str; 2] = [
    "/api/page/live/devices",
    "/api/page/live/device?device=device-00000",
];

/// Streams of an open page.
pub(crate) struct Page {
    bytes: Arc<AtomicU64>,
}

impl Page {
    /// Opens the page at the address that the hub printed.
    pub(crate) async fn open(address: &str) -> Result<Self, String> {
        let wrong = || "the hub printed no address of its page".to_owned();
        let rest = address.strip_prefix("http://").ok_or_else(wrong)?;
        let (host, token) = rest.split_once("/#token=").ok_or_else(wrong)?;
        let bytes = Arc::new(AtomicU64::new(0));
        for view in VIEWS {
            let text = |error: std::io::Error| format!("cannot read {view}: {error}");
            let mut stream = TcpStream::connect(host).await.map_err(text)?;
            let request = format!(
                "GET {view} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.map_err(text)?;
            let mut buffer = vec![0; 64 * 1024];
            let length = stream.read(&mut buffer).await.map_err(text)?;
            let answer = buffer.get(..length).unwrap_or_default();
            if !answer.starts_with(b"HTTP/1.1 200") {
                let answer = String::from_utf8_lossy(answer);
                let line = answer.lines().next().unwrap_or_default();
                return Err(format!("the page answered {view} with {line}"));
            }
            let bytes = Arc::clone(&bytes);
            tokio::spawn(async move {
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    bytes.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        Ok(Self { bytes })
    }

    /// Bytes that it was told.
    pub(crate) fn told(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
