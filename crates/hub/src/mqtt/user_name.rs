//! The user name of CONNECT: `{host}/{deviceId}[/{moduleId}]/?api-version=…[&name=value…]`.
//!
//! Ids are not percent-encoded; only what follows `?` is. The host is not compared, as in Microsoft's
//! IoT Edge hub.

use super::bag;
use crate::registry::Identity;

/// The first api-version that knows Plug and Play models.
const MODEL_ID_SINCE: &str = "2020-09-30";

/// Content of a user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserName {
    /// The client.
    pub(crate) identity: Identity,
    /// The Plug and Play model, `dtmi:…`.
    pub(crate) model_id: Option<String>,
    /// There is an api-version. Without one the hub serves telemetry and messages, and neither twins nor
    /// methods, as users report of Azure (github.com/andriyadi/AzureIoTHubMQTTClient, issue 5).
    pub(crate) versioned: bool,
}

/// Reads a user name; the text says what is wrong with it.
pub(crate) fn parse(user_name: &str) -> Result<UserName, String> {
    const FORM: &str = "it must be {host}/{deviceId}/?api-version=2021-04-12";
    let mut segments: Vec<&str> = user_name.split('/').collect();
    let last = segments.last().copied().unwrap_or_default();
    // The form without question mark is old, and still taken.
    let is_query = last.is_empty() || last.starts_with('?') || last.contains("api-version=");
    let query = if is_query && segments.len() > 1 {
        segments.truncate(segments.len() - 1);
        last.strip_prefix('?').unwrap_or(last)
    } else {
        ""
    };
    let identity = match segments.as_slice() {
        [_, device] if !device.is_empty() => Identity::device(*device),
        [_, device, module] => Identity::module(*device, *module),
        _ => {
            return Err(format!(
                "the user name names no device, or more than a module of one; {FORM}"
            ));
        }
    };
    let pairs = bag::parse(query).ok_or_else(|| {
        format!("the query of the user name is malformed; percent-encode its values; {FORM}")
    })?;
    let value = |name: &str| {
        let first = pairs.iter().find(|(key, _)| key == name)?;
        first.1.as_deref().filter(|value| !value.trim().is_empty())
    };
    let api_version = value("api-version");
    let model_id = value("model-id")
        .filter(|_| api_version.is_some_and(|version| version >= MODEL_ID_SINCE))
        .map(str::to_owned);
    Ok(UserName {
        identity,
        model_id,
        versioned: api_version.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(user_name: &str) -> Result<UserName, String> {
        parse(user_name)
    }

    #[test]
    fn devices_and_modules_are_read_from_every_sdks_form() {
        let plain = UserName {
            identity: Identity::device("MyDevice01"),
            model_id: None,
            versioned: true,
        };
        for user_name in [
            "contoso.azure-devices.net/MyDevice01/?api-version=2021-04-12",
            "contoso.azure-devices.net/MyDevice01/api-version=2016-11-14",
            "h/MyDevice01/?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.9.0%20(native%3b%20Linux)",
            "h/MyDevice01/?DeviceClientType=x&api-version=anything",
        ] {
            assert_eq!(device(user_name), Ok(plain.clone()), "{user_name}");
        }
        let module = device("h/d/m/?api-version=2021-04-12").map(|name| name.identity);
        assert_eq!(module, Ok(Identity::module("d", "m")));
    }

    #[test]
    fn a_model_is_decoded_and_needs_a_version_that_knows_it() {
        let model = |version| {
            let name = format!(
                "h/my_device/?api-version={version}&DeviceClientType=azsdk-c%2F1.x&model-id=dtmi%3Aa%3Ab%3B1"
            );
            device(&name)
                .unwrap_or_else(|error| panic!("{error}"))
                .model_id
        };
        assert_eq!(model("2020-09-30").as_deref(), Some("dtmi:a:b;1"));
        assert_eq!(model("2019-10-01"), None);
    }

    #[test]
    fn the_first_of_two_values_counts() {
        let name =
            device("h/d/?api-version=2021-04-12&model-id=dtmi%3Aa%3B1&model-id=dtmi%3Ab%3B1");
        assert_eq!(name.map(|name| name.model_id), Ok(Some("dtmi:a;1".into())));
    }

    #[test]
    fn a_name_without_an_api_version_still_says_who_connects() {
        for (user_name, identity) in [
            ("h/d", Identity::device("d")),
            ("h/d/", Identity::device("d")),
            ("h/d/?", Identity::device("d")),
            ("h/d/?api-version", Identity::device("d")),
            ("h/d/?api-version=", Identity::device("d")),
            ("h/d/?api-version=%20", Identity::device("d")),
            ("h/d/?DeviceClientType=x", Identity::device("d")),
            ("h/d/m", Identity::module("d", "m")),
            ("h/d/m/", Identity::module("d", "m")),
            ("h/d/m/?model-id=dtmi%3Aa%3B1", Identity::module("d", "m")),
        ] {
            let expected = UserName {
                identity,
                model_id: None,
                versioned: false,
            };
            assert_eq!(device(user_name), Ok(expected), "{user_name}");
        }
    }

    #[test]
    fn what_the_hub_cannot_read_it_refuses() {
        for user_name in [
            "",
            "MyDevice01",
            "h/",
            "h//",
            "h//?api-version=2021-04-12",
            "h/?api-version=2021-04-12",
            "h/MyDevice01/?api-version=2021-04-12&DeviceClientType=a%",
            "h/MyDevice01/?api-version=2021-04-12&DeviceClientType=a/b/c",
            "a/b/c/d/?api-version=2021-04-12",
            "a/b/c/d",
        ] {
            assert!(device(user_name).is_err(), "{user_name}");
        }
    }
}
