//! Routes and the rights that they need.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::marker::PhantomData;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use ring::hmac;

use super::caller::{Caller, RegistryRead, ServiceConnect};
use super::extract::{Id, Path, QUERY};
use super::route::Guarded;
use super::{router, routes};
use crate::config::Config;
use crate::hub::Hub;
use crate::policy::Right;

/// Tells of parameters of a handler if they can be a route's: a constant of the type goes before one of a trait.
struct Parameters<T>(PhantomData<T>);

impl<T: Guarded> Parameters<T> {
    const ARE_GUARDED: bool = true;
}

trait OfAnyHandler {
    const ARE_GUARDED: bool = false;
}

impl<T> OfAnyHandler for Parameters<T> {}

#[test]
fn a_handler_that_does_not_begin_with_its_caller_cannot_be_a_route() {
    // As `Handler` names them, after axum's mark.
    const {
        assert!(Parameters::<((), Caller<RegistryRead>)>::ARE_GUARDED);
        assert!(Parameters::<((), Caller<ServiceConnect>, Id)>::ARE_GUARDED);
        assert!(Parameters::<((), Caller<ServiceConnect>, Id, Path<String>)>::ARE_GUARDED);
        assert!(!Parameters::<((),)>::ARE_GUARDED);
        assert!(!Parameters::<((), Id)>::ARE_GUARDED);
        assert!(!Parameters::<((), Id, Caller<RegistryRead>)>::ARE_GUARDED);
        // A caller without one of the rights is none.
        assert!(!Parameters::<((), Caller<()>)>::ARE_GUARDED);
    }
}

/// A token of one of the hub's policies, for everything on it.
fn token(hub: &Hub, policy: &str) -> String {
    let text = hub.service_connection_string(policy).unwrap();
    let (_, key) = text.split_once("SharedAccessKey=").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
    let expiry = hub.core.clock.unix_secs() + 600;
    let tag = hmac::sign(&key, format!("localhost\n{expiry}").as_bytes());
    let signature = STANDARD.encode(tag.as_ref());
    let signature = signature.replace('+', "%2B").replace('/', "%2F");
    let signature = signature.replace('=', "%3D");
    format!("SharedAccessSignature sr=localhost&sig={signature}&se={expiry}&skn={policy}")
}

fn ask(hub: &Hub, method: &Method, path: &str, policy: &str) -> Response {
    let service = TowerToHyperService::new(router(hub.core.clone()));
    let request = Request::builder()
        .method(method)
        .uri(format!("{path}?api-version=2021-04-12"))
        .header("Host", "localhost")
        .header("Authorization", token(hub, policy))
        .body(Body::empty());
    let asking = async { Ok(service.call(request.unwrap()).await.unwrap()) };
    hub.block_on(asking).unwrap()
}

#[test]
fn every_route_refuses_every_policy_without_its_right_and_serves_the_others() {
    let hub = Hub::start(Config::temporary()).unwrap();
    let served = routes();
    assert!(served.served().len() > 30);
    for (method, path, right) in served.served() {
        let path = path.replace("{id}", "d").replace("{module}", "m");
        let path = path.replace("{name}", "c").replace("{token}", "0-0");
        for (policy, rights) in [
            ("registryRead", &[Right::RegistryRead][..]),
            (
                "registryReadWrite",
                &[Right::RegistryRead, Right::RegistryWrite],
            ),
            ("service", &[Right::ServiceConnect]),
            ("device", &[Right::DeviceConnect]),
        ] {
            let status = ask(&hub, method, &path, policy).status();
            let refused = status == StatusCode::UNAUTHORIZED;
            assert_eq!(
                refused,
                !rights.contains(right),
                "{method} {path}: {status}"
            );
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}

#[test]
fn the_table_of_requests_names_the_right_of_every_route() {
    let table = include_str!("mod.rs");
    let rows = table.lines().filter(|line| line.starts_with("//! | `"));
    let rows: Vec<_> = rows
        .map(|row| {
            row.trim_start_matches("//! | ")
                .split(" | ")
                .collect::<Vec<_>>()
        })
        .collect();
    for (method, path, right) in routes().served() {
        // A table names the parts of a path as it likes; the forms for a module stand in brackets.
        let shape = |text: &str| {
            let mut shape = String::new();
            let mut inside = false;
            for c in text.chars() {
                inside = (inside || c == '{') && c != '}';
                if !inside {
                    shape.push(c);
                }
            }
            shape
        };
        let is_query = path == QUERY && method == Method::POST;
        let path = match path.as_str() {
            QUERY if !is_query => "/devices/{id}",
            path => path,
        };
        let wanted = shape(path);
        let row = rows.iter().find(|row| {
            let requests = row[0].replace(['[', ']'], "");
            let device = row[0].split(['[', ']']).step_by(2).collect::<String>();
            let whole = [requests, device];
            row[0].contains(method.as_str())
                && whole.iter().any(|text| {
                    text.split('`')
                        .flat_map(|part| part.split([' ', '?']))
                        .any(|part| shape(part) == wanted)
                })
        });
        let row = row.unwrap_or_else(|| panic!("{method} {path} is not in the table"));
        let named = match right {
            Right::RegistryRead => "read",
            Right::RegistryWrite => "write",
            Right::ServiceConnect => "service",
            Right::DeviceConnect => "device",
        };
        assert!(row[2].contains(named), "{method} {path}: {row:?}");
    }
}
