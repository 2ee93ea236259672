use super::super::Value;
use super::*;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Writes down what it is told.
#[derive(Default)]
struct Story(Vec<String>);

impl Sink for Story {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        let name = name.map_or("-".to_string(), ToString::to_string);
        self.0.push(format!("{depth} {name} {kind:?} "));
    }

    fn byte(&mut self, byte: u8) {
        if let Some(last) = self.0.last_mut() {
            last.push(byte.into());
        }
    }

    fn end(&mut self, depth: u32) {
        self.0.push(format!("end {depth} "));
    }
}

fn story(pieces: &[&str]) -> Result<Vec<String>, ParseError> {
    let (mut reader, mut story) = (Reader::new(), Story::default());
    for piece in pieces {
        reader.feed(piece.as_bytes(), &mut story)?;
    }
    reader.finish(&mut story)?;
    Ok(story.0)
}

#[test]
fn a_sink_is_told_where_each_value_begins_and_ends_and_its_text_without_white_space() {
    let text = " { \"a\" : [ 1.5e3 , true ] , \"\\u0062\\n\" : \"x y\" } ";
    let told = [
        r#"0 - Object {"a":"#,
        "1 a Array [",
        "2 - Number 1.5e3",
        "end 2 ,",
        "2 - Boolean true",
        "end 2 ]",
        r#"end 1 ,"\u0062\n":"#,
        r#"1 b\u{a} String "x y""#,
        "end 1 }",
        "end 0 ",
    ];
    assert_eq!(story(&[text]).unwrap(), told);
    for split in 0..=text.len() {
        let (first, second) = text.split_at(split);
        assert_eq!(story(&[first, second]).unwrap(), told, "split at {split}");
    }
}

#[test]
fn a_number_alone_ends_with_the_document() {
    assert_eq!(story(&["-0.5"]).unwrap(), ["0 - Number -0.5", "end 0 "]);
    for cut in ["-", "1.", "1e", "1e+"] {
        assert_eq!(story(&[cut]), Err(ParseError::Incomplete), "{cut}");
    }
}

#[test]
fn a_name_is_kept_up_to_its_limit_and_a_longer_one_equals_none() {
    /// The last name.
    struct Last(Option<Name>);
    impl Sink for Last {
        fn begin(&mut self, _: u32, name: Option<&Name>, _: Kind) {
            self.0 = name.cloned();
        }
        fn byte(&mut self, _: u8) {}
        fn end(&mut self, _: u32) {}
    }
    let read = |name: &str| {
        let mut last = Last(None);
        Reader::new()
            .feed(format!("{{\"{name}\":1").as_bytes(), &mut last)
            .expect("it is JSON");
        last.0.expect("there is one")
    };
    let longest = "n".repeat(MAX_NAME);
    assert!(read(&longest).is(&longest) && !read(&longest).is_cut());
    let longer = read(&format!("{longest}n"));
    assert!(longer.is_cut() && !longer.is(&longest));
    assert_eq!(longer.to_string(), format!("{longest}..."));
    // A character that is cut in the middle is not shown in part.
    let cut = read(&format!("{}é", "n".repeat(MAX_NAME - 1)));
    assert_eq!(cut.to_string(), format!("{}...", "n".repeat(MAX_NAME - 1)));
    // Surrogates: a pair, halves without the other one.
    assert!(read("\\ud83d\\ude00").is("😀"));
    assert!(read("\\ud83d\\ud83d\\ude00x\\ud83d").is("\u{fffd}😀x\u{fffd}"));
    assert!(read("\\ude00\\u00e9").is("\u{fffd}é"));
}

const MAX_NAME: usize = super::super::MAX_NAME;

#[test]
fn a_document_that_is_refused_as_a_whole_is_refused_in_bytes_at_the_same_place() {
    for text in [
        "{\"a\":1,}",
        "[1,]",
        "[1}",
        "{\"a\":1]",
        "01",
        "1.",
        "nul",
        "{} {}",
        "{a:1}",
        "{\"a\"",
        "[,1]",
        "{,}",
        "{\"a\":}",
        "--1",
        "+1",
        "\"\\u12g4\"",
        "\"\\x\"",
        "\u{feff}{}",
        "tru e",
        "[1 2]",
        "{\"a\" 1}",
    ] {
        let whole = Value::parse(text.as_bytes()).expect_err(text);
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        let pieces: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(story(&pieces), Err(whole), "{text}");
    }
    let invalid = |bytes: &[u8]| Reader::new().feed(bytes, &mut ());
    for (bytes, at) in [
        (&b"\"\xc3\""[..], 1),
        (b"\"a\xc0\x80\"", 2),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"\xf4\x90\x80\x80\"", 1),
        (b"\"\xe2\x82\"", 1),
        (b"{\"\xff\":1}", 2),
    ] {
        assert_eq!(invalid(bytes), Err(ParseError::NotUtf8(at)), "{bytes:x?}");
    }
}
