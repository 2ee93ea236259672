//! The machine of updates over a simulated board: what the service desires, what becomes of it, and what is reported.

use std::string::{String, ToString};
use std::{format, vec};

use super::bench::{ADDRESS, Bench, updates};
use super::world::{Answer, image};
use super::{Chain, PackageText, ROOT_ID, STRANGER, manifest, service};
use crate::application::Permission;
use crate::failure::Failure;
use crate::port::update::{FetchFailure, News};
use crate::update::State;

#[test]
fn an_idle_device_reports_who_it_is_and_no_result() {
    let bench = Bench::new();
    assert_eq!(
        bench.reported(),
        format!(
            "{{\"agent\":{{\"deviceProperties\":{{\"manufacturer\":\"Contoso\",\"model\":\"Toaster\",\
             \"contractModelId\":\"dtmi:azure:iot:deviceUpdateContractModel;2\",\"aduVer\":\"DU;agent/{}\"}},\
             \"compatPropertyNames\":\"manufacturer,model\",\"lastInstallResult\":null,\"state\":0,\"workflow\":null,\
             \"installedUpdateId\":\"{{\\\"provider\\\":\\\"Contoso\\\",\\\"name\\\":\\\"Toaster\\\",\
             \\\"version\\\":\\\"1.0.0\\\"}}\"}}}}",
            env!("CARGO_PKG_VERSION")
        )
    );
}

#[test]
fn an_update_is_downloaded_started_on_trial_and_kept_after_its_report_was_acknowledged() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.answer(), Some(200));
    assert_eq!(bench.updates.state(), State::Restarting);
    bench.wanted_restart();
    assert_eq!(
        (bench.board.version().as_str(), bench.board.on_trial),
        ("1.1.0", true)
    );
    assert_eq!(bench.updates.state(), State::OnTrial);
    assert_eq!(bench.result(), (6, i64::MIN, String::new()));
    // Joining is not enough.
    bench.deploy("w1", "1.1.0");
    assert!(bench.board.on_trial);
    bench.acknowledge();
    assert!(!bench.board.on_trial);
    assert_eq!(bench.result(), (0, 700, String::new()));
    assert!(bench.reported().contains("\\\"version\\\":\\\"1.1.0\\\""));
    assert_eq!(bench.application.events, ["Installing", "Installed"]);
    // The same workflow is not done again, also after a restart.
    assert!(bench.updates.take_wants_twin());
    bench.deploy("w1", "1.1.0");
    bench.restart(false);
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.updates.state(), State::Idle);
    assert_eq!(bench.board.version(), "1.1.0");
    assert_eq!(bench.result(), (0, 700, String::new()));
}

#[test]
fn an_image_that_hangs_or_faults_gives_way_to_the_one_before_which_says_so() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    bench.board.restart();
    bench.updates = updates(&bench.board, bench.settings, "usage fault at 0x1234");
    bench.poll();
    assert_eq!(bench.board.version(), "1.0.0");
    let details = "the new image restarted before it had joined its hub: usage fault at 0x1234";
    assert_eq!(bench.result(), (255, 0, details.into()));
    assert_eq!(bench.updates.state(), State::Failed);
    // The same workflow is not tried again, but its retry is.
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.updates.state(), State::Failed);
    let retry = bench.deployment("w1", &image("1.1.0", 5000), "1.1.0");
    let retry = retry.replacen(
        "\"id\":\"w1\"",
        "\"id\":\"w1\",\"retryTimestamp\":\"2026-11-26T12:00:00Z\"",
        1,
    );
    bench.read(&retry, true);
    bench.wanted_restart();
    bench.acknowledge();
    assert_eq!(bench.result(), (0, 700, String::new()));
}

#[test]
fn an_image_that_cannot_join_goes_back_after_its_time_and_its_reason_is_told() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    bench.updates.failed(&Failure::Closed);
    bench.wait(599);
    assert!(!bench.updates.wants_restart());
    bench.wait(1);
    bench.wanted_restart();
    assert_eq!(bench.board.version(), "1.0.0");
    let (state, code, details) = bench.result();
    assert_eq!((state, code), (255, 0));
    let start = "the new image did not join its hub in time: connection: the hub closed it";
    assert!(details.starts_with(start), "{details}");
}

#[test]
fn a_restart_in_good_order_is_no_failure_a_few_times() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    for _ in 0..3 {
        bench.restart(true);
        assert_eq!(
            (bench.board.version().as_str(), bench.board.on_trial),
            ("1.1.0", true)
        );
    }
    bench.acknowledge();
    assert_eq!(bench.result(), (0, 700, String::new()));

    bench.deploy("w2", "1.2.0");
    bench.wanted_restart();
    for _ in 0..4 {
        bench.restart(true);
    }
    assert_eq!(bench.board.version(), "1.1.0");
    let details = "the new image was restarted too often before it had joined its hub";
    assert_eq!(bench.result(), (255, 0, details.into()));
}

#[test]
fn a_power_cut_between_any_two_steps_leaves_the_old_or_the_new_image_and_a_result() {
    // The record is stored, and then the swap is requested.
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.board.trial_wanted = false;
    bench.restart(false);
    assert_eq!(bench.board.version(), "1.1.0", "it is requested again");
    // The image is kept, and then that is stored.
    let record = bench.board.storage["update"].clone();
    bench.acknowledge();
    bench.board.storage.insert("update".into(), record);
    bench.restart(false);
    assert_eq!(bench.result(), (0, 700, String::new()));
    // Neither: it was not kept.
    bench.deploy("w2", "1.2.0");
    bench.wanted_restart();
    bench.restart(false);
    assert_eq!(bench.board.version(), "1.1.0");
    assert_eq!(bench.result().0, 255);
}

#[test]
fn an_image_that_ends_before_it_notes_that_it_began_is_tried_a_few_times_and_its_fault_is_told() {
    let fault = "usage fault at 0x1234";
    // Starts the new image, which ends at once, and then the one before.
    let end_at_once = |bench: &mut Bench| {
        assert!(bench.updates.wants_restart());
        bench.board.restart();
        assert_eq!(bench.board.version(), "1.1.0");
        bench.board.restart();
        assert_eq!(bench.board.version(), "1.0.0");
        bench.updates = updates(&bench.board, bench.settings, fault);
        bench.poll();
    };
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    for _ in 0..4 {
        end_at_once(&mut bench);
    }
    assert!(!bench.updates.wants_restart());
    let details =
        format!("the new image was restarted too often before it had joined its hub: {fault}");
    assert_eq!(bench.result(), (255, 0, details));

    // It may have been the power.
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    end_at_once(&mut bench);
    bench.wanted_restart();
    bench.acknowledge();
    assert_eq!(bench.result(), (0, 700, String::new()));
}

#[test]
fn an_image_with_another_version_than_the_manifest_names_is_not_kept() {
    let mut bench = Bench::new();
    let deployment = bench.deployment("w1", &image("1.0.9", 5000), "1.1.0");
    bench.read(&deployment, true);
    bench.wanted_restart();
    assert_eq!(bench.board.version(), "1.0.0");
    let details = "the new image has another version than the manifest's installedCriteria";
    assert_eq!(bench.result(), (255, 0, details.into()));
}

#[test]
fn what_is_installed_already_succeeds_without_a_download() {
    let mut bench = Bench::new();
    bench.deploy("w1", "1.0.0");
    assert_eq!(bench.result(), (0, 700, "already installed".into()));
    assert_eq!(bench.board.net.requests, [""; 0]);
    assert_eq!(bench.answer(), Some(200));
}

#[test]
fn a_deployment_that_is_not_signed_or_not_for_this_device_is_refused_before_anything_is_downloaded()
{
    let good = manifest("1.1.0", &image("1.1.0", 5000));
    let kettle = good.replace("toaster", "kettle");
    let mut stranger = Chain::of(&good);
    stranger.signer = &STRANGER;
    for (manifest, signature, details) in [
        (
            &good,
            stranger.text(),
            "the signing key did not make the signature",
        ),
        (
            &good,
            Chain::of(&kettle).text(),
            "the manifest is not the one that was signed",
        ),
        (&good, "x".to_string(), "the signature is not a JWS"),
        (
            &kettle,
            Chain::of(&kettle).text(),
            "the update is for other devices: see the manifest's compatibility",
        ),
        (
            &good,
            String::new(),
            "the deployment lacks its manifest, its signature or the address of a file",
        ),
    ] {
        let mut bench = Bench::new();
        bench.read(&service("w1", manifest, &signature, ADDRESS), true);
        assert_eq!(bench.result(), (255, 0, details.into()));
        assert_eq!(bench.answer(), Some(406));
        assert_eq!(bench.board.net.requests, [""; 0]);
        assert_eq!(bench.application.asked, [""; 0]);
        // A restart does not change that.
        bench.restart(false);
        assert_eq!(bench.result(), (255, 0, details.into()));
    }
    let mut bench = Bench::new();
    bench.read(
        &service("w1", &good, &Chain::of(&good).text(), "ftp://a/b"),
        true,
    );
    assert_eq!(bench.result().0, 255);
    bench.read(&service("w2", &"x".repeat(6144), "s", ADDRESS), true);
    assert!(bench.result().2.contains("Settings::text_size"));
}

#[test]
fn a_download_that_fails_for_good_is_reported_and_changes_nothing() {
    for (answers, details) in [
        (
            vec![Answer::Raw("HTTP/1.1 404 x\r\n\r\n".into())],
            "the server of the file answered 404",
        ),
        (
            vec![Answer::Close; 3],
            "the connection to the server of the file broke again and again",
        ),
        (
            vec![Answer::Raw(format!(
                "HTTP/1.1 200 x\r\nContent-Length: 5000\r\n\r\n{}",
                "x".repeat(5000)
            ))],
            "the file is not the one of its manifest: its SHA-256 differs",
        ),
    ] {
        let mut bench = Bench::new();
        bench.board.net.answers.extend(answers);
        bench.deploy("w1", "1.1.0");
        assert_eq!(bench.result(), (255, 0, details.into()));
        bench.restart(false);
        assert_eq!(bench.board.version(), "1.0.0");
        assert_eq!(bench.result(), (255, 0, details.into()));
    }
}

#[test]
fn an_application_may_delay_each_step_and_refuse_it() {
    let mut bench = Bench::new();
    bench.application.answers = vec![
        Permission::Later,
        Permission::Granted,
        Permission::Later,
        Permission::Later,
        Permission::Refused("the pump runs"),
    ];
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.updates.state(), State::Waiting);
    assert_eq!(bench.result().0, 6);
    bench.wait(9);
    assert_eq!(bench.board.net.requests, [""; 0]);
    bench.wait(1);
    assert_eq!(bench.board.net.requests, ["/image 0"]);
    assert_eq!(bench.updates.state(), State::Waiting);
    bench.wait(10);
    bench.wait(10);
    assert_eq!(
        bench.result(),
        (
            255,
            0,
            "the application refused the update: the pump runs".into()
        )
    );
    assert_eq!(bench.application.asked.len(), 5);
    assert!(!bench.board.trial_wanted);
}

#[test]
fn a_workflow_that_is_cancelled_or_deleted_ends_and_the_device_is_idle() {
    let cancel = r#"{"workflow":{"action":255,"id":"w1"}}"#;
    for (value, is_whole) in [(cancel, false), ("null", false), ("", true)] {
        let mut bench = Bench::new();
        bench.board.is_slow = true;
        bench.deploy("w1", "1.1.0");
        assert!(matches!(bench.updates.state(), State::Downloading(0, 5000)));
        bench.read("", false);
        assert!(
            matches!(bench.updates.state(), State::Downloading(..)),
            "a change of something else"
        );
        bench.read(value, is_whole);
        assert_eq!(bench.result(), (0, -1, "cancelled".into()));
        assert_eq!(bench.updates.state(), State::Idle);
        assert_eq!(bench.application.events, ["Cancelled"]);
        assert!(bench.board.job.is_none());
    }
    // Too late.
    let mut bench = Bench::new();
    bench.deploy("w1", "1.1.0");
    bench.wanted_restart();
    bench.read(cancel, false);
    assert_eq!(bench.updates.state(), State::OnTrial);
}

#[test]
fn a_person_ends_a_download_and_it_does_not_begin_again_by_itself() {
    let mut bench = Bench::new();
    bench.board.is_slow = true;
    bench.deploy("w1", "1.1.0");
    bench.updates.cancel_soon();
    bench.poll();
    assert_eq!(bench.result(), (0, -1, "cancelled".into()));
    assert!(bench.board.job.is_none());
    bench.board.is_slow = false;
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.updates.state(), State::Idle);
    assert_eq!(bench.board.version(), "1.0.0");
}

#[test]
fn an_image_that_is_not_newer_is_refused_before_its_trial_unless_it_is_told_otherwise() {
    for (version, is_newer) in [("1.0.1", true), ("0.9.9", false), ("1.0.0+0", false)] {
        for downgrade in [false, true] {
            let mut bench = Bench::new();
            bench.settings.downgrade = downgrade;
            bench.updates = updates(&bench.board, bench.settings, "");
            bench.poll();
            bench.deploy("w1", version);
            assert_eq!(bench.board.trial_wanted, is_newer || downgrade, "{version}");
            if !is_newer && !downgrade {
                let details = "the image is not newer than the one that runs";
                assert_eq!(bench.result(), (255, 0, details.into()));
            }
        }
    }
}

#[test]
fn a_file_that_is_no_image_is_refused_before_its_trial() {
    let mut bench = Bench::new();
    let service = bench.deployment("w1", &[b'x'; 5000], "1.1.0");
    bench.read(&service, false);
    assert!(!bench.board.trial_wanted);
    let details = "the file is no image that the boot loader could start";
    assert_eq!(bench.result(), (255, 0, details.into()));
}

#[test]
fn another_workflow_replaces_the_one_that_is_downloaded() {
    let mut bench = Bench::new();
    bench.board.is_slow = true;
    bench.deploy("w1", "1.1.0");
    bench.deploy("w2", "1.2.0");
    assert!(bench.updates.take_wants_twin());
    bench.board.is_slow = false;
    bench.deploy("w2", "1.2.0");
    bench.wanted_restart();
    bench.acknowledge();
    assert_eq!(bench.board.version(), "1.2.0");
    assert_eq!(bench.result(), (0, 700, String::new()));
}

#[test]
fn a_download_that_a_restart_interrupts_goes_on_from_what_was_stored() {
    // A power cut costs what came after the last 32 KB, a restart in good order nothing but the erase block.
    for (in_good_order, from) in [(false, 26_624), (true, 43_008)] {
        let large = image("1.1.0", 60_000);
        let mut bench = Bench::new();
        let deployment = bench.deployment("w1", &large, "1.1.0");
        bench.board.is_slow = true;
        bench.read(&deployment, true);
        let job = bench.board.job.take().unwrap();
        bench.board.net.stop_at = Some(50_000);
        assert_eq!(
            bench.board.net.fetch(&job, 1024),
            Err(FetchFailure::Stopped)
        );
        let progress = core::mem::take(&mut bench.board.net.progress);
        bench
            .board
            .news
            .extend(progress.into_iter().map(News::Progress));
        bench.settle();
        bench.board.net.stop_at = None;
        bench.restart(in_good_order);
        assert_eq!(bench.updates.state(), State::Idle);
        bench.board.is_slow = false;
        bench.read(&deployment, true);
        assert_eq!(
            bench.board.net.requests,
            ["/image 0".into(), format!("/image {from}")]
        );
        bench.wanted_restart();
        assert_eq!(bench.board.version(), "1.1.0");
    }
}

#[test]
fn a_part_of_a_deployment_has_the_twin_read_again() {
    let mut bench = Bench::new();
    bench.read(r#"{"workflow":{"action":3,"id":"w1"}}"#, false);
    assert!(bench.updates.take_wants_twin());
    bench.deploy("w1", "1.1.0");
    assert_eq!(bench.updates.state(), State::Restarting);
}

#[test]
fn a_root_key_package_is_taken_before_the_signature_is_judged() {
    let with_package = |bench: &mut Bench, id: &str, package: &PackageText| {
        bench
            .board
            .net
            .files
            .insert("/keys".into(), package.text().into_bytes());
        let deployment = bench.deployment(id, &image("1.1.0", 5000), "1.1.0");
        let end = deployment.len() - 1;
        format!(
            "{},\"rootKeyPackageUrl\":\"http://files.example:8080/keys\"}}",
            &deployment[..end]
        )
    };
    let mut bench = Bench::new();
    let deployment = with_package(&mut bench, "w1", &PackageText::default());
    bench.read(&deployment, true);
    assert!(bench.updates.take_wants_twin());
    bench.read(&deployment, true);
    assert_eq!(bench.updates.state(), State::Restarting);
    assert_eq!(bench.board.net.requests, ["/keys 0", "/image 0"]);

    // One that disables the root key is in force at once, and after a restart.
    let mut bench = Bench::new();
    let disabling = PackageText {
        disabled_roots: vec![ROOT_ID.into()],
        ..PackageText::default()
    };
    let deployment = with_package(&mut bench, "w1", &disabling);
    bench.read(&deployment, true);
    bench.read(&deployment, true);
    let details = "the signing key is signed under a root key that is disabled";
    assert_eq!(bench.result(), (255, 0, details.into()));
    bench.restart(false);
    bench.deploy("w2", "1.1.0");
    assert_eq!(bench.result(), (255, 0, details.into()));

    // One that is not signed costs the deployment.
    let mut bench = Bench::new();
    let stranger = PackageText {
        signers: vec![&STRANGER, &STRANGER],
        ..PackageText::default()
    };
    let deployment = with_package(&mut bench, "w1", &stranger);
    bench.read(&deployment, true);
    assert_eq!(
        bench.result().2,
        "a root key of this device did not sign the root key package"
    );
}

#[test]
fn an_image_on_trial_without_a_record_is_kept_once_it_is_on_its_hub() {
    let mut bench = Bench::new();
    bench.board.net.flash[..5000].copy_from_slice(&image("3.0.0", 5000));
    bench.board.trial_wanted = true;
    bench.restart(false);
    assert_eq!(bench.updates.state(), State::OnTrial);
    bench.acknowledge();
    assert!(!bench.board.on_trial);
    assert_eq!(bench.updates.state(), State::Idle);
}

#[test]
fn a_storage_that_fails_lets_no_image_be_started_on_trial() {
    let mut bench = Bench::new();
    bench.board.is_slow = true;
    bench.deploy("w1", "1.1.0");
    bench.board.fails = true;
    bench.board.download();
    bench.settle();
    assert_eq!(bench.result().0, 255);
    assert!(!bench.board.trial_wanted && !bench.updates.wants_restart());
}
