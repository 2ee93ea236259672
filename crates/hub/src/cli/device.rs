//! `local-hub device …`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Call, Operator};
use super::keys::KeyType;
use super::output::{print, say};
use super::target::{DeviceName, Target};
use crate::credentials::{percent, x509};
use crate::registry::Identity;
use crate::store;
use crate::tls::{self, DeviceAuthority};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Register a device and print its connection string
    Create(Create),
    /// List the devices
    List(Target),
    /// Let a device connect again
    Enable(One),
    /// Keep a device from connecting; a connection that it has is closed
    Disable(One),
    /// Delete a device and everything that the hub keeps for it
    Delete(One),
    /// Print a device's connection string
    ConnectionString(One),
}

/// One device of one hub.
#[derive(Args)]
pub(super) struct One {
    #[command(flatten)]
    name: DeviceName,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    one: One,
    /// Proof of the device's identity
    #[arg(long, value_enum)]
    auth: Auth,
    /// For x509-thumbprint: the device's own certificate (PEM). For x509-ca: the CA that signs the device's
    /// certificate (PEM), to be uploaded. Without it, certificate and key are made
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Directory for a certificate and key that are made, as ID.cert.pem and ID.key.pem
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Auth {
    /// By tokens under a symmetric key, which the hub makes
    Sas,
    /// By the SHA-256 thumbprint of a certificate
    X509Thumbprint,
    /// By a certificate whose CN is the device id, under an uploaded CA
    X509Ca,
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(target) => list(&target.operator()?),
            Self::Enable(one) => one.set_status("enabled"),
            Self::Disable(one) => one.set_status("disabled"),
            Self::Delete(one) => {
                let path = one.path();
                one.operator()?
                    .call(Call::new(Method::DELETE, &path).existing())?;
                Ok(())
            }
            Self::ConnectionString(one) => {
                let operator = one.operator()?;
                let device = operator.call(Call::new(Method::GET, &one.path()))?;
                print(&connection_string(operator.host_name(), &device))
            }
        }
    }
}

impl One {
    fn id(&self) -> &str {
        self.name.id()
    }

    fn operator(&self) -> Result<Operator, Failure> {
        self.target.operator()
    }

    fn path(&self) -> String {
        format!("/devices/{}", percent::encode(self.id()))
    }

    fn set_status(&self, status: &str) -> Result<(), Failure> {
        let body = json!({ "deviceId": self.id(), "status": status });
        self.operator()?
            .call(Call::new(Method::PUT, &self.path()).with(body).existing())?;
        Ok(())
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        if self.auth == Auth::Sas && self.certificate.is_some() {
            return Err(Failure(
                "--certificate goes with --auth x509-thumbprint or x509-ca".into(),
            ));
        }
        // The id becomes a part of names of files.
        Identity::device(self.one.id()).check()?;
        let operator = self.one.operator()?;
        let proof = self.proof()?;
        let files = proof.made.map(|made| self.write(&made)).transpose()?;
        let path = self.one.path();
        let body = json!({ "deviceId": self.one.id(), "authentication": proof.authentication });
        let device = operator.call(Call::new(Method::PUT, &path).with(body))?;
        if let Some((name, pem)) = proof.authority
            && let Err(refused) = upload(&operator, &name, &pem)
        {
            // Without its CA the device could never connect.
            operator.call(Call::new(Method::DELETE, &path).existing())?;
            return Err(refused);
        }
        if let Some(files) = files {
            say(&format!("wrote {}", files.keep()));
        }
        print(&connection_string(operator.host_name(), &device))
    }

    /// The proof by which the device is going to join; nothing is registered or written by this.
    fn proof(&self) -> Result<Proof, Failure> {
        let by = |thumbprint: &[u8]| {
            let thumbprint = x509::sha256_thumbprint(thumbprint);
            json!({ "type": "selfSigned", "x509Thumbprint": { "primaryThumbprint": thumbprint } })
        };
        let under_ca = json!({ "type": "certificateAuthority" });
        Ok(match (self.auth, &self.certificate) {
            (Auth::Sas, _) => Proof {
                authentication: json!({ "type": "sas" }),
                made: None,
                authority: None,
            },
            (Auth::X509Thumbprint, None) => {
                let made = tls::self_signed(self.one.id())?;
                Proof {
                    authentication: by(&made.der),
                    made: Some(made),
                    authority: None,
                }
            }
            (Auth::X509Thumbprint, Some(file)) => Proof {
                authentication: by(&certificate(file, &read(file)?)?),
                made: None,
                authority: None,
            },
            (Auth::X509Ca, None) => {
                let authority = DeviceAuthority::open(self.one.target.directory())
                    .map_err(|error| Failure(error.to_string()))?;
                let pem = authority.certificate_pem().to_owned();
                Proof {
                    authentication: under_ca,
                    made: Some(authority.issue(self.one.id())?),
                    authority: Some((DeviceAuthority::NAME.into(), pem)),
                }
            }
            (Auth::X509Ca, Some(file)) => {
                let pem = read(file)?;
                let name = x509::sha1_thumbprint(&certificate(file, &pem)?);
                Proof {
                    authentication: under_ca,
                    made: None,
                    authority: Some((name, pem)),
                }
            }
        })
    }

    /// Writes certificate and key; they go again unless they are kept.
    fn write(&self, made: &tls::Credentials) -> Result<NewFiles, Failure> {
        let file = |kind: &str| self.out.join(format!("{}.{kind}.pem", self.one.id()));
        let mut files = NewFiles(Vec::new());
        files.write(file("cert"), &made.certificate_pem, false)?;
        files.write(file("key"), &made.key_pem, true)?;
        Ok(files)
    }
}

/// Proof by which a device is going to join.
struct Proof {
    /// As the registry takes it.
    authentication: Value,
    /// The certificate and key that were made for it.
    made: Option<tls::Credentials>,
    /// The CA to be uploaded: its name, and its certificate in PEM.
    authority: Option<(String, String)>,
}

/// Files that were written for a device that is not registered yet: removed when this is dropped.
struct NewFiles(Vec<PathBuf>);

impl NewFiles {
    /// Never over a file that is there already.
    fn write(&mut self, file: PathBuf, contents: &str, private: bool) -> Result<(), Failure> {
        let failed = |error| Failure(format!("cannot write {}: {error}", file.display()));
        let mut options = store::options(private);
        let mut open = options
            .write(true)
            .create_new(true)
            .open(&file)
            .map_err(failed)?;
        self.0.push(file.clone());
        open.write_all(contents.as_bytes()).map_err(failed)
    }

    /// The device is registered: the files stay. Gives their names.
    fn keep(mut self) -> String {
        let files = std::mem::take(&mut self.0);
        let names: Vec<_> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        names.join(" and ")
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for file in &self.0 {
            // What cannot be removed is told by the next attempt.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn list(operator: &Operator) -> Result<(), Failure> {
    let devices = operator.call(Call::new(Method::GET, "/devices"))?;
    for device in devices.as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let auth = match device["authentication"]["type"].as_str() {
            Some("selfSigned") => "x509-thumbprint",
            Some("certificateAuthority") => "x509-ca",
            _ => "sas",
        };
        print(&format!(
            "{:<24} {auth:<16} {:<9} {}",
            text(&device["deviceId"]),
            text(&device["status"]),
            text(&device["connectionState"])
        ))?;
    }
    Ok(())
}

/// Of an entry as the hub's REST interface gives it.
pub(super) fn connection_string(host_name: &str, device: &Value) -> String {
    connection_string_with(host_name, device, KeyType::Primary)
}

/// The same, with this key.
pub(super) fn connection_string_with(host_name: &str, device: &Value, key: KeyType) -> String {
    let mut id = device["deviceId"].as_str().unwrap_or_default().to_owned();
    if let Some(module) = device["moduleId"].as_str() {
        id.push_str(";ModuleId=");
        id.push_str(module);
    }
    match device["authentication"]["symmetricKey"][key.member()].as_str() {
        Some(key) => format!("HostName={host_name};DeviceId={id};SharedAccessKey={key}"),
        None => format!("HostName={host_name};DeviceId={id};x509=true"),
    }
}

fn upload(operator: &Operator, name: &str, pem: &str) -> Result<(), Failure> {
    let path = format!("/certificates/{}", percent::encode(name));
    operator.call(Call::new(Method::PUT, &path).with(json!({ "certificate": pem })))?;
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure(format!("cannot read {}: {error}", file.display())))
}

fn certificate(file: &Path, pem: &str) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
        Failure(format!(
            "{} holds no certificate in PEM form",
            file.display()
        ))
    })
}
