//! The power fails at every write and every erasure of long random histories.

use std::vec::Vec;
use std::{format, vec};

use super::Store;
use super::nor::Nor;
use crate::port::{Queue, QueueError, Visit};

const PAGE: usize = 256;
const PAGES: usize = 5;

type Chip<const WORD: usize> = Nor<PAGE, WORD>;

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A record of this length is appended.
    Push(usize, bool),
    /// The records at these places are removed.
    Remove(Vec<usize>),
    /// The queue is read.
    Read,
}

struct Random(u32);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % end
    }

    fn step(&mut self, count: usize) -> Step {
        match self.below(10) {
            0..=4 => Step::Push(self.below(100) as usize, self.below(8) == 0),
            5..=7 if count > 0 => {
                // Mostly the oldest.
                let first = match self.below(4) {
                    0 => self.below(count as u32) as usize,
                    _ => 0,
                };
                let more = self.below(4) as usize;
                Step::Remove((first..(first + more + 1).min(count)).collect())
            }
            _ => Step::Read,
        }
    }
}

fn store<'b, const WORD: usize>(
    chip: &'b mut Chip<WORD>,
    buffer: &'b mut [u8],
) -> Store<'b, &'b mut Chip<WORD>> {
    Store::new(chip, 0..(PAGE * PAGES) as u32, buffer).unwrap()
}

fn content(queue: &mut impl Queue) -> Result<Vec<Vec<u8>>, QueueError> {
    let mut records = Vec::new();
    queue.visit(&mut |record| {
        records.push(record.to_vec());
        Visit::Next
    })?;
    Ok(records)
}

/// Does a step. Gives the record that it appends.
fn act<const WORD: usize>(
    chip: &mut Chip<WORD>,
    step: &Step,
    number: u32,
) -> Result<(), QueueError> {
    let mut buffer = [0; PAGE];
    let mut queue = store(chip, &mut buffer);
    match step {
        Step::Push(length, urgent) => {
            let record = record(number, *length);
            let (head, tail) = record.split_at(3);
            queue.push(&[head, tail], *urgent)
        }
        Step::Remove(places) => {
            let mut place = 0;
            queue.visit(&mut |_| {
                let fate = match places.contains(&place) {
                    true if places.last() == Some(&place) => Visit::RemoveAndStop,
                    true => Visit::Remove,
                    false => Visit::Next,
                };
                place += 1;
                fate
            })
        }
        Step::Read => content(&mut queue).map(|_| ()),
    }
}

fn record(number: u32, length: usize) -> Vec<u8> {
    let mut record = number.to_le_bytes().to_vec();
    record.extend((0..length).map(|index| (number as usize * 7 + index) as u8));
    record
}

/// Runs histories until the power has failed so often, each time followed by a mount.
fn cut_everywhere<const WORD: usize>(seed: u32, cuts: u32) {
    let mut random = Random(seed | 1);
    let mut chip: Chip<WORD> = Chip::new(PAGES);
    let mut model: Vec<Vec<u8>> = Vec::new();
    let (mut done, mut number) = (0, 0_u32);
    while done < cuts {
        let step = random.step(model.len());
        number += 1;
        let mut after = model.clone();
        // The step as it is without a cut.
        let mut whole = chip.clone();
        let before = whole.figures.steps;
        let result = act(&mut whole, &step, number);
        let steps = whole.figures.steps - before;
        match (&step, result) {
            (Step::Push(length, _), Ok(())) => after.push(record(number, *length)),
            (Step::Push(..), Err(QueueError::Full)) => {}
            (Step::Remove(places), Ok(())) => {
                let mut place = 0;
                after.retain(|_| {
                    place += 1;
                    !places.contains(&(place - 1))
                });
            }
            (Step::Read, Ok(())) => {}
            (step, result) => panic!("{step:?}: {result:?}"),
        }
        let mut goes_on_from = None;
        for cut in 0..steps {
            let mut torn = chip.clone();
            torn.cut_after(cut as u32, random.below(u32::MAX - 1));
            let _ = act(&mut torn, &step, number);
            assert!(torn.is_off(), "{step:?} has {steps} steps");
            torn.power_on();
            done += 1;
            if random.below(4) == 0 {
                // The power fails in the mount too.
                torn.cut_after(random.below(8), random.below(u32::MAX - 1));
                let _ = act(&mut torn, &Step::Read, number);
                torn.power_on();
            }
            let found = check_mount(torn.clone(), &model, &after, &step, number);
            if random.below(steps as u32 * 4) == 0 {
                goes_on_from = Some((torn, found));
            }
        }
        (chip, model) = goes_on_from.unwrap_or((whole, after));
        let mut buffer = [0; PAGE];
        assert_eq!(
            content(&mut store(&mut chip, &mut buffer)),
            Ok(model.clone())
        );
    }
}

/// After the cut, the queue has what it had before the step or after it, of a removal any part, and takes more.
fn check_mount<const WORD: usize>(
    mut torn: Chip<WORD>,
    before: &[Vec<u8>],
    after: &[Vec<u8>],
    step: &Step,
    number: u32,
) -> Vec<Vec<u8>> {
    let mut buffer = [0; PAGE];
    let mut queue = store(&mut torn, &mut buffer);
    let found = content(&mut queue).unwrap_or_else(|error| panic!("{step:?}: {error}"));
    let mut left = found.iter().peekable();
    for (place, record) in before.iter().enumerate() {
        let removed = matches!(step, Step::Remove(places) if places.contains(&place));
        match left.peek() {
            Some(next) if *next == record => {
                left.next();
            }
            _ if removed => {}
            other => panic!("{step:?}: {record:?} is lost; {other:?} is there"),
        }
    }
    if left.peek().is_some_and(|last| after.last() == Some(last)) {
        left.next();
    }
    assert_eq!(left.next(), None, "{step:?}: nothing is invented");
    // It goes on.
    let probe = record(number + 1_000_000, 20);
    match queue.push(&[&probe], true) {
        Ok(()) => {
            let now = content(&mut queue).expect("it can be read");
            assert_eq!(now.last(), Some(&probe));
            assert_eq!(now.len(), found.len() + 1);
        }
        Err(QueueError::Full) => {}
        Err(error) => panic!("{step:?}: {error}"),
    }
    found
}

#[test]
fn nothing_is_lost_or_invented_at_a_cut_at_any_of_a_hundred_thousand_steps() {
    std::thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || {
                cut_everywhere::<4>(0x1234_5671 + seed * 77, 34_000);
                cut_everywhere::<8>(0x7654_3211 + seed * 77, 17_000);
            });
        }
    });
}

#[test]
fn a_queue_needs_two_whole_pages() {
    let mut buffer = [0; 64];
    for (range, good) in [
        (0..512, true),
        (256..768, true),
        (0..256, false),
        (0..300, false),
        (128..640, false),
    ] {
        let chip: Chip<4> = Chip::new(PAGES);
        assert_eq!(
            Store::new(chip, range.clone(), &mut buffer).is_some(),
            good,
            "{range:?}"
        );
    }
}

#[test]
fn a_page_is_kept_for_the_urgent() {
    let mut chip: Chip<4> = Chip::new(PAGES);
    let mut buffer = [0; 128];
    let mut queue = store(&mut chip, &mut buffer);
    let routine = [1; 60];
    let mut count = 0;
    while queue.push(&[&routine], false).is_ok() {
        count += 1;
    }
    let mut urgent = 0;
    while queue.push(&[&routine], true).is_ok() {
        urgent += 1;
    }
    assert_eq!((count, urgent), (12, 3), "three a page of 256 bytes");
    assert_eq!(queue.push(&[&routine], true), Err(QueueError::Full));
}

#[test]
fn a_record_that_is_longer_than_the_buffer_is_refused_and_read_all_the_same() {
    let mut chip: Chip<4> = Chip::new(PAGES);
    let record = [7; 100];
    let mut large = [0; 128];
    store(&mut chip, &mut large)
        .push(&[&[1], &record], false)
        .unwrap();
    store(&mut chip, &mut large)
        .push(&[&[2], &record], false)
        .unwrap();
    let mut small = [0; 20];
    let mut queue = store(&mut chip, &mut small);
    assert_eq!(
        queue.push(&[&record], false),
        Err(QueueError::TooLarge(100))
    );
    assert_eq!(queue.push(&[&[3]], false), Ok(()));
    let firsts = |queue: &mut Store<'_, &mut Chip<4>>| {
        content(queue)
            .unwrap()
            .iter()
            .map(|record| record[0])
            .collect::<Vec<u8>>()
    };
    assert_eq!(firsts(&mut queue), [1, 2, 3], "each once");
    let too_long = vec![0; PAGE];
    let mut larger = [0; 2 * PAGE];
    let mut queue = store(&mut chip, &mut larger);
    let error = queue.push(&[&too_long], false).unwrap_err();
    assert_eq!(error, QueueError::TooLarge(PAGE));
    assert!(format!("{error}").contains("a message of 256 bytes"));
    queue.clear().unwrap();
    assert_eq!(firsts(&mut store(&mut chip, &mut small)), []);
}
