//! The page's own files, which are part of the program.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{Method, Response, StatusCode};
use axum::response::IntoResponse;

use super::guard::refuse;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($kind:ident $name:literal),* $(,)?) => {
        &[$((concat!("/", $name), $kind, include_str!(concat!("files/", $name)))),*]
    };
}

/// Path, media type and text of each file.
const FILES: &[(&str, &str, &str)] = files![
    HTML "index.html",
    CSS "style.css",
    SVG "icon.svg",
    SCRIPT "api.js",
    SCRIPT "commands.js",
    SCRIPT "device.js",
    SCRIPT "devices.js",
    SCRIPT "dom.js",
    SCRIPT "draw.js",
    SCRIPT "dtdl.js",
    SCRIPT "faults.js",
    SCRIPT "format.js",
    SCRIPT "hub.js",
    SCRIPT "json.js",
    SCRIPT "log.js",
    SCRIPT "main.js",
    SCRIPT "messages.js",
    SCRIPT "plots.js",
    SCRIPT "schema.js",
    SCRIPT "series.js",
    SCRIPT "services.js",
    SCRIPT "story.js",
    SCRIPT "twin.js",
];

/// Answers a request for a file.
pub(super) fn serve(method: &Method, path: &str) -> Response<Body> {
    let path = if path == "/" { "/index.html" } else { path };
    let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) else {
        return refuse(StatusCode::NOT_FOUND, "the page has no such file");
    };
    match *method {
        Method::GET | Method::HEAD => ([(CONTENT_TYPE, *kind)], *text).into_response(),
        _ => {
            let mut answer = refuse(StatusCode::METHOD_NOT_ALLOWED, "files are read only");
            let allowed = axum::http::HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allowed);
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_file_names_is_served_and_every_other_one_is_needed() {
        let mut needed = vec!["/index.html".to_owned()];
        for (_, _, text) in FILES {
            for quoted in text.split('"').skip(1).step_by(2) {
                let name = quoted.trim_start_matches("./");
                if [".js", ".css", ".svg"]
                    .iter()
                    .any(|end| name.ends_with(end))
                {
                    needed.push(format!("/{name}"));
                }
            }
        }
        for (name, ..) in FILES {
            assert!(needed.iter().any(|one| one == name), "{name} is not needed");
        }
        for name in &needed {
            assert!(
                FILES.iter().any(|(one, ..)| one == name),
                "{name} is not served"
            );
        }
    }

    #[test]
    fn no_script_makes_markup_or_code_out_of_text() {
        for (name, _, text) in FILES {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "createContextualFragment",
                "DOMParser",
                "eval(",
                "new Function",
                "javascript:",
            ] {
                assert!(!text.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }
}
