//! JSON in pieces: taken or refused as it is in one, with the same story told, wherever it is cut.
//!
//! The first two bytes say where.

#![no_main]

use azure_device::json::{Kind, Name, ParseError, Reader, Sink, Value};
use libfuzzer_sys::fuzz_target;

/// Calls that a reader made: its begins and ends, and all bytes.
#[derive(Default, PartialEq, Eq, Debug)]
struct Story {
    told: Vec<(u32, Option<String>, Option<Kind>)>,
    bytes: Vec<u8>,
}

impl Sink for Story {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        self.told
            .push((depth, name.map(ToString::to_string), Some(kind)));
    }

    fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn end(&mut self, depth: u32) {
        self.told.push((depth, None, None));
    }
}

fn read(pieces: &[&[u8]]) -> Result<Story, ParseError> {
    let (mut reader, mut story) = (Reader::new(), Story::default());
    for piece in pieces {
        reader.feed(piece, &mut story)?;
    }
    reader.finish(&mut story)?;
    Ok(story)
}

fuzz_target!(|input: &[u8]| {
    let Some(([one, other], text)) = input.split_first_chunk() else {
        return;
    };
    let mut cuts = [one, other].map(|cut| usize::from(*cut).min(text.len()));
    cuts.sort_unstable();
    let whole = read(&[text]);
    let pieces = read(&[&text[..cuts[0]], &text[cuts[0]..cuts[1]], &text[cuts[1]..]]);
    assert_eq!(whole, pieces);
    assert_eq!(whole.is_ok(), Value::parse(text).is_ok());
    // What is told is the document without white space: reading it again tells the same.
    if let Ok(story) = whole {
        assert_eq!(read(&[&story.bytes]).as_ref(), Ok(&story));
        let begun = story
            .told
            .iter()
            .filter(|(.., kind)| kind.is_some())
            .count();
        assert_eq!(begun * 2, story.told.len());
        let value = Value::parse(&story.bytes).expect("it is JSON");
        assert_eq!(value.text().as_bytes(), story.bytes);
        let members = value.members().count();
        let told = |(depth, name, kind): &&(u32, Option<String>, Option<Kind>)| {
            *depth == 1 && name.is_some() && kind.is_some()
        };
        assert_eq!(members, story.told.iter().filter(told).count());
        let elements = value.as_array().map_or(0, Iterator::count);
        let told = |(depth, name, kind): &&(u32, Option<String>, Option<Kind>)| {
            *depth == 1 && name.is_none() && kind.is_some()
        };
        assert_eq!(elements, story.told.iter().filter(told).count());
        // The more decimals are allowed, the more numbers have a value, and it is the same one.
        if let (Some(whole), Some(tenths)) = (value.as_i64(), value.as_decimal(1)) {
            assert_eq!(whole.checked_mul(10), Some(tenths));
        }
    }
});
