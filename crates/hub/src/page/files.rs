//! The page's own files, which are part of the program.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;

use super::guard::refuse;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$((concat!("/", $name), $kind, include_str!(concat!("files/", $name)))),*]
    };
}

/// Path, media type and text of each file.
const FILES: &[(&str, &str, &str)] = files![
    HTML "index.html",
    CSS "style.css",
    SVG "icon.svg",
    SCRIPT "api.js",
    SCRIPT "commands.js",
    SCRIPT "device.js",
    SCRIPT "devices.js",
    SCRIPT "dom.js",
    SCRIPT "draw.js",
    SCRIPT "dtdl.js",
    SCRIPT "faults.js",
    SCRIPT "format.js",
    SCRIPT "hub.js",
    SCRIPT "json.js",
    SCRIPT "log.js",
    SCRIPT "main.js",
    SCRIPT "messages.js",
    SCRIPT "plots.js",
    SCRIPT "schema.js",
    SCRIPT "series.js",
    SCRIPT "story.js",
    SCRIPT "twin.js",
];

/// Answers a request for a file.
pub(super) fn serve(method: &Method, path: &str) -> Response<Body> {
    let path = if path == "/" { "/index.html" } else { path };
    let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) else {
        return refuse(StatusCode::NOT_FOUND, "the page has no such file");
    };
    match *method {
        Method::GET | Method::HEAD => ([(CONTENT_TYPE, *kind)], *text).into_response(),
        _ => {
            let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "files are read only");
            let allowed = axum::http::HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
            answer
        }
    }
}
