//! The shell that commands come from.

#![allow(unsafe_code)]

use core::ffi::CStr;

pub(crate) use super::c::shell as RawShell;
use super::{c, length};

/// The shell that a command came from. Valid during the command.
#[derive(Clone, Copy)]
pub(crate) struct Shell<'a>(pub(crate) &'a RawShell);

impl Shell<'_> {
    /// Prints a line.
    pub(crate) fn print(&self, line: &CStr) {
        // SAFETY: the shell is valid, `line` ends with a zero; called in the shell's own thread.
        unsafe { c::azure_shell_print(self.0, line.as_ptr()) }
    }

    /// Takes what was typed, without echo; waits for it if there is nothing. Gives the number of bytes.
    pub(crate) fn read(&self, buffer: &mut [u8], timeout_ms: u32) -> usize {
        // SAFETY: the shell is valid, and at most `buffer.len()` bytes are written to it; called in the shell's
        // own thread, which reads nothing else meanwhile.
        let count =
            unsafe { c::azure_shell_read(self.0, buffer.as_mut_ptr(), length(buffer), timeout_ms) };
        (count as usize).min(buffer.len())
    }
}
