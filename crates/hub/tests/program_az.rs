//! `local-hub` in the words of `az`: identities, modules, twins and tokens. What was written for `az iot` works with the program's name exchanged.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::program::{Serve, fail, local_hub, start, succeed, value};
use common::*;
use serde_json::json;

fn identity<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["device-identity"], arguments].concat()
}

#[test]
fn device_identities_are_managed_in_the_words_of_az() {
    const KEY: &str = "authentication.symmetricKey.primaryKey";
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    let ask = |arguments: &[&str]| value(state, &identity(arguments));
    let text = |arguments: &[&str]| succeed(state, &identity(arguments));

    let created = ask(&["create", "-d", "d", "-n", "my-hub"]);
    assert_eq!(
        (&created["deviceId"], &created["status"]),
        (&json!("d"), &json!("enabled"))
    );
    let key = text(&["show", "-d", "d", "--query", KEY, "-o", "tsv"]);
    assert_eq!(created["authentication"]["symmetricKey"]["primaryKey"], key);
    let shown = ask(&["connection-string", "show", "-d", "d"]);
    let expected = format!("HostName=localhost;DeviceId=d;SharedAccessKey={key}");
    assert_eq!(shown, json!({ "connectionString": expected }));
    assert_eq!(
        succeed(state, &["device", "connection-string", "-d", "d"]),
        expected
    );
    let second = text(&[
        "connection-string",
        "show",
        "-d",
        "d",
        "--kt",
        "secondary",
        "-o",
        "tsv",
        "--query",
        "connectionString",
    ]);
    assert_ne!(second, expected);

    let thumbprint = "A".repeat(40);
    ask(&[
        "create",
        "-d",
        "e",
        "--am",
        "x509_thumbprint",
        "--ptp",
        &thumbprint,
        "--status",
        "disabled",
        "--status-reason",
        "new",
    ]);
    ask(&["create", "--device-id", "f", "--auth-method", "x509_ca"]);
    assert_eq!(
        text(&["list", "--query", "[].deviceId", "-o", "tsv"]),
        "d\ne\nf"
    );
    assert_eq!(ask(&["list", "--top", "1"]).as_array().unwrap().len(), 1);
    let e = ask(&["show", "-d", "e"]);
    assert_eq!(
        (&e["status"], &e["statusReason"]),
        (&json!("disabled"), &json!("new"))
    );
    assert_eq!(
        e["authentication"]["x509Thumbprint"]["primaryThumbprint"],
        thumbprint
    );
    assert_eq!(
        ask(&["update", "-d", "e", "--status", "enabled"])["status"],
        "enabled"
    );
    let by_keys = ask(&["update", "-d", "e", "--am", "shared_private_key"]);
    assert_eq!(by_keys["authentication"]["type"], "sas");
    text(&["delete", "-d", "e"]);
    assert!(fail(state, &identity(&["show", "-d", "e"])).contains("there is no device \"e\""));
    assert!(fail(state, &identity(&["create", "-d", "d"])).contains("\"d\" already"));
    assert!(
        fail(
            state,
            &identity(&["create", "-d", "g", "--am", "x509_thumbprint"])
        )
        .contains("--primary-thumbprint")
    );
    assert!(
        fail(
            state,
            &identity(&["create", "-d", "g", "--am", "x509_ca", "--ptp", "A"])
        )
        .contains("x509_thumbprint")
    );
}

#[test]
fn keys_are_renewed_one_by_one_both_or_exchanged_and_connections_close() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    let text = succeed(state, &["device", "create", "d", "--auth", "sas"]);
    succeed(state, &["module-identity", "create", "d", "m"]);
    let device = Device::from_connection_string(&text);
    let mut client = serve.open(state);
    client.send(&device.connect(Options::default()));
    client.expect(&CONNACK_NEW);
    for name in [&["device-identity"][..], &["module-identity"]] {
        let module: &[&str] = if name == ["module-identity"] {
            &["-m", "m"]
        } else {
            &[]
        };
        let keys = |verb: &[&str]| {
            let entry = value(state, &[name, verb, &["-d", "d"], module].concat());
            let keys = &entry["authentication"]["symmetricKey"];
            let key = |which: &str| keys[which].as_str().unwrap().to_owned();
            (key("primaryKey"), key("secondaryKey"))
        };
        let old = keys(&["show"]);
        let first = keys(&["renew-key", "--kt", "primary"]);
        assert!(first.0 != old.0 && first.1 == old.1);
        let second = keys(&["renew-key", "--kt", "secondary"]);
        assert!(second.0 == first.0 && second.1 != first.1);
        let both = keys(&["renew-key", "--key-type", "both"]);
        assert!(both.0 != second.0 && both.1 != second.1);
        assert_eq!(
            keys(&["renew-key", "--kt", "swap"]),
            (both.1.clone(), both.0.clone())
        );
        assert_eq!(keys(&["show"]), (both.1, both.0));
    }
    client.expect_close();
    value(
        state,
        &["device-identity", "create", "-d", "x", "--am", "x509_ca"],
    );
    let none = ["device-identity", "renew-key", "-d", "x", "--kt", "both"];
    assert!(fail(state, &none).contains("has no symmetric keys"));
}

#[test]
fn modules_twins_and_methods_are_named_by_the_options_of_az() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "-d", "d", "--auth", "sas"]);
    let made = value(state, &["module-identity", "create", "-d", "d", "-m", "m"]);
    assert_eq!(
        (&made["deviceId"], &made["moduleId"]),
        (&json!("d"), &json!("m"))
    );
    let text = succeed(state, &["module-identity", "connection-string", "d", "m"]);
    let shown = value(
        state,
        &[
            "module-identity",
            "connection-string",
            "show",
            "-d",
            "d",
            "-m",
            "m",
        ],
    );
    assert_eq!(shown["connectionString"], text);
    let list = [
        "module-identity",
        "list",
        "-d",
        "d",
        "--query",
        "[].moduleId",
    ];
    assert_eq!(value(state, &list), json!(["m"]));
    let desired = r#"{"a": 1}"#;
    value(
        state,
        &["device-twin", "update", "-d", "d", "--desired", desired],
    );
    value(
        state,
        &[
            "module-twin",
            "update",
            "-d",
            "d",
            "-m",
            "m",
            "--desired",
            r#"{"b": 2}"#,
        ],
    );
    let show = |name: &str, module: &[&str]| {
        let query = [
            "show",
            "-d",
            "d",
            "--query",
            "properties.desired",
            "-n",
            "h",
        ];
        value(state, &[&[name], &query[..], module].concat())
    };
    assert_eq!(show("device-twin", &[])["a"], 1);
    assert_eq!(show("module-twin", &["-m", "m"])["b"], 2);
    assert!(fail(state, &["module-twin", "show", "-d", "d"]).contains("--module"));
    for call in [
        &["invoke-device-method", "-d", "d", "--mn", "x"][..],
        &["invoke-module-method", "-d", "d", "-m", "m", "--mn", "x"],
    ] {
        assert!(fail(state, call).contains("is not connected"), "{call:?}");
    }
    assert!(
        fail(state, &["fault", "drop-connection", "-d", "d", "-m", "m"]).contains("not connected")
    );
    // Twice is not once.
    assert!(fail(state, &["device-twin", "show", "d", "-d", "d"]).contains("does not go with"));
    assert!(fail(state, &["device-twin", "show"]).contains("missing"));
}

#[test]
fn the_name_of_a_hub_is_ignored_with_a_hint_and_the_environment_names_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let _serve = Serve::start(state, &[]);
    for option in ["-n", "--hub-name", "--dps-name"] {
        let output = local_hub(state, &["device", "list", option, "some-hub"]);
        let hint = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success());
        assert!(
            hint.contains("-n is ignored") && hint.contains("LOCAL_HUB_STATE"),
            "{hint}"
        );
        assert!(!hint.contains("some-hub"), "{hint}");
    }
    let output = local_hub(state, &["device", "list", "-g", "some-group"]);
    let hint = String::from_utf8(output.stderr).unwrap();
    assert!(
        hint.contains("-g is ignored") && !hint.contains("some-group"),
        "{hint}"
    );
    let quiet = start(state, &["device", "list"])
        .wait_with_output()
        .unwrap();
    assert!(
        quiet.status.success() && quiet.stderr.is_empty(),
        "{quiet:?}"
    );
}

#[test]
fn a_generated_token_connects_a_device_and_opens_the_rest_interface() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path();
    let serve = Serve::start(state, &[]);
    succeed(state, &["device", "create", "d", "--auth", "sas"]);
    let token = |arguments: &[&str]| {
        let query = ["--query", "sas", "-o", "tsv"];
        succeed(
            state,
            &[&["generate-sas-token"], arguments, &query].concat(),
        )
    };
    for key in ["primary", "secondary"] {
        let mut client = serve.open(state);
        let password = token(&["-d", "d", "--du", "60", "--kt", key]);
        let user_name = "localhost/d/?api-version=2021-04-12";
        let options = Options::default();
        client.send(&connect("d", user_name, Some(&password), options));
        assert_eq!(client.receive(4)[3], 0);
        client.send(&DISCONNECT);
        client.expect_close();
    }
    succeed(state, &["module-identity", "create", "d", "m"]);
    assert!(token(&["-d", "d", "-m", "m"]).contains("localhost%2Fdevices%2Fd%2Fmodules%2Fm&"));
    let of_hub = token(&[]);
    assert!(
        of_hub.contains("sr=localhost&") && of_hub.ends_with("&skn=iothubowner"),
        "{of_hub}"
    );
    value(
        state,
        &["device-identity", "create", "-d", "x", "--am", "x509_ca"],
    );
    assert!(fail(state, &["generate-sas-token", "-d", "x"]).contains("no tokens"));
    assert!(fail(state, &["generate-sas-token", "-m", "m"]).contains("missing"));
}
