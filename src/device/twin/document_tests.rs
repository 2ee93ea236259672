use super::*;
use proptest::prelude::*;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

const NAMES: [&str; 4] = ["interval", "led*on", "led*colour", "name"];

fn name_of(index: usize) -> Option<&'static str> {
    NAMES.get(index).copied()
}

/// Content of a document: of each property its text, "null", "-" for nothing, or "too long".
#[derive(Debug, PartialEq, Eq)]
struct Read {
    version: Option<u64>,
    desired: Vec<String>,
}

fn read_with(
    mut document: Document,
    text: &str,
    piece: usize,
    space: usize,
) -> Result<Read, ParseError> {
    let mut space = vec![0; space];
    let mut unknown = Unknown::default();
    for piece in text.as_bytes().chunks(piece) {
        document.feed(piece, &mut space, name_of, (&mut unknown, None));
    }
    document.finish()?;
    let desired = (0..NAMES.len()).map(|index| match document.desired(index, &space) {
        Desired::Absent => "-".to_string(),
        Desired::Deleted => "null".to_string(),
        Desired::Value(value) => value.text().to_string(),
        Desired::TooLong => "too long".to_string(),
    });
    Ok(Read {
        version: document.version(),
        desired: desired.collect(),
    })
}

#[track_caller]
fn assert_reads(document: fn() -> Document, text: &str, version: Option<u64>, desired: [&str; 4]) {
    for piece in [1, 2, 3, 7, text.len()] {
        let read = read_with(document(), text, piece, 100).unwrap();
        assert_eq!(
            (read.version, read.desired),
            (version, desired.map(String::from).to_vec()),
            "{text}"
        );
    }
}

#[test]
fn a_twin_is_read_in_any_order_and_with_any_white_space() {
    let values = ["30", "true", r#"{"r":[1,"a b"]}"#, r#""x\"y""#];
    for text in [
        r#"{"desired":{"interval":30,"led":{"__t":"c","on":true,"colour":{"r":[1,"a b"]}},"name":"x\"y","$version":7},"reported":{"interval":{"value":1,"ac":200,"av":1},"$version":3}}"#,
        r#"{"reported":{"$version":3,"desired":{"interval":1,"$version":9}},"desired":{"$version":7,"name":"x\"y","led":{"colour":{"r":[1,"a b"]},"on":true},"interval":30}}"#,
        " {\n \"desired\" : { \"interval\" : 30 ,\r\n\t\"led\" : { \"on\":true , \"colour\":{ \"r\" : [ 1 , \"a b\" ] } } , \"n\\u0061me\" : \"x\\\"y\" , \"$version\" : 7 } } ",
    ] {
        assert_reads(Document::whole, text, Some(7), values);
    }
}

#[test]
fn a_patch_says_what_changes_and_what_is_gone() {
    let text = r#"{"interval":null,"led":{"on":false},"$version":8}"#;
    assert_reads(Document::patch, text, Some(8), ["null", "false", "-", "-"]);
    let text = r#"{"led":null,"name":[],"$version":9}"#;
    assert_reads(Document::patch, text, Some(9), ["-", "null", "null", "[]"]);
}

#[test]
fn only_what_stands_where_it_belongs_counts() {
    for text in [
        r#"{"a":{"interval":1,"desired":{"interval":1},"$version":2},"b":["interval",{"interval":1}]}"#,
        r#"{"led":7,"on":true,"led*on":true,"interval*":1}"#,
        r#"{"led":[{"on":true}],"LED":{"on":true},"interva":1,"intervall":1}"#,
        r#"{"led":{"a":{"on":true}},"other":{"on":true}}"#,
    ] {
        assert_reads(Document::patch, text, None, ["-"; 4]);
        assert_reads(Document::whole, text, None, ["-"; 4]);
    }
    // A patch is no twin, and a twin no patch.
    assert_reads(
        Document::whole,
        r#"{"interval":1,"$version":2}"#,
        None,
        ["-"; 4],
    );
    let twin = r#"{"desired":{"interval":1,"$version":2}}"#;
    assert_reads(Document::patch, twin, None, ["-"; 4]);
    for text in [
        "7",
        "[]",
        "\"desired\"",
        "null",
        r#"{"desired":7}"#,
        r#"{"desired":[1]}"#,
    ] {
        assert_reads(Document::whole, text, None, ["-"; 4]);
        assert_reads(Document::patch, text, None, ["-"; 4]);
    }
}

#[test]
fn of_members_of_the_same_name_the_last_counts() {
    let text = r#"{"interval":1,"led":{"on":1,"colour":2},"interval":3,"led":{"on":4},"name":null,"name":5,"$version":1,"$version":2}"#;
    assert_reads(Document::patch, text, Some(2), ["3", "4", "-", "5"]);
    let text = r#"{"desired":{"interval":1,"$version":1},"desired":{"name":2,"$version":3}}"#;
    assert_reads(Document::whole, text, Some(3), ["-", "-", "-", "2"]);
}

#[test]
fn a_version_is_a_whole_number_that_fits() {
    for (version, expected) in [
        ("0", Some(0)),
        ("4.0", Some(4)),
        ("9223372036854775807", Some(i64::MAX as u64)),
        ("-1", None),
        ("1.5", None),
        ("\"4\"", None),
        ("null", None),
        ("9223372036854775808", None),
        ("4.00000000000000000000000000000000", None),
    ] {
        let text = format!(r#"{{"$version":{version}}}"#);
        assert_reads(Document::patch, &text, expected, ["-"; 4]);
    }
}

#[test]
fn a_value_that_does_not_fit_is_too_long_and_leaves_room_for_the_others() {
    let long = "x".repeat(40);
    let text = format!(
        r#"{{"name":"{long}","interval":12345,"led":{{"on":"{long}","colour":7}},"$version":2}}"#
    );
    for (space, expected) in [
        (0, ["too long", "too long", "too long", "too long"]),
        (4, ["too long", "too long", "7", "too long"]),
        (6, ["12345", "too long", "7", "too long"]),
        (48, ["12345", "too long", "7", "\"…\""]),
        (90, ["12345", "\"…\"", "7", "\"…\""]),
    ] {
        let read = read_with(Document::patch(), &text, 5, space).unwrap();
        let long = format!("\"{long}\"");
        let expected = expected.map(|value| {
            if value == "\"…\"" {
                long.clone()
            } else {
                value.into()
            }
        });
        assert_eq!(read.desired, expected, "{space} bytes");
        assert_eq!(read.version, Some(2));
    }
    // Where it is too long is an object, and what follows inside of it is none of the device's.
    let text = format!(
        r#"{{"interval":{{"a":"{long}","led":{{"on":1}},"$version":9}},"name":1,"$version":2}}"#
    );
    let read = read_with(Document::patch(), &text, 1, 10).unwrap();
    assert_eq!(
        (read.version, &read.desired[..]),
        (
            Some(2),
            &["too long".into(), "-".into(), "-".into(), "1".to_string()][..]
        )
    );
}

#[test]
fn a_document_that_is_not_json_is_none_however_much_of_it_was_read() {
    let text = r#"{"desired":{"interval":30,"$version":7}"#;
    assert_eq!(
        read_with(Document::whole(), text, 3, 100),
        Err(ParseError::Incomplete)
    );
    let text = r#"{"desired":{"interval":30,"$version":7}}}"#;
    assert_eq!(
        read_with(Document::whole(), text, 3, 100),
        Err(ParseError::Unexpected(40))
    );
}

/// Documents whose members are often, and not always, what the device knows. No white space between tokens, and
/// none of JSON's own characters in strings.
fn json() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "desired", "reported", "interval", "led", "on", "colour", "name", "other", "__t",
        "$version",
    ]);
    let leaf = prop_oneof![
        Just("null".to_string()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<u16>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,2})?([eE][+-]?[0-9])?",
        "\"([a-zé]|\\\\n|\\\\u00e9|\\\\\"){0,6}\"",
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        let members = prop::collection::btree_map(name.clone(), inner.clone(), 0..8);
        prop_oneof![
            4 => members.prop_map(|map| {
                let members: Vec<String> =
                    map.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            1 => prop::collection::vec(inner, 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
        ]
    })
}

/// Returns what the reader of whole texts finds of a property in the desired ones.
fn expected<'v>(desired: Option<Value<'v>>, name: &'static str) -> &'v str {
    let found = match path(name) {
        (None, name) => desired.and_then(|desired| desired.get(name)),
        (Some(component), name) => match desired.and_then(|desired| desired.get(component)) {
            Some(Value::NULL) => Some(Value::NULL),
            component => component.and_then(|component| component.get(name)),
        },
    };
    found.map_or("-", Value::text)
}

proptest! {
    #[test]
    fn a_document_in_pieces_says_what_is_found_in_the_whole(
        text in json(), spaced: bool, piece in 1_usize..50, whole: bool,
    ) {
        let document = Value::parse(text.as_bytes()).unwrap();
        let (reader, desired) = match whole {
            true => (Document::whole(), document.get("desired")),
            false => (Document::patch(), Some(document)),
        };
        let told = match spaced {
            true => [",", ":", "{", "}", "[", "]"]
                .iter()
                .fold(text.clone(), |text, token| text.replace(token, &format!("\n {token}\t\r"))),
            false => text.clone(),
        };
        let read = read_with(reader, &told, piece, 4096).unwrap();
        for (found, name) in read.desired.iter().zip(NAMES) {
            prop_assert_eq!(&**found, expected(desired, name), "{} in {}", name, text);
        }
        let version = desired.and_then(|desired| desired.get("$version")?.as_i64());
        prop_assert_eq!(read.version, version.and_then(|version| u64::try_from(version).ok()));
    }
}
