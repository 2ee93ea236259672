//! The operator's interface: HTTPS with tokens under the hub's policies, in the shape of IoT Hub's own
//! REST API where that has one.
//!
//! | Request | Meaning | Right |
//! |---|---|---|
//! | `GET /devices[?top=N]` | list devices | registry read |
//! | `GET`, `PUT`, `DELETE /devices/{id}` | one device; `If-Match` to change one | registry read, write |
//! | `DELETE /devices/{id}/commands` | purge its messages | registry write |
//! | `GET /devices/{id}/modules` | list modules | registry read |
//! | `GET`, `PUT`, `DELETE /devices/{id}/modules/{module}` | one module | registry read, write |
//! | `GET /statistics/devices`, `/statistics/service` | counts | registry read, service |
//! | `GET /quotaMetrics` | messages of the day, and their quota (Azure: resource manager only) | registry read |
//! | `GET`, `PATCH`, `PUT /twins/{id}[/modules/{module}]` | twin: read, merge, replace | service |
//! | `POST /twins/{id}[/modules/{module}]/methods` | call a direct method | service |
//! | `GET /messages/serviceBound/feedback` | feedback of messages | service |
//! | `DELETE /messages/serviceBound/feedback/{token}` | take it off | service |
//! | `POST /devices/{id}/messages/deviceBound` | send a message (Azure: AMQP only) | service |
//! | `GET /messages/events[?device=ID&from=start]` | events, a JSON object a line (Azure: AMQP only) | service |
//! | `PUT /certificates/{name}` | upload a CA (Azure: resource manager only) | registry write |
//! | `GET /provisioning` | the id scope (not in Azure) | registry read |
//! | `GET`, `PUT`, `DELETE /enrollments/{id}`, `/enrollmentGroups/{name}` | enrolments | registry read, write |
//! | `POST`, `DELETE /faults/{id}[/modules/{module}]` | have something go wrong, or right again (not in Azure) | service |
//! | `POST`, `DELETE /registrations/{id}/faults` | the same of a registration with the provisioning service | service |
//!
//! Each needs `?api-version=`, of any value.

mod caller;
mod certificates;
mod devices;
mod enrollments;
mod entity;
mod events;
mod faults;
mod messages;
mod reply;
mod twins;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::core::Core;

/// From accept to the end of the TLS handshake, and for the head of each request.
const PATIENCE: Duration = Duration::from_secs(30);

fn router(core: Arc<Core>) -> Router {
    Router::new()
        .merge(devices::routes())
        .merge(messages::routes())
        .merge(events::routes())
        .merge(certificates::routes())
        .merge(twins::routes())
        .merge(enrollments::routes())
        .merge(faults::routes())
        .fallback(reply::no_such_route)
        .with_state(core)
}

/// Serves the interface for as long as the runtime lives.
pub(crate) async fn serve(core: Arc<Core>, listener: TcpListener, acceptor: TlsAcceptor) {
    let router = router(core);
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                tokio::spawn(connection(tcp, acceptor.clone(), router.clone()));
            }
            Err(error) => {
                log::error!("cannot accept an operator's connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(tcp: TcpStream, acceptor: TlsAcceptor, router: Router) {
    let _ = tcp.set_nodelay(true);
    let tls = match timeout(PATIENCE, acceptor.accept(tcp)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => return log::warn!("an operator's TLS handshake failed: {error}"),
        Err(_) => return,
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = http
        .serve_connection(TokioIo::new(tls), TowerToHyperService::new(router))
        .await
    {
        log::debug!("an operator's connection ended: {error}");
    }
}
