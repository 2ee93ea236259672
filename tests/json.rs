//! The device's JSON reader against another one, and against arbitrary bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use azure_device::json::{Kind, Name, Reader, Sink, Value};
use proptest::prelude::*;

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        // Such as every reader gives back as they were.
        any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(".{0,8}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Reads with this module and gives what another reader would.
fn reread(value: Value<'_>) -> serde_json::Value {
    match value.kind() {
        Kind::Object => serde_json::Value::Object(
            value
                .members()
                .map(|(key, value)| (key.to_string(), reread(value)))
                .collect(),
        ),
        Kind::String => value.as_text().unwrap().to_string().into(),
        Kind::Boolean => value.as_bool().unwrap().into(),
        Kind::Null => serde_json::Value::Null,
        Kind::Number => serde_json::from_str(value.text()).unwrap(),
        Kind::Array => serde_json::from_str(value.text()).unwrap(),
    }
}

/// Puts together again what it is told.
#[derive(Default)]
struct Rebuild {
    text: String,
    /// What is open: its name, its kind, where its text begins, and what it holds so far.
    open: Vec<(Option<String>, Kind, usize, serde_json::Value)>,
    done: Option<serde_json::Value>,
}

impl Sink for Rebuild {
    fn begin(&mut self, depth: u32, name: Option<&Name>, kind: Kind) {
        assert_eq!(depth as usize, self.open.len());
        let empty = match kind {
            Kind::Object => serde_json::json!({}),
            Kind::Array => serde_json::json!([]),
            _ => serde_json::Value::Null,
        };
        let name = name.map(|name| String::from_utf8(name.bytes().to_vec()).unwrap());
        self.open.push((name, kind, self.text.len(), empty));
    }

    fn byte(&mut self, byte: u8) {
        self.text.push(byte.into());
    }

    fn end(&mut self, depth: u32) {
        let (name, kind, start, mut value) = self.open.pop().unwrap();
        assert_eq!(depth as usize, self.open.len());
        if !matches!(kind, Kind::Object | Kind::Array) {
            let bytes: Vec<u8> = self.text[start..].chars().map(|byte| byte as u8).collect();
            value = serde_json::from_slice(&bytes).unwrap();
        }
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some((.., serde_json::Value::Object(members))) => {
                members.insert(name.unwrap(), value);
            }
            Some((.., array)) => array.as_array_mut().unwrap().push(value),
        }
    }
}

/// Reads `text` in pieces of these sizes, over and over.
fn rebuilt(text: &[u8], sizes: &[usize]) -> Option<serde_json::Value> {
    let (mut reader, mut rebuild, mut rest) = (Reader::new(), Rebuild::default(), text);
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at(rest.len().min(*size));
        reader.feed(piece, &mut rebuild).ok()?;
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    reader.finish(&mut rebuild).ok()?;
    rebuild.done
}

proptest! {
    #[test]
    fn what_comes_in_pieces_is_read_as_another_reader_reads_the_whole(
        value in json(), pretty: bool, sizes in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        prop_assert_eq!(rebuilt(&text, &sizes), Some(value));
    }

    #[test]
    fn mutated_text_in_pieces_is_taken_or_refused_as_it_is_in_one(
        value in json(), at: prop::sample::Index, byte: u8, sizes in prop::collection::vec(1_usize..40, 1..8),
    ) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        let (mut reader, mut rest) = (Reader::new(), &text[..]);
        let mut outcome = Ok(());
        for size in sizes.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*size));
            outcome = outcome.and_then(|()| reader.feed(piece, &mut ()));
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let outcome = outcome.and_then(|()| reader.finish(&mut ()));
        prop_assert_eq!(outcome.is_ok(), Value::parse(&text).is_ok());
    }

    #[test]
    fn a_whole_number_is_read_exactly_and_a_fraction_is_none(whole: i64, places in 0_u32..30, zeros in 0_usize..30) {
        let parse = |text: &str| Value::parse(text.as_bytes()).unwrap().as_i64();
        prop_assert_eq!(parse(&format!("{whole}.{}", "0".repeat(zeros + 1))), Some(whole));
        prop_assert_eq!(parse(&format!("{whole}{}e-{places}", "0".repeat(places as usize))), Some(whole));
        prop_assert_eq!(parse(&format!("{whole}.{}5", "0".repeat(zeros))), None);
    }

    #[test]
    fn what_another_writer_wrote_is_read_alike(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        prop_assert_eq!(reread(Value::parse(text.as_bytes()).unwrap()), value);
    }

    #[test]
    fn mutated_text_is_taken_or_refused_as_another_reader_does(value in json(), at: prop::sample::Index, byte: u8) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let at = at.index(text.len());
        text[at] = byte;
        let ours = Value::parse(&text).is_ok();
        // Our own reader does not look for partners of surrogates, which the other one wants.
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        if let Err(error) = &theirs && error.to_string().contains("surrogate") { return Ok(()); }
        if let Err(error) = &theirs && error.to_string().contains("number out of range") { return Ok(()); }
        prop_assert_eq!(ours, theirs.is_ok(), "{:?}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn arbitrary_bytes_are_never_fatal(bytes: Vec<u8>) {
        if let Ok(value) = Value::parse(&bytes) {
            let _ = value.members().map(|(key, value)| key.to_string().len() + value.text().len()).sum::<usize>();
        }
    }
}
