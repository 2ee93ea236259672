use core::time::Duration;
use std::string::{String, ToString};

use super::*;
use crate::app::App;
use crate::device::Config;
use crate::device::tests::sim::World;
use crate::device::tests::{Memory, buffers};
use crate::identity::SharedAccessKey;
use crate::provisioning::{Attestation, GLOBAL_ENDPOINT, IdScope, RegistrationId};

const HOUR: Duration = Duration::from_secs(3600);
const KEPT: &[u8] = b"0ne00ABCDEF\nmydevice01\ncontoso.azure-devices.net\nMyDevice01";

fn enrollment() -> Enrollment {
    let key = SharedAccessKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").unwrap();
    let registration_id = RegistrationId::parse("MyDevice01").unwrap();
    Enrollment::new(
        IdScope::parse("0ne00ABCDEF").unwrap(),
        registration_id,
        Attestation::SymmetricKey(key),
    )
}

fn answer_assigned(world: &World) {
    let body = r#"{"operationId":"1","status":"assigned","registrationState":
        {"assignedHub":"contoso.azure-devices.net","deviceId":"MyDevice01","status":"assigned"}}"#;
    world
        .hub
        .borrow_mut()
        .answers
        .push_back((200, String::new(), body.to_string()));
}

fn live_for(world: &mut World, time: Duration) -> End {
    world.stop_after(Duration::from_millis(world.now) + time);
    let mut memory = Memory::default();
    let enrollment = enrollment();
    let access = Access::Provisioning(&enrollment, provisioning::Config::default());
    run(
        &access,
        &Config::default(),
        &mut buffers(&mut memory),
        App::default(),
        world,
    )
    .unwrap()
}

fn world() -> World {
    let mut world = World::new();
    world.other_host_name = Some((GLOBAL_ENDPOINT, "mydevice01"));
    world
}

#[test]
fn a_new_device_is_provisioned_joins_its_hub_and_keeps_the_assignment() {
    let mut world = world();
    answer_assigned(&world);
    assert_eq!(live_for(&mut world, HOUR), End::Stopped);
    assert_eq!(world.hub.borrow().log.connects.len(), 2);
    assert_eq!(world.hub.borrow().log.stored.len(), 60);
    assert_eq!(world.stored["assignment"], KEPT);

    // The next start asks nobody.
    live_for(&mut world, HOUR);
    assert_eq!(world.hub.borrow().log.connects.len(), 3);
}

#[test]
fn a_device_that_its_hub_refuses_again_and_again_is_provisioned_anew() {
    let mut world = world();
    world.stored.insert("assignment".into(), KEPT.to_vec());
    world.hub.borrow_mut().connacks.extend([5, 5, 5]);
    answer_assigned(&world);
    live_for(&mut world, 2 * HOUR);
    let hub = world.hub.borrow();
    let dps: std::vec::Vec<bool> = hub
        .log
        .connects
        .iter()
        .map(|(user, _)| user.starts_with("0ne00ABCDEF/"))
        .collect();
    assert_eq!(
        dps,
        [false, false, false, true, false],
        "three refusals, then the service, then the hub"
    );
}

#[test]
fn a_damaged_assignment_is_replaced() {
    let mut world = world();
    world
        .stored
        .insert("assignment".into(), b"nonsense".to_vec());
    answer_assigned(&world);
    live_for(&mut world, HOUR);
    assert_eq!(world.stored["assignment"], KEPT);
}
