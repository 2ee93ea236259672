use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;

const KEY: &str = "connection-string";
const VALUE: &[u8] = b"HostName=h;DeviceId=d;x509=true";

#[derive(Default)]
struct Medium(BTreeMap<String, Vec<u8>>);

impl Storage for Medium {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        let Some(value) = self.0.get(key) else {
            return Ok(None);
        };
        let room = buffer
            .get_mut(..value.len())
            .ok_or(StorageError::TooLong(value.len()))?;
        room.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.0.insert(key.to_string(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.0.remove(key);
        Ok(())
    }
}

fn read(medium: &mut Medium, key: &str) -> Option<Vec<u8>> {
    let mut buffer = [0; 64];
    let length = load(medium, key, "set it again", &mut buffer).unwrap()?;
    Some(buffer[..length].to_vec())
}

#[test]
fn the_checksum_is_the_crc_32_that_everybody_else_computes() {
    // The check value of CRC-32/ISO-HDLC in the catalogue of parametrised CRC algorithms.
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(checksum("1234", b"6789"), crc32(b"1234\x006789"));
}

#[test]
fn a_value_comes_back_as_it_was_stored() {
    let mut medium = Medium::default();
    for value in [VALUE, b"", b"\0", &[0xff; 60]] {
        store(&mut medium, KEY, value).unwrap();
        assert_eq!(read(&mut medium, KEY).as_deref(), Some(value));
    }
    medium.remove(KEY).unwrap();
    assert_eq!(read(&mut medium, KEY), None);
}

#[test]
fn a_value_with_any_one_bit_flipped_counts_as_absent() {
    let mut medium = Medium::default();
    store(&mut medium, KEY, VALUE).unwrap();
    let sealed = medium.0[KEY].clone();
    for bit in 0..8 * sealed.len() {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        medium.0.insert(KEY.into(), flipped);
        assert_eq!(read(&mut medium, KEY), None, "bit {bit}");
    }
}

#[test]
fn a_value_that_was_cut_lengthened_wiped_or_never_sealed_counts_as_absent() {
    let mut medium = Medium::default();
    store(&mut medium, KEY, VALUE).unwrap();
    let sealed = medium.0[KEY].clone();
    let mut others: Vec<Vec<u8>> = (0..sealed.len())
        .map(|end| sealed[..end].to_vec())
        .collect();
    others.push([&sealed[..], b"\n"].concat());
    others.extend([0, 0xff].map(|byte| std::vec![byte; sealed.len()]));
    others.push(VALUE.to_vec());
    for other in others {
        medium.0.insert(KEY.into(), other.clone());
        assert_eq!(read(&mut medium, KEY), None, "{other:?}");
    }
}

#[test]
fn a_value_under_another_ones_key_counts_as_absent() {
    let mut medium = Medium::default();
    store(&mut medium, "certificate/0", VALUE).unwrap();
    let sealed = medium.0["certificate/0"].clone();
    for key in [
        "certificate/1",
        "certificate/",
        "root-ca/0",
        "certificate/0H",
    ] {
        medium.0.insert(key.into(), sealed.clone());
        assert_eq!(read(&mut medium, key), None, "{key}");
    }
}

#[test]
fn a_buffer_without_room_for_the_checksum_is_an_error() {
    let mut medium = Medium::default();
    store(&mut medium, KEY, b"12345").unwrap();
    let result = load(&mut medium, KEY, "set it again", &mut [0; 8]);
    assert_eq!(result, Err(StorageError::TooLong(9)));
}
