//! Generators: arbitrary text, and text that is nearly right, which gets further into a parser.

use proptest::prelude::*;
use proptest::sample::select;

/// Any text, many of its characters special to a parser here.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let special = select("%&=;/?#+$. \0\n~é😀0aF2".chars().collect::<Vec<_>>());
    let character = prop_oneof![3 => special, 2 => any::<char>()];
    proptest::collection::vec(character, 0..48).prop_map(String::from_iter)
}

/// Text made of `pieces` in any order, with arbitrary text between them.
pub(crate) fn shuffled(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![4 => select(pieces).prop_map(str::to_string), 1 => text()];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// `right` with a few bytes removed, replaced or added.
pub(crate) fn damaged(right: &'static str) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0..=2_usize, text());
    proptest::collection::vec(edit, 0..4).prop_map(move |edits| {
        let mut characters: Vec<char> = right.chars().collect();
        for (place, removed, added) in edits {
            let at = place.index(characters.len() + 1);
            let end = characters.len().min(at + removed);
            characters.splice(at..end, added.chars().take(3));
        }
        String::from_iter(characters)
    })
}

/// A legal device or module id.
pub(crate) fn id() -> impl Strategy<Value = String> {
    "[-A-Za-z0-9.%_*?!(),:=@$']{1,128}"
}

/// A legal host name.
pub(crate) fn host_name() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]([-A-Za-z0-9]{0,20}[A-Za-z0-9])?(\\.[a-z0-9]{1,9}){0,4}"
}
