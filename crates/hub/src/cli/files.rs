//! `local-hub files …` and `local-hub upload-file`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::Failure;
use super::client::{Call, Operator};
use super::output::{print, say};
use super::patience::Patience;
use super::shape::Shape;
use super::target::Target;
use crate::credentials::percent;

/// Time between two questions for a notification.
const PERIOD: Duration = Duration::from_millis(500);
/// Time that the hub may take to store a file.
const STORING: Duration = Duration::from_secs(120);

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the files that devices uploaded, and the uploads that are under way; JSON
    List(List),
    /// Print what is known of one file, or copy it
    Show(Show),
    /// Remove a file
    Delete(One),
    /// Print a notification for each file that is uploaded, and take it off the hub
    Monitor(Monitor),
}

#[derive(Args)]
pub(super) struct List {
    /// Files of this device only
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
pub(super) struct One {
    /// The file's name, with the device's id: pump/log.txt
    #[arg(value_name = "DEVICE/NAME")]
    name: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    one: One,
    /// Copy the file there
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    shape: Shape,
}

#[derive(Args)]
pub(super) struct Monitor {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    patience: Patience,
}

#[derive(Args)]
pub(super) struct UploadFile {
    /// The device's id
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: String,
    /// The file
    #[arg(long, visible_alias = "fp", value_name = "FILE")]
    file_path: PathBuf,
    /// Its media type, such as text/plain
    #[arg(long, visible_alias = "ct", value_name = "TYPE")]
    content_type: String,
    #[command(flatten)]
    target: Target,
}

/// The files of a device, or of all.
fn files(operator: &Operator, device: Option<&str>) -> Result<Value, Failure> {
    let path = match device {
        Some(device) => format!("/files?device={}", percent::encode(device)),
        None => "/files".to_owned(),
    };
    operator.call(Call::new(Method::GET, &path))
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(list) => {
                let files = files(&list.target.operator()?, list.device_id.as_deref())?;
                list.shape.print(&files)
            }
            Self::Show(show) => show.run(),
            Self::Delete(one) => {
                let path = format!("/files?blob={}", percent::encode(&one.name));
                let call = Call::new(Method::DELETE, &path);
                one.target.operator()?.call(call).map(drop)
            }
            Self::Monitor(monitor) => monitor.run(),
        }
    }
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let name = &self.one.name;
        let device = name.split('/').next();
        let files = files(&self.one.target.operator()?, device)?;
        let mut all = files.as_array().into_iter().flatten();
        let Some(file) = all.find(|file| file["blobName"] == name.as_str()) else {
            return Err(Failure(format!(
                "there is no file {name:?}; name it as `files list` does, with the device's id"
            )));
        };
        let Some(out) = self.out else {
            return self.shape.print(file);
        };
        let Some(contents) = file["file"].as_str() else {
            return Err(Failure(format!("{name:?} has not been uploaded yet")));
        };
        // It lies in the state directory, which is on this machine.
        let copied = std::fs::copy(contents, &out);
        copied.map_err(|error| {
            Failure(format!(
                "cannot copy {contents} to {}: {error}",
                out.display()
            ))
        })?;
        Ok(())
    }
}

impl Monitor {
    fn run(self) -> Result<(), Failure> {
        let operator = self.target.operator()?;
        let mut last = Instant::now();
        say("waiting for notifications of files");
        loop {
            let path = "/messages/serviceBound/filenotifications";
            let (notification, token) = operator.call_for_token(Call::new(Method::GET, path))?;
            let Some(token) = token.filter(|_| notification.is_object()) else {
                if self.patience.is_over(last) {
                    return Ok(());
                }
                std::thread::sleep(PERIOD);
                continue;
            };
            last = Instant::now();
            print(&notification.to_string())?;
            // Only now: what could not be printed is there for the next one who asks.
            let path = format!("{path}/{}", percent::encode(&token));
            operator.call(Call::new(Method::DELETE, &path))?;
        }
    }
}

impl UploadFile {
    /// Does what a device does: asks for a place, puts the file there, and says how it went.
    pub(super) fn run(self) -> Result<(), Failure> {
        let shown = self.file_path.display().to_string();
        let name = self.file_path.file_name().unwrap_or_default();
        let contents = std::fs::read(&self.file_path)
            .map_err(|error| Failure(format!("cannot read {shown}: {error}")))?;
        let operator = self.target.operator()?;
        let device = format!("/devices/{}/files", percent::encode(&self.device_id));
        let body = json!({ "blobName": name.to_string_lossy() });
        let place = operator.call(Call::new(Method::POST, &device).with(body))?;
        let part = |name: &str| place[name].as_str().unwrap_or_default();
        let address = format!(
            "/{}/{}{}",
            part("containerName"),
            percent::encode(part("blobName")),
            part("sasToken")
        );
        let call = Call::new(Method::PUT, &address).with_file(contents, &self.content_type);
        let put = operator.call(call.lasting(STORING));
        let (status, description) = match &put {
            Ok(_) => (201, "Created".to_owned()),
            Err(failure) => (500, failure.to_string()),
        };
        let body = json!({
            "correlationId": place["correlationId"],
            "isSuccess": put.is_ok(),
            "statusCode": status,
            "statusDescription": description,
        });
        let path = format!("{device}/notifications");
        let told = operator.call(Call::new(Method::POST, &path).with(body));
        put.and(told).map(drop)
    }
}
