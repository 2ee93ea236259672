//! Values of an application that survive a restart.

use super::Name;

/// The longest value, in bytes.
pub const MAX_KEPT_LEN: usize = 256;

/// The longest name of a value, in bytes.
pub const MAX_KEPT_NAME_LEN: usize = 32;

/// A value of the application that survives a restart, kept beside the device's own with a checksum.
///
/// It is restored before the device joins, at each start. It is saved after [`Context::keep`](super::Context::keep) asked
/// for it, in the device's thread: flash takes milliseconds, and wears, so keep what changes rarely.
pub struct Kept<A> {
    pub(crate) name: Name,
    functions: Functions<A>,
}

enum Functions<A> {
    Plain(fn(&A, &mut [u8]) -> usize, fn(&mut A, &[u8])),
    Indexed(
        usize,
        fn(&A, usize, &mut [u8]) -> Option<usize>,
        fn(&mut A, usize, &[u8]),
    ),
}

impl<A> Kept<A> {
    /// A value of this name, of at most [`MAX_KEPT_NAME_LEN`] bytes. `save` writes the value to the start of the space,
    /// which has [`MAX_KEPT_LEN`] bytes, and gives its length. `restore` takes it; it is not called if there is none, or if
    /// its checksum is wrong. A later version of the product may find what an earlier one has saved.
    pub const fn new(
        name: &'static str,
        save: fn(&A, &mut [u8]) -> usize,
        restore: fn(&mut A, &[u8]),
    ) -> Self {
        assert!(
            name.len() <= MAX_KEPT_NAME_LEN,
            "the name of a kept value has 32 bytes at most"
        );
        Self {
            name: Name::Fixed(name),
            functions: Functions::Plain(save, restore),
        }
    }

    /// A value whose name is known at run time: `name` gives it for `index`, or `None` if the application has no such
    /// value. Its length is the caller's concern. `save` and `restore` get the index too; a value for which `save` gives
    /// `None` is not stored.
    pub const fn indexed(
        index: usize,
        name: fn(usize) -> Option<&'static str>,
        save: fn(&A, usize, &mut [u8]) -> Option<usize>,
        restore: fn(&mut A, usize, &[u8]),
    ) -> Self {
        Self {
            name: Name::Indexed(index, name),
            functions: Functions::Indexed(index, save, restore),
        }
    }

    /// Its name; `None` if this is an entry that is not in use.
    pub fn name(&self) -> Option<&'static str> {
        self.name.get()
    }

    /// Writes the value into `space`. Gives its length; `None` if it is not to be stored.
    pub(crate) fn save(&self, application: &A, space: &mut [u8]) -> Option<usize> {
        let length = match self.functions {
            Functions::Plain(save, _) => Some(save(application, space)),
            Functions::Indexed(index, save, _) => save(application, index, space),
        }?;
        Some(length.min(space.len()))
    }

    /// Gives the application the value.
    pub(crate) fn restore(&self, application: &mut A, value: &[u8]) {
        match self.functions {
            Functions::Plain(_, restore) => restore(application, value),
            Functions::Indexed(index, _, restore) => restore(application, index, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_name_of_run_time_is_saved_and_restored_by_its_index() {
        let name: fn(usize) -> Option<&'static str> = |index| ["a", "b"].get(index).copied();
        let kept = |index| {
            Kept::<[u8; 2]>::indexed(
                index,
                name,
                |values, index, space| {
                    *space.first_mut()? = *values.get(index)?;
                    (values[index] > 0).then_some(1)
                },
                |values, index, value| values[index] = value[0],
            )
        };
        let mut space = [0; 4];
        let mut values = [7, 0];
        assert_eq!(kept(1).name(), Some("b"));
        assert_eq!(kept(2).name(), None);
        assert_eq!(kept(0).save(&values, &mut space), Some(1));
        assert_eq!(space[0], 7);
        // Its function refuses.
        assert_eq!(kept(1).save(&values, &mut space), None);
        kept(1).restore(&mut values, &[9]);
        assert_eq!(values, [7, 9]);
    }
}
