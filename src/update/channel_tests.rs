use std::format;
use std::string::{String, ToString};
use std::vec;

use super::*;
use crate::text::Text;
use crate::update::Settings;
use crate::update::tests::{Chain, manifest, verify_rs256};

const SECOND: Duration = Duration::from_secs(1);

fn reply(operation: Operation, status: u16, body: &str, etags: &mut Etags) -> (Reply, Verdict) {
    let mut reply = Reply::new(operation, status, Some(7 * SECOND), 6144);
    for piece in body.as_bytes().chunks(13) {
        reply.feed(piece);
    }
    let verdict = reply.finish(etags);
    (reply, verdict)
}

/// An offer as the service writes it.
fn offer() -> String {
    let manifest = manifest("1.1.0", b"image");
    let quoted = manifest.replace('"', "\\\"");
    format!(
        "{{\"agentInfoEtag\":\"a1\",\"serviceConfiguration\":{{\"rootKeyDownloadUrl\":\"http:\\/\\/k.example/r\",\"x\":[1]}},\
         \"serviceConfigEtag\":\"c1\",\"updateMetadata\":{{\"workflowId\":\"w1\",\"updateManifest\":\"{quoted}\",\
         \"updateManifestSignature\":\"{}\",\"fileUrls\":{{\"f1\":\"http://a/b\"}}}}}}",
        Chain::of(&manifest).text()
    )
}

fn updates() -> Updates<'static> {
    let settings = Settings::new("Contoso", "Toaster", &[], verify_rs256);
    Updates::new(settings, "1.0.0", "")
}

fn request(updates: &Updates<'_>, operation: Operation, etags: &Etags) -> String {
    let mut space = vec![0; 1024];
    let mut text = Text::new(&mut space);
    let mut body = Object::new(&mut text);
    updates.write_request(operation, etags, &mut body);
    body.finish().unwrap();
    text.as_str().to_string()
}

#[test]
fn an_offer_has_what_a_deployment_of_the_twin_has_and_etags_are_kept() {
    let mut etags = Etags::default();
    let (reply, verdict) = reply(Operation::Get, 200, &offer(), &mut etags);
    assert_eq!(verdict, Verdict::Done);
    assert_eq!(
        (etags.agent.as_str(), etags.configuration.as_str()),
        ("a1", "c1")
    );
    let service = reply.into_offer().unwrap();
    assert!(service.is_complete() && !service.is_too_long());
    assert_eq!(service.workflow().id.as_str(), "w1");
    assert_eq!(service.package(), "http://k.example/r");
    assert_eq!(
        service.addresses("f1").collect::<vec::Vec<_>>(),
        ["http://a/b"]
    );
    assert_eq!(service.manifest(), manifest("1.1.0", b"image").as_bytes());
    // What is not said does not change.
    let (none, verdict) = super::tests::reply(
        Operation::Get,
        200,
        r#"{"updateMetadata":null,"agentInfoEtag":"a2"}"#,
        &mut etags,
    );
    assert_eq!(
        (verdict, none.into_offer().is_none()),
        (Verdict::Done, true)
    );
    assert_eq!(
        (etags.agent.as_str(), etags.configuration.as_str()),
        ("a2", "c1")
    );
    let (none, _) = super::tests::reply(Operation::Onboarding, 200, "{}", &mut etags);
    assert!(none.into_offer().is_none());
}

#[test]
fn each_error_has_its_consequence() {
    let later = Verdict::Later(Some(7 * SECOND));
    let full = Etags {
        agent: Label::cut("a"),
        configuration: Label::cut("c"),
    };
    let without = Etags {
        configuration: Label::EMPTY,
        ..full
    };
    for (operation, status, message, expected, after) in [
        (
            Operation::Onboarding,
            409,
            "UPDATE_ACCOUNT_NOT_LINKED",
            Verdict::GivenUp,
            full,
        ),
        (Operation::Get, 409, "", Verdict::GivenUp, full),
        (
            Operation::Report,
            409,
            "REPORT_CONFLICT",
            Verdict::Done,
            full,
        ),
        (Operation::Report, 409, "", Verdict::Done, full),
        (
            Operation::Get,
            400,
            "OUTDATED_AGENT_INFO",
            Verdict::Again,
            Etags::default(),
        ),
        (
            Operation::Get,
            400,
            "UNKNOWN_AGENT_INFO_VERSION",
            Verdict::Again,
            Etags::default(),
        ),
        (
            Operation::Get,
            400,
            "OUTDATED_SERVICE_CONFIG",
            Verdict::Again,
            without,
        ),
        (Operation::Get, 429, "THROTTLED", later, full),
        (Operation::Report, 429, "TOO_MANY_REQUESTS", later, full),
        (Operation::Report, 500, "INTERNAL_SERVER_ERROR", later, full),
        (
            Operation::Onboarding,
            503,
            "UPSTREAM_UNAVAILABLE",
            later,
            full,
        ),
        (
            Operation::Report,
            400,
            "INVALID_REQUEST",
            Verdict::GivenUp,
            full,
        ),
        (
            Operation::Get,
            400,
            "UNSUPPORTED_API_VERSION",
            Verdict::GivenUp,
            full,
        ),
        (
            Operation::Report,
            404,
            "UNKNOWN_WORKFLOW_ID",
            Verdict::GivenUp,
            full,
        ),
    ] {
        let mut etags = full;
        let body =
            format!("{{\"errorCode\":1,\"message\":\"{message}\",\"info\":{{\"message\":\"x\"}}}}");
        let (reply, verdict) = reply(operation, status, &body, &mut etags);
        assert_eq!(
            (verdict, etags),
            (expected, after),
            "{operation:?} {status} {message}"
        );
        assert_eq!(reply.error(), message);
    }
    // Without etags there is nothing to leave out.
    let body = r#"{"message":"OUTDATED_AGENT_INFO"}"#;
    let (_, verdict) = reply(Operation::Get, 400, body, &mut Etags::default());
    assert_eq!(verdict, Verdict::GivenUp);
    for body in ["", "x", "{", "[]"] {
        let (reply, verdict) = reply(Operation::Get, 200, body, &mut Etags::default());
        let is_later = matches!(verdict, Verdict::Later(_));
        assert_eq!(
            (is_later, reply.into_offer().is_none()),
            (body != "[]", true),
            "{body}"
        );
        let (_, verdict) = super::tests::reply(Operation::Report, 500, body, &mut Etags::default());
        assert_eq!(verdict, later);
    }
    let mut long = Reply::new(Operation::Get, 429, Some(Duration::from_secs(86_401)), 6144);
    assert_eq!(long.finish(&mut Etags::default()), Verdict::Later(None));
}

#[test]
fn requests_have_the_contracts_members() {
    let etags = Etags {
        agent: Label::cut("a"),
        configuration: Label::cut("c"),
    };
    let mut updates = updates();
    let agent = format!(
        "\"agentInfo\":{{\"agentSdkVersion\":\"azure-device/{}\",\"agentProfile\":1,\
         \"compatibilityProperties\":{{\"manufacturer\":\"Contoso\",\"model\":\"Toaster\"}}}}",
        env!("CARGO_PKG_VERSION")
    );
    let installed =
        r#""installedUpdateId":{"provider":"Contoso","name":"Toaster","version":"1.0.0"}"#;
    assert_eq!(
        request(&updates, Operation::Onboarding, &Etags::default()),
        format!("{{{agent}}}")
    );
    assert_eq!(
        request(&updates, Operation::Get, &etags),
        format!("{{{agent},{installed},\"agentInfoEtag\":\"a\",\"serviceConfigEtag\":\"c\"}}")
    );
    for (code, extended, outcome) in [
        (
            700,
            0,
            r#""outcome":"SUCCEEDED","failureOrigin":"NOT_APPLICABLE","resultCode":700,"extendedResultCodes":"0""#,
        ),
        (
            0,
            0x8_0003,
            r#""outcome":"FAILED","failureOrigin":"DEVICE","resultCode":0,"extendedResultCodes":"80003""#,
        ),
        (
            0,
            0x3_0001,
            r#""outcome":"FAILED","failureOrigin":"ADU_CLOUD_SERVICE","resultCode":0,"extendedResultCodes":"30001""#,
        ),
        (
            0,
            0x6_057c,
            r#""outcome":"FAILED","failureOrigin":"ADU_MANAGED_RESOURCE","resultCode":0,"extendedResultCodes":"6057C""#,
        ),
        (
            -1,
            0,
            r#""outcome":"CANCELED","failureOrigin":"NOT_APPLICABLE","resultCode":-1,"extendedResultCodes":"0""#,
        ),
    ] {
        updates.record.workflow.id = Label::cut("w1");
        updates.record.result = Some(InstallResult {
            code,
            extended,
            details: Label::cut("so"),
        });
        assert_eq!(
            request(&updates, Operation::Report, &etags),
            format!(
                "{{\"workflowId\":\"w1\",{installed},\"installResult\":{{{outcome},\"resultDetails\":\"so\",\
                 \"stepResults\":{{\"step_0\":{{{outcome}}}}}}}}}"
            )
        );
    }
}
