//! The storage account over HTTPS: the operations of Azure's Blob Storage that devices need for one file.
//!
//! | Request | Operation | Permission |
//! |---|---|---|
//! | `PUT /device-files/{blob}` | Put Blob, of type `BlockBlob` | write |
//! | `PUT …?comp=block&blockid=` | Put Block | write |
//! | `PUT …?comp=blocklist` | Put Block List | write |
//! | `GET`, `HEAD` | Get Blob, with a range or without; Get Blob Properties | read |

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    IF_MATCH, IF_NONE_MATCH, LAST_MODIFIED, RANGE,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_core::Stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::timeout;

use super::arriving::Arriving;
use super::blobs::{Blob, Writing};
use super::md5::{self, Digest, Hash as _, Md5};
use super::refusal::Refusal;
use super::sas::Parameters;
use super::{CONTAINER, blocks};
use crate::core::Core;
use crate::credentials::{percent, random};

/// Most bytes of a list of blocks: as many ids as there may be, each with its element.
const MAX_LIST: usize = 8 * 1024 * 1024;
/// Bytes of a blob that are read at a time.
const PIECE: usize = 64 * 1024;

/// True if a request with this path is for the storage account.
pub(crate) fn is_for(path: &str) -> bool {
    let rest = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(CONTAINER));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers a request for the storage account.
pub(crate) async fn serve(core: Arc<Core>, request: Request<Incoming>) -> Response<Body> {
    let sent = request.headers();
    let echoed = ["x-ms-client-request-id", "x-ms-version"]
        .map(|name| (HeaderName::from_static(name), sent.get(name).cloned()));
    let is_head = request.method() == Method::HEAD;
    let mut response = match answer(&core, request).await {
        Ok(response) => response,
        Err(refusal) => {
            log::warn!(
                "a request for a file is refused: {} ({})",
                refusal.why,
                refusal.code
            );
            refusal.into_response()
        }
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    for (name, value) in echoed {
        headers.extend(value.map(|value| (name, value)));
    }
    if let Ok(id) = HeaderValue::try_from(random::uuid()) {
        headers.insert("x-ms-request-id", id);
    }
    response
}

async fn answer(core: &Arc<Core>, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path().trim_start_matches('/');
    let name = path.get(CONTAINER.len() + 1..).unwrap_or_default();
    let name = percent::decode(name)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| {
            Refusal::bad(
                "InvalidUri",
                "the address names no blob; it is https://HOST/CONTAINER/BLOB",
            )
        })?;
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default())?;
    let permit = |permissions: &[char]| {
        let (uploads, now) = (&core.uploads, core.clock.unix_secs());
        parameters.check(&uploads.key, &name, permissions, now)
    };
    match (request.method(), parameters.get("comp")) {
        (&Method::PUT, operation) => {
            permit(&['w', 'c'])?;
            let how = conditions(request.headers())?;
            if !request.headers().contains_key(CONTENT_LENGTH) {
                return Err(Refusal::new(
                    StatusCode::LENGTH_REQUIRED,
                    "MissingContentLengthHeader",
                    "the request has no Content-Length",
                ));
            }
            match operation {
                None => put(core, name, request, how).await,
                Some("block") => {
                    let block = parameters.get("blockid").unwrap_or_default().to_owned();
                    put_block(core, name, block, request).await
                }
                Some("blocklist") => put_list(core, name, request, how).await,
                Some(_) => Err(no_such_operation()),
            }
        }
        (&Method::GET | &Method::HEAD, None) => {
            permit(&['r'])?;
            get(core, &name, request.headers())
        }
        (&Method::GET | &Method::HEAD, Some(_)) => Err(no_such_operation()),
        // Permissions beyond these are given to nobody.
        _ => permit(&['d']).and(Err(no_such_operation())),
    }
}

fn no_such_operation() -> Refusal {
    Refusal::bad(
        "UnsupportedQueryParameter",
        "the hub's storage serves Put Blob, Put Block, Put Block List, Get Blob and Get Blob Properties",
    )
}

/// Conditions and properties that a write has.
fn conditions(headers: &HeaderMap) -> Result<Writing, Refusal> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let properties = HeaderName::from_static("x-ms-blob-content-type");
    let mut how = Writing {
        content_type: text(&properties).or(text(&CONTENT_TYPE)).map(str::to_owned),
        ..Writing::default()
    };
    match text(&IF_NONE_MATCH) {
        None => {}
        Some("*") => how.only_new = true,
        Some(_) => {
            return Err(Refusal::bad(
                "InvalidHeaderValue",
                "If-None-Match of a write is * or absent",
            ));
        }
    }
    how.only_etag = text(&IF_MATCH)
        .filter(|etag| *etag != "*")
        .map(|etag| etag.trim_matches('"').to_owned());
    Ok(how)
}

async fn put(
    core: &Arc<Core>,
    name: String,
    request: Request<Incoming>,
    mut how: Writing,
) -> Result<Response<Body>, Refusal> {
    match request
        .headers()
        .get("x-ms-blob-type")
        .map(HeaderValue::as_bytes)
    {
        Some(b"BlockBlob") => {}
        None => {
            return Err(Refusal::bad(
                "MissingRequiredHeader",
                "Put Blob needs the header x-ms-blob-type: BlockBlob",
            ));
        }
        Some(_) => {
            return Err(Refusal::bad(
                "InvalidHeaderValue",
                "x-ms-blob-type: the hub's storage has block blobs only",
            ));
        }
    }
    // The blob's own takes precedence.
    let of_body = Digest::promised(request.headers(), md5::OF_BODY)?;
    let promised = Digest::promised(request.headers(), md5::OF_BLOB)?.or(of_body);
    let blobs = &core.uploads.blobs;
    let (arriving, digest) = receive(core, request.into_body()).await?;
    digest.check(promised)?;
    how.md5 = Some(digest.text());
    let blob = tokio::task::block_in_place(|| blobs.put(&name, arriving, how))?;
    Ok(created(Some(&blob)))
}

async fn put_block(
    core: &Arc<Core>,
    name: String,
    block: String,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    blocks::check_id(&block)?;
    let promised = Digest::promised(request.headers(), md5::OF_BODY)?;
    let blobs = &core.uploads.blobs;
    let (arriving, digest) = receive(core, request.into_body()).await?;
    digest.check(promised)?;
    tokio::task::block_in_place(|| blobs.put_block(&name, &block, arriving))?;
    let mut response = created(None);
    tell_md5(response.headers_mut(), promised.map(Digest::text));
    Ok(response)
}

/// Receives contents, and computes their MD5.
async fn receive(core: &Core, mut body: Incoming) -> Result<(Arriving<'_>, Digest), Refusal> {
    let mut arriving = core.uploads.blobs.receive()?;
    let mut digest = Md5::new();
    while let Some(bytes) = next(core, &mut body).await? {
        digest.update(&bytes);
        arriving.write(&bytes)?;
    }
    Ok((arriving, Digest::of(digest)))
}

async fn put_list(
    core: &Arc<Core>,
    name: String,
    request: Request<Incoming>,
    mut how: Writing,
) -> Result<Response<Body>, Refusal> {
    // Its own type is that of the list.
    if !request.headers().contains_key("x-ms-blob-content-type") {
        how.content_type = None;
    }
    let promised = Digest::promised(request.headers(), md5::OF_BODY)?;
    // Nobody checks it: its blocks were checked.
    how.md5 = Digest::promised(request.headers(), md5::OF_BLOB)?.map(Digest::text);
    let mut body = request.into_body();
    let mut xml = Vec::new();
    while let Some(bytes) = next(core, &mut body).await? {
        xml.extend_from_slice(&bytes);
        if xml.len() > MAX_LIST {
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestBodyTooLarge",
                format!("a list of blocks has at most {MAX_LIST} bytes"),
            ));
        }
    }
    Digest::of(Md5::new_with_prefix(&xml)).check(promised)?;
    let blobs = &core.uploads.blobs;
    let blob = tokio::task::block_in_place(|| {
        let list = blocks::parse(&xml)?;
        blobs.put_list(&name, &list, how)
    })?;
    Ok(created(Some(&blob)))
}

/// The next bytes of a body; each has to come within the operator's time.
async fn next(core: &Core, body: &mut Incoming) -> Result<Option<Bytes>, Refusal> {
    let patience = core.limits.operator_timeout;
    let unfinished = |why: String| Refusal::bad("IncompleteBody", why);
    loop {
        let frame = match timeout(patience, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(unfinished(format!("the body ended: {error}"))),
            Err(_) => {
                let seconds = patience.as_secs_f32();
                return Err(unfinished(format!(
                    "nothing of the body came for {seconds} s"
                )));
            }
        };
        if let Ok(bytes) = frame.into_data() {
            return Ok(Some(bytes));
        }
    }
}

/// 201, with what the blob has now.
fn created(blob: Option<&Blob>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(
        "x-ms-request-server-encrypted",
        HeaderValue::from_static("false"),
    );
    if let Some(blob) = blob {
        tell(headers, blob);
        tell_md5(headers, blob.md5.clone());
    }
    response
}

fn tell_md5(headers: &mut HeaderMap, digest: Option<String>) {
    if let Some(Ok(value)) = digest.map(HeaderValue::try_from) {
        headers.insert(md5::OF_BODY, value);
    }
}

/// ETag and time of a blob.
fn tell(headers: &mut HeaderMap, blob: &Blob) {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(blob.modified) * 1_000_000);
    let time = time.ok().and_then(|time| time.format(&Rfc2822).ok());
    // HTTP writes the zone as GMT (RFC 9110, section 5.6.7).
    let time = time.map(|time| time.replace("+0000", "GMT"));
    for (name, value) in [
        (ETAG, Some(format!("\"{}\"", blob.etag))),
        (LAST_MODIFIED, time),
    ] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            headers.insert(name, value);
        }
    }
}

fn get(core: &Core, name: &str, sent: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let (blob, mut file) = core.uploads.blobs.read(name)?;
    let range = sent.get("x-ms-range").or(sent.get(RANGE));
    let range = range
        .and_then(|range| range.to_str().ok())
        .and_then(parse_range);
    let (first, end) = match range {
        None => (0, blob.size),
        Some((first, _)) if first >= blob.size => {
            return Err(Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "InvalidRange",
                "the range begins behind the end of the blob",
            ));
        }
        Some((first, last)) => (
            first,
            last.map_or(blob.size, |last| blob.size.min(last.saturating_add(1))),
        ),
    };
    file.seek(SeekFrom::Start(first))
        .map_err(|error| Refusal::failed("read the file", &error))?;
    let left = end.saturating_sub(first);
    let mut response = Response::new(Body::from_stream(Contents { file, left }));
    let headers = response.headers_mut();
    tell(headers, &blob);
    headers.insert(CONTENT_LENGTH, left.into());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
    if let Ok(kind) = HeaderValue::try_from(&blob.content_type) {
        headers.insert(CONTENT_TYPE, kind);
    }
    if range.is_some() {
        let told = format!("bytes {first}-{}/{}", end.saturating_sub(1), blob.size);
        headers.extend(HeaderValue::try_from(told).map(|told| (CONTENT_RANGE, told)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    // That of the whole blob, in any case.
    if let Some(Ok(value)) = blob.md5.map(HeaderValue::try_from) {
        let name = if range.is_some() {
            md5::OF_BLOB
        } else {
            md5::OF_BODY
        };
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// `bytes=5-` or `bytes=5-9`; other forms mean the whole blob.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    match last {
        "" => Some((first, None)),
        last => {
            let last = last.parse().ok()?;
            (last >= first).then_some((first, Some(last)))
        }
    }
}

/// Contents of a file, piece by piece.
struct Contents {
    file: File,
    left: u64,
}

impl Stream for Contents {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut piece = vec![0; PIECE.min(usize::try_from(self.left).unwrap_or(PIECE))];
        if let Err(error) = self.file.read_exact(&mut piece) {
            self.left = 0;
            return Poll::Ready(Some(Err(error)));
        }
        self.left -= u64::try_from(piece.len()).unwrap_or(self.left);
        Poll::Ready(Some(Ok(piece.into())))
    }
}
