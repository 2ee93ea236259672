//! The device's JSON reader and writer against others, and against arbitrary bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use azure_device::json::{Decimal, Kind, Name, Reader, Sink, Slot, Value, write_value};
use azure_device::text::Text;
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
        Kind::Array => value.as_array().unwrap().map(reread).collect(),
    }
}

/// Writes what another library holds, number by number as integers and decimals.
fn rewrite(slot: Slot<'_, '_>, value: &serde_json::Value) {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match value {
        Null => slot.null(),
        Bool(value) => slot.boolean(*value),
        Number(number) => match number.as_i64() {
            Some(value) => slot.integer(value),
            // All fractions here are eighths.
            None => slot.thousandths((number.as_f64().unwrap() * 1000.0) as i64),
        },
        String(text) => slot.string(text),
        Array(elements) => slot.array(|array| {
            elements
                .iter()
                .for_each(|element| rewrite(array.slot(), element));
        }),
        Object(members) => slot.object(|object| {
            members
                .iter()
                .for_each(|(name, member)| rewrite(object.slot(name), member));
        }),
    }
}

/// Puts together again what it is told.
#[derive(Default)]
struct Rebuild {
    text: String,
    /// Open values, outermost first: name, kind, beginning in `text`, and content so far.
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

#[cfg(feature = "float")]
proptest! {
    #[test]
    fn a_float_that_is_written_is_read_alike_by_another_reader(bits: u64) {
        let value = f64::from_bits(bits);
        let mut buffer = [0; 32];
        let mut text = Text::new(&mut buffer);
        let written = write_value(&mut text, |slot| slot.float(value)).is_ok();
        prop_assert_eq!(written, value.is_finite());
        if written {
            let theirs: f64 = serde_json::from_str(text.as_str()).unwrap();
            // The other reader may miss the nearest number by a little.
            prop_assert!((theirs - value).abs() <= value.abs() * 4.0 * f64::EPSILON + f64::MIN_POSITIVE);
        }
    }
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
    fn what_is_written_is_read_alike_by_another_reader(value in json()) {
        let mut buffer = vec![0; 1 << 20];
        let mut text = Text::new(&mut buffer);
        write_value(&mut text, |slot| rewrite(slot, &value)).unwrap();
        // A fraction that is a whole number is written as one, and numbers are equal only if they are of one kind.
        let alike = |value: &serde_json::Value| value.to_string().replace(".0", "");
        let read = serde_json::from_str(text.as_str()).unwrap();
        prop_assert_eq!(alike(&read), alike(&value));
    }

    #[test]
    fn a_value_is_written_whole_or_not_at_all_whatever_the_room(value in json(), room in 0_usize..400) {
        let mut buffer = vec![0; 1 << 20];
        let mut whole = Text::new(&mut buffer);
        write_value(&mut whole, |slot| rewrite(slot, &value)).unwrap();
        let mut small = vec![0; room];
        let mut text = Text::new(&mut small);
        let fits = write_value(&mut text, |slot| rewrite(slot, &value)).is_ok();
        prop_assert_eq!(fits, whole.len() <= room);
        prop_assert_eq!(text.as_str(), if fits { whole.as_str() } else { "" });
    }

    #[test]
    fn a_decimal_that_is_written_is_read_as_it_was(mantissa: i64, shift in 0_u32..63, decimals in 0_u8..=9) {
        let mantissa = mantissa >> shift;
        let mut buffer = [0; 64];
        let mut text = Text::new(&mut buffer);
        write_value(&mut text, |slot| slot.decimal(Decimal::new(mantissa, decimals))).unwrap();
        let value = Value::parse(text.as_str().as_bytes()).unwrap();
        prop_assert_eq!(value.as_decimal(decimals), Some(mantissa));
        prop_assert!(serde_json::from_str::<serde_json::Number>(text.as_str()).is_ok());
        // The standard library finds the nearest number of floating point; the other reader may miss it by a little.
        let theirs = text.as_str().parse::<f64>().unwrap();
        prop_assert_eq!(theirs, format!("{mantissa}e-{decimals}").parse::<f64>().unwrap());
    }

    #[test]
    fn a_choice_is_found_exactly_where_an_equal_string_stands(text in ".{0,6}", choices in prop::collection::vec(".{0,6}", 0..5)) {
        let json = serde_json::to_string(&text).unwrap();
        let table: Vec<_> = choices.iter().map(String::as_str).collect();
        let value = Value::parse(json.as_bytes()).unwrap();
        prop_assert_eq!(value.as_choice(&table), table.iter().position(|choice| *choice == text));
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
            let _ = value.as_array().map(|elements| elements.map(|value| value.text().len()).sum::<usize>());
            let _ = (value.as_decimal(3), value.as_choice(&["a"]));
        }
    }
}
