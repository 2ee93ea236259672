//! The application and its Plug and Play model (DTDL version 2) say the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use azure_device::application::{Application, Method, Property, Reported};
use azure_device::bench::{Bench, Memory};
use azure_device::device::Config;
use azure_device::report::{Cause, Facts};
use azure_device_app::{App, MODEL_ID};
use serde_json::Value;

fn model() -> Value {
    serde_json::from_str(include_str!("../../../docs/device.dtdl.json")).unwrap()
}

/// The interfaces of its components, by their ids.
const COMPONENTS: &[&str] = &[include_str!("../../../docs/indicator.dtdl.json")];

/// True for an interface of Microsoft's, which the core implements and Microsoft publishes.
fn is_published_elsewhere(schema: &Value) -> bool {
    schema == "dtmi:azure:iot:deviceUpdate;1"
}

/// Members that only a device with software updates has.
const OF_UPDATES: [&str; 3] = ["rollback", "update", "updateStatus"];

/// Names in the model that this build has.
fn in_this_build(mut names: BTreeSet<String>) -> BTreeSet<String> {
    if !cfg!(feature = "update") {
        names.retain(|name| !OF_UPDATES.contains(&name.as_str()));
    }
    names
}

fn component(schema: &Value) -> Value {
    COMPONENTS
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap())
        .find(|interface| interface["@id"] == *schema)
        .unwrap_or_else(|| panic!("no interface {schema}"))
}

/// Members of a kind: the device's own, and those of its components as `component*member`.
fn all_contents(kind: &str) -> Vec<Value> {
    let mut all = contents(kind);
    for part in contents("Component") {
        if is_published_elsewhere(&part["schema"]) {
            continue;
        }
        let interface = component(&part["schema"]);
        assert_eq!(interface["@type"], "Interface");
        assert_eq!(interface["@context"], "dtmi:dtdl:context;2");
        for mut member in contents_of(&interface, kind) {
            let (component, name) = (part["name"].as_str(), member["name"].as_str());
            member["name"] = format!("{}*{}", component.unwrap(), name.unwrap()).into();
            all.push(member);
        }
    }
    all
}

fn contents(kind: &str) -> Vec<Value> {
    contents_of(&model(), kind)
}

fn contents_of(interface: &Value, kind: &str) -> Vec<Value> {
    let is = |value: &Value| match &value["@type"] {
        Value::String(found) => found == kind,
        Value::Array(found) => found.iter().any(|found| found == kind),
        _ => false,
    };
    interface["contents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|value| is(value))
        .cloned()
        .collect()
}

fn names(values: &[Value]) -> BTreeSet<String> {
    values
        .iter()
        .map(|value| value["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn the_model_has_the_id_that_the_device_announces() {
    let model = model();
    assert_eq!(model["@id"], MODEL_ID);
    assert_eq!(model["@type"], "Interface");
    assert_eq!(model["@context"], "dtmi:dtdl:context;2");
    // DTDL 2, "Digital Twin Model Identifier".
    let (path, version) = MODEL_ID
        .strip_prefix("dtmi:")
        .unwrap()
        .split_once(';')
        .unwrap();
    assert!(version.parse::<u32>().unwrap() > 0);
    for segment in path.split(':') {
        assert!(segment.starts_with(|c: char| c.is_ascii_alphabetic()) && !segment.ends_with('_'));
        assert!(
            segment
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_')
        );
    }
}

#[test]
fn every_method_is_a_command_and_every_command_a_method() {
    let methods = App::METHODS
        .iter()
        .filter_map(Method::name)
        .map(str::to_owned)
        .collect();
    assert_eq!(in_this_build(names(&all_contents("Command"))), methods);
}

#[test]
fn every_property_of_the_table_is_writable_in_the_model_and_the_other_way_round() {
    let writable: Vec<Value> = all_contents("Property")
        .into_iter()
        .filter(|property| property["writable"] == true)
        .collect();
    let table = App::PROPERTIES
        .iter()
        .filter_map(Property::name)
        .map(str::to_owned)
        .collect();
    assert_eq!(names(&writable), table);
}

/// Names of the members of a JSON object.
fn members(text: &str) -> BTreeSet<String> {
    let value: Value = serde_json::from_str(text).unwrap();
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn what_the_application_sends_and_reports_is_in_the_model() {
    let config = Config {
        facts: Facts {
            firmware_version: "1.0.0",
            zephyr_version: "4.2.0",
            reset_cause: "software",
            last_fault: "a panic (4) at 0x08012344 from 0x08001235",
        },
        ..Config::default()
    };
    let mut memory = Memory::default();
    let mut bench = Bench::with(&mut memory, App::default(), config);
    for name in ["temperature", "humidity", "pressure"] {
        bench.sense(name, 1);
    }
    bench.sent();
    bench.press_button();
    assert_eq!(
        members(bench.sent()[0].text()),
        names(&contents("Telemetry"))
    );
    let known = names(&contents("Property"));
    for name in App::REPORTED.iter().filter_map(Reported::name) {
        assert!(known.contains(name), "{name}");
        let expected = name != "lastFailure";
        assert_eq!(bench.reported(name).is_some(), expected, "{name}");
    }
    assert_eq!(
        bench.reported("lastFault"),
        Some(r#""a panic (4) at 0x08012344 from 0x08001235""#)
    );
}

#[test]
fn every_cause_of_a_dropped_message_is_in_the_model() {
    let causes: BTreeSet<String> = Cause::ALL
        .iter()
        .map(|cause| cause.name().to_owned())
        .collect();
    let fields = model()["schemas"][0]["fields"].as_array().unwrap().clone();
    assert_eq!(names(&fields), causes);
}

#[test]
fn what_a_status_answers_is_in_the_model() {
    let mut memory = Memory::default();
    let mut bench = Bench::new(&mut memory, App::default());
    let answer = bench.call("getStatus", "");
    let command = contents("Command")
        .into_iter()
        .find(|c| c["name"] == "getStatus");
    let fields = command.unwrap()["response"]["schema"]["fields"].clone();
    let fields = in_this_build(names(fields.as_array().unwrap()));
    assert_eq!(members(&answer.body), fields);
}

#[cfg(feature = "update")]
#[test]
fn what_a_status_of_updates_has_is_in_the_model() {
    use azure_device::application::UpdateStatus;
    use azure_device::json::Object;
    use azure_device::text::Text;

    let mut space = [0; 256];
    let mut text = Text::new(&mut space);
    let mut object = Object::new(&mut text);
    UpdateStatus::default().write(&mut object);
    object.finish().unwrap();
    let fields = model()["schemas"][1]["fields"].as_array().unwrap().clone();
    assert_eq!(members(text.as_str()), names(&fields));
}

#[test]
fn the_model_names_the_component_of_device_update() {
    let component = contents("Component");
    let component = component.iter().find(|part| part["name"] == "deviceUpdate");
    assert!(is_published_elsewhere(&component.unwrap()["schema"]));
}
