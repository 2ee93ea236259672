//! The kinds of faults, and how each is provoked and ended.

use std::thread::sleep;
use std::time::Duration;

use crate::proxy::{Door, Flow, Orders};
use crate::random::Random;
use crate::site::{DEVICE, Site};

/// Kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Reset,
    Close,
    CutAfterBytesUp,
    CutAfterBytesDown,
    CutInHandshake,
    HalfOpen,
    LostUp,
    LostDown,
    ByteByByteUp,
    ByteByByteDown,
    Latency,
    SlowLink,
    CorruptUp,
    CorruptDown,
    RefusedTcp,
    SilentTcp,
    HubKilled,
    HubPaused,
    DevicePaused,
    DeviceKilled,
    BothKilled,
    ClockJump,
    DailyQuota,
    HubDropsConnection,
    HubFallsSilent,
    ServerUnavailable,
    NotAuthorized,
    SuppressedPuback,
    LatePuback,
    ExpiredToken,
    TakeOver,
    ThrottledTwin,
    FailedTwin,
    DuplicateC2d,
}

/// Sign by which a fault that had its effect is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The device has lost a connection, or could not make one.
    Failure,
    /// The proxy has treated bytes.
    Bytes,
    /// [`Kind::provoke`] waits until it has seen it.
    Seen,
}

impl Kind {
    pub(crate) const ALL: [Self; 34] = [
        Self::Reset,
        Self::Close,
        Self::CutAfterBytesUp,
        Self::CutAfterBytesDown,
        Self::CutInHandshake,
        Self::HalfOpen,
        Self::LostUp,
        Self::LostDown,
        Self::ByteByByteUp,
        Self::ByteByByteDown,
        Self::Latency,
        Self::SlowLink,
        Self::CorruptUp,
        Self::CorruptDown,
        Self::RefusedTcp,
        Self::SilentTcp,
        Self::HubKilled,
        Self::HubPaused,
        Self::DevicePaused,
        Self::DeviceKilled,
        Self::BothKilled,
        Self::ClockJump,
        Self::DailyQuota,
        Self::HubDropsConnection,
        Self::HubFallsSilent,
        Self::ServerUnavailable,
        Self::NotAuthorized,
        Self::SuppressedPuback,
        Self::LatePuback,
        Self::ExpiredToken,
        Self::TakeOver,
        Self::ThrottledTwin,
        Self::FailedTwin,
        Self::DuplicateC2d,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Reset => "connection reset",
            Self::Close => "connection closed",
            Self::CutAfterBytesUp => "cut within what the device sends",
            Self::CutAfterBytesDown => "cut within what the hub sends",
            Self::CutInHandshake => "cut within TLS handshakes",
            Self::HalfOpen => "half open: nothing passes",
            Self::LostUp => "what the device sends is lost",
            Self::LostDown => "what the hub sends is lost",
            Self::ByteByByteUp => "one byte at a time to the hub",
            Self::ByteByByteDown => "one byte at a time to the device",
            Self::Latency => "latency of 100 to 700 ms",
            Self::SlowLink => "200 to 2000 bytes a second",
            Self::CorruptUp => "a changed byte to the hub",
            Self::CorruptDown => "a changed byte to the device",
            Self::RefusedTcp => "TCP refused",
            Self::SilentTcp => "TCP accepted, no answer",
            Self::HubKilled => "hub killed and restarted",
            Self::HubPaused => "hub process stopped for 5 to 7 s",
            Self::DevicePaused => "device process stopped for 1 to 6 s",
            Self::DeviceKilled => "device killed and restarted",
            Self::BothKilled => "device and hub killed and restarted",
            Self::ClockJump => "hub's clock jumps by two days",
            Self::DailyQuota => "daily quota used up",
            Self::HubDropsConnection => "hub drops the connection",
            Self::HubFallsSilent => "hub falls silent",
            Self::ServerUnavailable => "CONNACK 3, twice",
            Self::NotAuthorized => "CONNACK 5, twice",
            Self::SuppressedPuback => "no PUBACK",
            Self::LatePuback => "PUBACK late by 700 ms",
            Self::ExpiredToken => "token expired",
            Self::TakeOver => "taken over by another connection",
            Self::ThrottledTwin => "twin throttled (429), twice",
            Self::FailedTwin => "twin fails (500), twice",
            Self::DuplicateC2d => "cloud-to-device message sent twice",
        }
    }

    pub(crate) const fn effect(self) -> Effect {
        match self {
            Self::ByteByByteUp | Self::ByteByByteDown | Self::Latency | Self::SlowLink => {
                Effect::Bytes
            }
            Self::DevicePaused
            | Self::DeviceKilled
            | Self::BothKilled
            | Self::LatePuback
            | Self::ThrottledTwin
            | Self::FailedTwin
            | Self::DuplicateC2d => Effect::Seen,
            _ => Effect::Failure,
        }
    }

    /// True if the device is killed, which loses what it has in RAM.
    pub(crate) const fn kills_device(self) -> bool {
        matches!(self, Self::DeviceKilled | Self::BothKilled)
    }

    /// Starts the fault and ends it: afterwards the device can recover.
    pub(crate) fn provoke(self, site: &mut Site, random: &mut Random) -> Result<(), String> {
        match self {
            Self::Reset => site.proxy().cut(false),
            Self::Close => site.proxy().cut(true),
            Self::HubKilled => {
                site.kill_hub();
                sleep(random.milliseconds(0, 2000));
                site.serve(&[])?;
            }
            Self::DeviceKilled => {
                sleep(random.milliseconds(0, 300));
                site.kill_device();
                sleep(random.milliseconds(0, 2000));
                site.start_device()?;
            }
            Self::BothKilled => {
                site.kill_hub();
                sleep(random.milliseconds(0, 1500));
                site.kill_device();
                // A life without a hub, which ends in a kill too.
                site.start_device()?;
                sleep(random.milliseconds(500, 2000));
                site.kill_device();
                site.start_device()?;
                site.serve(&[])?;
            }
            Self::ClockJump => {
                site.jump();
                site.kill_hub();
                site.serve(&[])?;
            }
            Self::DailyQuota => {
                site.kill_hub();
                site.serve(&["--daily-quota", "1"])?;
                sleep(random.milliseconds(2500, 4000));
                site.kill_hub();
                site.serve(&[])?;
            }
            Self::HubPaused => site.pause_hub(random.milliseconds(5000, 7000))?,
            Self::DevicePaused => site.pause_device(random.milliseconds(1000, 6000))?,
            _ => match self.orders(random) {
                Some(orders) => self.disturb(orders, site, random),
                None => self.inject(site, random)?,
            },
        }
        Ok(())
    }

    /// Orders to the proxy; `None` for a fault that has another source.
    fn orders(self, random: &mut Random) -> Option<Orders> {
        let few = random.number(1, 3000);
        let up = |up| Orders {
            up,
            ..Orders::default()
        };
        let down = |down| Orders {
            down,
            ..Orders::default()
        };
        let both = |flow| Orders {
            up: flow,
            down: flow,
            ..Orders::default()
        };
        let door = |door| Orders {
            door,
            ..Orders::default()
        };
        Some(match self {
            Self::CutAfterBytesUp => up(Flow::CutAfter(few)),
            Self::CutAfterBytesDown => down(Flow::CutAfter(random.number(1, 100))),
            Self::CutInHandshake => match random.number(0, 1) {
                0 => up(Flow::CutAfter(random.number(1, 200))),
                _ => down(Flow::CutAfter(random.number(1, 4500))),
            },
            Self::HalfOpen => both(Flow::Swallow),
            Self::LostUp => up(Flow::Swallow),
            Self::LostDown => down(Flow::Swallow),
            Self::ByteByByteUp => up(Flow::ByteByByte),
            Self::ByteByByteDown => down(Flow::ByteByByte),
            Self::Latency => both(Flow::Delay(random.milliseconds(100, 700))),
            Self::SlowLink => both(Flow::Rate(random.number(200, 2000))),
            Self::CorruptUp => up(Flow::CorruptAfter(few % 1000)),
            Self::CorruptDown => down(Flow::CorruptAfter(few % 100)),
            Self::RefusedTcp => door(Door::Reset),
            Self::SilentTcp => door(Door::Silent),
            _ => return None,
        })
    }

    fn disturb(self, orders: Orders, site: &Site, random: &mut Random) {
        site.proxy().order(orders);
        // These are about what the next connections meet.
        if matches!(
            self,
            Self::CutInHandshake | Self::RefusedTcp | Self::SilentTcp
        ) {
            site.proxy().cut(false);
        }
        sleep(match self {
            // Noticed by a keep-alive of 2 s, and a PINGRESP or PUBACK that does not come for 2 s and 4 s.
            Self::HalfOpen | Self::LostUp | Self::LostDown => random.milliseconds(4500, 7000),
            Self::SlowLink | Self::Latency => random.milliseconds(2000, 4000),
            _ => random.milliseconds(1500, 2500),
        });
        site.proxy().order(Orders::default());
    }

    /// The faults that the hub has on demand.
    fn inject(self, site: &mut Site, random: &mut Random) -> Result<(), String> {
        match self {
            Self::HubDropsConnection => site.fault(&["drop-connection"]),
            Self::HubFallsSilent => {
                site.fault(&["half-open"])?;
                sleep(random.milliseconds(4500, 6000));
                Ok(())
            }
            Self::ServerUnavailable | Self::NotAuthorized => {
                let code = if self == Self::NotAuthorized {
                    "5"
                } else {
                    "3"
                };
                site.fault(&["refuse-connect", "--code", code, "--times", "2"])?;
                site.fault(&["drop-connection"])
            }
            Self::SuppressedPuback => {
                site.fault(&["suppress-puback"])?;
                sleep(random.milliseconds(4500, 6000));
                site.fault(&["clear"])
            }
            Self::LatePuback => {
                site.fault(&["delay-puback", "--milliseconds", "700"])?;
                site.wait_for_events(3)?;
                site.fault(&["clear"])
            }
            Self::ExpiredToken => {
                // The next token expires later than this one: times in tokens are whole seconds.
                sleep(Duration::from_millis(1100));
                site.fault(&["expire-token"])?;
                // After a jump of the clock no new token does.
                sleep(random.milliseconds(1000, 2000));
                site.fault(&["clear"])
            }
            Self::TakeOver => site.fault(&["take-over"]),
            Self::ThrottledTwin | Self::FailedTwin => {
                let status = if self == Self::ThrottledTwin {
                    "429"
                } else {
                    "500"
                };
                site.fault(&["fail-twin", "--status", status, "--times", "2"])?;
                site.change_twin()
            }
            Self::DuplicateC2d => {
                site.fault(&["duplicate-c2d"])?;
                site.probe_twice()
            }
            _ => Err(format!("{DEVICE}: no way to provoke {}", self.name())),
        }
    }
}
