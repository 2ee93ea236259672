#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const FORMAT: Format = Format {
    header: "local-hub test, format 1",
    begins: b'[',
};

const RECORDS: [&str; 3] = [
    r#"[["a",1]]"#,
    r#"[["b","x\"]y"],["c",null]]"#,
    r#"[["dé",{"e":[[],{}]}]]"#,
];

fn file(records: &[&str]) -> Vec<u8> {
    let mut bytes = header(&FORMAT);
    for record in records {
        bytes.extend(encode(record.as_bytes()));
    }
    bytes
}

fn texts(records: &[Record<'_>]) -> Vec<String> {
    let text = |record: &Record<'_>| String::from_utf8(record.json.to_vec()).unwrap();
    records.iter().map(text).collect()
}

#[test]
fn records_are_read_back_with_their_places() {
    let bytes = file(&RECORDS);
    let (records, tail) = scan(&bytes, &FORMAT).unwrap();
    assert_eq!(texts(&records), RECORDS);
    assert_eq!(tail, Tail::Whole);
    for (number, record) in records.iter().enumerate() {
        assert_eq!(record.place.line, number + 2);
        let line = &bytes[record.place.bytes.clone()];
        assert_eq!(line, encode(RECORDS[number].as_bytes()));
    }
}

#[test]
fn a_file_that_was_cut_anywhere_loses_what_was_cut_and_nothing_else() {
    let bytes = file(&RECORDS);
    let first = header(&FORMAT).len();
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        if length < first {
            assert!(
                matches!(scan(cut, &FORMAT), Err(Damage::Foreign(_))),
                "{length}"
            );
            continue;
        }
        let (records, tail) = scan(cut, &FORMAT).unwrap();
        let whole = cut[first..].iter().filter(|byte| **byte == b'\n').count();
        let unterminated = usize::from(tail == Tail::Unterminated);
        assert_eq!(
            texts(&records),
            RECORDS[..whole + unterminated],
            "cut at {length}"
        );
        match tail {
            Tail::Whole => assert_eq!(cut.last(), Some(&b'\n')),
            // All of a record but its line feed is there.
            Tail::Unterminated => assert_eq!(bytes[length], b'\n'),
            Tail::Partial(place) => {
                assert_eq!(place.bytes.end, length);
                assert_eq!(bytes[place.bytes.start - 1], b'\n');
                assert_eq!(place.line, whole + 2);
            }
        }
    }
}

#[test]
fn one_byte_that_changed_anywhere_is_noticed_and_never_cut() {
    let bytes = file(&RECORDS);
    for position in 0..bytes.len() {
        for value in 0..=255 {
            if value == bytes[position] {
                continue;
            }
            let mut damaged = bytes.clone();
            damaged[position] = value;
            let found = scan(&damaged, &FORMAT);
            assert!(found.is_err(), "byte {position} as {value}: {found:?}");
        }
    }
}

#[test]
fn the_place_of_the_first_wrong_line_is_told() {
    let whole = file(&RECORDS);
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let damaged = [lines[0], lines[1], b"\n", lines[2], b"x\n"].concat();
    let Err(Damage::Line(place, why)) = scan(&damaged, &FORMAT) else {
        panic!("a blank line was taken");
    };
    assert_eq!(
        (place.line, place.bytes.start),
        (3, lines[0].len() + lines[1].len())
    );
    assert_eq!(why, "is too short");
}

#[test]
fn what_no_kill_leaves_at_the_end_is_damage() {
    let whole = file(&RECORDS);
    let record = encode(br#"[["k",1]]"#);
    for tail in [
        &b"\0"[..],
        &[0; 4096],
        b"\n",
        b"foreign",
        b"0123456789ABCDEF ",
        b"0123456789abcdef-",
        b"0123456789abcdef {",
        b"0123456789abcdef [[\"k\0",
        b"0123456789abcdef [[\"k\xff\xfe\"",
        // JSON that has ended, with another checksum.
        b"0123456789abcdef [[\"k\",1]]",
        b"0123456789abcdef [[\"k\",1]]J",
        // A record that begins, and zeros of a file that had been made longer.
        &[&record[..20], &[0; 7]].concat(),
        // Two of them.
        &[&record[..20], b"\n", &record[..20]].concat(),
    ] {
        let bytes = [whole.as_slice(), tail].concat();
        let found = scan(&bytes, &FORMAT);
        let Err(Damage::Line(place, _)) = found else {
            panic!("{:?} was taken", String::from_utf8_lossy(tail));
        };
        assert_eq!(place.bytes.start, whole.len());
    }
}

#[test]
fn what_is_no_file_of_this_format_is_told_apart() {
    let old = encode(br#"[["a",1]]"#);
    for (bytes, told) in [
        (&b""[..], "empty"),
        (&[0; 100], "zeros"),
        (&old, "before 0.1.0"),
        (br#"{"sequence_number":0,"#, "before 0.1.0"),
        (b"local-hub test, format 2\n", "another version"),
        (b"-----BEGIN CERTIFICATE-----\n", "does not begin"),
        (b"local-hub test, format 1", "another version"),
    ] {
        let Err(Damage::Foreign(why)) = scan(bytes, &FORMAT) else {
            panic!("{told}: taken");
        };
        assert!(why.contains(told), "{why}");
    }
}

proptest! {
    #[test]
    fn any_bytes_after_the_header_are_records_or_damage(bytes in any::<Vec<u8>>()) {
        let file = [header(&FORMAT), bytes].concat();
        if let Ok((records, tail)) = scan(&file, &FORMAT) {
            let mut again = header(&FORMAT);
            for record in &records {
                again.extend(encode(record.json));
            }
            match tail {
                Tail::Whole => prop_assert_eq!(again, file),
                Tail::Unterminated => prop_assert_eq!(&again[..again.len() - 1], file),
                Tail::Partial(place) => prop_assert_eq!(again, &file[..place.bytes.start]),
            }
        }
    }
}
