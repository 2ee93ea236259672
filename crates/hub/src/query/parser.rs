//! From tokens to a [`Query`].

use serde_json::Value;

use super::lexer::{Kind, Token, tokens};
use super::{Condition, Operand, Operator, Path, Query, Select, Source};
use crate::error::Error;

/// Most bytes of a query's text.
const MAX_TEXT: usize = 8192;
/// Most parentheses and NOTs in each other.
const MAX_DEPTH: usize = 32;

/// Words that begin no path.
const RESERVED: [&str; 29] = [
    "SELECT",
    "FROM",
    "WHERE",
    "AS",
    "AND",
    "OR",
    "NOT",
    "IN",
    "NIN",
    "IS_DEFINED",
    "STARTSWITH",
    "COUNT",
    "TRUE",
    "FALSE",
    "NULL",
    "TOP",
    "DISTINCT",
    "GROUP",
    "ORDER",
    "BY",
    "JOIN",
    "LIKE",
    "BETWEEN",
    "HAVING",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "DEVICES",
];

/// Words of the language that are not supported, or of other languages that people expect.
const UNSUPPORTED: [&str; 12] = [
    "TOP", "DISTINCT", "GROUP", "ORDER", "JOIN", "LIKE", "BETWEEN", "HAVING", "SUM", "AVG", "MIN",
    "MAX",
];

/// True for words that have a meaning of their own.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED
        .iter()
        .any(|reserved| word.eq_ignore_ascii_case(reserved))
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// [`Error::ArgumentInvalid`] that names what is not supported, or not understood, and its place.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::ArgumentInvalid(format!("the query is refused: {why}"));
        if text.len() > MAX_TEXT {
            return Err(wrong(format!("it has more than {MAX_TEXT} bytes")));
        }
        let tokens = tokens(text).map_err(wrong)?;
        let mut parser = Parser {
            tokens: &tokens,
            depth: 0,
        };
        parser.query().map_err(wrong)
    }
}

struct Parser<'t> {
    /// Those that are not read yet.
    tokens: &'t [Token],
    depth: usize,
}

impl Parser<'_> {
    fn query(&mut self) -> Result<Query, String> {
        self.keyword("SELECT")?;
        let select = self.select()?;
        self.keyword("FROM")?;
        let source = self.source()?;
        let condition = if self.takes_word("WHERE") {
            Some(self.condition()?)
        } else {
            None
        };
        if !self.tokens.is_empty() {
            return Err(self.unexpected("the end of the query"));
        }
        Ok(Query {
            select,
            source,
            condition,
        })
    }

    fn select(&mut self) -> Result<Select, String> {
        if self.takes("*") {
            return Ok(Select::All);
        }
        if self.takes_word("COUNT") {
            self.symbol("(")?;
            self.takes("*");
            self.symbol(")")?;
            self.keyword("AS")?;
            return Ok(Select::Count(self.name()?));
        }
        let mut members = Vec::new();
        loop {
            let path = self.path()?;
            let name = match path.0.as_slice() {
                _ if self.takes_word("AS") => self.name()?,
                [name] => name.clone(),
                _ => {
                    return Err(format!(
                        "{path} needs a name: write AS and a name behind it"
                    ));
                }
            };
            if members.iter().any(|(_, other)| *other == name) {
                return Err(format!("two members are called {name:?}; use AS"));
            }
            members.push((path, name));
            if !self.takes(",") {
                return Ok(Select::Members(members));
            }
        }
    }

    fn source(&mut self) -> Result<Source, String> {
        const SOURCES: &str = "devices or devices.modules";
        if !self.takes_word("devices") {
            return Err(self.unexpected(SOURCES));
        }
        if !self.takes(".") {
            return Ok(Source::Devices);
        }
        if self.takes_word("modules") {
            return Ok(Source::Modules);
        }
        Err(self.unexpected("modules after devices."))
    }

    fn condition(&mut self) -> Result<Condition, String> {
        self.chain("OR", Self::conjunction, Condition::Or)
    }

    fn conjunction(&mut self) -> Result<Condition, String> {
        self.chain("AND", Self::single, Condition::And)
    }

    /// Parts with a word between them; one alone is itself.
    fn chain(
        &mut self,
        word: &str,
        part: fn(&mut Self) -> Result<Condition, String>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition, String> {
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.takes_word(word) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn single(&mut self) -> Result<Condition, String> {
        if self.takes_word("NOT") {
            return self
                .nested(Self::single)
                .map(|inner| Condition::Not(Box::new(inner)));
        }
        if self.takes("(") {
            let inner = self.nested(Self::condition)?;
            self.symbol(")")?;
            return Ok(inner);
        }
        if self.takes_word("IS_DEFINED") {
            self.symbol("(")?;
            let path = self.path()?;
            self.symbol(")")?;
            return Ok(Condition::IsDefined(path));
        }
        if self.takes_word("STARTSWITH") {
            self.symbol("(")?;
            let path = self.path()?;
            self.symbol(",")?;
            let Value::String(text) = self.literal()? else {
                return Err("STARTSWITH compares with a text in quotes".into());
            };
            self.symbol(")")?;
            return Ok(Condition::StartsWith(path, text));
        }
        self.comparison()
    }

    /// Reads something that stands within something else.
    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Condition, String>,
    ) -> Result<Condition, String> {
        if self.depth == MAX_DEPTH {
            return Err(format!(
                "more than {MAX_DEPTH} parentheses and NOTs stand in each other"
            ));
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }

    fn comparison(&mut self) -> Result<Condition, String> {
        let operand = self.operand()?;
        for (word, negated) in [("IN", false), ("NIN", true)] {
            if self.takes_word(word) {
                let literals = self.list()?;
                return Ok(Condition::In {
                    operand,
                    literals,
                    negated,
                });
            }
        }
        for (symbol, operator) in [
            ("=", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            (">=", Operator::GreaterOrEqual),
        ] {
            if self.takes(symbol) {
                return Ok(Condition::Compare(operand, operator, self.operand()?));
            }
        }
        Err(self.unexpected("a comparison (=, !=, <, <=, >, >=, IN, NIN)"))
    }

    fn list(&mut self) -> Result<Vec<Value>, String> {
        self.symbol("[")?;
        let mut literals = vec![self.literal()?];
        while self.takes(",") {
            literals.push(self.literal()?);
        }
        self.symbol("]")?;
        Ok(literals)
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let is_literal = match self.tokens.first().map(|token| &token.kind) {
            Some(Kind::Text(_) | Kind::Number(_)) => true,
            Some(Kind::Word(_)) => ["true", "false", "null"]
                .iter()
                .any(|word| self.is_word(word)),
            _ => false,
        };
        if is_literal {
            self.literal().map(Operand::Literal)
        } else {
            self.path().map(Operand::Path)
        }
    }

    fn literal(&mut self) -> Result<Value, String> {
        let value = match self.tokens.first().map(|token| &token.kind) {
            Some(Kind::Text(text)) => Value::from(text.as_str()),
            Some(Kind::Number(number)) => Value::Number(number.clone()),
            Some(Kind::Word(_)) if self.is_word("true") => Value::Bool(true),
            Some(Kind::Word(_)) if self.is_word("false") => Value::Bool(false),
            Some(Kind::Word(_)) if self.is_word("null") => Value::Null,
            _ => return Err(self.unexpected("a text in quotes, a number, true, false or null")),
        };
        self.advance();
        Ok(value)
    }

    /// A path, without the `devices.` or `devices.modules.` that may stand before it.
    fn path(&mut self) -> Result<Path, String> {
        if self.takes_word("devices") {
            self.symbol(".")?;
            if self.is_word("modules") && self.is_symbol_after(".") {
                self.advance();
                self.symbol(".")?;
            }
            return self.names();
        }
        if let Some(Kind::Word(word)) = self.tokens.first().map(|token| &token.kind) {
            if is_reserved(word) {
                return Err(self.unexpected("the name of a member"));
            }
            if self.is_symbol_after("(") {
                return Err(format!(
                    "the function {word:?} is not supported; there are IS_DEFINED, STARTSWITH and COUNT"
                ));
            }
        }
        self.names()
    }

    fn names(&mut self) -> Result<Path, String> {
        let mut names = vec![self.name()?];
        while self.takes(".") {
            names.push(self.name()?);
        }
        Ok(Path(names))
    }

    fn name(&mut self) -> Result<String, String> {
        let name = match self.tokens.first().map(|token| &token.kind) {
            Some(Kind::Word(name) | Kind::Name(name)) => name.clone(),
            _ => return Err(self.unexpected("a name")),
        };
        self.advance();
        Ok(name)
    }

    fn keyword(&mut self, word: &str) -> Result<(), String> {
        if self.takes_word(word) {
            Ok(())
        } else {
            Err(self.unexpected(word))
        }
    }

    fn symbol(&mut self, symbol: &str) -> Result<(), String> {
        if self.takes(symbol) {
            Ok(())
        } else {
            Err(self.unexpected(symbol))
        }
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is_it = matches!(self.tokens.first(), Some(Token { kind: Kind::Symbol(given), .. }) if *given == symbol);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        if is_it {
            self.advance();
        }
        is_it
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.tokens.first(), Some(Token { kind: Kind::Word(given), .. }) if given.eq_ignore_ascii_case(word))
    }

    fn is_symbol_after(&self, symbol: &str) -> bool {
        matches!(self.tokens.get(1), Some(Token { kind: Kind::Symbol(given), .. }) if *given == symbol)
    }

    fn advance(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    /// The error that names what stands where `wanted` should.
    fn unexpected(&self, wanted: &str) -> String {
        let Some(token) = self.tokens.first() else {
            return format!("it ends where {wanted} is expected");
        };
        let place = token.place + 1;
        match &token.kind {
            Kind::Word(word)
                if UNSUPPORTED
                    .iter()
                    .any(|other| word.eq_ignore_ascii_case(other)) =>
            {
                format!(
                    "{} is not supported, at character {place}",
                    word.to_uppercase()
                )
            }
            Kind::Symbol("*") => {
                format!("arithmetic is not supported; {wanted} is expected at character {place}")
            }
            _ => format!("{wanted} is expected at character {place}"),
        }
    }
}
