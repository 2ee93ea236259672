//! A new pair beside the old one, with a power cut at every write.

use core::fmt;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use super::record::RECORD;
use super::*;
use crate::failure::{Code, ConnectError, CredentialKind, Failure, TcpFailure, TlsFailure};
use crate::mqtt::ConnectReturnCode;
use crate::port::{Storage, StorageError};
use crate::storage;

const SIZE: usize = 64;

/// A medium that loses its power after some writes.
#[derive(Clone, Default)]
struct Flash {
    values: BTreeMap<String, Vec<u8>>,
    writes: usize,
    cut_after: Option<usize>,
}

impl Flash {
    fn write(&mut self) -> Result<(), StorageError> {
        if self.cut_after.is_some_and(|cut| self.writes >= cut) {
            return Err(StorageError::Medium(5));
        }
        self.writes += 1;
        Ok(())
    }

    /// The flash after the power came back.
    fn restarted(&self) -> Self {
        Self {
            values: self.values.clone(),
            ..Self::default()
        }
    }

    fn value(&mut self, key: &str) -> Option<Vec<u8>> {
        let mut buffer = [0; SIZE + storage::CHECKSUM_LEN];
        let length = storage::load(self, key, "", &mut buffer).unwrap()?;
        Some(buffer[..length].to_vec())
    }

    /// The pair's name, if certificate and key belong together.
    fn pair(&mut self, choice: Option<Choice>) -> Option<char> {
        let slot = choice?.slot()?;
        let leaf = self.value(slot.certificate(0)?)?;
        let key = self.value(slot.key())?;
        assert!(belongs(&leaf, &key), "{choice:?} is no pair: {self:?}");
        let chain = (1..CHAIN).filter_map(|index| self.value(slot.certificate(index)?));
        for intermediate in chain {
            assert_eq!(intermediate[1..], leaf[1..], "{choice:?} is mixed");
        }
        Some(char::from(leaf[1]))
    }
}

impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values.keys()).finish()
    }
}

impl Storage for Flash {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        let room = buffer.get_mut(..value.len());
        let room = room.ok_or(StorageError::TooLong(value.len()))?;
        room.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.write()?;
        self.values.insert(key.to_string(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.write()?;
        self.values.remove(key);
        Ok(())
    }
}

/// `c1` and `k1` are certificate and key of pair 1.
fn belongs(certificate: &[u8], key: &[u8]) -> bool {
    !key.is_empty() && certificate.get(1..) == key.get(1..)
}

fn with<T>(flash: &mut Flash, work: impl FnOnce(&mut Stage<'_, Flash>) -> T) -> T {
    with_built_in(flash, BuiltIn::default(), work)
}

fn with_built_in<T>(
    flash: &mut Flash,
    built_in: BuiltIn<'_>,
    work: impl FnOnce(&mut Stage<'_, Flash>) -> T,
) -> T {
    work(&mut Stage::new(flash, built_in, &mut belongs))
}

/// A chain of a certificate and an intermediate.
fn set_chain(flash: &mut Flash, name: &str) -> Result<Staged, PairError> {
    let [leaf, intermediate] = ["c", "i"].map(|kind| kind.to_string() + name);
    with(flash, |stage| {
        stage.add_certificate(0, leaf.as_bytes())?;
        stage.add_certificate(1, intermediate.as_bytes())?;
        stage.finish_chain(2)
    })
}

fn set_key(flash: &mut Flash, name: &str) -> Result<Staged, PairError> {
    let key = "k".to_string() + name;
    with(flash, |stage| stage.set_key(key.as_bytes()))
}

fn connect(flash: &mut Flash, trial: &mut Trial) -> Result<Verdict, StorageError> {
    trial.choose(flash, false)?;
    trial.connected(flash)
}

/// A device whose pair 1 has connected.
fn device() -> Flash {
    let mut flash = Flash::default();
    assert_eq!(set_chain(&mut flash, "1"), Ok(Staged::KeyMissing));
    assert_eq!(set_key(&mut flash, "1"), Ok(Staged::Complete));
    let verdict = connect(&mut flash, &mut Trial::default());
    assert_eq!(verdict, Ok(Verdict::Adopted));
    flash
}

fn chosen(flash: &mut Flash) -> Option<char> {
    let choice = Trial::default().choose(flash, false).unwrap();
    flash.pair(choice)
}

fn refusal() -> Failure {
    Failure::Refused(ConnectReturnCode::NotAuthorized, CredentialKind::X509)
}

#[test]
fn the_pair_in_use_stays_until_the_new_one_is_complete_and_has_connected() {
    for key_first in [false, true] {
        let mut flash = device();
        let mut trial = Trial::default();
        if key_first {
            let staged = set_key(&mut flash, "2");
            assert_eq!(staged, Ok(Staged::CertificateMissing));
        } else {
            assert_eq!(set_chain(&mut flash, "2"), Ok(Staged::KeyMissing));
        }
        assert_eq!(chosen(&mut flash), Some('1'), "it is not complete");
        let staged = if key_first {
            set_chain(&mut flash, "2")
        } else {
            set_key(&mut flash, "2")
        };
        assert_eq!(staged, Ok(Staged::Complete));
        let choice = trial.choose(&mut flash, false).unwrap();
        assert!(matches!(choice, Some(Choice::New(_))));
        assert_eq!(flash.pair(choice), Some('2'));
        assert_eq!(flash.values.len(), 3 + 3 + 1, "the old one is still there");
        assert_eq!(trial.connected(&mut flash), Ok(Verdict::Adopted));
        assert_eq!(chosen(&mut flash), Some('2'));
        assert_eq!(flash.values.len(), 3 + 1, "the old one is erased");
        assert_eq!(trial.connected(&mut flash), Ok(Verdict::Stay));
    }
}

#[test]
fn a_power_cut_at_any_write_leaves_a_whole_pair_and_the_next_try_succeeds() {
    type Step = fn(&mut Flash) -> bool;
    let steps: [&[Step]; 2] = [
        &[
            |flash| set_chain(flash, "2").is_ok(),
            |flash| set_key(flash, "2").is_ok(),
        ],
        &[
            |flash| set_key(flash, "2").is_ok(),
            |flash| set_chain(flash, "2").is_ok(),
        ],
    ];
    for steps in steps {
        for cut in 0.. {
            let mut flash = device();
            (flash.writes, flash.cut_after) = (0, Some(cut));
            let done = steps.iter().all(|step| step(&mut flash))
                && connect(&mut flash, &mut Trial::default()).is_ok();
            let mut flash = flash.restarted();
            let before = chosen(&mut flash);
            assert!(
                matches!(before, Some('1' | '2')),
                "cut after {cut}: {flash:?}"
            );
            // Whatever was there, the person does it again.
            let again = steps.iter().all(|step| step(&mut flash));
            assert!(again, "cut after {cut}: {flash:?}");
            connect(&mut flash, &mut Trial::default()).unwrap();
            assert_eq!(chosen(&mut flash), Some('2'), "cut after {cut}: {flash:?}");
            if done {
                assert!(cut > 5, "a cut was tried");
                break;
            }
        }
    }
}

#[test]
fn a_damaged_record_leaves_a_whole_pair() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    for step in 0..3 {
        let mut damaged = flash.clone();
        damaged.values.get_mut(RECORD).unwrap()[1] ^= 1;
        assert!(matches!(chosen(&mut damaged), Some('1' | '2')), "{step}");
        if step == 0 {
            set_key(&mut flash, "2").unwrap();
        } else if step == 1 {
            connect(&mut flash, &mut Trial::default()).unwrap();
        }
    }
}

#[test]
fn values_of_an_image_without_a_record_are_the_pair_in_use() {
    let mut flash = Flash::default();
    storage::store(&mut flash, "certificate/0", b"c1").unwrap();
    assert_eq!(chosen(&mut flash), None);
    assert_eq!(set_key(&mut flash, "1"), Ok(Staged::Complete));
    flash.values.remove(RECORD);
    assert_eq!(chosen(&mut flash), Some('1'));
    assert!(Record::load(&mut flash).unwrap().in_use == Some(Slot::A));
}

#[test]
fn a_key_of_another_certificate_is_refused_and_changes_nothing() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    let before = flash.values.clone();
    assert_eq!(set_key(&mut flash, "3"), Err(PairError::Mismatch));
    assert_eq!(flash.values, before);
    assert_eq!(set_key(&mut flash, "2"), Ok(Staged::Complete));
}

#[test]
fn a_renewed_certificate_of_the_same_key_needs_no_key() {
    let mut flash = device();
    let staged = with(&mut flash, |stage| {
        stage.add_certificate(0, b"C1")?;
        stage.finish_chain(1)
    });
    assert_eq!(staged, Ok(Staged::Complete));
    connect(&mut flash, &mut Trial::default()).unwrap();
    assert_eq!(chosen(&mut flash), Some('1'));
    assert_eq!(set_key(&mut flash, "1"), Ok(Staged::Known));
}

#[test]
fn the_images_pair_is_kept_as_an_old_one_and_lends_its_parts() {
    let built_in = BuiltIn {
        chain: &[b"c1", b"i1"],
        key: Some(b"k1"),
    };
    let mut flash = Flash::default();
    let renewed = with_built_in(&mut flash, built_in, |stage| {
        stage.add_certificate(0, b"C1")?;
        stage.finish_chain(1)
    });
    assert_eq!(renewed, Ok(Staged::Complete));
    let mut trial = Trial::default();
    let choice = trial.choose(&mut flash, true).unwrap();
    assert_eq!(choice, Some(Choice::New(Slot::A)));
    let verdict = trial.failed(&mut flash, refusal(), true);
    assert_eq!(verdict, Ok(Verdict::SwitchNow));
    assert_eq!(trial.choose(&mut flash, true), Ok(Some(Choice::BuiltIn)));
    forget(&mut flash).unwrap();
    let key = with_built_in(&mut flash, built_in, |stage| stage.set_key(b"k1"));
    assert_eq!(key, Ok(Staged::Complete));
    assert_eq!(chosen(&mut flash), Some('1'));
}

#[test]
fn a_refused_new_pair_gives_way_to_the_old_one_and_is_not_tried_after_a_restart() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    set_key(&mut flash, "2").unwrap();
    let mut trial = Trial::default();
    trial.choose(&mut flash, false).unwrap();
    // The network's troubles are not the pair's.
    let tcp = Failure::Connect(ConnectError::Tcp(TcpFailure::Refused, Code(0)));
    assert_eq!(trial.failed(&mut flash, tcp, false), Ok(Verdict::Stay));
    assert_eq!(
        trial.failed(&mut flash, Failure::Closed, false),
        Ok(Verdict::Stay)
    );
    let verdict = trial.failed(&mut flash, refusal(), false);
    assert_eq!(verdict, Ok(Verdict::SwitchNow));
    assert_eq!(trial.failure(), Some(refusal()));
    let choice = trial.choose(&mut flash, false).unwrap();
    assert_eq!(flash.pair(choice), Some('1'));
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Refused));
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Stay));
    let mut flash = flash.restarted();
    assert_eq!(chosen(&mut flash), Some('1'));
    assert!(Record::load(&mut flash).unwrap().is_refused);
    // Another one gets its chance, in either order.
    assert_eq!(set_key(&mut flash, "3"), Ok(Staged::CertificateMissing));
    assert_eq!(set_chain(&mut flash, "3"), Ok(Staged::Complete));
    assert_eq!(chosen(&mut flash), Some('3'));
}

#[test]
fn while_the_hub_refuses_both_pairs_they_take_turns_and_the_first_accepted_stays() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    set_key(&mut flash, "2").unwrap();
    let mut trial = Trial::default();
    let mut turns = String::new();
    for _ in 0..5 {
        let choice = trial.choose(&mut flash, false).unwrap();
        turns.extend(flash.pair(choice));
        let alert = Failure::Connect(ConnectError::Tls(TlsFailure::Alert(48), Code(0)));
        let verdict = trial.failed(&mut flash, alert, false).unwrap();
        assert_eq!(verdict == Verdict::SwitchNow, turns.len() == 1, "no storm");
    }
    assert_eq!(turns, "21212");
    trial.choose(&mut flash, false).unwrap();
    trial.failed(&mut flash, refusal(), false).unwrap();
    let choice = trial.choose(&mut flash, false).unwrap();
    assert_eq!(flash.pair(choice), Some('2'));
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Adopted));
    assert_eq!(chosen(&mut flash), Some('2'));
}

#[test]
fn a_refused_pair_is_tried_again_when_the_old_one_is_refused_later() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    set_key(&mut flash, "2").unwrap();
    let mut trial = Trial::default();
    trial.choose(&mut flash, false).unwrap();
    trial.failed(&mut flash, refusal(), false).unwrap();
    connect(&mut flash, &mut trial).unwrap();
    // The operator registered the new one meanwhile, and removed the old one.
    let mut trial = Trial::default();
    trial.choose(&mut flash, false).unwrap();
    let verdict = trial.failed(&mut flash, refusal(), false);
    assert_eq!(verdict, Ok(Verdict::Switch));
    assert_eq!(connect(&mut flash, &mut trial), Ok(Verdict::Adopted));
    assert_eq!(chosen(&mut flash), Some('2'));
}

#[test]
fn a_pair_that_came_while_another_was_on_trial_is_not_judged_by_it() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    set_key(&mut flash, "2").unwrap();
    let mut trial = Trial::default();
    trial.choose(&mut flash, false).unwrap();
    set_chain(&mut flash, "3").unwrap();
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Stay));
    set_key(&mut flash, "3").unwrap();
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Stay));
    assert_eq!(
        trial.failed(&mut flash, refusal(), false),
        Ok(Verdict::Stay)
    );
    let choice = trial.choose(&mut flash, false).unwrap();
    assert_eq!(flash.pair(choice), Some('3'));
    assert_eq!(trial.connected(&mut flash), Ok(Verdict::Adopted));
}

#[test]
fn a_first_pair_that_is_refused_stays_since_there_is_no_other() {
    let mut flash = Flash::default();
    set_chain(&mut flash, "1").unwrap();
    set_key(&mut flash, "1").unwrap();
    let mut trial = Trial::default();
    trial.choose(&mut flash, false).unwrap();
    let verdict = trial.failed(&mut flash, refusal(), false);
    assert_eq!(verdict, Ok(Verdict::Stay));
    let choice = trial.choose(&mut flash, false).unwrap();
    assert_eq!(flash.pair(choice), Some('1'));
}

#[test]
fn what_is_forgotten_leaves_nothing() {
    let mut flash = device();
    set_chain(&mut flash, "2").unwrap();
    forget(&mut flash).unwrap();
    assert_eq!((chosen(&mut flash), flash.values.len()), (None, 0));
    let mut flash = device();
    let long: Result<(), PairError> = with(&mut flash, |stage| {
        (0..=CHAIN).try_for_each(|index| stage.add_certificate(index, b"c2"))
    });
    assert_eq!(long, Err(PairError::ChainTooLong));
    assert_eq!(chosen(&mut flash), Some('1'));
}
