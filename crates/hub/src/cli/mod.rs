//! The `local-hub` program: `serve` runs a hub, every other command asks the one that serves a directory.

mod client;
mod completions;
mod device;
mod dps;
mod enrollment;
mod events;
mod examples;
mod fault;
mod feedback;
mod files;
mod identity;
mod keys;
mod logger;
mod messages;
mod module;
mod output;
mod page;
mod patience;
mod proof;
mod query;
mod sas_token;
mod serve;
mod shape;
mod simulate;
mod simulated;
mod target;
mod twin;
mod update;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use command_line::Advice;

/// A local IoT Hub: devices connect to it as they do to Azure IoT Hub, on this machine and without an
/// account.
#[derive(Parser)]
#[command(name = "local-hub", version, max_term_width = 100, after_help = examples::PROGRAM)]
struct Program {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a hub until it is interrupted
    #[command(after_help = examples::SERVE)]
    Serve(Box<serve::Serve>),
    /// Print the address of the page that shows the hub in a browser; whoever has it may do everything
    #[command(after_help = examples::PAGE)]
    Page(page::Page),
    /// Register, list and change devices
    #[command(subcommand, after_help = examples::DEVICE)]
    Device(device::Command),
    /// Register, list and change devices, in the words of `az`; prints JSON
    #[command(subcommand, after_help = examples::DEVICE_IDENTITY)]
    DeviceIdentity(identity::Command),
    /// Register, list and delete modules of devices
    #[command(subcommand, after_help = examples::MODULE_IDENTITY)]
    ModuleIdentity(module::Command),
    /// Print device-to-cloud messages as they arrive
    #[command(after_help = examples::MONITOR_EVENTS)]
    MonitorEvents(events::MonitorEvents),
    /// Print what became of messages to devices, one JSON object a line
    #[command(after_help = examples::MONITOR_FEEDBACK)]
    MonitorFeedback(feedback::MonitorFeedback),
    /// Send a message to a device, or to one of its modules
    #[command(after_help = examples::SEND_C2D)]
    SendC2d(messages::SendC2d),
    /// Send messages to devices, or discard them, in the words of `az`
    #[command(subcommand, after_help = examples::C2D_MESSAGE)]
    C2dMessage(messages::C2dMessage),
    /// Read and change device twins
    #[command(subcommand, after_help = examples::DEVICE_TWIN)]
    DeviceTwin(twin::Command),
    /// Read and change twins of modules
    #[command(subcommand, after_help = examples::MODULE_TWIN)]
    ModuleTwin(twin::Command),
    /// Call a direct method of a device, and print its answer
    #[command(after_help = examples::INVOKE_DEVICE_METHOD)]
    InvokeDeviceMethod(twin::Invoke),
    /// Call a direct method of a module, and print its answer
    #[command(after_help = examples::INVOKE_MODULE_METHOD)]
    InvokeModuleMethod(twin::Invoke),
    /// Print the twins that a query selects
    #[command(after_help = examples::QUERY)]
    Query(query::Query),
    /// Print a SAS token of a device, of a module, or of the hub
    #[command(after_help = examples::GENERATE_SAS_TOKEN)]
    GenerateSasToken(sas_token::GenerateSasToken),
    /// Be a device: send messages, print what comes, and answer methods
    #[command(after_help = examples::SIMULATE)]
    Simulate(simulate::Simulate),
    /// Be a device, and send one message
    #[command(after_help = examples::SEND_D2C_MESSAGE)]
    SendD2cMessage(simulate::SendD2cMessage),
    /// Show the files that devices uploaded
    #[command(subcommand, after_help = examples::FILES)]
    Files(files::Command),
    /// Upload a file as a device
    #[command(after_help = examples::UPLOAD_FILE)]
    UploadFile(files::UploadFile),
    /// Enrol devices with the Device Provisioning Service
    #[command(subcommand, after_help = examples::DPS)]
    Dps(dps::Command),
    /// Have something go wrong with a device, a module or a registration
    #[command(subcommand, after_help = examples::FAULT)]
    Fault(fault::Command),
    /// Import software updates, and have devices take them
    #[command(subcommand, after_help = examples::UPDATE)]
    Update(update::Command),
    /// Print how many messages of the daily quota are used
    #[command(after_help = examples::SHOW_QUOTA_METRICS)]
    ShowQuotaMetrics(target::Target),
    /// Print a script that completes this program's commands and options in a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions(completions::Completions),
}

/// Places where secrets belong, and arguments that take any text.
const ADVICE: Advice = Advice {
    connection_string: "the hub makes the connection strings itself, and its commands take a device's id",
    key: "the hub makes the keys itself; compute-device-key takes a group's with --key-file, or in the \
          environment variable LOCAL_HUB_GROUP_KEY",
    pem: "give the path of the file, with --certificate or --ca",
    takes_any_text: &[
        "data",
        "properties",
        "desired",
        "tags",
        "method_payload",
        "method_response_payload",
        "query_command",
        "key",
    ],
};

/// Hub that a command is for.
#[derive(Args)]
struct State {
    /// The hub's state directory
    #[arg(
        long = "state",
        value_name = "DIR",
        env = "LOCAL_HUB_STATE",
        hide_env_values = true
    )]
    directory: PathBuf,
}

/// Reason why a command failed: a sentence for the one who typed it, or nothing if nobody reads any more.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    /// Nobody reads what the command prints: no reason to complain.
    fn unread() -> Self {
        Self(String::new())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command that the command line names.
pub fn run() -> ExitCode {
    let result = match command_line::read::<Program>(&ADVICE).command {
        Command::Serve(serve) => serve.run(),
        Command::Page(command) => command.run(),
        Command::Device(command) => command.run(),
        Command::ModuleIdentity(command) => command.run(),
        Command::DeviceIdentity(command) => command.run(),
        Command::MonitorEvents(command) => command.run(),
        Command::MonitorFeedback(command) => command.run(),
        Command::C2dMessage(command) => command.run(),
        Command::ModuleTwin(command) => command.run_of_module(),
        Command::InvokeModuleMethod(command) => command.run_of_module(),
        Command::GenerateSasToken(command) => command.run(),
        Command::Query(command) => command.run(),
        Command::Completions(command) => command.run(),
        Command::Simulate(command) => command.run(),
        Command::SendD2cMessage(command) => command.run(),
        Command::SendC2d(command) => command.run(),
        Command::DeviceTwin(command) => command.run(),
        Command::InvokeDeviceMethod(command) => command.run(),
        Command::Files(command) => command.run(),
        Command::UploadFile(command) => command.run(),
        Command::Dps(command) => command.run(),
        Command::Fault(command) => command.run(),
        Command::Update(command) => command.run(),
        Command::ShowQuotaMetrics(target) => messages::show_quota_metrics(&target),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) if why.is_empty() => ExitCode::SUCCESS,
        Err(failure) => {
            output::say(&format!("error: {failure}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn no_argument_is_repeated_in_an_error_and_no_secret_is_taken_where_none_belongs() {
        let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let connection_string = format!("HostName=hub;DeviceId=pump;SharedAccessKey={key}");
        let pem = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49";
        let secrets = [key, &connection_string, pem];
        command_line::check::no_argument_is_repeated::<Program>(&ADVICE, &secrets);
    }
}
