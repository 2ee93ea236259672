//! Software updates over TLS and over slow links, and of a program that is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use local_hub::{Config, Fault, UpdateFault};
use serde_json::Value;

use crate::program::Program;
use crate::support::access;
use crate::updates::{ALWAYS, DEVICE, Site, id, wait_for_file};

#[test]
fn a_file_is_downloaded_over_tls_with_the_hubs_certificate_and_after_a_redirect_on_its_server() {
    let site = Site::with(Config {
        updates_tls: true,
        ..Config::temporary()
    });
    let address = site.hub.updates_address().unwrap();
    assert!(address.starts_with("https://"), "{address}");
    let device = site.start_with(None);
    for (fault, times) in [
        (UpdateFault::Moved, 1),
        (UpdateFault::Cut { bytes: 9000 }, 2),
        (UpdateFault::Moved, 2),
    ] {
        site.hub.inject_update_fault(fault, times);
    }
    let state = site.deploy("1.1.0");
    assert_eq!(state["state"], "Succeeded", "{state:#}");
    // Round and round.
    site.import("1.2.0", "1.2.0");
    site.hub.inject_update_fault(UpdateFault::Moved, ALWAYS);
    let state = site.deploy("1.2.0");
    let details = state["resultDetails"].as_str().unwrap();
    assert!(details.contains("in circles"), "{details}");
    device.stop();
}

#[test]
fn a_file_comes_over_a_slow_link_at_the_rate_that_was_set_while_telemetry_goes_on() {
    let site = Site::with(Config::temporary());
    let device = site.start_with(Some(15_000));
    for (fault, times) in [
        (UpdateFault::Slow { rate: 25_000 }, 1),
        (UpdateFault::Cut { bytes: 20_000 }, 1),
    ] {
        site.hub.inject_update_fault(fault, times);
    }
    let start = Instant::now();
    let before = site.hub.events().len();
    let workflow = site.hub.deploy_update(&id("1.1.0"), DEVICE).unwrap();
    let slot = site.folder.path().join("slot-1.image");
    wait_for_file(&slot, |bytes| bytes.len() > 60_000);
    // 60,000 bytes, of which the first ones of each connection are not held up.
    assert!(
        start.elapsed() > Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert!(site.hub.events().len() > before + 10);
    assert_eq!(site.end(&workflow)["state"], "Succeeded");
    device.stop();
}

/// The program, whose images are in the site's folder.
fn start(site: &Site) -> Program {
    let keys = site.hub.update_root_keys();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (folder, keys) = (path(site.folder.path()), path(&keys));
    let program = Program::device(
        &access(&site.hub, &site.connection_string),
        &[
            "--interval",
            "0.2",
            "--update-folder",
            &folder,
            "--update-root-keys",
            &keys,
            "--update-model",
            "Toaster",
        ],
    );
    site.wait(|state| !state["installed"]["version"].is_null());
    program
}

/// Times at which the program is killed.
#[derive(Clone, Copy, Debug)]
enum Time {
    /// A part of the file is being written. The rest is held back.
    InTheDownload,
    /// The last block of the file is being written. Its last bytes are held back.
    InTheLastBlock,
    /// The file is whole. The new image cannot join.
    BeforeTheTrial,
    /// The trial is on record, or has begun. The new image cannot join.
    AtTheStartOfTheTrial,
    /// The new image has noted that it began. It cannot join.
    BeforeItIsKept,
    /// The boot loader keeps the new image, which may not have noted it.
    WhenItIsKept,
}

/// Has the server end the connection after so many bytes of the file, and keep the rest.
fn hold_the_file_after(site: &Site, bytes: u32) {
    site.hub.inject_update_fault(UpdateFault::Cut { bytes }, 1);
    site.hub
        .inject_update_fault(UpdateFault::Status { status: 503 }, ALWAYS);
}

/// Has the hub refuse the new image, and then the server give the rest of the file: so the image is not kept.
fn let_no_image_join(site: &Site) {
    let refuse = Fault::RefuseConnect {
        code: 3,
        times: ALWAYS,
    };
    site.hub.inject(DEVICE, refuse).unwrap();
    site.hub.clear_update_faults();
}

#[test]
fn a_program_that_is_killed_at_any_time_of_an_update_ends_with_the_old_or_the_new_image() {
    let site = Site::with(Config::temporary());
    let mut running = env!("CARGO_PKG_VERSION").to_owned();
    let mut program = start(&site);
    site.wait(|_| reported(&site, "firmwareVersion") == running.as_str());
    for (number, time) in [
        Time::InTheDownload,
        Time::InTheLastBlock,
        Time::BeforeTheTrial,
        Time::AtTheStartOfTheTrial,
        Time::BeforeItIsKept,
        Time::WhenItIsKept,
        Time::InTheDownload,
    ]
    .into_iter()
    .enumerate()
    {
        let version = format!("2.{number}.0");
        site.import(&version, &version);
        let record = std::fs::read(site.folder.path().join("boot.value")).unwrap();
        let (other, name) = match record.first() {
            Some(b'1') => (b'0', "slot-0.image"),
            _ => (b'1', "slot-1.image"),
        };
        let slot = site.folder.path().join(name);
        // What an earlier update left.
        let _ = std::fs::remove_file(&slot);
        // No step goes on to a later one by itself: a slow test would kill in that one.
        hold_the_file_after(
            &site,
            match time {
                Time::InTheLastBlock => 60_000,
                _ => 40_000,
            },
        );
        let workflow = site.hub.deploy_update(&id(&version), DEVICE).unwrap();
        wait_for_file(&slot, |bytes| bytes.len() > 36_000);
        match time {
            Time::InTheDownload => {}
            Time::InTheLastBlock => wait_for_file(&slot, |bytes| bytes.len() > 60_000),
            Time::BeforeTheTrial => {
                let_no_image_join(&site);
                program.wait_for(&format!("the file of {version} is whole and verified"));
            }
            Time::AtTheStartOfTheTrial => {
                let_no_image_join(&site);
                site.wait_for_boot_loader(|record| record.ends_with(b"o") || record.ends_with(b"b"))
            }
            Time::BeforeItIsKept => {
                let_no_image_join(&site);
                // The boot loader's record is too early: until the image has noted that it began, it is tried again.
                program.wait_for(&format!("update: {version} is on trial"));
            }
            Time::WhenItIsKept => {
                site.hub.clear_update_faults();
                site.wait_for_boot_loader(|record| record == [other, b's']);
            }
        }
        program.kill();
        site.hub.clear_faults(DEVICE);
        site.hub.clear_update_faults();
        program = start(&site);
        let state = site.end(&workflow);
        match (state["state"].as_str().unwrap(), time) {
            (
                "Succeeded",
                Time::InTheDownload
                | Time::InTheLastBlock
                | Time::BeforeTheTrial
                | Time::AtTheStartOfTheTrial
                | Time::WhenItIsKept,
            ) => {
                running = version;
            }
            (
                "Failed",
                Time::BeforeTheTrial | Time::AtTheStartOfTheTrial | Time::BeforeItIsKept,
            ) => {
                let details = state["resultDetails"].as_str().unwrap();
                let reason = "the new image restarted before it had joined its hub";
                assert_eq!(details, reason, "{time:?}");
            }
            _ => panic!("{time:?}: {state:#}"),
        }
        site.wait_for_boot_loader(|record| record.ends_with(b"s"));
        site.wait(|state| state["installed"]["version"] == running.as_str());
        site.wait(|_| reported(&site, "firmwareVersion") == running.as_str());
    }
    program.kill();
}

fn reported(site: &Site, name: &str) -> Value {
    let twin = site.hub.twin(DEVICE).unwrap();
    twin["properties"]["reported"][name].clone()
}
