//! `--query` and `--output`, as far as scripts that were written for `az` use them.
//!
//! Of JMESPath there are members (`a.b`), elements (`a[0]`) and projections (`[].a`). Anything else is refused, since
//! a wrong value in a script is worse than none.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use super::output::print;

/// Shape of what a command prints.
#[derive(Args)]
pub(super) struct Shape {
    /// Print a part only, such as authentication.symmetricKey.primaryKey or [].deviceId
    #[arg(long, value_name = "PATH", value_parser = parse)]
    query: Option<Query>,
    /// The form: json, tsv (bare text, a line for each element), or none
    #[arg(short, long, value_enum, value_name = "FORM")]
    output: Option<Form>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Json,
    Tsv,
    None,
}

/// Steps from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Query(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
    /// All elements; what follows is applied to each.
    Each,
}

impl Shape {
    /// True if a part or a form was asked for.
    pub(super) const fn is_given(&self) -> bool {
        self.query.is_some() || self.output.is_some()
    }

    /// Prints a value.
    pub(super) fn print(&self, value: &Value) -> Result<(), Failure> {
        let part = match &self.query {
            Some(Query(steps)) => at(value, steps),
            None => value.clone(),
        };
        match self.output.unwrap_or(Form::Json) {
            Form::Json => print(&format!("{part:#}")),
            Form::Tsv => tsv(&part).iter().try_for_each(|line| print(line)),
            Form::None => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Query, String> {
    const WRONG: &str = "give names joined by dots, [N] or [], such as [].deviceId; other JMESPath is not supported";
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']').ok_or(WRONG)?;
            steps.push(match index {
                "" | "*" => Step::Each,
                index => Step::Element(index.parse().map_err(|_| WRONG)?),
            });
            rest = after;
        } else {
            let name = match steps.is_empty() {
                true => rest,
                false => rest.strip_prefix('.').ok_or(WRONG)?,
            };
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_$-".contains(c);
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(WRONG.into());
            }
            steps.push(Step::Member(name.to_owned()));
            rest = after;
        }
    }
    if steps.is_empty() {
        return Err(WRONG.into());
    }
    Ok(Query(steps))
}

/// The part; `null` where there is nothing, and projections leave such elements out, as JMESPath does.
fn at(value: &Value, steps: &[Step]) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return value.clone();
    };
    match step {
        Step::Member(name) => value.get(name).map_or(Value::Null, |part| at(part, rest)),
        Step::Element(index) => value.get(index).map_or(Value::Null, |part| at(part, rest)),
        Step::Each => match value.as_array() {
            Some(all) => all
                .iter()
                .map(|element| at(element, rest))
                .filter(|part| !part.is_null())
                .collect(),
            None => Value::Null,
        },
    }
}

/// Lines: of an array one for each element, of anything else one.
fn tsv(value: &Value) -> Vec<String> {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    match value {
        Value::Array(all) => all.iter().map(cell).collect(),
        Value::Null => Vec::new(),
        other => vec![cell(other)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(value: &Value, query: &str) -> Value {
        let Query(steps) = parse(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        at(value, &steps)
    }

    #[test]
    fn members_elements_and_projections_are_found_as_az_finds_them() {
        let value = json!({"a": {"b": [1, {"c": "x"}, {"d": 2}]}, "$version": 3});
        assert_eq!(ask(&value, "a.b[0]"), json!(1));
        assert_eq!(ask(&value, "a.b[1].c"), json!("x"));
        assert_eq!(ask(&value, "a.b[].c"), json!(["x"]));
        assert_eq!(ask(&value, "a.b[*].d"), json!([2]));
        assert_eq!(ask(&value, "$version"), json!(3));
        assert_eq!(ask(&value, "a.nothing.b"), Value::Null);
        assert_eq!(ask(&value, "a[]"), Value::Null);
        assert_eq!(
            ask(&json!([{"deviceId": "d"}]), "[].deviceId"),
            json!(["d"])
        );
    }

    #[test]
    fn other_expressions_are_refused() {
        for other in [
            "",
            ".",
            "a.",
            "a..b",
            "a b",
            "[?a=='b']",
            "a[-1]",
            "a[",
            "{b:a}",
            "length(@)",
            "a|b",
            "a.[0]",
            "[0]a",
        ] {
            assert!(parse(other).is_err(), "{other}");
        }
    }

    #[test]
    fn text_is_bare_and_elements_are_lines() {
        assert_eq!(tsv(&json!("key=")), ["key="]);
        assert_eq!(
            tsv(&json!(["a", 1, null, {"b": true}])),
            ["a", "1", "", "{\"b\":true}"]
        );
        assert!(tsv(&Value::Null).is_empty());
    }
}
