//! `local-hub monitor-feedback`.

use std::time::{Duration, Instant};

use clap::Args;
use hyper::Method;

use super::Failure;
use super::client::Call;
use super::output::{print, say};
use super::patience::Patience;
use super::target::Target;
use crate::credentials::percent;

/// Time between two questions; the hub collects records for 15 s anyway.
const PERIOD: Duration = Duration::from_millis(500);

#[derive(Args)]
pub(super) struct MonitorFeedback {
    #[command(flatten)]
    target: Target,
    /// Print only what is about this device's messages. The others' feedback is taken off the hub all the same
    #[arg(short = 'd', long, value_name = "ID")]
    device_id: Option<String>,
    /// End with the feedback of the message of this id
    #[arg(short = 'w', long, visible_alias = "wait-on-msg", value_name = "ID")]
    wait_on_message: Option<String>,
    #[command(flatten)]
    patience: Patience,
}

impl MonitorFeedback {
    pub(super) fn run(self) -> Result<(), Failure> {
        let operator = self.target.operator()?;
        let mut last = Instant::now();
        say("waiting for feedback, which the hub gives out every 15 s");
        loop {
            let call = Call::new(Method::GET, "/messages/serviceBound/feedback");
            let (batch, token) = operator.call_for_token(call)?;
            let (Some(records), Some(token)) = (batch.as_array(), token) else {
                if self.patience.is_over(last) {
                    return Ok(());
                }
                std::thread::sleep(PERIOD);
                continue;
            };
            last = Instant::now();
            let mut found = false;
            for record in records {
                let device = record["deviceId"].as_str();
                if self.device_id.is_some() && self.device_id.as_deref() != device {
                    continue;
                }
                print(&record.to_string())?;
                found |= self.wait_on_message.is_some()
                    && record["originalMessageId"].as_str() == self.wait_on_message.as_deref();
            }
            // Only now: what could not be printed is there for the next one who asks.
            let path = format!(
                "/messages/serviceBound/feedback/{}",
                percent::encode(&token)
            );
            operator.call(Call::new(Method::DELETE, &path))?;
            if found {
                return Ok(());
            }
        }
    }
}
