//! A device with its boot loader, for the machine's tests.

use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use super::world::{Board, SECOND, image};
use super::{Chain, manifest, roots, service, verify_rs256};
use crate::application::{Permission, UpdateEvent, UpdateStatus, UpdateStep};
use crate::json::{Object, Reader, Value};
use crate::text::Text;
use crate::time::Instant;
use crate::update::Settings;
use crate::update::machine::{Environment, Side, Updates};

pub(super) const ADDRESS: &str = "http://files.example:8080/image";

/// An application that answers as it is told, and keeps what it is told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) answers: Vec<Permission>,
    pub(super) asked: Vec<String>,
    pub(super) events: Vec<String>,
}

impl Side for Told {
    fn ask(&mut self, step: UpdateStep<'_>) -> Permission {
        self.asked.push(format!("{step:?}"));
        match self.answers.is_empty() {
            true => Permission::Granted,
            false => self.answers.remove(0),
        }
    }

    fn tell(&mut self, event: UpdateEvent<'_>) {
        if !matches!(event, UpdateEvent::Downloading { .. }) {
            self.events.push(format!("{event:?}"));
        }
    }
}

/// A device with its boot loader. `updates` is new after each restart.
pub(super) struct Bench {
    pub(super) board: Board,
    pub(super) updates: Updates<'static>,
    pub(super) application: Told,
    pub(super) now: Instant,
    pub(super) version: u64,
    pub(super) settings: Settings<'static>,
}

pub(super) fn updates(
    board: &Board,
    settings: Settings<'static>,
    last_fault: &'static str,
) -> Updates<'static> {
    Updates::new(settings, board.version().leak(), last_fault)
}

impl Bench {
    pub(super) fn new() -> Self {
        let board = Board {
            primary: image("1.0.0", 3000),
            ..Board::default()
        };
        let settings = Settings {
            patience: 3,
            ..Settings::new("Contoso", "Toaster", roots().leak(), verify_rs256)
        };
        let mut bench = Self {
            updates: updates(&board, settings, ""),
            board,
            application: Told::default(),
            now: Instant::from_millis(1000),
            version: 1,
            settings,
        };
        bench.poll();
        bench
    }

    pub(super) fn poll(&mut self) {
        let mut environment = Environment {
            now: self.now,
            updater: &mut self.board,
            application: &mut self.application,
        };
        self.updates.poll(&mut environment);
    }

    /// Polls until nothing is due any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..10 {
            self.poll();
        }
    }

    pub(super) fn wait(&mut self, seconds: u32) {
        self.now = self.now.after(SECOND * seconds);
        self.settle();
    }

    /// A document of the twin with this value of `deviceUpdate*service`; empty if it has none.
    pub(super) fn read(&mut self, value: &str, is_whole: bool) {
        self.version += 1;
        self.updates.begin_document();
        let mut reader = Reader::new();
        if !value.is_empty() {
            reader
                .feed(value.as_bytes(), self.updates.service())
                .unwrap();
            reader.finish(self.updates.service()).unwrap();
        }
        self.updates.end_document(is_whole, Some(self.version));
        self.settle();
    }

    /// A good deployment of this image.
    pub(super) fn deployment(&mut self, id: &str, image: &[u8], version: &str) -> String {
        let manifest = manifest(version, image);
        self.board.net.files.insert("/image".into(), image.to_vec());
        service(id, &manifest, &Chain::of(&manifest).text(), ADDRESS)
    }

    pub(super) fn deploy(&mut self, id: &str, version: &str) {
        let deployment = self.deployment(id, &image(version, 5000), version);
        self.read(&deployment, true);
    }

    /// A restart: in good order, or not.
    pub(super) fn restart(&mut self, in_good_order: bool) {
        if in_good_order {
            let mut environment = Environment {
                now: self.now,
                updater: &mut self.board,
                application: &mut self.application,
            };
            self.updates.stopping(&mut environment);
        }
        self.board.restart();
        self.updates = updates(&self.board, self.settings, "");
        self.poll();
        if self.updates.wants_restart() {
            self.board.restart();
            self.updates = updates(&self.board, self.settings, "");
            self.poll();
        }
    }

    /// The restart that the machine asked for.
    pub(super) fn wanted_restart(&mut self) {
        assert!(self.updates.wants_restart());
        self.restart(true);
    }

    /// An operator's call. Gives the version of the image that is started.
    pub(super) fn roll_back(&mut self) -> Result<String, &'static str> {
        let mut environment = Environment {
            now: self.now,
            updater: &mut self.board,
            application: &mut self.application,
        };
        let version = self.updates.roll_back(&mut environment)?;
        Ok(version.as_str().into())
    }

    pub(super) fn status(&self) -> UpdateStatus {
        let mut status = UpdateStatus::default();
        self.updates.observe(&mut status);
        status.state = self.updates.state();
        status
    }

    /// The hub acknowledges what was reported last.
    pub(super) fn acknowledge(&mut self) {
        self.updates.take_changed();
        self.updates.reported();
        self.settle();
    }

    pub(super) fn reported(&self) -> String {
        let mut space = vec![0; 2048];
        let mut text = Text::new(&mut space);
        let mut object = Object::new(&mut text);
        self.updates.write(&mut object);
        object.finish().unwrap();
        text.as_str().into()
    }

    /// State, resultCode and resultDetails that are reported.
    pub(super) fn result(&self) -> (i64, i64, String) {
        let text = self.reported();
        let agent = Value::parse(text.as_bytes()).unwrap().get("agent").unwrap();
        let result = agent.get("lastInstallResult").unwrap();
        let code = result
            .get("resultCode")
            .and_then(Value::as_i64)
            .unwrap_or(i64::MIN);
        let details = result.get("resultDetails").and_then(Value::as_text);
        let details = details
            .map(|details| details.to_string())
            .unwrap_or_default();
        (agent.get("state").unwrap().as_i64().unwrap(), code, details)
    }

    pub(super) fn answer(&self) -> Option<i64> {
        let text = self.reported();
        let service = Value::parse(text.as_bytes()).unwrap().get("service")?;
        service.get("ac")?.as_i64()
    }
}
