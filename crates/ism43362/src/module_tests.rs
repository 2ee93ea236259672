//! The module's functions, against a module that fails.

use std::boxed::Box;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::answer::LONGEST;
use crate::module::{Joined, Module};
use crate::network::Network;
use crate::socket::Kind;
use crate::virtual_module::{Fault, VirtualModule};
use crate::{Error, PAYLOAD};

fn started() -> (Module<'static, VirtualModule>, VirtualModule) {
    let bus = VirtualModule::new();
    let mut module = Module::new(bus.clone(), Box::leak(Box::new([0; LONGEST])));
    module.start().unwrap();
    (module, bus)
}

fn network(ssid: &str) -> Network {
    Network::new(ssid, "password").unwrap()
}

fn open(bus: &VirtualModule, module: &mut Module<'static, VirtualModule>) {
    let ssid = bus.0.borrow().ssid.clone();
    module.join(&network(&ssid)).unwrap();
    module.open(0, Kind::Tcp, [192, 0, 2, 1], 8883).unwrap();
}

fn fail_next(bus: &VirtualModule, fault: Fault) {
    bus.0.borrow_mut().faults = [Some(fault)].into();
}

#[test]
fn the_address_is_found_behind_any_name_of_the_network() {
    for ssid in [
        "home",
        "IN",
        "a,b, c",
        "JOIN",
        "[JOIN   ] x",
        "1.2.3.4",
        "12345678901234567890123456789012",
    ] {
        let (mut module, bus) = started();
        bus.0.borrow_mut().ssid = ssid.into();
        assert_eq!(
            module.join(&network(ssid)),
            Ok(Joined::Address([10, 0, 0, 7])),
            "{ssid}"
        );
    }
}

#[test]
fn other_lines_around_the_address_do_no_harm() {
    let (mut module, bus) = started();
    let answer = b"\r\n[SOMA][DHCP] 1.2.3.4\r\n[EOMA]\r\n[JOIN   ] home\r\n[JOIN   ] home,10.0.0.9,0,0\r\nOK\r\n> ";
    bus.0.borrow_mut().faults = [
        None,
        None,
        None,
        None,
        None,
        Some(Fault::Instead(answer.to_vec())),
    ]
    .into();
    assert_eq!(
        module.join(&network("home")),
        Ok(Joined::Address([10, 0, 0, 9]))
    );
}

#[test]
fn a_failed_join_and_a_missing_address_are_told_apart() {
    let (mut module, bus) = started();
    assert_eq!(module.join(&network("other")), Ok(Joined::Failed));
    bus.0.borrow_mut().dhcp = false;
    assert_eq!(module.join(&network("home")), Ok(Joined::NoAddress));
}

#[test]
fn a_write_is_whole_or_an_error() {
    let (mut module, bus) = started();
    open(&bus, &mut module);
    assert_eq!(module.write(0, &[7; 3000]), Ok(PAYLOAD));
    assert_eq!(bus.0.borrow().sent[0].len(), PAYLOAD);
    for (answer, expected) in [
        (&b"\r\n-1\r\nOK\r\n> "[..], Err(Error::Ended)),
        (b"\r\n0\r\nOK\r\n> ", Err(Error::Ended)),
        (b"\r\n2\r\nOK\r\n> ", Ok(2)),
        (b"\r\n4\r\nOK\r\n> ", Err(Error::Garbled)),
        (b"\r\n\r\nOK\r\n> ", Err(Error::Garbled)),
        (b"\r\nERROR\r\nUsage: S3\r\n> ", Err(Error::Refused)),
    ] {
        // Selects the socket again, if the last answer raised a doubt.
        assert_eq!(module.write(0, b"abc"), Ok(3));
        fail_next(&bus, Fault::Instead(answer.to_vec()));
        assert_eq!(module.write(0, b"abc"), expected);
    }
}

#[test]
fn a_read_tells_data_nothing_and_the_end() {
    let (mut module, bus) = started();
    open(&bus, &mut module);
    let mut buffer = [0; PAYLOAD];
    assert_eq!(module.read(0, &mut buffer), Ok(0));
    bus.0.borrow_mut().arrived[0] = vec![9; 2000];
    assert_eq!(module.read(0, &mut buffer), Ok(PAYLOAD));
    assert_eq!(module.read(0, &mut buffer), Ok(2000 - PAYLOAD));
    bus.0.borrow_mut().open[0] = false;
    assert_eq!(module.read(0, &mut buffer), Err(Error::Ended));
    fail_next(
        &bus,
        Fault::Instead(b"\r\nERROR\r\nUsage: R0\r\n> ".to_vec()),
    );
    assert_eq!(module.read(0, &mut buffer), Err(Error::Ended));
}

#[test]
fn the_socket_is_selected_once_and_again_after_a_doubt() {
    let (mut module, bus) = started();
    open(&bus, &mut module);
    let mut buffer = [0; PAYLOAD];
    bus.0.borrow_mut().commands.clear();
    module.read(0, &mut buffer).unwrap();
    module.write(0, b"x").unwrap();
    assert_eq!(bus.0.borrow().commands, ["R0", "S3=0001"]);
    fail_next(&bus, Fault::Cut(3));
    assert_eq!(module.read(0, &mut buffer), Err(Error::Garbled));
    bus.0.borrow_mut().commands.clear();
    module.write(0, b"x").unwrap();
    assert_eq!(bus.0.borrow().commands, ["P0=0", "S3=0001"]);
}

#[test]
fn an_answer_too_many_does_not_shift_the_following_ones() {
    let (mut module, bus) = started();
    open(&bus, &mut module);
    let mut buffer = [0; PAYLOAD];
    fail_next(&bus, Fault::Twice);
    module.close(1).unwrap();
    // The first that notices brings both into step.
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(module.resolve("hub"));
    }
    assert_eq!(outcomes[2], Ok(Some([192, 0, 2, 1])));
    bus.0.borrow_mut().arrived[0] = b"data".to_vec();
    assert_eq!(module.read(0, &mut buffer), Ok(4));
    assert_eq!(&buffer[..4], b"data");
}

#[test]
fn a_command_that_got_a_stray_answer_is_carried_out_once_more() {
    let (mut module, bus) = started();
    open(&bus, &mut module);
    module.open(1, Kind::Udp, [192, 0, 2, 1], 123).unwrap();
    bus.0.borrow_mut().commands.clear();
    // The selection gets another answer.
    fail_next(&bus, Fault::Instead(b"\r\nstray\r\nOK\r\n> ".to_vec()));
    module.write(0, b"abc").unwrap();
    assert_eq!(
        bus.0.borrow().commands,
        ["P0=0", "Z5", "CS", "P0=0", "S3=0003"]
    );
    assert_eq!(bus.0.borrow().sent[0], b"abc");
}

#[test]
fn a_silent_module_is_an_error_at_once_and_so_is_one_that_talks_nonsense() {
    let (mut module, bus) = started();
    fail_next(&bus, Fault::Silent);
    assert_eq!(module.is_joined(), Err(Error::Silent));
    let nonsense = Some(Fault::Instead(b"\x00\xff".to_vec()));
    bus.0.borrow_mut().faults = vec![nonsense; 20].into();
    assert_eq!(module.is_joined(), Err(Error::Silent));
}

#[test]
fn names_that_a_command_cannot_carry_are_refused() {
    let (mut module, _bus) = started();
    for name in ["", "a b", "a\rC0", "höst", &"x".repeat(300)] {
        assert_eq!(module.resolve(name), Err(Error::Argument), "{name:?}");
    }
    assert_eq!(module.resolve("unknown"), Ok(None));
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(Fault::Silent)),
        1 => (0_usize..20).prop_map(|length| Some(Fault::Cut(length))),
        1 => Just(Some(Fault::Twice)),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Some(Fault::Instead(bytes))),
        1 => "\\PC{0,20}".prop_map(|text: String| {
            Some(Fault::Instead([b"\r\n", text.as_bytes(), b"\r\nOK\r\n> "].concat()))
        }),
    ]
}

proptest! {
    #[test]
    fn nothing_that_a_module_says_is_a_panic_and_a_good_one_works_again_afterwards(
        faults in prop::collection::vec(fault(), 0..40)
    ) {
        let (mut module, bus) = started();
        open(&bus, &mut module);
        bus.0.borrow_mut().faults = faults.into();
        let mut buffer = [0; PAYLOAD];
        for _ in 0..10 {
            let _ = module.write(0, b"abc");
            let _ = module.read(0, &mut buffer);
            let _ = module.is_joined();
            let _ = module.resolve("hub");
        }
        bus.0.borrow_mut().faults.clear();
        module.start().unwrap();
        open(&bus, &mut module);
        bus.0.borrow_mut().arrived[0] = b"data".to_vec();
        prop_assert_eq!(module.read(0, &mut buffer), Ok(4));
    }
}
