//! Connection of a command to the hub that serves a state directory: HTTPS to its operator's interface.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HOST, IF_MATCH};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::{TlsConnector, rustls};

use super::Failure;
use crate::clock::Clock;
use crate::credentials::sas;
use crate::endpoints::{Endpoints, POLICY, authority};

/// Every request is answered within this time, or its answer begins.
const PATIENCE: Duration = Duration::from_secs(30);
/// Seconds that a command's token is valid. The hub's clock may have been moved, but not by a day.
const TOKEN_LIFE: u64 = 2 * 24 * 3600;

/// The header that names a page.
const CONTINUATION: &str = "x-ms-continuation";

/// A hub, as a command sees it.
pub(super) struct Operator {
    endpoints: Endpoints,
    authorization: String,
    /// Of [`POLICY`].
    key: String,
    tls: Arc<ClientConfig>,
    runtime: Runtime,
}

/// A request to be sent.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    /// Path and query, without api-version.
    pub(super) path: &'c str,
    /// The etag that the entry must still have; `*` for any.
    if_match: Option<String>,
    pub(super) body: Option<Value>,
    /// The contents of a file and their type, in the place of a JSON body.
    file: Option<(Bytes, &'c str)>,
    /// The token of a page that is not the first.
    continuation: Option<String>,
    /// Time that the hub may take, beyond what any request takes.
    longest: Duration,
}

impl<'c> Call<'c> {
    /// A request without a body.
    pub(super) const fn new(method: Method, path: &'c str) -> Self {
        Self {
            method,
            path,
            if_match: None,
            body: None,
            file: None,
            continuation: None,
            longest: Duration::ZERO,
        }
    }

    /// With a JSON body.
    pub(super) fn with(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// With a file for the storage account.
    pub(super) fn with_file(self, contents: Vec<u8>, content_type: &'c str) -> Self {
        Self {
            file: Some((contents.into(), content_type)),
            ..self
        }
    }

    /// For something that the hub itself waits for.
    pub(super) fn lasting(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// For the page of a result that this token names.
    pub(super) fn page(self, continuation: Option<String>) -> Self {
        Self {
            continuation,
            ..self
        }
    }

    /// For something that exists.
    pub(super) fn existing(self) -> Self {
        Self {
            if_match: Some("*".into()),
            ..self
        }
    }

    /// For something that nobody changed since it was read with this etag.
    pub(super) fn unchanged_since(self, etag: &str) -> Self {
        Self {
            if_match: Some(format!("\"{etag}\"")),
            ..self
        }
    }
}

impl Operator {
    /// Finds the hub that serves `directory`.
    pub(super) fn of(directory: &Path) -> Result<Self, Failure> {
        let read = |name: &str| std::fs::read(directory.join(name));
        let (endpoints, key) = Endpoints::read(directory).map_err(|_| no_hub(directory))?;
        let ca = read("ca.pem").map_err(|_| no_hub(directory))?;
        let resource = authority(&endpoints.host_name, endpoints.operator.port());
        let expiry = Clock::new(0).unix_secs() + TOKEN_LIFE;
        let authorization = sas::sign(&resource, &key, expiry, Some(POLICY))
            .ok_or_else(|| Failure("the hub's key in the state directory is damaged".into()))?;
        Ok(Self {
            tls: tls_config(&ca).map_err(|error| Failure(format!("ca.pem is damaged: {error}")))?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| Failure(format!("cannot open sockets: {error}")))?,
            endpoints,
            authorization,
            key,
        })
    }

    /// The runtime that sockets of this command are on.
    pub(super) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Address at which devices connect.
    pub(super) const fn mqtt(&self) -> SocketAddr {
        self.endpoints.mqtt
    }

    /// Handshake of a device with the hub.
    pub(super) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.tls))
    }

    /// The key of [`POLICY`].
    pub(super) fn policy_key(&self) -> &str {
        &self.key
    }

    /// The name in connection strings.
    pub(super) fn host_name(&self) -> &str {
        &self.endpoints.host_name
    }

    /// Sends a request and waits for the whole answer; `Null` if it has no body.
    pub(super) fn call(&self, call: Call<'_>) -> Result<Value, Failure> {
        self.call_for_token(call).map(|(body, _)| body)
    }

    /// The same, with the token of the answer: its etag without the quotes, or the continuation.
    pub(super) fn call_for_token(
        &self,
        call: Call<'_>,
    ) -> Result<(Value, Option<String>), Failure> {
        self.runtime.block_on(async {
            let response = self.send(call).await?;
            let headers = response.headers();
            let token = headers.get(ETAG).or(headers.get(CONTINUATION));
            let token = token.and_then(|token| token.to_str().ok());
            let token = token.map(|token| token.trim_matches('"').to_owned());
            let body = response
                .into_body()
                .collect()
                .await
                .map_err(broken)?
                .to_bytes();
            if body.is_empty() {
                return Ok((Value::Null, token));
            }
            serde_json::from_slice(&body)
                .map(|body| (body, token))
                .map_err(|_| Failure("the hub did not answer in JSON".into()))
        })
    }

    /// Gives every line of an endless answer to `take`, until that has enough, no line comes for `patience`, or the
    /// hub stops.
    pub(super) fn lines(
        &self,
        path: &str,
        patience: Option<Duration>,
        mut take: impl FnMut(&str) -> ControlFlow<Result<(), Failure>>,
        began: impl FnOnce(),
    ) -> Result<(), Failure> {
        self.runtime.block_on(async {
            let mut body = self.send(Call::new(Method::GET, path)).await?.into_body();
            began();
            let mut text = Vec::new();
            loop {
                let frame = match patience {
                    None => body.frame().await,
                    Some(patience) => match tokio::time::timeout(patience, body.frame()).await {
                        Ok(frame) => frame,
                        Err(_) => return Ok(()),
                    },
                };
                let Some(frame) = frame else { break };
                let Ok(data) = frame.map_err(broken)?.into_data() else {
                    continue;
                };
                text.extend_from_slice(&data);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    if let ControlFlow::Break(result) =
                        take(String::from_utf8_lossy(&line).trim_end())
                    {
                        return result;
                    }
                }
            }
            Err(Failure("the hub stopped".into()))
        })
    }

    async fn send(&self, call: Call<'_>) -> Result<Response<Incoming>, Failure> {
        let patience = PATIENCE.saturating_add(call.longest);
        let sending = async {
            let tcp = TcpStream::connect(self.endpoints.operator).await.map_err(|error| {
                Failure(format!(
                    "no hub answers at {} ({error}); start `local-hub serve` with the same --state",
                    self.endpoints.operator
                ))
            })?;
            let name = ServerName::try_from(self.endpoints.host_name.clone())
                .map_err(|_| Failure("the hub's host name is damaged".into()))?;
            let connector = TlsConnector::from(Arc::clone(&self.tls));
            let tls = connector.connect(name, tcp).await.map_err(|error| {
                Failure(format!(
                    "what answers at {} is not this hub: {error}",
                    self.endpoints.operator
                ))
            })?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(tls)).await.map_err(broken)?;
            tokio::spawn(connection);
            sender
                .send_request(self.request(call)?)
                .await
                .map_err(broken)
        };
        let response = tokio::time::timeout(patience, sending)
            .await
            .map_err(|_| {
                Failure(format!(
                    "the hub did not answer within {} s",
                    patience.as_secs()
                ))
            })??;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let joint = if call.path.contains('?') { '&' } else { '?' };
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{joint}api-version=2021-04-12", call.path))
            .header(
                HOST,
                authority(&self.endpoints.host_name, self.endpoints.operator.port()),
            )
            .header(AUTHORIZATION, &self.authorization);
        if let Some(etag) = call.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if let Some(token) = call.continuation {
            request = request.header(CONTINUATION, token);
        }
        let body = match (call.body, call.file) {
            (_, Some((contents, content_type))) => {
                request = request
                    .header(CONTENT_TYPE, content_type)
                    .header("x-ms-blob-type", "BlockBlob");
                contents
            }
            (Some(body), None) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            (None, None) => Bytes::new(),
        };
        request
            .body(Full::new(body))
            .map_err(|error| Failure(format!("this cannot be asked of the hub: {error}")))
    }
}

fn tls_config(ca: &[u8]) -> Result<Arc<ClientConfig>, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca)?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn no_hub(directory: &Path) -> Failure {
    let directory = directory.display();
    Failure(format!(
        "{directory} is no state directory of a hub; start `local-hub serve --state {directory}` first"
    ))
}

fn broken(error: hyper::Error) -> Failure {
    Failure(format!("the connection to the hub broke: {error}"))
}

/// The sentence in an answer that is an error.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let message = body.ok().and_then(|body| {
        let json: Value = serde_json::from_slice(&body).ok()?;
        let message = json.get("Message").or(json.get("message"))?.as_str()?;
        // A failed method call has JSON in there.
        let nested: Option<Value> = serde_json::from_str(message).ok();
        if let Some(sentence) = nested
            .as_ref()
            .and_then(|json| json.get("message")?.as_str())
        {
            return Some(sentence.to_owned());
        }
        Some(
            message
                .split_once(';')
                .map_or(message, |(_, sentence)| sentence)
                .to_owned(),
        )
    });
    Failure(message.unwrap_or_else(|| format!("the hub answered {status}")))
}
