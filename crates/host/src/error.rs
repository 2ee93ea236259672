//! Reason why a device could not be set up: sentences for the person who typed the command.

use std::path::PathBuf;
use std::{fmt, io};

use azure_device::mqtt::RequestError;

/// Fault of a file or an argument, and its remedy.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// A file could not be read.
    Unreadable {
        /// Content that the file should have, such as `certificate`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: io::Error,
    },
    /// A file holds no PEM section of the kind that is needed, or a broken one.
    NoPem {
        /// Content that the text should have: `certificate` or `private key`.
        what: &'static str,
        /// Name of the text's origin, such as a path.
        source: String,
        /// Complaint of the PEM reader; `None` if there was simply no such section.
        cause: Option<String>,
    },
    /// The private key is protected with a passphrase.
    EncryptedKey {
        /// Name of the key's origin, such as a path.
        source: String,
    },
    /// A trusted certificate cannot be used as such.
    BadRoot {
        /// Name of the certificate's origin, such as a path.
        source: String,
        /// Complaint of the verifier.
        cause: rustls::Error,
    },
    /// The device's certificate is of X.509 version 1 or 2, which TLS does not use.
    CertificateVersion {
        /// Name of the certificate's origin, such as a path.
        source: String,
    },
    /// The private key does not belong to the certificate.
    KeyMismatch,
    /// The private key is of a kind that TLS cannot use here.
    BadKey(rustls::Error),
    /// The file of the queue cannot be used.
    Queue {
        /// The file.
        path: PathBuf,
        /// Its fault.
        detail: String,
    },
    /// A setting of the device is impossible.
    Settings(RequestError),
    /// A file holds no root keys of updates.
    RootKeys {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no file, thread or event queue.
    System {
        /// Action that was attempted.
        what: &'static str,
        /// The system's answer.
        cause: io::Error,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, path, cause } => write!(
                f,
                "the {what} file {} cannot be read: {cause}; check the path and who may read it",
                path.display()
            ),
            Self::NoPem {
                what,
                source,
                cause,
            } => {
                write!(f, "{source} holds no usable {what}")?;
                if let Some(cause) = cause {
                    write!(f, " ({cause})")?;
                }
                let label = what.to_uppercase();
                write!(
                    f,
                    "; expected PEM text with a line `-----BEGIN {label}-----`"
                )?;
                f.write_str(match *what {
                    "certificate" => {
                        " (a DER file converts with `openssl x509 -inform der -in FILE -out FILE.pem`)"
                    }
                    _ => " (PKCS#8, PKCS#1 or SEC1; a DER file converts with `openssl pkey -inform der`)",
                })
            }
            Self::EncryptedKey { source } => write!(
                f,
                "the private key in {source} is encrypted; decrypt it first with \
                 `openssl pkey -in FILE -out PLAIN.key` and protect that file by its permissions"
            ),
            Self::BadRoot { source, cause } => write!(
                f,
                "{source} holds a certificate that cannot be trusted as a root ({cause}); \
                 give the CA certificate that signed the server's chain"
            ),
            Self::CertificateVersion { source } => write!(
                f,
                "the certificate in {source} is of X.509 version 1, and TLS takes version 3: make it again with an \
                 extension, such as by `openssl x509 -req ... -extfile FILE` with a FILE that says \
                 `extendedKeyUsage=clientAuth`, or by `openssl req -x509`"
            ),
            Self::KeyMismatch => f.write_str(
                "the private key does not belong to the certificate; give the key that the first \
                 certificate of the file was made with",
            ),
            Self::BadKey(cause) => write!(
                f,
                "the private key cannot be used ({cause}); IoT Hub takes RSA keys of at least 2048 bits \
                 and the elliptic curves P-256 and P-384"
            ),
            Self::Queue { path, detail } => write!(
                f,
                "the queue's file {} cannot be used: {detail}; move it away, or give the device another folder (--state)",
                path.display()
            ),
            Self::Settings(cause) => write!(f, "the device's settings are impossible: {cause}"),
            Self::RootKeys { path } => write!(
                f,
                "{} holds no root keys of updates; expected JSON such as \
                 {{\"ADU.200702.R\":{{\"keyType\":\"RSA\",\"n\":\"<base64url>\",\"e\":65537}}}}, with \
                 Microsoft's own key under a name of Microsoft's",
                path.display()
            ),
            Self::System { what, cause } => write!(f, "{what} failed: {cause}"),
        }
    }
}

impl std::error::Error for SetupError {}
