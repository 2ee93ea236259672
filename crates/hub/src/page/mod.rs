//! The page that shows the hub in a browser, on a loopback address: plain HTTP, since a browser trusts no certificate
//! of this hub, and nothing leaves the machine.
//!
//! # Theory of operation
//! The address that the hub announces ends in `#token=…`. A browser never sends that part; the page's script reads it
//! and sends it as `Authorization: Bearer …` with each request. It is no cookie: cookies do not know ports, and a
//! browser would give them to every other server on this machine.
//!
//! | Path | Meaning |
//! |---|---|
//! | `/`, `/NAME.js`, `/NAME.css` | the page itself, without a token: it holds nothing secret |
//! | `/api/hub/…` | the operator's interface ([`crate::rest`]), with the owner's rights |
//! | `/api/page/…` | what only the page needs: [`live`] data, facts about the hub |
//!
//! The [guard](guard) looks at each request before anything else does.
//!
//! # Limits
//! Loopback only, whatever the hub itself listens on. At most [`MAX_CONNECTIONS`] connections at a time.

mod api;
mod device;
mod facts;
mod files;
mod guard;
mod live;
mod models;
mod overview;
mod services;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Uri};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub(crate) use self::facts::{Facts, certificates};
pub(crate) use self::token::PageToken;

use self::api::Context;
use self::guard::Guard;
use self::overview::Recent;
use crate::core::Core;
use crate::rest::{self, Owner};

/// Connections that are served at the same time; a browser opens six at most.
const MAX_CONNECTIONS: usize = 64;
/// Most bytes of the head of a request.
const MAX_HEAD: usize = 32 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// Parts that answer requests.
struct Page {
    guard: Guard,
    operator: TowerToHyperService<Router>,
    own: TowerToHyperService<Router>,
    patience: Duration,
}

/// Serves the page for as long as the runtime lives.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, facts: Facts) {
    let page = Arc::new(Page {
        guard: Guard::new(facts.page, PageToken::of(&core.policies)),
        patience: core.limits.operator_timeout,
        operator: TowerToHyperService::new(rest::router(Arc::clone(&core))),
        own: TowerToHyperService::new(api::router(Arc::new(Context {
            core,
            facts,
            recent: Arc::new(Recent::default()),
        }))),
    });
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                // One too many is closed: whoever holds the others has to end some.
                let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
                    log::warn!("closed {peer}: the page serves {MAX_CONNECTIONS} connections");
                    continue;
                };
                let page = Arc::clone(&page);
                tokio::spawn(async move {
                    page.connection(tcp).await;
                    drop(permit);
                });
            }
            Err(error) => {
                log::error!("cannot accept a connection to the page: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

impl Page {
    async fn connection(self: Arc<Self>, tcp: TcpStream) {
        let _ = tcp.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.patience)
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS);
        let service = service_fn(move |request: Request<Incoming>| {
            let page = Arc::clone(&self);
            async move { Ok::<_, std::convert::Infallible>(page.answer(request).await) }
        });
        if let Err(error) = http.serve_connection(TokioIo::new(tcp), service).await {
            log::debug!("a connection to the page ended: {error}");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answer = match self.guard.check(&request) {
            Ok(()) => self.route(request).await,
            Err(refused) => refused.into_response(),
        };
        guard::protected(answer)
    }

    async fn route(&self, mut request: Request<Incoming>) -> Response<Body> {
        let Some(path) = request.uri().path().strip_prefix(guard::API) else {
            return files::serve(request.method(), request.uri().path());
        };
        if path.starts_with("hub/") {
            request.extensions_mut().insert(Owner::new());
            return match without_prefix(request.uri(), "/api/hub") {
                Some(uri) => {
                    *request.uri_mut() = uri;
                    // A router does not fail.
                    self.operator.call(request).await.unwrap_or_default()
                }
                None => guard::refuse(StatusCode::BAD_REQUEST, "the path is malformed"),
            };
        }
        // A router does not fail.
        self.own.call(request).await.unwrap_or_default()
    }
}

/// The same address below `prefix`.
fn without_prefix(uri: &Uri, prefix: &str) -> Option<Uri> {
    uri.path_and_query()?
        .as_str()
        .strip_prefix(prefix)?
        .parse()
        .ok()
}
