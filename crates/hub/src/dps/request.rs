//! The body with which a device asks to be registered.

use serde::Deserialize;
use serde_json::Value;

/// Its members ("Device Registration – Register Device"). All may be absent: the session has the registration id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Register {
    registration_id: Option<String>,
    /// For custom allocation, which here is what the enrolment says.
    #[serde(rename = "payload")]
    _payload: Option<Value>,
    tpm: Option<Value>,
    csr: Option<Value>,
}

/// Refuses a body that the service would not take, with Azure's error code: Microsoft's samples send an empty one,
/// `{}`, or one with a payload only; an unknown member is 400012.
pub(super) fn check(body: &[u8], registration_id: &str) -> Result<(), (u32, String)> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(());
    }
    if !body.starts_with(b"{") {
        return Err((
            400_012,
            "Deserialization error: the body is not a JSON object.".into(),
        ));
    }
    let register: Register = serde_json::from_slice(body)
        .map_err(|error| (400_012, format!("Deserialization error: {error}.")))?;
    let named = register.registration_id;
    if named.is_some_and(|named| !named.eq_ignore_ascii_case(registration_id)) {
        let why = "registrationId is not the one of this connection; leave it out";
        return Err((400_004, why.into()));
    }
    for (name, given) in [("tpm", register.tpm), ("csr", register.csr)] {
        if given.is_some() {
            let why = format!("{name} is nothing that this service serves; leave it out");
            return Err((400_004, why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn every_member_of_the_body_may_be_absent() {
        for body in [
            "",
            " ",
            "{}",
            " {} ",
            r#"{"registrationId":"dev-01"}"#,
            r#"{"registrationId":"DEV-01","payload":null}"#,
            r#"{"registrationId":null,"tpm":null,"csr":null}"#,
            r#"{"payload":{"a":[1,{"b":"c"}]}}"#,
        ] {
            assert_eq!(check(body.as_bytes(), "dev-01"), Ok(()), "{body}");
        }
    }

    #[test]
    fn what_the_service_does_not_know_is_400012_and_what_it_does_not_want_is_400004() {
        let code = |body: &[u8]| check(body, "dev-01").map_err(|(code, _)| code);
        for body in [
            r#"{"registrationid":"dev-01"}"#,
            r#"{"registrationId":"dev-01","name":"x"}"#,
            r#"{"registrationId":5}"#,
            r#"{"registrationId":"dev-01","registrationId":"dev-01"}"#,
            r#"["dev-01"]"#,
            "null",
            "{",
            "{} {}",
            "x",
        ] {
            assert_eq!(code(body.as_bytes()), Err(400_012), "{body}");
        }
        assert_eq!(code(b"{\"payload\":\"\xff\"}"), Err(400_012));
        let deep = format!("{{\"payload\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(code(deep.as_bytes()), Err(400_012));
        for body in [
            r#"{"registrationId":"other"}"#,
            r#"{"tpm":{}}"#,
            r#"{"csr":"MII"}"#,
        ] {
            assert_eq!(code(body.as_bytes()), Err(400_004), "{body}");
        }
    }
}
