//! Queries over twins, as Microsoft's clients send them.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::program::{Serve, fail, succeed};
use common::rest::*;
use common::*;
use local_hub::Hub;
use serde_json::{Value, json};

fn ask(hub: &Hub, query: &str, headers: &[(&str, &str)]) -> Reply {
    as_owner_with(
        hub,
        "POST /devices/query",
        headers,
        Some(json!({ "query": query })),
    )
}

fn ids(reply: &Reply) -> Vec<&str> {
    let elements = reply.body.as_array().unwrap_or_else(|| panic!("{reply:?}"));
    elements
        .iter()
        .map(|twin| twin["deviceId"].as_str().unwrap())
        .collect()
}

fn fleet(count: usize) -> Hub {
    let hub = hub();
    for number in 0..count {
        let id = format!("d{number:02}");
        hub.create_sas_device(&id).unwrap();
        let tags = json!({"tags": {"floor": number % 3}, "properties": {"desired": {"n": number}}});
        hub.patch_twin(&id, &tags).unwrap();
    }
    hub
}

#[test]
fn twins_are_selected_by_tags_properties_and_fields_of_the_registry() {
    let hub = fleet(6);
    let all = ask(&hub, "select * from devices", &[]);
    assert_eq!(all.header("x-ms-item-type"), Some("Twin"));
    assert_eq!(ids(&all), ["d00", "d01", "d02", "d03", "d04", "d05"]);
    // The same twin as everywhere.
    let own = as_owner(&hub, "GET /twins/d03", None).body;
    assert_eq!(all.body[3], own);
    for (condition, expected) in [
        ("tags.floor = 1", &["d01", "d04"][..]),
        ("tags.floor = 1 and properties.desired.n > 1", &["d04"]),
        ("devices.deviceId in ['d05', 'd00', 'x']", &["d00", "d05"]),
        ("is_defined(properties.reported.t)", &[]),
        ("status = 'enabled' and connectionState = 'Connected'", &[]),
        ("not startswith(deviceId, 'd0')", &[]),
    ] {
        let reply = ask(
            &hub,
            &format!("select * from devices where {condition}"),
            &[],
        );
        assert_eq!(ids(&reply), expected, "{condition}");
    }
    let parts = ask(
        &hub,
        "select deviceId as id, tags.floor as floor from devices where tags.floor = 2",
        &[],
    );
    assert_eq!(parts.header("x-ms-item-type"), Some("Raw"));
    assert_eq!(
        parts.body,
        json!([{"id": "d02", "floor": 2}, {"id": "d05", "floor": 2}])
    );
    let count = ask(
        &hub,
        "SELECT COUNT() AS number FROM devices WHERE tags.floor != 0",
        &[],
    );
    assert_eq!(count.body, json!([{"number": 4}]));
}

#[test]
fn modules_are_another_source() {
    let hub = fleet(2);
    as_owner(
        &hub,
        "PUT /devices/d01/modules/m",
        Some(json!({"deviceId": "d01", "moduleId": "m"})),
    );
    hub.patch_module_twin("d01", "m", &json!({"tags": {"kind": "motor"}}))
        .unwrap();
    let modules = ask(
        &hub,
        "select * from devices.modules where devices.deviceId = 'd01'",
        &[],
    );
    assert_eq!(modules.body[0]["moduleId"], "m");
    assert_eq!(modules.body[0], hub.module_twin("d01", "m").unwrap());
    let count = |query: &str| ask(&hub, query, &[]).body[0]["n"].clone();
    assert_eq!(count("select count() as n from devices"), 2);
    assert_eq!(
        count("select count() as n from devices.modules where tags.kind = 'motor'"),
        1
    );
}

#[test]
fn pages_together_are_the_whole_result_whatever_their_size_and_what_changes_meanwhile() {
    const QUERY: &str = "select * from devices where tags.floor != 1";
    let hub = fleet(8);
    let whole: Vec<String> = ids(&ask(&hub, QUERY, &[]))
        .iter()
        .map(|id| (*id).to_owned())
        .collect();
    assert_eq!(whole, ["d00", "d02", "d03", "d05", "d06"]);
    for size in ["1", "2", "4", "5", "6", "5000"] {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let headers = [
                ("x-ms-max-item-count", size),
                ("x-ms-continuation", token.as_str()),
            ];
            let page = ask(&hub, QUERY, &headers);
            let page_ids = ids(&page);
            assert!(!page_ids.is_empty() && page_ids.len() <= size.parse().unwrap());
            found.extend(page_ids.iter().map(|id| (*id).to_owned()));
            match page.header("x-ms-continuation") {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(found, whole, "{size}");
    }
    let first = ask(&hub, QUERY, &[("x-ms-max-item-count", "2")]);
    let token = first.header("x-ms-continuation").unwrap();
    hub.delete_device("d02").unwrap();
    hub.delete_device("d05").unwrap();
    hub.create_sas_device("d01a").unwrap();
    let rest = ask(&hub, QUERY, &[("x-ms-continuation", token)]);
    assert_eq!(ids(&rest), ["d03", "d06"]);
}

#[test]
fn what_is_not_supported_and_foreign_tokens_are_refused_with_400() {
    let hub = fleet(3);
    let refused = |reply: &Reply| {
        assert_eq!(reply.status, 400, "{reply:?}");
        reply.body["Message"].as_str().unwrap().to_owned()
    };
    let told = refused(&ask(&hub, "select * from devices group by status", &[]));
    assert!(
        told.starts_with("ErrorCode:ArgumentInvalid;the query is refused"),
        "{told}"
    );
    let page = ask(
        &hub,
        "select * from devices",
        &[("x-ms-max-item-count", "1")],
    );
    let token = page.header("x-ms-continuation").unwrap();
    let other = ask(
        &hub,
        "select * from devices where a = 1",
        &[("x-ms-continuation", token)],
    );
    assert!(refused(&other).contains("not of this query"));
    for token in ["x", "%", "AAAAAAAAAAAAAAAA"] {
        refused(&ask(
            &hub,
            "select * from devices",
            &[("x-ms-continuation", token)],
        ));
    }
    for size in ["0", "-1", "many"] {
        let reply = ask(
            &hub,
            "select * from devices",
            &[("x-ms-max-item-count", size)],
        );
        assert!(refused(&reply).contains("x-ms-max-item-count"));
    }
    let without = as_owner(&hub, "POST /devices/query", Some(json!({})));
    assert_eq!(without.status, 400);
}

#[test]
fn a_device_may_be_called_query() {
    let hub = hub();
    assert_eq!(as_owner(&hub, "GET /devices/query", None).status, 404);
    let entry = json!({"deviceId": "query"});
    assert_eq!(
        as_owner(&hub, "PUT /devices/query", Some(entry)).status,
        200
    );
    let module = json!({"deviceId": "query", "moduleId": "m"});
    let made = as_owner(&hub, "PUT /devices/query/modules/m", Some(module));
    assert_eq!(made.body["moduleId"], "m");
    let read = as_owner(&hub, "GET /devices/query/", None);
    assert_eq!(read.body["deviceId"], "query");
    assert_eq!(ids(&ask(&hub, "select * from devices", &[])), ["query"]);
    let any = [("If-Match", "*")];
    assert_eq!(
        as_owner_with(&hub, "DELETE /devices/query", &any, None).status,
        204
    );
    assert!(hub.devices().is_empty());
}

#[test]
fn the_command_reads_all_pages() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    for number in 0..3 {
        succeed(
            state,
            &[
                "device-identity",
                "create",
                "-d",
                &format!("d{number}"),
                "-o",
                "none",
            ],
        );
    }
    let all = [
        "query",
        "-q",
        "select * from devices",
        "--query",
        "[].deviceId",
        "-o",
        "tsv",
    ];
    assert_eq!(succeed(state, &all), "d0\nd1\nd2");
    assert_eq!(
        succeed(state, &[&all[..], &["--top", "2"]].concat()),
        "d0\nd1"
    );
    let count = [
        "query",
        "-q",
        "select count() as n from devices",
        "--query",
        "[0].n",
    ];
    assert_eq!(succeed(state, &count), "3");
    let told = fail(state, &["query", "-q", "select top 1 * from devices"]);
    assert!(told.contains("TOP is not supported"), "{told}");
    let _: Value = serde_json::from_str(&succeed(state, &all[..3])).unwrap();
    drop(serve);
}
