//! Proofs of identity: SAS tokens and X.509 certificates.

pub(crate) mod percent;
pub(crate) mod random;
pub(crate) mod sas;
pub(crate) mod x509;
