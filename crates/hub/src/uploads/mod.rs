//! File upload: what IoT Hub and its storage account do together for a device's files ("Upload files with IoT Hub").
//!
//! # Theory of operation
//! A device asks the hub for a place ([`Uploads::begin`]), puts its file there by the interface of Azure's Blob Storage
//! ([`serve`]), and says how it went ([`Uploads::end`]). The place is a blob whose name begins with the device's id. Its
//! address carries a shared access signature for this blob alone, which counts for an hour. An upload that nobody ends by
//! then has expired. An upload that succeeded gives a notification for operators.
//!
//! Storage is served on the port of the operator's interface, below [`CONTAINER`]. Files lie in the folder `uploads` of
//! the state directory, under names that the hub makes up. The journal says which of them are blobs; others are removed at
//! the next start, uncommitted blocks excepted.
//!
//! # Where Azure's behaviour is not documented
//! - A success for a blob that does not exist is refused with 400004, and so is the end of an upload that is not active.
//! - The feed of notifications is Azure's over AMQP only. Here it is at the same path over HTTPS, in the manner of the
//!   feedback of messages.

mod arriving;
mod blobs;
mod blocks;
mod http;
mod md5;
mod notifications;
mod refusal;
mod sas;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) use self::blobs::Blob;
use self::blobs::Blobs;
pub(crate) use self::http::{is_for, serve};
pub(crate) use self::notifications::Notification;
use self::notifications::Notifications;
use crate::clock::{Clock, iso_8601};
use crate::config::Limits;
use crate::credentials::random;
use crate::error::{Error, StartError};
use crate::store::{Batch, Store, StoreError};

/// Name of the one container, and the first segment of the path of each blob.
const CONTAINER: &str = "device-files";
/// Name of the storage account, which its signatures cover.
const ACCOUNT: &str = "localhub";
/// Folder of the state directory that has the files.
pub(crate) const FOLDER: &str = "uploads";
/// Uploads of one device that may be active ("IoT Hub quotas and throttling").
const MAX_ACTIVE: usize = 10;
/// Uploads that have ended and are still told of.
const MAX_ENDED: usize = 1000;
/// Most characters of a blob's name, the device's id included ("Naming and referencing containers, blobs").
const MAX_NAME: usize = 1024;
/// Most bytes of what a device says about the end of its upload.
const MAX_DESCRIPTION: usize = 1024;
/// Key of the journal under which the account's key is.
const ACCOUNT_KEY: &str = "storage/key";

/// Upload that a device began.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Upload {
    device: String,
    /// Name of the blob, which begins with the device's id.
    blob: String,
    /// In milliseconds since 1970, as all times here.
    started: u64,
    expires: u64,
    end: Option<End>,
}

/// End of an upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct End {
    time: u64,
    how: How,
    status_code: Option<i64>,
    status_description: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum How {
    Succeeded,
    Failed,
    Expired,
    DeviceDeleted,
}

/// Word of a device at the end of its upload.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Completion {
    #[serde(default)]
    pub(crate) correlation_id: Option<String>,
    is_success: bool,
    #[serde(default)]
    status_code: Option<i64>,
    #[serde(default)]
    status_description: Option<String>,
}

/// Uploads and blobs of a hub.
pub(crate) struct Uploads {
    store: Arc<Store>,
    clock: Arc<Clock>,
    blobs: Blobs,
    /// Key of the storage account, in base64.
    key: String,
    /// Milliseconds for which a signature counts.
    life: u64,
    /// Name and port of the storage account, once it is served.
    host: OnceLock<String>,
    inner: Mutex<Inner>,
    notifications: Notifications,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// By correlation id.
    uploads: HashMap<String, Upload>,
    /// Time at which the next active upload expires; later than it may be, never earlier.
    next_expiry: Option<u64>,
}

impl Inner {
    fn find_next_expiry(&mut self) {
        let active = self.uploads.values().filter(|upload| upload.end.is_none());
        self.next_expiry = active.map(|upload| upload.expires).min();
    }
}

impl Uploads {
    /// Reads what is kept, and removes files that no blob has.
    pub(crate) fn open(
        directory: &Path,
        store: Arc<Store>,
        clock: Arc<Clock>,
        limits: &Limits,
    ) -> Result<Self, StartError> {
        let unusable = |error: StoreError| StartError::State {
            path: directory.to_owned(),
            source: std::io::Error::other(error.to_string()),
        };
        let key = match store.get(ACCOUNT_KEY) {
            Some(key) => key,
            None => {
                let key = random::symmetric_key();
                store.put(ACCOUNT_KEY, &key).map_err(unusable)?;
                key
            }
        };
        let mut inner = Inner::default();
        for (key, upload) in store.scan::<Upload>("upload/") {
            let id = key.trim_start_matches("upload/").to_owned();
            inner.uploads.insert(id, upload);
        }
        inner.find_next_expiry();
        Ok(Self {
            blobs: Blobs::open(
                &directory.join(FOLDER),
                Arc::clone(&store),
                Arc::clone(&clock),
                limits,
            ),
            notifications: Notifications::open(Arc::clone(&store)),
            key,
            life: u64::try_from(limits.upload_life.as_millis()).unwrap_or(u64::MAX),
            host: OnceLock::new(),
            inner: Mutex::new(inner),
            store,
            clock,
        })
    }

    /// Notes the name, and the port unless it is that of HTTPS, under which devices find the storage account.
    pub(crate) fn served_at(&self, host: String) {
        let _ = self.host.set(host);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a device a place for a file, as IoT Hub words it.
    pub(crate) fn begin(&self, device: &str, name: &str) -> Result<Value, Error> {
        let blob = format!("{device}/{name}");
        check_name(name, &blob)?;
        let host = self
            .host
            .get()
            .ok_or_else(|| Error::Server("the hub does not serve its storage yet".into()))?;
        let now = self.clock.unix_millis();
        let mut inner = self.lock();
        self.expire(&mut inner, now)?;
        let is_active = |upload: &&Upload| upload.device == device && upload.end.is_none();
        if inner.uploads.values().filter(is_active).count() >= MAX_ACTIVE {
            return Err(Error::ActiveUploadsExceeded(device.to_owned()));
        }
        let upload = Upload {
            device: device.to_owned(),
            blob: blob.clone(),
            started: now,
            expires: now.saturating_add(self.life),
            end: None,
        };
        let id = random::uuid();
        self.store.put(&format!("upload/{id}"), &upload)?;
        let token = sas::sign(&self.key, &blob, "rw", upload.expires / 1000)
            .ok_or_else(|| Error::Server("the storage account's key is damaged".into()))?;
        inner.uploads.insert(id.clone(), upload);
        inner.find_next_expiry();
        log::info!("device {device:?} begins to upload {blob:?}");
        Ok(json!({
            "correlationId": id,
            "hostName": host,
            "containerName": CONTAINER,
            "blobName": blob,
            "sasToken": token,
        }))
    }

    /// Ends an upload as its device says; gives what is to be told of it.
    pub(crate) fn end(
        &self,
        device: &str,
        id: &str,
        completion: Completion,
    ) -> Result<String, Error> {
        let now = self.clock.unix_millis();
        let mut inner = self.lock();
        self.expire(&mut inner, now)?;
        let found = inner.uploads.get(id);
        let found = found.filter(|upload| upload.device == device && upload.end.is_none());
        let Some(mut upload) = found.cloned() else {
            return Err(Error::ArgumentInvalid(format!(
                "device {device:?} has no active upload with this correlationId; it may have ended or expired"
            )));
        };
        let blob = self.blobs.get(&upload.blob);
        let notification = match (completion.is_success, &blob) {
            (true, None) => {
                return Err(Error::ArgumentInvalid(format!(
                    "there is no blob {:?}: put it into the storage account before the upload ends with success",
                    upload.blob
                )));
            }
            (true, Some(blob)) => Some(self.notification(&upload, blob, now)),
            (false, _) => None,
        };
        let description = completion.status_description.unwrap_or_default();
        let description = crate::shown::beginning(&description, MAX_DESCRIPTION).to_owned();
        let how = match completion.is_success {
            true => How::Succeeded,
            false => How::Failed,
        };
        upload.end = Some(End {
            time: now,
            how,
            status_code: completion.status_code,
            status_description: (!description.is_empty()).then(|| description.clone()),
        });
        let mut batch = Batch::default();
        batch.put(format!("upload/{id}"), &upload)?;
        let told = match (&blob, how) {
            (Some(blob), How::Succeeded) => {
                format!("uploaded {:?}, {} bytes", upload.blob, blob.size)
            }
            _ => format!(
                "failed to upload {:?}: status {}, {description:?}",
                upload.blob,
                completion.status_code.unwrap_or_default()
            ),
        };
        self.notifications.add(notification, batch)?;
        inner.uploads.insert(id.to_owned(), upload);
        self.forget_old(&mut inner)?;
        inner.find_next_expiry();
        log::info!("device {device:?} {told}");
        Ok(told)
    }

    /// Record for operators of an upload that succeeded.
    fn notification(&self, upload: &Upload, blob: &Blob, now: u64) -> (u64, Notification) {
        let host = self.host.get().map_or("", String::as_str);
        let notification = Notification {
            device_id: upload.device.clone(),
            blob_uri: format!(
                "https://{host}/{CONTAINER}/{}",
                sas::encode_path(&upload.blob)
            ),
            blob_name: upload.blob.clone(),
            last_updated_time: iso_8601(blob.modified),
            blob_size_in_bytes: blob.size,
            enqueued_time_utc: iso_8601(now),
        };
        (now, notification)
    }

    /// Ends what has expired.
    pub(crate) fn tick(&self) {
        let now = self.clock.unix_millis();
        let mut inner = self.lock();
        let result = self.expire(&mut inner, now);
        drop(inner);
        if let Err(error) = result.and_then(|()| self.notifications.expire(now)) {
            log::error!("{error}");
        }
    }

    fn expire(&self, inner: &mut Inner, now: u64) -> Result<(), StoreError> {
        if inner.next_expiry.is_none_or(|expiry| expiry > now) {
            return Ok(());
        }
        let is_over = |upload: &Upload| upload.expires <= now;
        let ended = self.end_all(inner, How::Expired, now, is_over);
        inner.find_next_expiry();
        ended
    }

    /// Ends the active uploads of which `wanted` says true.
    fn end_all(
        &self,
        inner: &mut Inner,
        how: How,
        now: u64,
        wanted: impl Fn(&Upload) -> bool,
    ) -> Result<(), StoreError> {
        for (id, upload) in &mut inner.uploads {
            if upload.end.is_some() || !wanted(upload) {
                continue;
            }
            let mut ended = upload.clone();
            ended.end = Some(End {
                time: now,
                how,
                status_code: None,
                status_description: None,
            });
            self.store.put(&format!("upload/{id}"), &ended)?;
            *upload = ended;
            if how == How::Expired {
                log::warn!(
                    "the upload of {:?} has expired: its device did not say how it ended",
                    upload.blob
                );
            }
        }
        self.forget_old(inner)
    }

    /// Forgets the oldest uploads that have ended, beyond the number that is kept.
    fn forget_old(&self, inner: &mut Inner) -> Result<(), StoreError> {
        let ended =
            |(id, upload): (&String, &Upload)| Some((upload.end.as_ref()?.time, id.clone()));
        let mut ended: Vec<_> = inner.uploads.iter().filter_map(ended).collect();
        let Some(surplus) = ended.len().checked_sub(MAX_ENDED).filter(|more| *more > 0) else {
            return Ok(());
        };
        ended.sort();
        let mut batch = Batch::default();
        for (_, id) in ended.iter().take(surplus) {
            batch.remove(format!("upload/{id}"));
        }
        self.store.write(batch)?;
        for (_, id) in ended.iter().take(surplus) {
            inner.uploads.remove(id);
        }
        Ok(())
    }

    /// Ends the uploads of a device that was deleted. Its blobs stay, as in Azure.
    pub(crate) fn forget(&self, device: &str) -> Result<(), StoreError> {
        let now = self.clock.unix_millis();
        let mut inner = self.lock();
        self.end_all(&mut inner, How::DeviceDeleted, now, |upload| {
            upload.device == device
        })?;
        inner.find_next_expiry();
        Ok(())
    }

    /// Blobs, and the uploads that have none, of one device or of all; by name.
    pub(crate) fn list(&self, device: Option<&str>) -> Vec<Value> {
        let of_device = |blob: &str| device.is_none_or(|id| blob.split('/').next() == Some(id));
        let mut files = std::collections::BTreeMap::new();
        for (name, blob) in self.blobs.all() {
            if of_device(&name) {
                let mut shown = blob.shown(&self.blobs);
                shown["blobName"] = name.clone().into();
                files.insert(name, (shown, Vec::new()));
            }
        }
        let inner = self.lock();
        for (id, upload) in &inner.uploads {
            if !of_device(&upload.blob) {
                continue;
            }
            let (_, uploads) = files
                .entry(upload.blob.clone())
                .or_insert_with(|| (json!({"blobName": upload.blob}), Vec::new()));
            uploads.push((upload.started, upload.shown(id)));
        }
        let whole = |(name, (mut file, mut uploads)): (String, (Value, Vec<(u64, Value)>))| {
            uploads.sort_by_key(|(started, _)| *started);
            file["deviceId"] = name.split('/').next().unwrap_or_default().into();
            file["uploads"] = uploads.into_iter().map(|(_, upload)| upload).collect();
            file
        };
        files.into_iter().map(whole).collect()
    }

    /// Removes a blob.
    pub(crate) fn delete(&self, blob: &str) -> Result<(), Error> {
        if self.blobs.delete(blob)? {
            log::info!("an operator deleted the file {blob:?}");
            return Ok(());
        }
        Err(no_file(blob))
    }

    /// Path of the contents of a blob.
    pub(crate) fn file(&self, blob: &str) -> Result<PathBuf, Error> {
        let found = self.blobs.get(blob);
        found
            .map(|blob| self.blobs.path_of(&blob))
            .ok_or_else(|| no_file(blob))
    }

    /// The notifications for operators.
    pub(crate) const fn notifications(&self) -> &Notifications {
        &self.notifications
    }
}

impl Upload {
    fn shown(&self, id: &str) -> Value {
        let end = self.end.as_ref();
        json!({
            "correlationId": id,
            "state": match end.map(|end| end.how) {
                None => "active",
                Some(How::Succeeded) => "succeeded",
                Some(How::Failed) => "failed",
                Some(How::Expired) => "expired",
                Some(How::DeviceDeleted) => "deviceDeleted",
            },
            "started": iso_8601(self.started),
            "expires": iso_8601(self.expires),
            "ended": end.map(|end| iso_8601(end.time)),
            "statusCode": end.and_then(|end| end.status_code),
            "statusDescription": end.and_then(|end| end.status_description.as_deref()),
        })
    }
}

fn no_file(blob: &str) -> Error {
    Error::ArgumentInvalid(format!(
        "there is no file {blob:?}; name it as `files list` does, with the device's id"
    ))
}

fn check_name(name: &str, blob: &str) -> Result<(), Error> {
    let why = if name.is_empty() {
        "is empty"
    } else if blob.chars().count() > MAX_NAME {
        "has more than 1024 characters together with the device's id"
    } else if name.chars().any(char::is_control) {
        "has control characters"
    } else {
        return Ok(());
    };
    Err(Error::ArgumentInvalid(format!(
        "blobName {why}; give the name of a file, such as log.txt"
    )))
}
