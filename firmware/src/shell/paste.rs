//! Secrets and certificates that are pasted into the console, without echo.

#![forbid(unsafe_code)]

use alloc::boxed::Box;

use azure_device::pem::{Decoder, Label};
use azure_device::storage::CHECKSUM_LEN;
use zephyr::sync::Mutex;
use zeroize::Zeroizing;

#[cfg(CONFIG_AZURE_DPS)]
use super::enrollment;
use super::{Refusal, done, say, set_connection_string};
#[cfg(CONFIG_AZURE_WIFI)]
use crate::configuration;
use crate::credentials::{self, CHAIN, stored_name};
use crate::ffi::{self, Shell};
use crate::storage;

/// The longest certificate or key, in bytes of DER.
const MAX_DER: usize = 2048;

const CTRL_C: u8 = 0x03;
const CTRL_D: u8 = 0x04;

/// What is being pasted.
struct Paste {
    target: Target,
    decoder: Decoder,
    /// A line of text, or the content of a PEM block.
    buffer: Zeroizing<[u8; MAX_DER]>,
    /// Bytes of the line of text.
    length: usize,
    /// Certificates stored so far.
    count: usize,
    /// What was wrong was said; the rest of the paste is a secret too, and is passed over.
    refused: bool,
}

/// What the paste is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    ConnectionString,
    #[cfg(CONFIG_AZURE_DPS)]
    SymmetricKey,
    #[cfg(CONFIG_AZURE_DPS)]
    GroupKey,
    Certificate,
    Key,
    Root,
    #[cfg(CONFIG_AZURE_WIFI)]
    Wifi {
        ssid: [u8; 32],
        length: usize,
    },
}

static PASTE: Mutex<Option<Box<Paste>>> = Mutex::new(None);

fn with_paste<T>(work: impl FnOnce(&mut Option<Box<Paste>>) -> T) -> T {
    match PASTE.lock() {
        Ok(mut paste) => work(&mut paste),
        Err(never) => match never {},
    }
}

/// Prompts, and takes what is typed from now on.
pub(super) fn ask(shell: Shell<'_>, target: Target, prompt: &str) -> Result<(), Refusal> {
    let paste = Paste {
        target,
        decoder: Decoder::default(),
        buffer: Zeroizing::new([0; MAX_DER]),
        length: 0,
        count: 0,
        refused: false,
    };
    with_paste(|slot| *slot = Some(Box::new(paste)));
    say!(shell, "{prompt} Ctrl-C gives up.");
    shell.capture();
    Ok(())
}

/// Asks for the password of a Wi-Fi network.
#[cfg(CONFIG_AZURE_WIFI)]
pub(super) fn ask_wifi(shell: Shell<'_>, name: &str) -> Result<(), Refusal> {
    let mut ssid = [0; 32];
    let room = ssid
        .get_mut(..name.len())
        .ok_or(Refusal::Because("a network's name has at most 32 bytes"))?;
    room.copy_from_slice(name.as_bytes());
    let target = Target::Wifi {
        ssid,
        length: name.len(),
    };
    ask(
        shell,
        target,
        "Type the password (nothing for an open network) and press Enter; it is not shown.",
    )
}

/// Takes what is typed while a command waits for it.
pub(crate) fn pasted(shell: Shell<'_>, bytes: &[u8]) {
    let finished = with_paste(|slot| {
        let finished = slot
            .as_mut()
            .is_none_or(|paste| bytes.iter().any(|byte| paste.take(shell, *byte)));
        if finished {
            *slot = None;
        }
        finished
    });
    if finished {
        shell.release();
    }
}

impl Paste {
    /// Takes a byte, and says whether the paste is over.
    fn take(&mut self, shell: Shell<'_>, byte: u8) -> bool {
        if byte == CTRL_C {
            say!(shell, "Given up; nothing more was changed.");
            return true;
        }
        if self.refused {
            return self.pass_over(byte);
        }
        let result = match self.target {
            Target::Certificate | Target::Root | Target::Key => self.take_pem(shell, byte),
            _ => self.take_text(shell, byte),
        };
        let Err(refusal) = result else {
            return matches!(result, Ok(true));
        };
        say!(shell, "{refusal}");
        self.refused = true;
        // Whole lines and whole keys have nothing behind them.
        let whole = !self.decoder.is_inside() && matches!(self.target, Target::Key);
        if byte == CTRL_D
            || whole && !matches!(refusal, Refusal::Pem(_))
            || self.is_text() && is_newline(byte)
        {
            return true;
        }
        say!(
            shell,
            "The rest of the paste is passed over; Ctrl-C ends it."
        );
        false
    }

    const fn is_text(&self) -> bool {
        !matches!(
            self.target,
            Target::Certificate | Target::Root | Target::Key
        )
    }

    /// Whether a refused paste is over: a line of text, a key with its last line, a chain with Ctrl-D.
    fn pass_over(&mut self, byte: u8) -> bool {
        const END: &[u8] = b"-----END ";
        if byte == CTRL_D {
            return true;
        }
        if !is_newline(byte) {
            // `length` counts the bytes of this line as long as they are those of `END`.
            let matches = END
                .get(self.length)
                .is_none_or(|expected| *expected == byte);
            self.length = if matches {
                self.length.saturating_add(1)
            } else {
                usize::MAX
            };
            return false;
        }
        let end = self.length >= END.len() && self.length != usize::MAX;
        self.length = 0;
        self.is_text() || end && self.target == Target::Key
    }

    fn take_text(&mut self, shell: Shell<'_>, byte: u8) -> Result<bool, Refusal> {
        if is_newline(byte) {
            let text = self
                .buffer
                .get(..self.length)
                .and_then(|text| str::from_utf8(text).ok());
            let text = text.ok_or(Refusal::Because("that was no text"))?;
            return match self.target {
                #[cfg(CONFIG_AZURE_WIFI)]
                Target::Wifi { ssid, length } => {
                    store_wifi(shell, ssid.get(..length).unwrap_or_default(), text)
                }
                #[cfg(CONFIG_AZURE_DPS)]
                Target::SymmetricKey => enrollment::set_symmetric_key(shell, text),
                #[cfg(CONFIG_AZURE_DPS)]
                Target::GroupKey => enrollment::set_group_key(shell, text),
                _ => set_connection_string(shell, text),
            }
            .map(|()| true);
        }
        let place = self.buffer.get_mut(self.length);
        *place.ok_or(Refusal::Because("that was longer than 2048 bytes"))? = byte;
        self.length += 1;
        Ok(false)
    }

    fn take_pem(&mut self, shell: Shell<'_>, byte: u8) -> Result<bool, Refusal> {
        if byte == CTRL_D {
            return match (self.decoder.is_inside(), self.count) {
                (true, _) => Err(Refusal::Because(
                    "the last block has no end: paste it again",
                )),
                (_, 0) => Err(Refusal::Because("there was no -----BEGIN line: paste PEM")),
                _ => self.finish_chain(shell).map(|()| true),
            };
        }
        match self.decoder.push(byte, self.buffer.as_mut_slice()) {
            Ok(None) => Ok(false),
            Ok(Some(block)) => self.store_block(shell, block.label, block.length),
            Err(error) => Err(Refusal::Pem(error)),
        }
    }

    /// Checks and stores a block; says whether the paste is complete.
    fn store_block(
        &mut self,
        shell: Shell<'_>,
        label: Label,
        length: usize,
    ) -> Result<bool, Refusal> {
        let der = self.buffer.get(..length).unwrap_or_default();
        match (self.target, label) {
            (Target::Key, Label::PrivateKey) => {
                store_key(shell, der)?;
                Ok(true)
            }
            (Target::Certificate | Target::Root, Label::Certificate) => {
                if self.count >= CHAIN {
                    return Err(Refusal::Because("at most 3 certificates can be kept"));
                }
                ffi::check_certificate(der)
                    .map_err(|code| Refusal::Unusable("certificate", code))?;
                let name = stored_name(self.prefix(), self.count);
                storage::store(name.as_str(), der).map_err(Refusal::NotStored)?;
                self.count += 1;
                say!(shell, "Certificate {} of {length} bytes.", self.count);
                Ok(false)
            }
            // `openssl ecparam -genkey` and key files of a CA hold both; the other kind is passed over.
            _ => Ok(false),
        }
    }

    const fn prefix(&self) -> &'static str {
        match self.target {
            Target::Root => credentials::ROOT,
            _ => credentials::CERTIFICATE,
        }
    }

    /// Forgets certificates of an earlier, longer chain.
    fn finish_chain(&self, shell: Shell<'_>) -> Result<(), Refusal> {
        for index in self.count..CHAIN {
            storage::remove(stored_name(self.prefix(), index).as_str())
                .map_err(Refusal::NotStored)?;
        }
        done(
            shell,
            if self.target == Target::Root {
                "Root CAs"
            } else {
                "Certificate"
            },
        )
    }
}

const fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Checks that the key is one, and that it belongs to the stored certificate if there is one.
fn store_key(shell: Shell<'_>, der: &[u8]) -> Result<(), Refusal> {
    ffi::check_key(der).map_err(|code| Refusal::Unusable("key", code))?;
    let mut certificate = alloc::vec![0; MAX_DER + CHECKSUM_LEN];
    let stored = storage::load(
        stored_name(credentials::CERTIFICATE, 0).as_str(),
        &mut certificate,
    );
    if let Ok(Some(length)) = stored {
        let certificate = certificate.get(..length).unwrap_or_default();
        ffi::check_pair(certificate, der).map_err(|_| {
            Refusal::Because("the key does not belong to the stored certificate: azure set certificate first, or paste its key")
        })?;
    }
    storage::store(stored_name(credentials::KEY, 0).as_str(), der).map_err(Refusal::NotStored)?;
    done(shell, "Key")
}

#[cfg(CONFIG_AZURE_WIFI)]
fn store_wifi(shell: Shell<'_>, ssid: &[u8], password: &str) -> Result<(), Refusal> {
    if !matches!(password.len(), 0 | 8..=63) {
        return Err(Refusal::Because("a WPA2 password has 8 to 63 characters"));
    }
    let mut value = Zeroizing::new(alloc::vec::Vec::with_capacity(
        ssid.len() + 1 + password.len(),
    ));
    value.extend_from_slice(ssid);
    value.push(b'\n');
    value.extend_from_slice(password.as_bytes());
    storage::store(configuration::WIFI, &value).map_err(Refusal::NotStored)?;
    done(shell, "Wi-Fi network")
}
