use super::*;
use crate::device::tests::sim::World;
use crate::provisioning::Attestation;

const PAYLOAD: &str = r#"{"site":7}"#;

fn enrollment_of(id_scope: &str, registration_id: &str) -> Enrollment {
    Enrollment::new(
        IdScope::parse(id_scope).unwrap(),
        RegistrationId::parse(registration_id).unwrap(),
        Attestation::X509,
    )
}

fn enrollment() -> Enrollment {
    enrollment_of("0ne00ABCDEF", "dev-01")
}

fn assignment(payload: Option<&str>) -> Assignment {
    Assignment::new("contoso.azure-devices.net", "Dev-01", payload).unwrap()
}

fn world_with(payload: Option<&str>) -> World {
    let mut world = World::new();
    Kept::store(&mut world, &assignment(payload), &enrollment()).unwrap();
    world
}

/// The payload that a load gives, of the assignment that there is.
fn payload(world: &mut World) -> Result<Option<&'static str>, PayloadLost> {
    let kept = Kept::load(world, &enrollment()).expect("an assignment");
    assert_eq!(kept.assignment, assignment(None));
    let mut buffer = [0; 64];
    let payload = kept.payload(world, &mut buffer)?;
    Ok(payload.map(|payload| {
        assert_eq!(payload.text(), PAYLOAD);
        PAYLOAD
    }))
}

#[test]
fn an_assignment_and_its_payload_come_back() {
    for kept in [None, Some(PAYLOAD)] {
        assert_eq!(payload(&mut world_with(kept)), Ok(kept));
    }
    assert_eq!(Kept::load(&mut World::new(), &enrollment()), None);
}

#[test]
fn the_longest_assignment_is_kept() {
    let (id_scope, registration_id) = ("0".repeat(IdScope::MAX_LEN), "r".repeat(128));
    let enrollment = enrollment_of(&id_scope, &registration_id);
    let host_name = std::format!("{0}.{0}.{0}.{1}", "h".repeat(63), "h".repeat(61));
    let longest = Assignment::new(&host_name, &"D".repeat(DeviceId::MAX_LEN), Some("1")).unwrap();
    let mut world = World::new();
    Kept::store(&mut world, &longest, &enrollment).unwrap();
    let kept = Kept::load(&mut world, &enrollment).unwrap().assignment;
    assert_eq!(
        (kept.host_name, kept.device_id),
        (longest.host_name, longest.device_id)
    );
}

#[test]
fn an_assignment_is_of_no_use_to_another_enrollment() {
    let mut world = world_with(None);
    for other in [
        enrollment_of("0ne00ABCDEF", "dev-02"),
        enrollment_of("0ne00ABCDE0", "dev-01"),
    ] {
        assert_eq!(Kept::load(&mut world, &other), None);
    }
}

#[test]
fn nonsense_with_a_right_checksum_is_no_assignment() {
    for nonsense in [
        &b""[..],
        b"\xff\n",
        b"contoso.azure-devices.net\ndev-01",
        b"0ne00ABCDEF\ndev-01\na b\nc\n",
        b"0ne00ABCDEF\ndev-01\nhost\n\n",
        b"0ne00ABCDEF\ndev-01\nhost\ndevice",
        b"0ne00ABCDEF\ndev-01\nhost\ndevice\nno number",
        b"0ne00ABCDEF\ndev-01\nhost\ndevice\n0\n0",
    ] {
        let mut world = World::new();
        storage::store(&mut world, Kept::STORAGE_KEY, nonsense).unwrap();
        assert_eq!(Kept::load(&mut world, &enrollment()), None);
    }
}

#[test]
fn a_payload_with_any_one_bit_flipped_is_lost_and_not_given_to_the_application() {
    let world = world_with(Some(PAYLOAD));
    let sealed = world.stored[Kept::PAYLOAD_STORAGE_KEY].clone();
    for bit in 0..8 * sealed.len() {
        let mut world = world_with(Some(PAYLOAD));
        let stored = world.stored.get_mut(Kept::PAYLOAD_STORAGE_KEY).unwrap();
        stored[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(payload(&mut world), Err(PayloadLost), "bit {bit}");
    }
}

#[test]
fn a_power_cut_between_payload_and_assignment_leaves_no_payload_of_another_assignment() {
    for before in [None, Some("1")] {
        let mut world = world_with(before);
        let assigned = world.stored[Kept::STORAGE_KEY].clone();
        Kept::store(&mut world, &assignment(Some(PAYLOAD)), &enrollment()).unwrap();
        world.stored.insert(Kept::STORAGE_KEY.into(), assigned);
        let expected = before.map_or(Ok(None), |_| Err(PayloadLost));
        assert_eq!(payload(&mut world), expected);
    }
    // The other way round: the new assignment has none, and the old one's is still there.
    let mut world = world_with(Some(PAYLOAD));
    let left = world.stored[Kept::PAYLOAD_STORAGE_KEY].clone();
    Kept::store(&mut world, &assignment(None), &enrollment()).unwrap();
    assert!(!world.stored.contains_key(Kept::PAYLOAD_STORAGE_KEY));
    world.stored.insert(Kept::PAYLOAD_STORAGE_KEY.into(), left);
    assert_eq!(payload(&mut world), Ok(None));
}

#[test]
fn a_payload_that_is_too_long_for_the_memory_at_hand_is_passed_over() {
    let mut world = world_with(Some(PAYLOAD));
    let kept = Kept::load(&mut world, &enrollment()).unwrap();
    assert!(matches!(kept.payload(&mut world, &mut [0; 8]), Ok(None)));
}
