//! The operator's interface: HTTPS with tokens under the hub's policies, in the shape of IoT Hub's own
//! REST API where that has one.
//!
//! | Request | Meaning | Right |
//! |---|---|---|
//! | `GET /devices[?top=N]` | list devices | registry read |
//! | `POST /devices` | change several devices and modules | registry write |
//! | `GET`, `PUT`, `DELETE /devices/{id}` | one device; `If-Match` to change one | registry read, write |
//! | `DELETE /devices/{id}/commands` | purge its messages | registry write |
//! | `GET /devices/{id}/modules` | list modules | registry read |
//! | `GET`, `PUT`, `DELETE /devices/{id}/modules/{module}` | one module | registry read, write |
//! | `POST /devices/query` | twins that a query selects, in pages | service |
//! | `GET /statistics/devices`, `/statistics/service` | counts | registry read, service |
//! | `GET /quotaMetrics` | messages of the day, and their quota (Azure: resource manager only) | registry read |
//! | `GET`, `PATCH`, `PUT /twins/{id}[/modules/{module}]` | twin: read, merge, replace | service |
//! | `POST /twins/{id}[/modules/{module}]/methods` | call a direct method | service |
//! | `GET /messages/serviceBound/feedback` | feedback of messages | service |
//! | `DELETE /messages/serviceBound/feedback/{token}` | take it off | service |
//! | `POST /devices/{id}/messages/deviceBound` | send a message (Azure: AMQP only) | service |
//! | `POST /devices/{id}/modules/{module}/messages/deviceBound` | the same to a module | service |
//! | `POST /devices/{id}[/modules/{module}]/messages/events` | telemetry of a device | device |
//! | `GET /devices/{id}/messages/devicebound` | receive a message, and lock it | device |
//! | `DELETE /devices/{id}/messages/devicebound/{token}[?reject]` | complete or reject it | device |
//! | `POST /devices/{id}/messages/devicebound/{token}/abandon` | let it wait again | device |
//! | `GET /devices/{id}/messages/deviceBound`, `DELETE /devices/{id}/messages/deviceBound/{token}`, `POST /devices/{id}/messages/deviceBound/{token}/abandon` | the same | device |
//! | `POST /devices/{id}/files` | a place for a file | device |
//! | `POST /devices/{id}/files/notifications[/{correlation}]` | say how an upload ended | device |
//! | `GET /messages/serviceBound/filenotifications` | the oldest notification of a file (Azure: AMQP only) | service |
//! | `DELETE /messages/serviceBound/filenotifications/{token}`, `POST /messages/serviceBound/filenotifications/{token}/abandon` | take it off, or leave it | service |
//! | `GET /messages/servicebound/filenotifications`, `DELETE /messages/servicebound/filenotifications/{token}`, `POST /messages/servicebound/filenotifications/{token}/abandon` | the same | service |
//! | `GET`, `DELETE /files` | files that devices uploaded: list, delete one (Azure: its storage account) | service |
//! | `GET /messages/events[?device=ID&from=start]` | events, a JSON object a line (Azure: AMQP only) | service |
//! | `PUT /certificates/{name}` | upload a CA (Azure: resource manager only) | registry write |
//! | `GET /provisioning` | the id scope (not in Azure) | registry read |
//! | `GET /provisioning/enrollments`, `GET /provisioning/enrollmentGroups` | list enrolments (not in Azure) | registry read |
//! | `GET`, `PUT`, `DELETE /provisioning/enrollments/{id}`, `/provisioning/enrollmentGroups/{name}` | the same with this hub's own members | registry read, write |
//! | `GET`, `PUT`, `DELETE /enrollments/{id}`, `/enrollmentGroups/{name}`; `POST` with the id `query` | enrolments, and queries for them | registry read, write |
//! | `POST /enrollments` | several enrolments | registry write |
//! | `POST /enrollments/{id}/attestationmechanism`, `/enrollmentGroups/{name}/attestationmechanism` | keys of an enrolment | registry write |
//! | `GET`, `DELETE /registrations/{id}` | registration of a device | registry read, write |
//! | `POST /registrations/{group}/query` | registrations of a group | registry read |
//! | `POST`, `DELETE /faults/{id}[/modules/{module}]` | have something go wrong, or right again (not in Azure) | service |
//! | `POST`, `DELETE /registrations/{id}/faults` | the same of a registration with the provisioning service | service |
//! | `GET`, `PUT /updates` | software updates: list, import (Azure: Device Update's account) | service |
//! | `GET`, `POST`, `DELETE /updates/deployments[?device=ID&condition=…&registration=ID&onboarding=true]` | states, deploy, cancel | service |
//! | `POST`, `DELETE /updates/faults` | have something go wrong with updates, or right again (not in Azure) | service |
//!
//! Each needs `?api-version=`, of any value. A slash at the end of a path means nothing. The token is judged before
//! a body is read, and what is wrong is told in JSON with `ErrorCode:`.

mod caller;
mod certificates;
mod device_caller;
mod device_messages;
mod devices;
mod dps_service;
mod dps_shape;
mod enrollments;
mod entity;
mod events;
mod extract;
mod faults;
mod files;
mod messages;
mod query;
mod reply;
mod route;
#[cfg(test)]
mod route_tests;
mod twins;
mod updates;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

pub(crate) use self::caller::Owner;
use self::device_caller::Certificates;
use self::route::Routes;
use crate::core::Core;
use crate::mqtt::websocket::{self, WebSockets};
use crate::uploads;

/// Most bytes of the head of a request.
const MAX_HEAD: usize = 32 * 1024;
/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// Every path that is served.
fn routes() -> Routes {
    Routes::new()
        .merge(devices::routes())
        .merge(messages::routes())
        .merge(device_messages::routes())
        .merge(events::routes())
        .merge(certificates::routes())
        .merge(twins::routes())
        .merge(enrollments::routes())
        .merge(dps_service::routes())
        .merge(faults::routes())
        .merge(files::routes())
        .merge(updates::routes())
}

/// The interface on its own, for whoever answers requests.
pub(crate) fn router(core: Arc<Core>) -> Router {
    routes()
        .into_router()
        .fallback(reply::no_such_path)
        // Of the routes that there are by now.
        .method_not_allowed_fallback(reply::no_such_method)
        .with_state(core)
}

/// Serves the interface for as long as the runtime lives.
pub(crate) async fn serve(
    core: Arc<Core>,
    listener: TcpListener,
    acceptor: TlsAcceptor,
    stop: watch::Receiver<bool>,
) {
    let router = router(Arc::clone(&core));
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                let websockets = WebSockets {
                    core: Arc::clone(&core),
                    peer,
                    certificates: Arc::new([]),
                    stop: stop.clone(),
                };
                let served = connection(tcp, acceptor.clone(), router.clone(), websockets);
                tokio::spawn(served);
            }
            Err(error) => {
                log::error!("cannot accept an operator's connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The first byte of a TLS handshake (RFC 5246, section 6.2.1).
const TLS_HANDSHAKE: u8 = 22;

async fn connection(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    mut websockets: WebSockets,
) {
    let (peer, patience) = (websockets.peer, websockets.core.limits.operator_timeout);
    let _ = tcp.set_nodelay(true);
    let mut first = [TLS_HANDSHAKE];
    let handshake = async {
        let _ = tcp.peek(&mut first).await;
        let [first] = first;
        (first, acceptor.accept(tcp).await)
    };
    let tls = match timeout(patience, handshake).await {
        Ok((_, Ok(tls))) => tls,
        Ok((TLS_HANDSHAKE, Err(error))) => {
            return log::warn!("an operator's TLS handshake at {peer} failed: {error}");
        }
        Ok((_, Err(_))) => {
            return log::warn!("{peer} does not speak TLS to the operator's port; use https://");
        }
        Err(_) => return,
    };
    if let Some(certificates) = tls.get_ref().1.peer_certificates() {
        websockets.certificates = certificates.into();
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        trim_slash(request.uri_mut());
        request
            .extensions_mut()
            .insert(Certificates(Arc::clone(&websockets.certificates)));
        let stored = uploads::is_for(request.uri().path());
        let core = Arc::clone(&websockets.core);
        if stored {
            return Box::pin(async { Ok(uploads::serve(core, request).await) })
                as Pin<Box<dyn Future<Output = _> + Send>>;
        }
        let opened = websocket::is_wanted(&request).then(|| websockets.clone().open(&mut request));
        let called = opened.is_none().then(|| router.call(request));
        Box::pin(async {
            match (opened, called) {
                (Some(response), _) => Ok(response),
                (None, Some(called)) => called.await,
                (None, None) => Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            }
        })
    });
    let served = http.serve_connection(TokioIo::new(tls), service);
    if let Err(error) = served.with_upgrades().await {
        log::debug!("an operator's connection ended: {error}");
    }
}

/// A slash at the end of the path means nothing: some clients append one.
fn trim_slash(uri: &mut Uri) {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() || trimmed.len() == path.len() {
        return;
    }
    let path_and_query = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    if let Ok(trimmed) = Uri::from_parts(parts) {
        *uri = trimmed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_of_a_path_is_cut_off() {
        for (given, expected) in [
            ("/devices/d/?api-version=x", "/devices/d?api-version=x"),
            ("/devices//?api-version=x/", "/devices?api-version=x/"),
            ("/devices/", "/devices"),
            ("/devices", "/devices"),
            ("https://h:1/devices/?a", "https://h:1/devices?a"),
            ("/", "/"),
            ("//", "//"),
        ] {
            let mut uri: Uri = given.parse().unwrap_or_else(|error| panic!("{error}"));
            trim_slash(&mut uri);
            assert_eq!(uri.to_string(), expected);
        }
    }
}
