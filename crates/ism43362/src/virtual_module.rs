//! A module for tests: it keeps the commands' rules, and can be told to fail. Another one, which speaks to the firmware
//! over real buses, is `tests/zephyr/ism43362.py`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::format;
use std::rc::Rc;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::{Bus, BusError, PAYLOAD};

/// Fault of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No answer.
    Silent,
    /// Cut to this length.
    Cut(usize),
    /// Given now and once more.
    Twice,
    /// Replaced.
    Instead(Vec<u8>),
}

pub(crate) struct World {
    pub(crate) commands: Vec<String>,
    pub(crate) resets: u32,
    pub(crate) alive: bool,
    pub(crate) ssid: String,
    pub(crate) password: String,
    pub(crate) in_reach: bool,
    pub(crate) joined: bool,
    pub(crate) dhcp: bool,
    /// The next answers, by what happens to them.
    pub(crate) faults: VecDeque<Option<Fault>>,
    /// A command that is never answered.
    pub(crate) never: Option<String>,
    pub(crate) arrived: [Vec<u8>; 4],
    pub(crate) open: [bool; 4],
    pub(crate) sent: [Vec<u8>; 4],
    wanted: (String, String),
    selected: usize,
    stray: VecDeque<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct VirtualModule(pub(crate) Rc<RefCell<World>>);

impl VirtualModule {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(World {
            commands: Vec::new(),
            resets: 0,
            alive: true,
            ssid: "home".into(),
            password: "password".into(),
            in_reach: true,
            joined: false,
            dhcp: true,
            faults: VecDeque::new(),
            never: None,
            arrived: [const { Vec::new() }; 4],
            open: [false; 4],
            sent: [const { Vec::new() }; 4],
            wanted: Default::default(),
            selected: 0,
            stray: VecDeque::new(),
        })))
    }
}

impl World {
    pub(crate) fn lose_network(&mut self) {
        self.joined = false;
        self.open = [false; 4];
    }

    fn join(&mut self) -> String {
        let (ssid, password) = &self.wanted;
        self.joined = self.in_reach && *ssid == self.ssid && *password == self.password;
        match (self.joined, self.dhcp) {
            (true, true) => format!("[JOIN   ] {ssid},10.0.0.7,0,0"),
            (true, false) => format!("[JOIN   ] {ssid},0.0.0.0,0,0"),
            _ => format!("[JOIN   ] {ssid}\r\n[JOIN   ] Failed"),
        }
    }

    fn carry_out(&mut self, command: &str, payload: &[u8]) -> Option<Vec<u8>> {
        let (name, value) = command.split_once('=').unwrap_or((command, ""));
        let text = match name {
            "Z5" => "C4:7F:51:00:00:01".into(),
            "C1" => {
                self.wanted.0 = value.into();
                String::new()
            }
            "C2" => {
                self.wanted.1 = value.into();
                String::new()
            }
            "C0" => self.join(),
            "CD" => {
                self.lose_network();
                String::new()
            }
            "CS" => u8::from(self.joined).to_string(),
            "CR" => "-52".into(),
            "D0" if value == "unknown" => "0.0.0.0".into(),
            "D0" => "192.0.2.1".into(),
            "P0" => {
                self.selected = value.parse().unwrap();
                String::new()
            }
            "P6" if value == "1" => {
                if !self.joined {
                    return None;
                }
                self.open[self.selected] = true;
                "[TCP  RC] Connecting to peer".into()
            }
            "P6" => {
                self.open[self.selected] = false;
                String::new()
            }
            "S3" => {
                assert_eq!(value.parse(), Ok(payload.len()));
                if !self.open[self.selected] {
                    return Some(b"-1".to_vec());
                }
                self.sent[self.selected].extend(payload);
                payload.len().to_string()
            }
            "R0" => {
                if !self.open[self.selected] {
                    return Some(b"-1".to_vec());
                }
                let queue = &mut self.arrived[self.selected];
                let length = queue.len().min(PAYLOAD);
                return Some(queue.drain(..length).collect());
            }
            "C3" | "C4" | "PR" | "P1" | "P2" | "P3" | "P4" | "P5" | "R1" | "R2" => String::new(),
            other => panic!("the module knows no {other}"),
        };
        Some(text.into_bytes())
    }
}

impl Bus for VirtualModule {
    fn reset(&mut self) {
        let mut world = self.0.borrow_mut();
        world.resets += 1;
        world.lose_network();
        world.stray.clear();
        if world.alive {
            world.stray.push_back(b"\r\n> ".to_vec());
        }
    }

    fn exchange(
        &mut self,
        command: &[u8],
        payload: &[u8],
        answer: &mut [u8],
        _timeout_ms: u32,
    ) -> Result<usize, BusError> {
        let mut world = self.0.borrow_mut();
        let mut give = |bytes: &[u8]| {
            let length = bytes.len().min(answer.len());
            answer[..length].copy_from_slice(&bytes[..length]);
            Ok(length)
        };
        if !world.alive {
            return Err(BusError::Silent);
        }
        if !command.is_empty() {
            let text = core::str::from_utf8(command).unwrap();
            let text = text.strip_suffix('\r').unwrap();
            world.commands.push(text.into());
            if world.never.as_deref() == Some(text) {
                return Err(BusError::Silent);
            }
            let data = world.carry_out(text, payload);
            let mut whole = match data {
                Some(data) => [b"\r\n", &data[..], b"\r\nOK\r\n> "].concat(),
                None => b"\r\nERROR: no\r\nUsage: x\r\n> ".to_vec(),
            };
            match world.faults.pop_front().flatten() {
                None => {}
                Some(Fault::Silent) => return Err(BusError::Silent),
                Some(Fault::Cut(length)) => whole.truncate(length),
                Some(Fault::Twice) => world.stray.push_back(whole.clone()),
                Some(Fault::Instead(bytes)) => whole = bytes,
            }
            world.stray.push_back(whole);
        }
        // What is first in the line is what the host gets, right or wrong.
        match world.stray.pop_front() {
            Some(bytes) => give(&bytes),
            None => Err(BusError::Silent),
        }
    }
}
