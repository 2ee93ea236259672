//! The query language: what is read, what is refused, and what is selected.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Condition, Operand, Operator, Path, Query, Select, Source};

fn parse(text: &str) -> Query {
    Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    match Query::parse(text) {
        Ok(query) => panic!("{text}: {query}"),
        Err(error) => {
            assert_eq!(error.code(), 400_004);
            error.to_string()
        }
    }
}

fn twin() -> Value {
    json!({
        "deviceId": "d", "status": "enabled", "statusReason": null, "version": 3,
        "lastActivityTime": "2026-01-01T00:00:00.5Z",
        "tags": {"site": "north", "floor": 2, "wet": true, "odd-name": 1},
        "properties": {"desired": {"$version": 1}, "reported": {"t": -1.5}},
    })
}

/// True if `where` with this condition selects the twin.
fn selected(condition: &str) -> bool {
    parse(&format!("select * from devices where {condition}")).selects(&twin())
}

#[test]
fn queries_are_read_as_the_clients_of_microsoft_write_them() {
    for (text, printed) in [
        ("select * from devices", "SELECT * FROM devices"),
        (
            "SELECT * FROM devices.modules",
            "SELECT * FROM devices.modules",
        ),
        (
            "select * from devices where devices.deviceId = 'a' and capabilities.iotEdge=true",
            "SELECT * FROM devices WHERE (deviceId = 'a' AND capabilities.iotEdge = true)",
        ),
        (
            "select * from devices.modules where devices.modules.moduleId != \"m\"",
            "SELECT * FROM devices.modules WHERE moduleId != 'm'",
        ),
        (
            "SELECT COUNT() AS total FROM devices WHERE a <> 1 OR b IN ['x', 2, null]",
            "SELECT COUNT() AS total FROM devices WHERE (a != 1 OR b IN ['x', 2, null])",
        ),
        (
            "select deviceId as DeviceId, status, tags.a.b AS ab from devices where NOT is_defined(tags.[[x-y]])",
            "SELECT deviceId AS DeviceId, status AS status, tags.a.b AS ab FROM devices WHERE NOT IS_DEFINED(tags.[[x-y]])",
        ),
        (
            r"select * from devices where startswith(deviceId, 'it\'s \\')",
            r"SELECT * FROM devices WHERE STARTSWITH(deviceId, 'it\'s \\')",
        ),
        (
            "select * from devices where a nin [1] or b >= -2.5e3 and (c < 1 or d = false)",
            "SELECT * FROM devices WHERE (a NIN [1] OR (b >= -2500.0 AND (c < 1 OR d = false)))",
        ),
    ] {
        assert_eq!(parse(text).to_string(), printed);
    }
}

#[test]
fn what_is_not_supported_is_named() {
    for (text, named) in [
        ("select top 5 * from devices", "TOP is not supported"),
        (
            "select * from devices group by status",
            "GROUP is not supported",
        ),
        (
            "select * from devices where a = 1 order by a",
            "ORDER is not supported",
        ),
        ("select * from devices join x", "JOIN is not supported"),
        ("select sum(a) as s from devices", "SUM is not supported"),
        (
            "select * from devices where a like 'x'",
            "LIKE is not supported",
        ),
        (
            "select * from devices where lower(a) = 'x'",
            "the function \"lower\" is not supported",
        ),
        (
            "select * from devices where a = b + 1",
            "\"+\" is not supported",
        ),
        (
            "select * from devices where a = 2 * 3",
            "arithmetic is not supported",
        ),
        (
            "select * from devices where a = 2-3",
            "arithmetic is not supported",
        ),
        ("select * from devices.jobs", "modules after devices."),
        ("select * from enrollments", "devices or devices.modules"),
        (
            "select a.b from devices",
            "a.b needs a name: write AS and a name",
        ),
        (
            "select a, b as a from devices",
            "two members are called \"a\"",
        ),
        ("select count() from devices", "AS is expected"),
        ("select * from devices where", "it ends where"),
        ("select * from devices where a in []", "a text in quotes"),
        ("select * from devices where a = 'x", "a text has no end"),
        (
            "select * from devices where a = 'x\\n'",
            "a backslash stands before",
        ),
        ("select * from devices where a is null", "a comparison"),
        ("select * from devices where [[a = 1", "[[ has no name"),
        ("select * from devices where a = 1e999", "no number"),
        ("select * from devices; drop", "\";\" is not supported"),
        (
            "select * from devices where startswith(a, 'it''s')",
            ") is expected",
        ),
        (
            "select * from devices where a = 1 b",
            "the end of the query",
        ),
        ("", "SELECT"),
    ] {
        let told = refusal(text);
        assert!(told.contains(named), "{text}: {told}");
    }
    let place = refusal("select * from devices where ö = 1");
    assert!(place.contains("at character 29"), "{place}");
}

#[test]
fn a_refusal_repeats_a_long_path_once() {
    let path = format!("a.{}", "b".repeat(1000));
    let told = refusal(&format!("select {path} from devices"));
    assert_eq!(told.matches(&path).count(), 1, "{told}");
}

#[test]
fn a_query_has_a_limited_length_and_depth() {
    let nested = |depth: usize| {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        format!("select * from devices where {open}a = 1{close}")
    };
    parse(&nested(32));
    assert!(refusal(&nested(33)).contains("more than 32 parentheses"));
    refusal(&nested(4000));
    let nots = format!("select * from devices where {}a = 1", "not ".repeat(2000));
    assert!(refusal(&nots).contains("more than 32"));
    let long = format!("select * from devices where a = '{}'", "x".repeat(8192));
    assert!(refusal(&long).contains("8192 bytes"));
    let chain = vec!["a = 1"; 800].join(" or ");
    parse(&format!("select * from devices where {chain}"));
}

#[test]
fn members_compare_with_values_of_their_own_kind() {
    for condition in [
        "deviceId = 'd'",
        "'d' = deviceId",
        "devices.deviceId != 'e'",
        "deviceId < 'e'",
        "tags.floor = 2",
        "tags.floor = 2.0",
        "tags.floor >= 2 and tags.floor <= 2",
        "tags.floor > 1.9",
        "tags.wet = true",
        "tags.wet != false",
        "statusReason = null",
        "properties.reported.t < 0",
        "properties.desired.$version = 2 or version = 3",
        "tags.[[odd-name]] = 1",
        "tags.site in ['south', 'north']",
        "tags.site nin ['south']",
        "is_defined(tags.site)",
        "not is_defined(tags.gone)",
        "startswith(tags.site, 'no')",
        // The same time, written in another way.
        "lastActivityTime = '2026-01-01T01:00:00.500+01:00'",
        "lastActivityTime > '2026-01-01T00:00:00Z'",
        "not (tags.site = 'south' or tags.floor = 1)",
        "tags.gone = 1 or tags.floor = 2",
    ] {
        assert!(selected(condition), "{condition}");
    }
}

#[test]
fn what_is_not_there_or_of_another_kind_is_neither_true_nor_false() {
    for condition in [
        "tags.gone = 1",
        "tags.gone != 1",
        "tags.gone in [1]",
        "tags.gone nin [1]",
        "startswith(tags.gone, '')",
        "tags.floor = '2'",
        "tags.floor != '2'",
        "tags.floor nin ['2']",
        "startswith(tags.floor, '2')",
        "tags.wet > false",
        "statusReason < null",
        "tags = 1",
        "tags.site.x = 1",
        "tags.gone = 1 and tags.floor = 2",
    ] {
        assert!(!selected(condition), "{condition}");
        assert!(!selected(&format!("not ({condition})")), "not {condition}");
    }
}

#[test]
fn parts_of_a_twin_come_under_their_names_and_absent_ones_are_left_out() {
    let query =
        parse("select deviceId as id, tags.site as site, tags.gone as gone, status from devices");
    let part = query.project(twin());
    assert_eq!(
        part,
        json!({"id": "d", "site": "north", "status": "enabled"})
    );
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z$_][a-zA-Z0-9$_]{0,4}",
        "in|AND|devices|modules|Count",
        "[a-zö .'-]{1,5}"
    ]
}

fn path() -> impl Strategy<Value = Path> {
    vec(name(), 1..4).prop_map(Path)
}

fn literal() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,6}".prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn operand() -> impl Strategy<Value = Operand> {
    prop_oneof![
        path().prop_map(Operand::Path),
        literal().prop_map(Operand::Literal)
    ]
}

fn operator() -> impl Strategy<Value = Operator> {
    prop::sample::select(vec![
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ])
}

fn condition() -> impl Strategy<Value = Condition> {
    let single = prop_oneof![
        (operand(), operator(), operand()).prop_map(|(l, o, r)| Condition::Compare(l, o, r)),
        (operand(), vec(literal(), 1..4), any::<bool>()).prop_map(
            |(operand, literals, negated)| {
                Condition::In {
                    operand,
                    literals,
                    negated,
                }
            }
        ),
        path().prop_map(Condition::IsDefined),
        (path(), ".{0,6}").prop_map(|(path, text)| Condition::StartsWith(path, text)),
    ];
    single.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(Condition::And),
            vec(inner.clone(), 2..4).prop_map(Condition::Or),
            inner.prop_map(|inner| Condition::Not(Box::new(inner))),
        ]
    })
}

fn query() -> impl Strategy<Value = Query> {
    let select = prop_oneof![
        Just(Select::All),
        name().prop_map(Select::Count),
        path().prop_map(|path| Select::Members(vec![(path, "a".into())])),
    ];
    let source = prop::sample::select(vec![Source::Devices, Source::Modules]);
    let condition = prop::option::of(condition());
    (select, source, condition).prop_map(|(select, source, condition)| Query {
        select,
        source,
        condition,
    })
}

/// Twins whose members are sometimes there, and of any kind.
fn document() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        (-3_i64..3).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    prop::collection::btree_map("[abc]", value, 0..3).prop_map(|members| json!(members))
}

/// Conditions on the members of [`document`].
fn about_documents() -> impl Strategy<Value = Condition> {
    let path = "[abc]".prop_map(|name| Operand::Path(Path(vec![name])));
    let literal = prop_oneof![
        (-3_i64..3).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    (path, operator(), literal.prop_map(Operand::Literal))
        .prop_map(|(left, operator, right)| Condition::Compare(left, operator, right))
}

proptest! {
    #[test]
    fn a_query_is_read_as_it_is_printed(query in query()) {
        let text = query.to_string();
        prop_assert_eq!(Query::parse(&text).map_err(|error| error.to_string()), Ok(query), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(select|from|where|devices|and|[ -~ö]){0,40}") {
        if let Err(error) = Query::parse(&text) {
            prop_assert!(error.to_string().starts_with("the query is refused: "));
        }
    }

    #[test]
    fn the_laws_of_logic_hold_where_something_is_unknown_too(
        a in about_documents(), b in about_documents(), twin in document(),
    ) {
        let not = |condition: Condition| Condition::Not(Box::new(condition));
        let and = Condition::And(vec![a.clone(), b.clone()]);
        let or = Condition::Or(vec![not(a.clone()), not(b.clone())]);
        prop_assert_eq!(not(and.clone()).holds(&twin), or.holds(&twin));
        prop_assert_eq!(not(not(a.clone())).holds(&twin), a.holds(&twin));
        let swapped = Condition::And(vec![b, a]);
        prop_assert_eq!(swapped.holds(&twin), and.holds(&twin));
    }

    #[test]
    fn in_is_several_comparisons(
        name in "[abc]", literals in vec((-3_i64..3).prop_map(Value::from), 1..4), twin in document(),
    ) {
        let operand = Operand::Path(Path(vec![name]));
        let equal = |literal: &Value| {
            Condition::Compare(operand.clone(), Operator::Equal, Operand::Literal(literal.clone()))
        };
        let one_of = Condition::Or(literals.iter().map(equal).collect());
        for negated in [false, true] {
            let (operand, literals) = (operand.clone(), literals.clone());
            let is_in = Condition::In { operand, literals, negated };
            prop_assert_eq!(is_in.holds(&twin), one_of.holds(&twin).map(|is_in| is_in != negated));
        }
    }

    #[test]
    fn exactly_one_of_less_equal_and_greater_holds_of_what_compares(
        left in -3_i64..3, right in -3.0_f64..3.0,
    ) {
        let literal = |value: Value| Operand::Literal(value);
        let holds = |operator| {
            Condition::Compare(literal(left.into()), operator, literal(right.into())).holds(&Value::Null)
        };
        let held = [Operator::Less, Operator::Equal, Operator::Greater].map(holds);
        prop_assert_eq!(held.iter().filter(|holds| **holds == Some(true)).count(), 1);
        prop_assert_eq!(holds(Operator::NotEqual), holds(Operator::Equal).map(|equal| !equal));
        prop_assert_eq!(holds(Operator::LessOrEqual), holds(Operator::Greater).map(|greater| !greater));
    }
}
