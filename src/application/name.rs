//! Names of the entries of an application's tables.

use crate::json::MAX_NAME;

/// Name of an entry.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    /// One that the application's author has written.
    Fixed(&'static str),
    /// One that is known at run time: this function gives it for this index.
    Indexed(usize, fn(usize) -> Option<&'static str>),
}

impl Name {
    /// The name; `None` if the entry is not in use. The table ends there.
    pub(crate) fn get(self) -> Option<&'static str> {
        match self {
            Self::Fixed(name) => Some(name),
            Self::Indexed(index, name) => name(index),
        }
    }

    /// True if this is the entry's name.
    pub(crate) fn is(self, name: &str) -> bool {
        self.get() == Some(name)
    }

    /// True if both names are the same. One that is known at run time only is not looked at.
    pub(crate) const fn equals(self, other: Self) -> bool {
        let (Self::Fixed(name), Self::Fixed(other)) = (self, other) else {
            return false;
        };
        let (name, other) = (name.as_bytes(), other.as_bytes());
        let mut at = 0;
        while at < name.len() && at < other.len() && name[at] == other[at] {
            at += 1;
        }
        at == name.len() && at == other.len()
    }

    /// True if it can be a property's name. One that is known at run time only is not looked at.
    pub(crate) const fn fits(self) -> bool {
        match self {
            Self::Fixed(name) => is_property_name(name),
            Self::Indexed(..) => true,
        }
    }
}

/// True if a property may have this name: neither its component nor the name in it is empty or has more than
/// [`MAX_NAME`] bytes.
pub const fn is_property_name(name: &str) -> bool {
    let name = name.as_bytes();
    let (mut at, mut length) = (0, 0);
    while at < name.len() {
        if name[at] == b'*' {
            if length == 0 {
                return false;
            }
            length = 0;
        } else {
            length += 1;
        }
        if length > MAX_NAME {
            return false;
        }
        at += 1;
    }
    length > 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn names_that_are_known_at_compile_time_are_compared_whole() {
        let name = Name::Fixed("lamp");
        assert!(name.equals(Name::Fixed("lamp")));
        for other in ["", "lam", "lamps", "Lamp"] {
            assert!(!name.equals(Name::Fixed(other)), "{other}");
        }
        assert!(!name.equals(Name::Indexed(0, |_| Some("lamp"))));
    }

    #[test]
    fn a_property_has_a_name_of_64_bytes_at_most_and_so_has_its_component() {
        let (long, longer) = (String::from_utf8(std::vec![b'a'; MAX_NAME]), "a".repeat(65));
        let long = long.expect("ASCII");
        assert!(is_property_name(&long));
        assert!(is_property_name(&std::format!("{long}*{long}")));
        assert!(!is_property_name(&longer));
        assert!(!is_property_name(&std::format!("a*{longer}")));
        for empty in ["", "*", "a*", "*a"] {
            assert!(!is_property_name(empty), "{empty}");
        }
    }
}
