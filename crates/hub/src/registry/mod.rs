mod device;
pub use device::{Authentication, Device, Identity, Status, SymmetricKeys};
