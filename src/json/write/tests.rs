use super::super::{Decimal, Value};
use super::*;
use std::string::String;
use std::vec;

fn written(fill: impl FnOnce(Slot<'_, '_>)) -> String {
    let mut buffer = [0; 256];
    let mut text = Text::new(&mut buffer);
    write_value(&mut text, fill).expect("it fits");
    text.as_str().into()
}

fn object(fill: impl FnOnce(&mut Object<'_, '_>)) -> String {
    written(|slot| slot.object(fill))
}

#[test]
fn members_are_separated_and_escaped() {
    let json = object(|o| {
        o.integer("n", -7)
            .boolean("ok", true)
            .boolean("a \"name\"", false)
            .decimal("level", Decimal::new(215, 1))
            .thousandths("depth", -500)
            .null("gone")
            .string("text", "a\"b\\c\n\u{1}\u{1f}\u{7f}é\"");
    });
    assert_eq!(
        json,
        "{\"n\":-7,\"ok\":true,\"a \\\"name\\\"\":false,\"level\":21.5,\"depth\":-0.5,\"gone\":null,\
         \"text\":\"a\\\"b\\\\c\\n\\u0001\\u001f\u{7f}é\\\"\"}"
    );
}

#[test]
fn objects_and_arrays_nest_and_may_be_empty() {
    assert_eq!(object(|_| ()), "{}");
    assert_eq!(written(|slot| slot.array(|_| ())), "[]");
    let json = object(|o| {
        o.object("a", |a| {
            a.integer("b", 1);
        })
        .array("c", |c| {
            c.integer(1)
                .decimal(Decimal::new(15, 1))
                .thousandths(7)
                .boolean(true)
                .null()
                .string("x,\"y")
                .raw(Value::parse(b" [ 2 ] ").unwrap())
                .object(|inner| {
                    inner.integer("d", 2);
                })
                .array(|inner| {
                    inner.array(|_| ()).array(|_| ());
                });
        })
        .component("e", |e| {
            e.boolean("f", false);
        });
    });
    assert_eq!(
        json,
        "{\"a\":{\"b\":1},\"c\":[1,1.5,0.007,true,null,\"x,\\\"y\",[ 2 ],{\"d\":2},[[],[]]],\
         \"e\":{\"__t\":\"c\",\"f\":false}}"
    );
}

#[test]
fn a_slot_takes_a_value_of_each_kind() {
    assert_eq!(
        written(|slot| slot.integer(i64::MIN)),
        "-9223372036854775808"
    );
    assert_eq!(written(|slot| slot.decimal(Decimal::new(-5, 2))), "-0.05");
    assert_eq!(written(|slot| slot.thousandths(1500)), "1.5");
    assert_eq!(written(|slot| slot.boolean(false)), "false");
    assert_eq!(written(|slot| slot.null()), "null");
    assert_eq!(
        written(|slot| slot.string(format_args!("{}\"", 7))),
        "\"7\\\"\""
    );
    assert_eq!(written(|slot| slot.raw(Value::NULL)), "null");
}

#[test]
fn a_slot_that_is_not_written_is_null() {
    assert_eq!(written(|slot| drop(slot)), "null");
    let json = object(|o| {
        o.slot("a");
        o.slot("b").integer(1);
        o.array("c", |c| {
            c.slot();
            c.integer(2);
            c.slot();
        });
    });
    assert_eq!(json, "{\"a\":null,\"b\":1,\"c\":[null,2,null]}");
}

#[test]
fn a_slot_that_never_ends_makes_the_whole_an_error() {
    let mut buffer = [0; 64];
    let mut text = Text::new(&mut buffer);
    text.append('x').unwrap();
    assert_eq!(
        write_value(&mut text, |slot| core::mem::forget(slot)),
        Err(TooLong)
    );
    let forgets = |slot: Slot<'_, '_>| {
        slot.object(|o| {
            o.array("a", |a| core::mem::forget(a.slot()));
            o.integer("b", 1);
        });
    };
    assert_eq!(write_value(&mut text, forgets), Err(TooLong));
    assert_eq!(text.as_str(), "x");
}

#[test]
fn a_value_that_cannot_be_displayed_makes_the_whole_an_error() {
    struct Fails;

    impl Display for Fails {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }

    let mut buffer = [0; 64];
    let mut text = Text::new(&mut buffer);
    let mut object = Object::new(&mut text);
    object.string("a", Fails).integer("b", 1);
    assert_eq!(object.finish(), Err(TooLong));
}

/// A value of each kind, in both kinds of brackets.
fn everything(slot: Slot<'_, '_>) {
    slot.array(|all| {
        all.integer(-12)
            .decimal(Decimal::new(-5, 2))
            .thousandths(7)
            .boolean(true)
            .null()
            .string("a\"\u{2}é");
        all.object(|o| {
            o.integer("n", 1).string("text", "a\"");
            o.slot("left");
            o.array("list", |list| {
                list.integer(1).array(|_| ());
            });
        });
    });
}

#[test]
fn what_does_not_fit_is_an_error_at_every_size_and_leaves_no_part_behind() {
    let whole = written(everything);
    for size in 0..whole.len() {
        let mut buffer = vec![0; size + 1];
        let mut text = Text::new(&mut buffer);
        text.append('x').unwrap();
        assert_eq!(
            write_value(&mut text, everything),
            Err(TooLong),
            "{size} bytes"
        );
        assert_eq!(text.as_str(), "x");
    }
    let mut buffer = vec![0; whole.len()];
    let mut text = Text::new(&mut buffer);
    assert_eq!(write_value(&mut text, everything), Ok(()));
    assert_eq!(text.as_str(), whole);
}

#[test]
fn an_object_and_an_array_say_that_they_are_empty() {
    let mut buffer = [0; 16];
    let mut text = Text::new(&mut buffer);
    let mut object = Object::new(&mut text);
    assert!(object.is_empty());
    object.null("a");
    assert!(!object.is_empty());
    object.finish().unwrap();
    text.clear();
    let mut array = Array::new(&mut text);
    assert!(array.is_empty());
    array.null();
    assert!(!array.is_empty());
}
