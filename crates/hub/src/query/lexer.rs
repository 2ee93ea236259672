//! A query's text as tokens.

use serde_json::{Number, Value};

/// One token, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Characters before it.
    pub(super) place: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A keyword, or a name that needs no brackets.
    Word(String),
    /// `[[name]]`.
    Name(String),
    Text(String),
    Number(Number),
    /// `( ) [ ] , . * = != < <= > >=`; `<>` is told as `!=`.
    Symbol(&'static str),
}

/// Symbols, longer ones first.
const SYMBOLS: [(&str, &str); 14] = [
    ("<>", "!="),
    ("!=", "!="),
    ("<=", "<="),
    (">=", ">="),
    ("(", "("),
    (")", ")"),
    ("[", "["),
    ("]", "]"),
    (",", ","),
    (".", "."),
    ("*", "*"),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
];

/// True for names that need no brackets.
pub(super) fn is_plain(name: &str) -> bool {
    name.starts_with(is_first) && name.chars().all(is_next)
}

fn is_first(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == '$'
}

fn is_next(c: char) -> bool {
    is_first(c) || c.is_ascii_digit()
}

/// The tokens of a text.
///
/// # Errors
///
/// A sentence with the place.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let place = text.chars().count() - rest.chars().count();
        let at = |why: &str| format!("{why}, at character {}", place + 1);
        let (kind, after) = if let Some(inside) = rest.strip_prefix("[[") {
            let end = inside.split_once("]]").filter(|(name, _)| !name.is_empty());
            let (name, after) = end.ok_or_else(|| at("[[ has no name and ]] after it"))?;
            (Kind::Name(name.to_owned()), after)
        } else if is_first(first) {
            let end = rest.find(|c| !is_next(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            (Kind::Word(word.to_owned()), after)
        } else if first == '\'' || first == '"' {
            quoted(rest, first).map_err(at)?
        } else if first.is_ascii_digit() || first == '-' {
            number(rest).map_err(at)?
        } else {
            let found = SYMBOLS
                .iter()
                .find(|(written, _)| rest.starts_with(written));
            let (written, symbol) =
                found.ok_or_else(|| at(&format!("{:?} is not supported", first.to_string())))?;
            (Kind::Symbol(symbol), &rest[written.len()..])
        };
        tokens.push(Token { kind, place });
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// A text in quotes of one kind, in which a backslash goes before a quote or a backslash.
fn quoted(text: &str, quote: char) -> Result<(Kind, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    chars.next();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return Ok((Kind::Text(value), chars.as_str())),
            '\\' => match chars.next() {
                Some(c @ ('\'' | '"' | '\\')) => value.push(c),
                _ => return Err("a backslash stands before a quote or a backslash only"),
            },
            c => value.push(c),
        }
    }
    Err("a text has no end")
}

/// A number as JSON has it.
fn number(text: &str) -> Result<(Kind, &str), &'static str> {
    const WRONG: &str = "this is no number as JSON has them, and arithmetic is not supported";
    let belongs = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let (number, after) = text.split_at(end);
    match serde_json::from_str(number) {
        Ok(Value::Number(number)) => Ok((Kind::Number(number), after)),
        _ => Err(WRONG),
    }
}
