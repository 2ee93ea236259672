//! A program made of Microsoft's packages for Node.js, `tests/interop/node/sdk.js`, and the hub that it is for.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use local_hub::{Chain, Config, Hub};
use serde_json::{Value, json};

use crate::peers::{modules, workspace};

/// Time that the hub has to see what happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A hub with an ECC chain, whose keys are made at once.
pub(crate) fn start_hub() -> Hub {
    let mut config = Config::temporary();
    config.certificate.chain = Chain::Ecc;
    Hub::start(config).unwrap()
}

/// The program. It is ended when this is dropped.
pub(crate) struct Sdk {
    pub(crate) hub: Hub,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sdk {
    /// Starts a hub, and the program for it.
    pub(crate) fn start(node: &Path) -> Self {
        let hub = start_hub();
        let connection_string = hub.service_connection_string("iothubowner").unwrap();
        // The packages know these ports only.
        let routes = json!({
            "443": hub.operator_endpoint().port(),
            "8883": hub.endpoint().port(),
        });
        let port = format!(":{}", hub.operator_endpoint().port());
        let mut child = Command::new(node)
            .arg(workspace().join("tests/interop/node/sdk.js"))
            .env("NODE_PATH", modules())
            .env("NODE_EXTRA_CA_CERTS", hub.state_directory().join("ca.pem"))
            .env(
                "CONNECTION_STRING",
                connection_string.replacen(&port, "", 1),
            )
            .env("ROUTES", routes.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            hub,
        }
    }

    /// Has the program do something, and gives its answer.
    #[track_caller]
    pub(crate) fn attempt(&mut self, what: &str, mut arguments: Value) -> Value {
        arguments["do"] = json!(what);
        writeln!(self.input, "{arguments}").unwrap();
        self.input.flush().unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{arguments}: {line:?}"))
    }

    /// The same; it must succeed, and gives the result.
    #[track_caller]
    pub(crate) fn run(&mut self, what: &str, arguments: Value) -> Value {
        let answer = self.attempt(what, arguments.clone());
        assert!(answer.get("error").is_none(), "{arguments}: {answer}");
        answer["result"].clone()
    }

    /// Calls a method of the registry.
    #[track_caller]
    pub(crate) fn registry(&mut self, call: &str, arguments: Value) -> Value {
        self.run("registry", json!({ "call": call, "arguments": arguments }))
    }

    /// A device with a symmetric key, connected over this transport.
    #[track_caller]
    pub(crate) fn open(&mut self, id: &str, transport: &str) {
        let connection_string = self.hub.create_sas_device(id).unwrap();
        let arguments = json!({ "transport": transport, "connection_string": connection_string });
        self.run("open", arguments);
    }
}
