//! A query's condition and selection on one twin.

use std::cmp::Ordering;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Condition, Operand, Operator, Path, Query, Select};

impl Query {
    /// True if the twin is selected.
    pub(super) fn selects(&self, twin: &Value) -> bool {
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.holds(twin) == Some(true))
    }

    /// The wanted parts of a selected twin; members that it does not have are left out.
    pub(super) fn project(&self, twin: Value) -> Value {
        let Select::Members(members) = &self.select else {
            return twin;
        };
        let found = members.iter().filter_map(|(path, name)| {
            let value = path.of(&twin)?;
            Some((name.clone(), value.clone()))
        });
        Value::Object(found.collect::<Map<_, _>>())
    }
}

impl Path {
    fn of<'v>(&self, twin: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(twin, |value, name| value.get(name))
    }
}

impl Operand {
    fn of<'v>(&'v self, twin: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Path(path) => path.of(twin),
            Self::Literal(literal) => Some(literal),
        }
    }
}

impl Condition {
    /// `None` if it is neither true nor false, since something is not there or does not compare.
    pub(super) fn holds(&self, twin: &Value) -> Option<bool> {
        match self {
            Self::And(parts) => all(parts.iter().map(|part| part.holds(twin))),
            Self::Or(parts) => any(parts.iter().map(|part| part.holds(twin))),
            Self::Not(inner) => inner.holds(twin).map(|holds| !holds),
            Self::Compare(left, operator, right) => {
                compare(left.of(twin)?, *operator, right.of(twin)?)
            }
            Self::In {
                operand,
                literals,
                negated,
            } => {
                let value = operand.of(twin)?;
                let equal = |literal| compare(value, Operator::Equal, literal);
                any(literals.iter().map(equal)).map(|is_in| is_in != *negated)
            }
            Self::IsDefined(path) => Some(path.of(twin).is_some()),
            Self::StartsWith(path, text) => Some(path.of(twin)?.as_str()?.starts_with(text)),
        }
    }
}

/// False if one is false; otherwise unknown if one is.
fn all(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut is_known = true;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => is_known = false,
        }
    }
    is_known.then_some(true)
}

/// True if one is true; otherwise unknown if one is.
fn any(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.map(|part| part.map(|holds| !holds))).map(|holds| !holds)
}

fn compare(left: &Value, operator: Operator, right: &Value) -> Option<bool> {
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => match (time(left), time(right)) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.cmp(right),
        },
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?)?,
        },
        // Of these there is no more and no less.
        (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => {
            return match operator {
                Operator::Equal => Some(left == right),
                Operator::NotEqual => Some(left != right),
                _ => None,
            };
        }
        _ => return None,
    };
    Some(match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::NotEqual => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        Operator::GreaterOrEqual => order != Ordering::Less,
    })
}

fn time(text: &str) -> Option<OffsetDateTime> {
    // Shorter than any time: most texts are none, and need not be read.
    (text.len() >= 20).then(|| OffsetDateTime::parse(text, &Rfc3339).ok())?
}
