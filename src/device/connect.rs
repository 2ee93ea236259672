//! The CONNECT packet of a device: its user name, its will, and its token.

use core::time::Duration;

use zeroize::Zeroize;

use super::{Device, Options};
use crate::application::Application;
use crate::backoff;
use crate::connection::{CLIENT_TYPE, Connection, Scratch};
use crate::failure::{self, ClockError, Failure};
use crate::identity::{Credential, Identity, UserName};
use crate::mqtt;
use crate::sas;
use crate::time::{Instant, Moment};
use crate::topic::Outbound;

impl<A: Application> Device<'_, A> {
    /// Queues CONNECT and gives the time to renew its token, if it has one that can be renewed.
    pub(super) fn queue_connect(
        &self,
        connection: &mut Connection<'_>,
        at: &Moment,
    ) -> Result<Option<Instant>, Failure> {
        let unix = at.sane_unix().ok_or(Failure::Clock(ClockError::NoAnswer))?;
        let life = self.options.token_life;
        let mut space = Scratch::new(&mut *connection.scratch);
        let client_id = space.render(self.identity.client_id())?;
        let user_name = space.render(user_name(self.identity, &self.options))?;
        let will = match self.options.will {
            Some(payload) => Some(mqtt::Will {
                topic: space.render(Outbound::Telemetry(self.identity))?,
                payload,
                qos: mqtt::QoS::AtLeastOnce,
                retain: false,
            }),
            None => None,
        };
        let (password, renew_at) = match self.identity.credential() {
            Credential::SharedAccessKey(key) => {
                let token = sas::sign(
                    key,
                    self.identity.resource(),
                    unix.after(life),
                    None,
                    space.rest(),
                )?;
                (
                    Some(token.as_bytes()),
                    Some(at.now.after(renewal(life, at.random))),
                )
            }
            Credential::SasToken(token) => (Some(token.expose().as_bytes()), None),
            Credential::X509 => (None, None),
        };
        let connect = mqtt::Connect {
            client_id,
            user_name,
            password,
            clean_session: false,
            will,
        };
        let queued = connection.session.connect(at.now, &connect);
        // The token was in there.
        connection.scratch.zeroize();
        queued?;
        Ok(renew_at)
    }
}

/// The kind of credential in use, for the advice in a failure.
pub(super) const fn credential_kind(identity: &Identity) -> failure::CredentialKind {
    match identity.credential() {
        Credential::SharedAccessKey(_) => failure::CredentialKind::SharedAccessKey,
        Credential::SasToken(_) => failure::CredentialKind::SasToken,
        Credential::X509 => failure::CredentialKind::X509,
    }
}

/// A random point between 70 and 85 % of a token's life, so that a fleet that was started together does
/// not renew together.
fn renewal(life: Duration, random: u64) -> Duration {
    let twentieth = life / 20;
    twentieth * 14 + backoff::scale(twentieth * 3, random)
}

/// With the software's name, and the model if there is one.
fn user_name<'a>(identity: &'a Identity, options: &Options<'a>) -> UserName<'a> {
    let user_name = identity.user_name().client_type(CLIENT_TYPE);
    match options.model_id {
        Some(model_id) => user_name.model_id(model_id),
        None => user_name,
    }
}
