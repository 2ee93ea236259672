//! `local-hub update`, while another process serves.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use common::program::{Serve, fail, succeed};
use common::*;
use serde_json::{Value, json};

const NAME: [&str; 6] = [
    "--provider",
    "Contoso",
    "--name",
    "Toaster",
    "--version",
    "1.1.0",
];

fn update(state: &Path, arguments: &[&[&str]]) -> String {
    succeed(state, &[&["update"], &arguments.concat()[..]].concat())
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Asks for a file, and gives head and body of the answer.
fn get(address: &str, range: &str) -> (String, Vec<u8>) {
    let (authority, path) = address
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut tcp = TcpStream::connect(authority).unwrap();
    write!(
        tcp,
        "GET /{path} HTTP/1.1\r\nHost: x\r\nRange: {range}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap(), body)
}

#[test]
fn an_update_is_imported_deployed_to_a_group_served_with_ranges_shown_and_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let device = Device::from_connection_string(&text);
    succeed(state, &["device", "create", "e", "--auth", "sas"]);
    let file = state.join("image.bin");
    std::fs::write(&file, b"0123456789").unwrap();

    let compatibility = [
        "--compatibility",
        "deviceManufacturer=Contoso,deviceModel=Toaster",
    ];
    let import = [
        &["import", file.to_str().unwrap()],
        &NAME[..],
        &compatibility,
    ]
    .concat();
    let imported = update(state, &[&import]);
    assert!(imported.contains("root-keys.json"), "{imported}");
    let keys = json_of(&std::fs::read_to_string(state.join("updates/root-keys.json")).unwrap());
    assert_eq!(keys["ADU.260101.R.T"]["e"], 65537);
    let listed = json_of(&update(state, &[&["list"]]));
    assert_eq!(listed[0]["id"]["version"], "1.1.0");
    assert_eq!(listed[0]["size"], 10);

    // Nobody has said that it takes updates.
    let deploy = [&["deploy"], &NAME[..]].concat();
    let deployed = json_of(&update(state, &[&deploy]));
    assert!(
        deployed["d"]["refused"]
            .as_str()
            .unwrap()
            .contains("not reported")
    );

    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    client.send(&subscribe(1, &[("$iothub/twin/res/#", 0)]));
    client.expect(&[0x90, 3, 0, 1, 0]);
    let properties = json!({"manufacturer": "Contoso", "model": "Toaster"});
    let agent = |rest: Value| {
        let mut agent = json!({"deviceProperties": properties});
        agent
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        json!({"deviceUpdate": {"__t": "c", "agent": agent}}).to_string()
    };
    let report = |client: &mut Client, body: String| {
        client.send(&publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            None,
            body.as_bytes(),
        ));
        assert!(client.publish().topic.starts_with("$iothub/twin/res/204/"));
    };
    report(&mut client, agent(json!({"state": 0})));
    succeed(
        state,
        &[
            "device-twin",
            "update",
            "d",
            "--tags",
            r#"{"site": "north"}"#,
        ],
    );
    let group = ["--group", "tags.site = 'north'"];
    let deployed = json_of(&update(state, &[&deploy, &group]));
    let workflow = deployed["d"]["workflow"].as_str().unwrap().to_owned();
    assert_eq!(deployed.as_object().unwrap().len(), 1);

    let twin = json_of(&succeed(state, &["device-twin", "show", "d"]));
    let service = &twin["properties"]["desired"]["deviceUpdate"]["service"];
    assert_eq!(service["workflow"], json!({"action": 3, "id": workflow}));
    let manifest = json_of(service["updateManifest"].as_str().unwrap());
    assert_eq!(manifest["manifestVersion"], "5");
    assert_eq!(
        service["updateManifestSignature"]
            .as_str()
            .unwrap()
            .split('.')
            .count(),
        3
    );
    let (id, address) = service["fileUrls"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    assert_eq!(manifest["files"][id]["sizeInBytes"], 10);
    let address = address.as_str().unwrap();

    let (head, body) = get(address, "bytes=4-");
    assert!(
        head.starts_with("HTTP/1.1 206 ") && head.contains("Content-Range: bytes 4-9/10\r\n"),
        "{head}"
    );
    assert_eq!(body, b"456789");
    update(state, &[&["fault", "cut", "--value", "3"]]);
    assert_eq!(get(address, "bytes=0-").1, b"012");
    update(state, &[&["fault", "wrong-hash"]]);
    assert_eq!(get(address, "bytes=0-").1, b"012345678\x38");
    update(
        state,
        &[&["fault", "status", "--value", "503", "--times", "9"]],
    );
    assert!(get(address, "bytes=0-").0.starts_with("HTTP/1.1 503 "));
    update(state, &[&["fault", "clear"]]);
    assert_eq!(get(address, "bytes=0-").1, b"0123456789");
    assert!(
        get(&address.replace("/files/", "/files/../"), "bytes=0-")
            .0
            .starts_with("HTTP/1.1 404 ")
    );

    let show = || json_of(&update(state, &[&["show"]]))["d"].clone();
    assert_eq!(show()["state"], "Pending");
    let workflow_of = json!({"action": 3, "id": workflow});
    report(
        &mut client,
        agent(json!({"state": 6, "workflow": workflow_of})),
    );
    assert_eq!(show()["state"], "InProgress");
    let failed = json!({"resultCode": 0, "extendedResultCode": 7, "resultDetails": "no"});
    report(
        &mut client,
        agent(json!({"state": 255, "workflow": workflow_of, "lastInstallResult": failed})),
    );
    assert_eq!(
        (&show()["state"], &show()["resultDetails"]),
        (&json!("Failed"), &json!("no"))
    );
    let done = json!({"resultCode": 700, "extendedResultCode": 0});
    report(
        &mut client,
        agent(json!({"state": 0, "workflow": workflow_of, "lastInstallResult": done})),
    );
    assert_eq!(show()["state"], "Succeeded");

    assert_eq!(
        json_of(&update(state, &[&["cancel", "--device", "d"]])),
        json!(["d"])
    );
    let twin = json_of(&succeed(state, &["device-twin", "show", "d"]));
    let service = &twin["properties"]["desired"]["deviceUpdate"]["service"];
    assert_eq!(service["workflow"]["action"], 255);
}

#[test]
fn what_cannot_be_imported_or_deployed_is_named_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &["--updates", "off"]);
    let file = state.join("image.bin");
    std::fs::write(&file, b"x").unwrap();
    let file = file.to_str().unwrap();
    let set = ["--compatibility", "deviceModel=Toaster"];
    let import =
        |arguments: &[&str]| fail(state, &[&["update", "import"], arguments, &set].concat());
    assert!(import(&[&["/no/such/file"], &NAME[..]].concat()).contains("cannot read"));
    let named = |version| ["--provider", "a b", "--name", "n", "--version", version];
    assert!(import(&[&[file], &named("1.0")[..]].concat()).contains("the provider has"));
    let version = ["--provider", "a", "--name", "n", "--version", "1"];
    assert!(import(&[&[file], &version[..]].concat()).contains("two to four numbers"));
    let deploy = [&["update", "deploy"], &NAME[..]].concat();
    assert!(fail(state, &deploy).contains("import it first"));
}
