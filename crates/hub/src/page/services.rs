//! Software updates, files of devices, and feedback of messages, as the page shows them. What is read so is neither metered
//! nor taken off the hub.

use serde_json::{Value, json};

use crate::core::Core;

/// Rows of each table at most.
const MAX_ROWS: usize = 200;

/// The updates that were imported, and the state of each device that has one or takes some.
pub(super) fn updates(core: &Core) -> Value {
    let (mut count, mut rows) = (0_usize, Vec::new());
    let (_, devices) = core.registry.select(usize::MAX, |_| true);
    for device in devices {
        let Some(state) = core.update_state(&device) else {
            continue;
        };
        count += 1;
        if rows.len() < MAX_ROWS {
            rows.push(json!({ "id": device.identity.device_id, "state": state }));
        }
    }
    json!({ "updates": core.updates.list(), "count": count, "devices": rows })
}

/// Files of devices, and feedback that nobody has taken yet.
pub(super) fn files_and_feedback(core: &Core) -> Value {
    let mut files = core.uploads.list(None);
    let mut feedback: Vec<_> = core
        .c2d
        .feedback(true)
        .into_iter()
        .map(|(_, one)| one)
        .collect();
    let counts = json!({ "files": files.len(), "feedback": feedback.len() });
    files.truncate(MAX_ROWS);
    feedback.truncate(MAX_ROWS);
    json!({ "counts": counts, "files": files, "feedback": feedback })
}
