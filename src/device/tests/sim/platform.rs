//! The world as a platform: clock, randomness, connections, storage and sensor.

use std::cell::RefCell;
use std::rc::Rc;

use super::link::{Link, Pipe};
use super::{BEGIN, World};
use crate::failure::{ClockError, Code, ConnectError, TcpFailure};
use crate::port::{
    Clock, Connector, Endpoint, Entropy, EntropyError, Indicator, Platform, Queue, Reading,
    Requests, Sensor, SensorError, Storage, StorageError, Wake,
};
use crate::report::{Condition, NetworkAddress, Status};
use crate::time::{Instant, UnixTime};

impl Clock for World {
    fn now(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn unix(&self) -> Option<UnixTime> {
        let error = self.clock_error?;
        Some(UnixTime::from_millis(
            (BEGIN * 1000 + self.now).saturating_add_signed(error),
        ))
    }

    fn synchronize(&mut self) -> Result<UnixTime, ClockError> {
        self.synchronizations += 1;
        let error = self.sntp.pop_front().unwrap_or(Ok(0))?;
        self.clock_error = Some(error);
        Ok(UnixTime::from_millis(
            (BEGIN * 1000 + self.now).saturating_add_signed(error),
        ))
    }
}

impl Entropy for World {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        for byte in buffer {
            // splitmix64, for repeatable runs.
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = self.random;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (word ^ (word >> 31)) as u8;
        }
        Ok(())
    }
}

impl Connector for World {
    type Stream = Pipe;
    type Opening = Option<u64>;

    fn connect(
        &mut self,
        endpoint: Endpoint<'_>,
        opening: &mut Option<u64>,
        until: Instant,
    ) -> Result<Option<Pipe>, ConnectError> {
        let begun = *opening.get_or_insert(self.now);
        let complete = begun + self.connect_takes.as_millis() as u64;
        if self.connects_in_steps {
            let mut until = until.as_millis().min(complete);
            if let Some((at, _)) = self.requests.front() {
                until = until.min(*at);
            }
            self.now = self.now.max(until);
            if self.now < complete {
                return Ok(None);
            }
        }
        self.now = self.now.max(complete);
        self.open(endpoint).map(Some)
    }
}

impl World {
    fn open(&mut self, endpoint: Endpoint<'_>) -> Result<Pipe, ConnectError> {
        let mut hub = self.hub.borrow_mut();
        match self.other_host_name {
            Some((host_name, client_id)) if endpoint.host_name == host_name => {
                (hub.client_id, hub.keeps_sessions) = (client_id, false);
                self.next_hub = self.next_hub.or(self.assigned.take());
            }
            Some(_) if self.next_hub.is_some() => {
                let (host_name, client_id) = self.next_hub.unwrap_or_default();
                assert_eq!(endpoint.host_name, host_name);
                (hub.client_id, hub.keeps_sessions) = (client_id, true);
                (hub.acknowledges, hub.drops_after) = (true, None);
            }
            Some(_) => (hub.client_id, hub.keeps_sessions) = ("MyDevice01", true),
            None => assert_eq!(endpoint.host_name, self.host_name),
        }
        hub.log.attempts.push(self.now);
        hub.log.hosts.push(endpoint.host_name.into());
        let failing = hub.unreachable.iter().find(|host| {
            ["", endpoint.host_name].contains(&host.host_name)
                && (host.from..host.until).contains(&self.now)
        });
        if let Some(host) = failing {
            return Err(host.error);
        }
        if let Some(error) = hub.connect_errors.pop_front() {
            return Err(error);
        }
        let now = self.now;
        if hub
            .outages
            .iter()
            .any(|(from, to)| (*from..*to).contains(&now))
        {
            return Err(ConnectError::Tcp(TcpFailure::Refused, Code(111)));
        }
        let dropped = hub.drops_after.map(|after| now + after.as_millis() as u64);
        let outage = hub
            .outages
            .iter()
            .map(|(from, _)| *from)
            .filter(|from| *from > now)
            .min();
        let cut_at = [dropped, outage].into_iter().flatten().min();
        let link = Rc::new(RefCell::new(Link {
            cut_at,
            now,
            ..Link::default()
        }));
        self.link = Some(Rc::clone(&link));
        Ok(Pipe {
            link,
            hub: Rc::clone(&self.hub),
        })
    }
}

impl Storage for World {
    fn load(&mut self, key: &str, buffer: &mut [u8]) -> Result<Option<usize>, StorageError> {
        self.check_storage()?;
        let Some(value) = self.stored.get(key) else {
            return Ok(None);
        };
        let space = buffer
            .get_mut(..value.len())
            .ok_or(StorageError::TooLong(value.len()))?;
        space.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StorageError> {
        self.check_storage()?;
        self.stored.insert(key.into(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StorageError> {
        self.check_storage()?;
        self.removed.push(key.into());
        self.stored.remove(key);
        Ok(())
    }
}

impl Indicator for World {
    fn show(&mut self, status: Status) {
        self.shown.push(status);
    }
}

impl Sensor for World {
    fn sample(&mut self, take: &mut dyn FnMut(Reading)) -> Result<(), SensorError> {
        let now = self.now;
        if self
            .sensor_fails
            .iter()
            .any(|(from, to)| (*from..*to).contains(&now))
        {
            return Err(SensorError(5));
        }
        take(Reading {
            name: "temperature",
            thousandths: 21_500,
        });
        Ok(())
    }
}

impl Platform for World {
    fn wait(&mut self, stream: Option<&mut Pipe>, until: Instant) -> Wake {
        if let Some(pipe) = stream {
            let link = pipe.link.borrow();
            if !link.to_device.is_empty() || link.ended {
                return Wake::Readable;
            }
        }
        self.pass(until.as_millis())
    }

    fn queue(&mut self) -> Option<&mut dyn Queue> {
        self.queue
            .as_deref_mut()
            .map(|queue| queue as &mut dyn Queue)
    }

    #[cfg(feature = "update")]
    fn updater(&mut self) -> Option<&mut dyn crate::port::update::Updater> {
        let board = self.board.as_mut()?;
        board.now = self.now;
        Some(board)
    }

    fn condition(&mut self) -> Condition {
        Condition {
            network_address: NetworkAddress::new("192.0.2.7"),
            heap_peak: Some(12_345),
        }
    }

    fn requests(&mut self) -> Requests {
        match self.requests.front() {
            Some((at, requests)) if *at <= self.now => {
                let requests = *requests;
                self.requests.pop_front();
                requests
            }
            _ => Requests::default(),
        }
    }
}
