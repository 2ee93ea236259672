//! The certificate authorities that Azure's public cloud uses: what a device trusts unless told otherwise.
//!
//! IoT Hub serves an RSA chain under DigiCert Global Root G2, or an ECC chain to clients that offer ECDSA
//! suites alone. Microsoft's own roots are trusted too, since Azure has moved between roots before and a
//! device in the field must survive it (Microsoft, "Azure Certificate Authority details").

/// A root certificate that ships with this project.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// The common name of its subject.
    pub name: &'static str,
    /// The certificate.
    pub pem: &'static [u8],
}

/// The roots of Azure IoT Hub in the public cloud.
pub const AZURE: [Root; 4] = [
    Root {
        name: "DigiCert Global Root G2",
        pem: include_bytes!("../../../certs/digicert-global-root-g2.pem"),
    },
    Root {
        name: "Microsoft RSA Root Certificate Authority 2017",
        pem: include_bytes!("../../../certs/microsoft-rsa-root-ca-2017.pem"),
    },
    Root {
        name: "DigiCert Global Root G3",
        pem: include_bytes!("../../../certs/digicert-global-root-g3.pem"),
    },
    Root {
        name: "Microsoft ECC Root Certificate Authority 2017",
        pem: include_bytes!("../../../certs/microsoft-ecc-root-ca-2017.pem"),
    },
];
