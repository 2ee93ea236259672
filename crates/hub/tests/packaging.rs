//! Surroundings of the program: its container, its completions, and the workflow for somebody else's CI.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::program::succeed;

/// A file of the repository.
fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words of an instruction in the Containerfile.
fn instruction(name: &str) -> Vec<String> {
    let text = file("crates/hub/Containerfile");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    serde_json::from_str(line.unwrap().trim()).unwrap()
}

#[test]
fn the_container_starts_a_hub_that_is_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert_eq!(instruction("ENTRYPOINT"), ["local-hub"]);
    // Any port of loopback in the place of the container's own.
    let words = instruction("CMD");
    let words = words.iter().map(|word| match word.as_str() {
        "0.0.0.0:8883" => "127.0.0.1:0",
        word => word,
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(words)
        .args(["--chain", "ecc"])
        .env("LOCAL_HUB_STATE", &state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "ready"));
    let health = instruction("HEALTHCHECK CMD");
    assert_eq!(health[0], "local-hub");
    let words: Vec<_> = health[1..].iter().map(String::as_str).collect();
    assert!(succeed(&state, &words).starts_with("0ne"));
    child.kill().unwrap();
    child.wait().unwrap();
    let dead = Command::new(env!("CARGO_BIN_EXE_local-hub"))
        .args(&words)
        .env("LOCAL_HUB_STATE", &state)
        .output();
    assert!(!dead.unwrap().status.success());
}

#[test]
fn every_shell_has_completions_and_bash_completes_commands_and_options() {
    let script = |shell: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_local-hub"))
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(output.status.success(), "{shell}");
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(script(shell).contains("device-identity"), "{shell}");
    }
    let complete = |words: &str, index: usize, current: &str| {
        let script = script("bash");
        // Bash says by which function it completes the program.
        let call = "function=$(complete -p local-hub | sed 's/.*-F \\([^ ]*\\).*/\\1/')";
        let asked = format!(
            "{script}\n{call}\nCOMP_WORDS=({words}); COMP_CWORD={index}\n\
             $function local-hub '{current}' x\necho \"${{COMPREPLY[@]}}\""
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("complete");
        std::fs::write(&file, asked).unwrap();
        let output = Command::new("bash").arg(file).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let commands = complete("local-hub device", 1, "device");
    assert_eq!(commands.trim(), "device device-identity device-twin");
    let options = complete("local-hub simulate --msg", 2, "--msg");
    assert!(
        options.contains("--msg-count") && options.contains("--msg-interval"),
        "{options}"
    );
}

/// A step of the workflow: its name, and what it runs.
struct Step {
    name: String,
    script: String,
}

/// The steps of docs/hub-in-ci.md that run several lines.
fn steps() -> Vec<Step> {
    let page = file("docs/hub-in-ci.md");
    let workflow = page.split("```yaml\n").nth(1).unwrap();
    let workflow = workflow.split("```").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut is_script = false;
    for line in workflow.lines() {
        let indentation = line.len() - line.trim_start().len();
        if let Some(name) = line.strip_prefix("      - name: ") {
            let (name, script) = (name.to_owned(), String::new());
            steps.push(Step { name, script });
        }
        is_script &= line.is_empty() || indentation >= 10;
        if is_script {
            let script = &mut steps.last_mut().unwrap().script;
            script.push_str(line.trim_start_matches("          "));
            script.push('\n');
        }
        is_script |= line == "        run: |";
    }
    steps.retain(|step| !step.script.is_empty());
    steps
}

/// A stand-in for somebody's firmware: a device that comes back after each end of its connection.
const FIRMWARE: &str = r#"#!/bin/bash
test -f "$IOT_HUB_CA" || exit 1
id=$(sed 's/.*DeviceId=\([^;]*\);.*/\1/' <<< "$IOT_HUB_CONNECTION_STRING")
trap 'kill $!; exit' TERM
while true; do
    local-hub simulate -d "$id" --msg-count 1000 --msg-interval 1 \
        --data '{"temperature": 21.5}' -p '$.ct=application/json' &
    wait $!
    sleep 0.2
done
"#;

/// True if jq is there, which the steps of the workflow use and GitHub's runners have.
fn has_jq() -> bool {
    let is_there = Command::new("jq").arg("--version").output().is_ok();
    let must = std::env::var_os("REQUIRE_PEERS").is_some();
    assert!(is_there || !must, "jq is not installed");
    is_there
}

#[test]
fn the_workflow_for_somebody_elses_ci_runs_from_its_start_to_its_end() {
    if !has_jq() {
        eprintln!("did not run: jq is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path();
    std::fs::create_dir(work.join("build")).unwrap();
    let firmware = work.join("build/firmware");
    std::fs::write(&firmware, FIRMWARE).unwrap();
    std::fs::set_permissions(&firmware, std::fs::Permissions::from_mode(0o755)).unwrap();
    // On this machine, port 8883 may be somebody's.
    let program = env!("CARGO_BIN_EXE_local-hub");
    let bin = work.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let wrapper = format!(
        "#!/bin/bash\nif [ \"$1\" = serve ]; then set -- \"$@\" --listen 127.0.0.1:0 --chain ecc; fi\nexec {program} \"$@\"\n"
    );
    std::fs::write(bin.join("local-hub"), wrapper).unwrap();
    std::fs::set_permissions(
        bin.join("local-hub"),
        std::fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    let mut path: Vec<PathBuf> = vec![bin];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));

    let steps = steps();
    assert_eq!(steps.len(), 7);
    let run = |step: &Step| {
        let script = work.join("step.sh");
        std::fs::write(&script, &step.script).unwrap();
        // As the runner does it. The output goes to a file, since what a step leaves behind keeps it open.
        let log = std::fs::File::create(work.join("step.log")).unwrap();
        Command::new("bash")
            .arg("-e")
            .arg(&script)
            .current_dir(work)
            .env("PATH", std::env::join_paths(&path).unwrap())
            .env("LOCAL_HUB_STATE", work.join("state"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .status()
            .unwrap()
            .success()
    };
    let (last, first) = steps.split_last().unwrap();
    let failed = first.iter().find(|step| !run(step));
    let told = std::fs::read_to_string(work.join("step.log")).unwrap();
    // Ends the hub and the device, whatever became of the steps.
    let is_ended = run(last);
    let logs = std::fs::read_to_string(work.join("step.log")).unwrap();
    if let Some(step) = failed {
        panic!("{}: {told}\n{logs}", step.name);
    }
    assert!(
        is_ended && logs.contains("an operator dropped the connection"),
        "{logs}"
    );
}
