//! Plug and Play models of devices (DTDL), for the page's forms.

use std::path::Path;

use serde_json::Value;

use crate::json;

/// Files that are looked at in the directory.
const MAX_FILES: usize = 500;
/// Most bytes of a file.
const MAX_SIZE: u64 = 1024 * 1024;

/// The interfaces in `directory`: each `*.json` file holds one, or a list of them. What is no interface is passed over.
/// The files are read at each call, so that a model can be changed while the hub runs.
pub(super) fn interfaces(directory: &Path) -> Vec<Value> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => {
            log::warn!("cannot read the models in {}: {error}", directory.display());
            return Vec::new();
        }
    };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .take(MAX_FILES)
        .collect();
    paths.sort();
    paths.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Value> {
    let small = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MAX_SIZE);
    let bytes = if small {
        std::fs::read(path).ok()
    } else {
        None
    };
    let value = bytes.and_then(|bytes| json::read(&bytes, json::READABLE).ok());
    let all = match value {
        Some(Value::Array(all)) => all,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    all.into_iter().filter(is_interface).collect()
}

fn is_interface(value: &Value) -> bool {
    value["@id"].is_string() && value["@type"] == "Interface"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn interfaces_are_found_alone_and_in_lists_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a.json", r#"{"@id":"dtmi:a;1","@type":"Interface"}"#),
            (
                "b.json",
                r#"[{"@id":"dtmi:b;1","@type":"Interface"},{"@id":"dtmi:no;1","@type":"Object"}, 1]"#,
            ),
            ("c.json", "no JSON"),
            ("d.txt", r#"{"@id":"dtmi:d;1","@type":"Interface"}"#),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let found = interfaces(directory.path());
        let ids: Vec<_> = found
            .iter()
            .map(|one| one["@id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["dtmi:a;1", "dtmi:b;1"]);
        assert!(interfaces(&directory.path().join("none")).is_empty());
    }
}
