//! IoT Hub's query language over twins, as far as `az`, Microsoft's SDKs and IoT Explorer use it ("IoT Hub query
//! language for device and module twins").
//!
//! ```text
//! query     = SELECT ( * | COUNT() AS name | path [AS name], … ) FROM ( devices | devices.modules ) [WHERE condition]
//! condition = condition AND condition | condition OR condition | NOT condition | ( condition )
//!           | operand ( = | != | <> | < | <= | > | >= ) operand
//!           | operand ( IN | NIN ) [ literal, … ]
//!           | IS_DEFINED ( path ) | STARTSWITH ( path, text )
//! path      = names joined by dots, with or without `devices.` before them; `[[name]]` for any other name
//! literal   = 'text' | "text" | number | true | false | null
//! ```
//! Keywords compare without case, names with it. Anything else is refused by its name: `TOP`, `GROUP BY`, `ORDER BY`,
//! arithmetic, other functions, jobs.
//!
//! # Theory of operation
//! A twin is the JSON that `GET /twins/{id}` gives. A comparison with a member that is not there, or of values of
//! different kinds, is neither true nor false, and neither is its opposite: such a twin is not selected. Texts that
//! are both times in ISO 8601 compare as times.
//!
//! Twins come in the order of their ids. A continuation token names the last one of a page, so that each twin that
//! stays comes exactly once, whatever is registered or deleted between two pages.

mod evaluate;
mod lexer;
mod page;
mod parser;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

pub(crate) use page::Wanted;

/// A query that this hub can answer. Its text by `Display` has all parentheses, and is read as the same query.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Query {
    select: Select,
    source: Source,
    condition: Option<Condition>,
}

/// Wanted parts of a twin.
#[derive(Clone, Debug, PartialEq)]
enum Select {
    /// The whole twin.
    All,
    /// Their number, under this name.
    Count(String),
    /// Parts of it, under these names.
    Members(Vec<(Path, String)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Devices,
    Modules,
}

/// Names of members, from the twin inwards; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path(Vec<String>);

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Path),
    /// Text, number, truth value or null.
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// Two or more.
    And(Vec<Self>),
    /// Two or more.
    Or(Vec<Self>),
    Not(Box<Self>),
    Compare(Operand, Operator, Operand),
    In {
        operand: Operand,
        literals: Vec<Value>,
        /// `NIN`.
        negated: bool,
    },
    IsDefined(Path),
    StartsWith(Path, String),
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SELECT ")?;
        match &self.select {
            Select::All => f.write_str("*")?,
            Select::Count(name) => write!(f, "COUNT() AS {}", Name(name))?,
            Select::Members(members) => {
                separated(f, members, ", ", |f, (path, name)| {
                    write!(f, "{path} AS {}", Name(name))
                })?;
            }
        }
        f.write_str(match self.source {
            Source::Devices => " FROM devices",
            Source::Modules => " FROM devices.modules",
        })?;
        match &self.condition {
            Some(condition) => write!(f, " WHERE {condition}"),
            None => Ok(()),
        }
    }
}

/// A name, in double brackets unless it is a plain one.
struct Name<'n>(&'n str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if lexer::is_plain(self.0) && !parser::is_reserved(self.0) {
            f.write_str(self.0)
        } else {
            write!(f, "[[{}]]", self.0)
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, &self.0, ".", |f, name| write!(f, "{}", Name(name)))
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{path}"),
            Self::Literal(literal) => write_literal(f, literal),
        }
    }
}

fn write_literal(f: &mut fmt::Formatter<'_>, literal: &Value) -> fmt::Result {
    match literal {
        Value::String(text) => {
            let text = text.replace('\\', "\\\\").replace('\'', "\\'");
            write!(f, "'{text}'")
        }
        other => write!(f, "{other}"),
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            f.write_str("(")?;
            separated(f, parts, word, |f, part| write!(f, "{part}"))?;
            f.write_str(")")
        };
        match self {
            Self::And(parts) => joined(f, parts, " AND "),
            Self::Or(parts) => joined(f, parts, " OR "),
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Compare(left, operator, right) => write!(f, "{left} {operator} {right}"),
            Self::In {
                operand,
                literals,
                negated,
            } => {
                let word = if *negated { "NIN" } else { "IN" };
                write!(f, "{operand} {word} [")?;
                separated(f, literals, ", ", write_literal)?;
                f.write_str("]")
            }
            Self::IsDefined(path) => write!(f, "IS_DEFINED({path})"),
            Self::StartsWith(path, text) => {
                write!(f, "STARTSWITH({path}, ")?;
                write_literal(f, &Value::from(text.as_str()))?;
                f.write_str(")")
            }
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    separator: &str,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write(f, part)?;
    }
    Ok(())
}
