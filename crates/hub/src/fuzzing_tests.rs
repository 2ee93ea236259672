#![allow(clippy::unwrap_used)]

use std::path::Path;

/// Changes of each seed that are tried; `FUZZ_CHANGES` asks for more.
const CHANGES: usize = 200;

/// Numbers that look random, the same in each run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// One to eight changes of a seed: bytes that differ, are gone, twice there, or from another seed.
fn changed(seed: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(16)).min(bytes.len());
        match numbers.below(5) {
            0 => bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << (end % 8)),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes.insert(at, u8::try_from(numbers.below(256)).unwrap()),
            _ => {
                let from = numbers.below(other.len() + 1);
                let piece = &other[from..(from + 24).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Every seed of a target goes through its entrance, and so do seeds that were changed.
fn run(target: &str, entrance: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(seeds.len() >= 4, "{} seeds of {target}", seeds.len());
    for seed in &seeds {
        entrance(seed);
    }
    let more = std::env::var("FUZZ_CHANGES")
        .ok()
        .and_then(|text| text.parse().ok());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let changes = seeds.len() * more.unwrap_or(CHANGES);
    for _ in 0..changes {
        let seed = &seeds[numbers.below(seeds.len())];
        let other = &seeds[numbers.below(seeds.len())];
        let bytes = changed(seed, other, &mut numbers);
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| entrance(&bytes)));
        assert!(
            tried.is_ok(),
            "{target}: {:?}",
            bytes.escape_ascii().to_string()
        );
    }
    println!("{target}: {changes} changed seeds");
}

#[test]
fn the_codecs_seeds_pass_and_so_do_changed_ones() {
    run("hub_codec", super::codec);
}

#[test]
fn the_states_seeds_pass_and_so_do_changed_ones() {
    run("hub_store", super::store);
}

#[test]
fn the_twins_seeds_pass_and_so_do_changed_ones() {
    run("hub_twin", super::twin);
}

#[test]
fn the_provisioning_services_seeds_pass_and_so_do_changed_ones() {
    run("hub_dps", super::dps);
}

#[test]
fn the_texts_seeds_pass_and_so_do_changed_ones() {
    run("hub_texts", |bytes| {
        super::texts(&String::from_utf8_lossy(bytes))
    });
}

#[test]
fn the_certificates_seeds_pass_and_so_do_changed_ones() {
    run("hub_certificates", super::certificates);
}
