//! Examples that `--help` shows; a test parses each of them.

pub(super) const PROGRAM: &str = "\
Example:
  export LOCAL_HUB_STATE=hub-state
  local-hub serve
and in another terminal:
  export LOCAL_HUB_STATE=hub-state
  local-hub device create MyDevice01 --auth sas
  local-hub monitor-events
  local-hub send-c2d MyDevice01 --data hello
A device trusts hub-state/ca.pem and connects with the connection string that `device create` prints.
The same in the words of az:
  local-hub device-identity create -d MyDevice01
  local-hub device-identity connection-string show -d MyDevice01 --query connectionString -o tsv
  local-hub simulate -d MyDevice01 --msg-count 3";

pub(super) const SERVE: &str = "\
Examples:
  local-hub serve --state hub-state
  local-hub serve --log debug --sntp 127.0.0.1:1123
For devices on other machines, under the name by which they find this one:
  local-hub serve --host-name build-server.local --listen 0.0.0.0:8883 --allow-remote
With Azure's rates and daily quota of one S1 unit, and with a certificate that devices must refuse:
  local-hub serve --throttle s1
  local-hub serve --certificate-fault expired
With a page that knows the models of the devices, on a port of its own, or without a page:
  local-hub serve --models docs --page 127.0.0.1:8080
  local-hub serve --page off";

pub(super) const PAGE: &str = "\
Examples:
  local-hub page
  xdg-open \"$(local-hub page)\"";

pub(super) const DEVICE: &str = "\
Examples:
  local-hub device create pump --auth sas
  local-hub device create valve --auth x509-thumbprint --out certificates
  local-hub device create meter --auth x509-ca --certificate my-ca.pem
  local-hub device list
  local-hub device disable pump";

pub(super) const DEVICE_IDENTITY: &str = "\
Examples:
  local-hub device-identity create -d pump
  local-hub device-identity list --query '[].deviceId' -o tsv
  local-hub device-identity show -d pump --query authentication.symmetricKey.primaryKey -o tsv
  local-hub device-identity update -d pump --status disabled --status-reason stolen
  local-hub device-identity renew-key -d pump --key-type swap
  local-hub device-identity connection-string show -d pump";

pub(super) const MODULE_IDENTITY: &str = "\
Examples:
  local-hub module-identity create pump motor
  local-hub module-identity create pump gps --auth-method x509_thumbprint --primary-thumbprint HEX
  local-hub module-identity list pump
  local-hub module-identity connection-string show -d pump -m motor";

pub(super) const MONITOR_EVENTS: &str = "\
Examples:
  local-hub monitor-events
  local-hub monitor-events -d pump --from-start --count 10
In a script: everything in JSON, and an end after a minute of silence:
  local-hub monitor-events --output json --timeout 60
  local-hub monitor-events --props app --content-type application/json";

pub(super) const MONITOR_FEEDBACK: &str = "\
Examples:
  local-hub monitor-feedback
  local-hub monitor-feedback -d pump --wait-on-msg 42 --timeout 60";

pub(super) const SEND_C2D: &str = "\
Examples:
  local-hub send-c2d pump --data hello
  local-hub send-c2d pump --data 7 --property unit=bar --ack full --message-id 42 --expiry 60
  local-hub send-c2d pump --module motor --data hello";

pub(super) const C2D_MESSAGE: &str = "\
Examples:
  local-hub c2d-message send -d pump --data hello --props 'unit=bar;alert=true' --ack full
  local-hub c2d-message purge -d pump";

pub(super) const DEVICE_TWIN: &str = "\
Examples:
  local-hub device-twin show pump
  local-hub device-twin show -d pump --query properties.reported
  local-hub device-twin update pump --desired '{\"telemetryInterval\": 10}'
  local-hub device-twin replace pump --json twin.json";

pub(super) const MODULE_TWIN: &str = "\
Examples:
  local-hub module-twin show -d pump -m motor
  local-hub module-twin update -d pump -m motor --desired '{\"speed\": 10}'";

pub(super) const INVOKE_DEVICE_METHOD: &str = "\
Examples:
  local-hub invoke-device-method pump --method-name blink --method-payload '{\"times\": 3}'
  local-hub invoke-device-method -d pump --mn getStatus --timeout 10 --query payload.uptime";

pub(super) const INVOKE_MODULE_METHOD: &str = "\
Example:
  local-hub invoke-module-method -d pump -m motor --mn stop";

pub(super) const QUERY: &str = "\
Examples:
  local-hub query -q 'select * from devices'
  local-hub query -q 'select * from devices.modules where deviceId in [\"pump\", \"valve\"]' --top 10
  local-hub query -q 'select count() as number from devices where is_defined(tags.site)' --query '[0].number'";

pub(super) const GENERATE_SAS_TOKEN: &str = "\
Examples:
  local-hub generate-sas-token -d pump --duration 600
  local-hub generate-sas-token --query sas -o tsv";

pub(super) const SIMULATE: &str = "\
Examples:
  local-hub simulate -d pump --msg-count 10 --msg-interval 1
  local-hub simulate -d pump --data '{\"t\": 21.5}' -p '$.ct=application/json;$.ce=utf-8;alert=true'
A device that only listens, until Ctrl-C:
  local-hub simulate -d pump --msg-count 0 --method-response-payload '{\"done\": true}'";

pub(super) const SEND_D2C_MESSAGE: &str = "\
Example:
  local-hub send-d2c-message -d pump --data '{\"t\": 21.5}' --props '$.ct=application/json'";

pub(super) const DPS: &str = "\
Examples:
  local-hub dps id-scope
  local-hub dps enroll pump-7
  local-hub dps enroll-group pumps
  local-hub dps compute-device-key --key-file group.key --registration-id pump-8
  local-hub dps enrollment show --eid pump-7 --show-keys --query attestation.symmetricKey.primaryKey -o tsv";

pub(super) const FAULT: &str = "\
Examples:
  local-hub fault drop-connection pump
  local-hub fault refuse-connect pump --code 3 --times 5
  local-hub fault delay-puback pump --milliseconds 500
  local-hub fault clear pump";

pub(super) const UPDATE: &str = "\
Examples:
  local-hub update import zephyr.signed.bin --provider Contoso --name Toaster --version 1.2.0 \
--compatibility deviceManufacturer=Contoso,deviceModel=Toaster
  local-hub update deploy --provider Contoso --name Toaster --version 1.2.0 --group 'is_defined(tags.site)'
  local-hub update show
  local-hub update cancel --device toaster-7
  local-hub update fault cut --value 4096 --times 3";

pub(super) const FILES: &str = "\
Examples:
  local-hub files list
  local-hub files list -d pump --query '[].blobName' -o tsv
  local-hub files show pump/log.txt --out log.txt
  local-hub files monitor --timeout 60
  local-hub files delete pump/log.txt";

pub(super) const UPLOAD_FILE: &str = "\
Example:
  local-hub upload-file -d pump --file-path log.txt --content-type text/plain";

pub(super) const SHOW_QUOTA_METRICS: &str = "\
Example:
  local-hub show-quota-metrics";

pub(super) const COMPLETIONS: &str = "\
Examples:
  local-hub completions bash > ~/.local/share/bash-completion/completions/local-hub
  local-hub completions zsh > ~/.zfunc/_local-hub
  local-hub completions fish > ~/.config/fish/completions/local-hub.fish";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};
    use command_line::read_from;

    use super::super::{ADVICE, Program};

    /// Words of a line as a shell splits it, without expansions and redirections.
    fn words(line: &str) -> Vec<String> {
        let line = line.split(" > ").next().unwrap_or_default();
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().into_iter().for_each(|word| word.push(c)),
            }
        }
        assert!(!quoted, "{line}");
        words
    }

    fn examples(command: &Command) -> Vec<String> {
        let text = command.get_after_help().map(ToString::to_string);
        let text = text.unwrap_or_default();
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("  local-hub "));
        lines.map(|line| format!("local-hub {line}")).collect()
    }

    #[test]
    fn every_command_shows_examples_of_itself_that_parse() {
        let program = Program::command();
        for command in program.get_subcommands().chain([&program]) {
            let examples = examples(command);
            assert!(
                !examples.is_empty(),
                "{} has no example",
                command.get_name()
            );
            for example in examples {
                let mut words = words(&example);
                if command.get_name() != "local-hub" {
                    assert_eq!(words[1], command.get_name(), "{example}");
                }
                if !["completions", "compute-device-key"]
                    .iter()
                    .any(|name| words.iter().any(|word| word == name))
                    && !words.iter().any(|word| word == "--state")
                {
                    words.extend(["--state".to_owned(), "s".to_owned()]);
                }
                let parsed = read_from::<Program>(words, &ADVICE);
                assert!(parsed.is_ok(), "{example}: {:?}", parsed.err());
            }
        }
    }
}
