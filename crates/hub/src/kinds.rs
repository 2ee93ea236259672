//! Keys that the journal holds, and the values under them.
//!
//! The store asks before it writes and while it loads. So nothing is acknowledged that the part which reads it
//! would not understand, and nothing is passed over because it cannot be read. A new kind of key has its line here.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::c2d::{Entry, Feedback};
use crate::dps::{Details, Enrollment, Offer, Registration};
use crate::policy::Keys;
use crate::quota::Used;
use crate::registry::Device;
use crate::sessions::{Activity, Subscriptions};
use crate::story::Kept;
use crate::twin::Twin;
use crate::uploads::{Blob, Notification, Upload};

/// Says what is wrong with a key and its value; the value itself, which may be a secret, is not told.
pub(crate) fn check(key: &str, value: &Value) -> Result<(), String> {
    let kind = key.split_once('/').map_or(key, |(kind, _)| kind);
    let reads = match kind {
        "activity" => reads::<Activity>,
        "blob" => reads::<Blob>,
        "c2d" => reads::<Entry>,
        "c2d-count" => reads::<u32>,
        "c2d-next" => reads::<u64>,
        "ca" => reads::<String>,
        "daily-quota" => reads::<Used>,
        "dps-details" => reads::<Details>,
        "dps-enrollment" | "dps-group" => reads::<Enrollment>,
        "dps-registration" => reads::<Registration>,
        "dps-scope" => reads::<String>,
        "dps-story" => reads::<Kept>,
        "dps-update" => reads::<Offer>,
        "feedback" => reads::<(u64, Feedback)>,
        "file-notification" => reads::<(u64, Notification)>,
        "identity" => reads::<Device>,
        "policy" => reads::<Keys>,
        "session" => reads::<Subscriptions>,
        "storage" => reads::<String>,
        "twin" => reads::<Twin>,
        "upload" => reads::<Upload>,
        _ => return Err(format!("what no part of this version keeps ({kind:?})")),
    };
    if reads(value) {
        Ok(())
    } else {
        Err("something else than this version keeps there".to_owned())
    }
}

fn reads<T: DeserializeOwned>(value: &Value) -> bool {
    T::deserialize(value).is_ok()
}
