//! Judges each request to the page before anything else looks at it.
//!
//! Anything on this machine can reach a loopback address, also the pages of strangers in the owner's browser. So:
//! - `Host` names this server by a loopback address or `localhost`. A name of somebody else's that resolves to
//!   127.0.0.1 (DNS rebinding) does not.
//! - `Origin`, where a browser sends it, is this server's own; a change is refused without it, unless nothing says
//!   that a browser sent the request.
//! - Everything but the page's own files needs the token.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::token::PageToken;

/// Start of the paths that need the token.
pub(super) const API: &str = "/api/";

/// Scripts, styles and requests of the page's own only, nothing inline, and no text that becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Facts that requests are judged by.
pub(super) struct Guard {
    /// The server's names, with its port: what `Host` may be.
    authorities: Vec<String>,
    token: PageToken,
}

impl Guard {
    /// The guard of the page at `address`.
    pub(super) fn new(address: SocketAddr, token: PageToken) -> Self {
        let port = address.port();
        Self {
            authorities: vec![address.to_string(), format!("localhost:{port}")],
            token,
        }
    }

    /// Lets a request through, or says why not.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let refused = |status, why| Err(Refusal(status, why));
        let header = |name: HeaderName| request.headers().get(name).map(HeaderValue::to_str);
        let host = match header(HOST) {
            Some(Ok(host)) if self.authorities.iter().any(|own| own == host) => host,
            _ => {
                return refused(
                    StatusCode::MISDIRECTED_REQUEST,
                    "the Host header does not name this server; open the address that the hub printed",
                );
            }
        };
        match header(ORIGIN) {
            Some(Ok(origin)) if origin.strip_prefix("http://") == Some(host) => {}
            None if !is_change(request.method()) || !is_of_browser(request) => {}
            _ => {
                return refused(
                    StatusCode::FORBIDDEN,
                    "the request comes from another page than the hub's own",
                );
            }
        }
        if !request.uri().path().starts_with(API) {
            return Ok(());
        }
        let token = match header(AUTHORIZATION) {
            Some(Ok(text)) => text.strip_prefix("Bearer "),
            _ => None,
        };
        match token {
            Some(token) if self.token.is(token) => Ok(()),
            Some(_) => refused(
                StatusCode::UNAUTHORIZED,
                "the token is not this hub's; open the address that the hub printed when it started",
            ),
            None => refused(
                StatusCode::UNAUTHORIZED,
                "the request has no token; open the address that the hub printed when it started",
            ),
        }
    }
}

/// The answer to a request that is refused.
pub(super) struct Refusal(StatusCode, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        refuse(self.0, self.1)
    }
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Every browser says where a request comes from (Fetch Metadata), a program need not.
fn is_of_browser<B>(request: &Request<B>) -> bool {
    request.headers().contains_key("sec-fetch-site")
}

/// An answer in JSON that refuses a request, in the shape of the operator's interface.
pub(super) fn refuse(status: StatusCode, why: &str) -> Response<Body> {
    let mut answer = (status, Json(json!({ "Message": why }))).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(WWW_AUTHENTICATE, scheme);
    }
    answer
}

/// The answer with the headers that keep others out of it.
pub(super) fn protected(mut answer: Response<Body>) -> Response<Body> {
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> (Guard, String) {
        let token = PageToken::from_key("key");
        let text = token.text();
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        (Guard::new(address, token), text)
    }

    fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let (guard, token) = guard();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value.replace("TOKEN", &token));
        }
        let request = request.body(()).unwrap_or_else(|error| panic!("{error}"));
        guard.check(&request).err().map(|no| no.0.as_u16())
    }

    const HOST_OWN: (&str, &str) = ("host", "127.0.0.1:8080");
    const BEARER: (&str, &str) = ("authorization", "Bearer TOKEN");

    #[test]
    fn a_request_is_for_one_of_the_servers_own_names() {
        assert_eq!(ask("GET", "/", &[HOST_OWN]), None);
        assert_eq!(ask("GET", "/", &[("host", "localhost:8080")]), None);
        for host in [
            "rebound.example:8080",
            "127.0.0.1:8081",
            "127.0.0.1",
            "localhost",
            "localhost.example:8080",
            "",
        ] {
            assert_eq!(ask("GET", "/", &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(ask("GET", "/", &[]), Some(421));
    }

    #[test]
    fn a_change_from_another_page_is_refused_even_with_the_token() {
        let change = |origin| ask("POST", "/api/hub/x", &[HOST_OWN, BEARER, origin]);
        assert_eq!(change(("origin", "http://127.0.0.1:8080")), None);
        for origin in [
            "http://127.0.0.1:9090",
            "http://localhost:8080",
            "https://127.0.0.1:8080",
            "http://strange.example",
            "null",
        ] {
            assert_eq!(change(("origin", origin)), Some(403), "{origin}");
        }
        // A browser that does not say where the change comes from.
        assert_eq!(change(("sec-fetch-site", "cross-site")), Some(403));
        // A program, which nobody can misuse.
        assert_eq!(change(("user-agent", "curl")), None);
    }

    #[test]
    fn everything_but_the_files_needs_the_token() {
        for file in ["/", "/main.js", "/api.js"] {
            assert_eq!(ask("GET", file, &[HOST_OWN]), None, "{file}");
        }
        for path in ["/api/hub/devices", "/api/page/live", "/api/"] {
            assert_eq!(ask("GET", path, &[HOST_OWN]), Some(401), "{path}");
            assert_eq!(ask("GET", path, &[HOST_OWN, BEARER]), None, "{path}");
            let wrong = ("authorization", "Bearer TOKEn");
            assert_eq!(ask("GET", path, &[HOST_OWN, wrong]), Some(401), "{path}");
            let basic = ("authorization", "TOKEN");
            assert_eq!(ask("GET", path, &[HOST_OWN, basic]), Some(401), "{path}");
        }
    }
}
