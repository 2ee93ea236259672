//! The application and its Plug and Play model (DTDL version 2) say the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use azure_device::app::{App, MODEL_ID};
use azure_device::application::Application;
use serde_json::Value;

fn model() -> Value {
    serde_json::from_str(include_str!("../docs/device.dtdl.json")).unwrap()
}

/// The interfaces of its components, by their ids.
const COMPONENTS: &[&str] = &[include_str!("../docs/indicator.dtdl.json")];

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
        .map(|method| method.name.to_owned())
        .collect();
    assert_eq!(names(&all_contents("Command")), methods);
}

#[test]
fn every_property_of_the_table_is_writable_in_the_model_and_the_other_way_round() {
    let writable: Vec<Value> = all_contents("Property")
        .into_iter()
        .filter(|property| property["writable"] == true)
        .collect();
    let table = App::PROPERTIES
        .iter()
        .map(|property| property.name.to_owned())
        .collect();
    assert_eq!(names(&writable), table);
}

#[test]
fn what_the_application_sends_is_in_the_model() {
    use azure_device::json::Object;
    use azure_device::port::{Reading, Readings, Sensor, SensorError};
    use azure_device::text::Text;

    struct Climate;
    impl Sensor for Climate {
        fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
            for name in ["temperature", "humidity", "pressure"] {
                take(Reading {
                    name,
                    thousandths: 1,
                });
            }
            Ok(())
        }
    }
    let mut application = App::new(azure_device::app::Facts {
        zephyr_version: "4.2.0",
        reset_cause: "software",
        last_fault: "a panic (4) at 0x08012344 from 0x08001235",
    });
    let written = |write: &mut dyn FnMut(&mut Object<'_, '_>)| -> BTreeSet<String> {
        let mut buffer = [0; 512];
        let mut text = Text::new(&mut buffer);
        let mut object = Object::new(&mut text);
        write(&mut object);
        object.finish().unwrap();
        let value: Value = serde_json::from_str(text.as_str()).unwrap();
        value.as_object().unwrap().keys().cloned().collect()
    };
    let telemetry =
        written(&mut |object| application.telemetry(&Readings::of(&mut Climate), object));
    assert_eq!(telemetry, names(&contents("Telemetry")));
    let report = azure_device::report::Report::default();
    let reported = written(&mut |object| {
        application.report(&report, object);
        application.report_counters(&report, object);
    });
    let known = names(&contents("Property"));
    assert!(
        reported.is_subset(&known) && reported.len() >= 5,
        "{reported:?}"
    );
}

#[test]
fn every_cause_of_a_dropped_message_is_in_the_model() {
    let causes: BTreeSet<String> = azure_device::report::Cause::ALL
        .iter()
        .map(|cause| cause.name().to_owned())
        .collect();
    let fields = model()["schemas"][0]["fields"].as_array().unwrap().clone();
    assert_eq!(names(&fields), causes);
}

#[test]
fn what_a_status_answers_is_in_the_model() {
    use azure_device::application::{Call, Control};
    use azure_device::json::Object;
    use azure_device::text::Text;

    let method = App::METHODS.iter().find(|m| m.name == "getStatus").unwrap();
    let call = Call {
        payload: None,
        again: false,
        now: azure_device::time::Instant::default(),
        report: &azure_device::report::Report::default(),
    };
    let mut buffer = [0; 512];
    let mut text = Text::new(&mut buffer);
    let mut object = Object::new(&mut text);
    (method.run)(
        &mut App::default(),
        call,
        &mut Control::for_tests(),
        &mut object,
    );
    object.finish().unwrap();
    let answer: Value = serde_json::from_str(text.as_str()).unwrap();
    let command = contents("Command")
        .into_iter()
        .find(|c| c["name"] == "getStatus");
    let fields = command.unwrap()["response"]["schema"]["fields"].clone();
    let answered: BTreeSet<String> = answer.as_object().unwrap().keys().cloned().collect();
    assert_eq!(answered, names(fields.as_array().unwrap()));
}
