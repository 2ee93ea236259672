//! Check of an application in C, before the device starts.

use core::fmt::{self, Display};

use azure_device::application::{
    Application, MAX_KEPT, MAX_KEPT_NAME_LEN, MAX_PROPERTIES, Method, Reported, is_property_name,
};
use azure_device::json::MAX_NAME;

use super::{CApplication, MAX_METHODS, MAX_REPORTED, MAX_STREAMS, STANDARD, STANDARD_METHODS};
use crate::ffi::c_api::{Defect, Registered, Table};

/// Reason why an application in C cannot run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    /// A table has more entries than there can be.
    TooMany(Table, usize, usize),
    /// An entry is not filled in.
    Entry(Table, usize, Defect),
    /// A property cannot have this name.
    Name(Table, &'static str),
    /// A name is twice there.
    Twice(Table, &'static str),
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = |table| match table {
            Table::Streams => " (CONFIG_AZURE_C_API_STREAMS)",
            Table::Methods => " (CONFIG_AZURE_C_API_METHODS)",
            Table::Properties | Table::Reported | Table::Kept => "",
        };
        match self {
            Self::TooMany(table, count, most) => {
                write!(
                    f,
                    "there are {count} {}, and {most} at most can be{}",
                    table.name(),
                    symbol(*table)
                )
            }
            Self::Entry(table, index, Defect::Name) => {
                write!(
                    f,
                    "{}[{index}] has no name in UTF-8: give it one",
                    table.name()
                )
            }
            Self::Entry(table, index, Defect::Function) => {
                write!(
                    f,
                    "{}[{index}] lacks a function: none may be NULL",
                    table.name()
                )
            }
            Self::Name(table, name) => {
                let most = match table {
                    Table::Kept => MAX_KEPT_NAME_LEN,
                    _ => MAX_NAME,
                };
                write!(
                    f,
                    "{}: the name \"{name}\" is too long or empty: 1 to {most} bytes",
                    table.name()
                )
            }
            Self::Twice(table, name) => {
                write!(
                    f,
                    "{}: \"{name}\" is there twice: name one otherwise",
                    table.name()
                )
            }
        }
    }
}

/// Looks at all entries.
///
/// # Errors
///
/// See [`Wrong`].
pub(crate) fn check(application: Registered) -> Result<(), Wrong> {
    for table in Table::ALL {
        let most = match table {
            Table::Streams => MAX_STREAMS,
            Table::Properties => MAX_PROPERTIES,
            Table::Reported => MAX_REPORTED,
            Table::Methods => MAX_METHODS,
            Table::Kept => MAX_KEPT,
        };
        let count = application.count(table);
        if count > most {
            return Err(Wrong::TooMany(table, count, most));
        }
        for index in 0..count {
            if let Some(defect) = application.defect(table, index) {
                return Err(Wrong::Entry(table, index, defect));
            }
            let name = application.name(table, index).unwrap_or_default();
            check_name(application, table, index, name)?;
        }
    }
    Ok(())
}

fn check_name(
    application: Registered,
    table: Table,
    index: usize,
    name: &'static str,
) -> Result<(), Wrong> {
    let is_before = |table, end| (0..end).any(|index| application.name(table, index) == Some(name));
    let is_twice = is_before(table, index)
        || match table {
            Table::Streams | Table::Properties | Table::Kept => false,
            // Both kinds of properties lie in one object of the twin.
            Table::Reported => {
                is_before(Table::Properties, application.count(Table::Properties))
                    || STANDARD
                        .iter()
                        .filter_map(Reported::name)
                        .any(|standard| standard == name)
            }
            Table::Methods => CApplication::METHODS
                .iter()
                .take(STANDARD_METHODS)
                .filter_map(Method::name)
                .any(|standard| standard == name),
        };
    let fits = match table {
        Table::Properties | Table::Reported => is_property_name(name),
        Table::Kept => (1..=MAX_KEPT_NAME_LEN).contains(&name.len()),
        Table::Streams | Table::Methods => !name.is_empty(),
    };
    if !fits {
        return Err(Wrong::Name(table, name));
    }
    if is_twice {
        return Err(Wrong::Twice(table, name));
    }
    Ok(())
}
