//! A real browser: Debian's chromium, driven by chromedriver over the WebDriver protocol (W3C).
//!
//! Without them, a test says that it did not run; with `REQUIRE_PEERS` in the environment it fails.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses another part"
)]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Long enough for a busy machine; nothing waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Member that names an element in WebDriver's JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const LEFT: &str = "\u{e012}";
pub const SHIFT: &str = "\u{e008}";

/// A browser with one window; it ends when this is dropped.
pub struct Browser {
    driver: Driver,
    session: String,
    _profile: tempfile::TempDir,
}

/// chromedriver, which is killed when this is dropped.
struct Driver {
    child: Child,
    port: u16,
    /// Open for as long as the driver may write to it.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    /// Starts it; `None` if it ends before it listens.
    fn start() -> std::io::Result<Option<Self>> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some((_, port)) = line.split_once("successfully on port ") {
                let port = port.trim().trim_end_matches('.').parse().unwrap();
                return Ok(Some(Self {
                    child,
                    port,
                    _output: output,
                }));
            }
            line.clear();
        }
        let status = child.wait()?;
        eprintln!("chromedriver ended before it listened: {status}");
        Ok(None)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Browser {
    /// Starts a browser; `None`, which is said, if there is none.
    pub fn start() -> Option<Self> {
        // chromedriver takes a port for two families of addresses, one after the other: another program may be faster.
        let mut attempts = (0..5).map(|_| Driver::start());
        let driver = match attempts.find(|driver| !matches!(driver, Ok(None))) {
            Some(Ok(driver)) => driver?,
            Some(Err(error)) => {
                assert!(
                    std::env::var_os("REQUIRE_PEERS").is_none(),
                    "no chromedriver ({error}); install Debian's chromium and chromium-driver"
                );
                eprintln!("did not run: no chromedriver (Debian's chromium-driver): {error}");
                return None;
            }
            None => panic!("chromedriver ended five times before it said its port"),
        };
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            session: String::new(),
            _profile: profile,
        };
        browser.open_session();
        Some(browser)
    }

    fn open_session(&mut self) {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--enable-precise-memory-info",
            "--window-size=1600,1000",
            &profile,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": arguments },
        } } });
        let session = self.ask("POST", "/session", &wanted);
        let id = session["sessionId"].as_str();
        let id = id.unwrap_or_else(|| panic!("no browser: {session}"));
        self.session = format!("/session/{id}");
    }

    /// One command; gives its value, which may be an error.
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut tcp = TcpStream::connect(("127.0.0.1", self.driver.port)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.driver.port,
            body.len()
        );
        tcp.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(tcp);
        let mut length = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        let mut answer = vec![0; length.expect("a length")];
        reader.read_exact(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["value"].take()
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let value = self.ask(method, &format!("{}{path}", self.session), body);
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }

    /// Opens an address.
    pub fn go(&self, address: &str) {
        self.command("POST", "/url", &json!({ "url": address }));
    }

    /// Opens another tab, and turns to it.
    pub fn new_tab(&self) {
        let tab = self.command("POST", "/window/new", &json!({ "type": "tab" }));
        self.command("POST", "/window", &json!({ "handle": tab["handle"] }));
    }

    /// Shows another view of the page.
    pub fn view(&self, hash: &str) {
        self.run("location.hash = arguments[0]", json!([hash]));
    }

    /// Runs a script in the page; gives what it returns.
    pub fn run(&self, script: &str, arguments: Value) -> Value {
        let call = json!({ "script": script, "args": arguments });
        self.command("POST", "/execute/sync", &call)
    }

    /// Value of an expression in the page.
    pub fn value(&self, expression: &str) -> Value {
        self.run(&format!("return {expression}"), json!([]))
    }

    /// Waits until an expression is true in the page.
    pub fn wait(&self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        let script = format!("return Boolean({expression})");
        while self.run(&script, json!([])) != json!(true) {
            assert!(
                Instant::now() < end,
                "{expression} does not come true; the page says: {}",
                self.value("document.body.innerText")
            );
            sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an element is there that has this text within.
    pub fn wait_for(&self, css: &str, text: &str) {
        let (css, text) = (json!(css), json!(text));
        self.wait(&format!(
            "[...document.querySelectorAll({css})].some((one) => one.innerText.includes({text}))"
        ));
    }

    /// The text of the first such element.
    pub fn text(&self, css: &str) -> String {
        self.wait(&format!("document.querySelector({})", json!(css)));
        let element = self.run(
            "return document.querySelector(arguments[0]).innerText",
            json!([css]),
        );
        element.as_str().unwrap().to_owned()
    }

    /// Number of such elements.
    pub fn count(&self, css: &str) -> u64 {
        let count = self.run(
            "return document.querySelectorAll(arguments[0]).length",
            json!([css]),
        );
        count.as_u64().unwrap()
    }

    fn element(&self, css: &str) -> String {
        self.wait(&format!("document.querySelector({})", json!(css)));
        let found = json!({ "using": "css selector", "value": css });
        let element = self.command("POST", "/element", &found);
        element[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks where the first such element is.
    pub fn click(&self, css: &str) {
        let element = self.element(css);
        self.command("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Clicks on the first button with this text, within such an element.
    pub fn press(&self, within: &str, text: &str) {
        let mark = "for (const one of document.querySelectorAll('[data-pressed]')) delete one.dataset.pressed;
            const all = [...document.querySelectorAll(arguments[0])].flatMap((box) => [...box.querySelectorAll('button')]);
            const found = all.find((one) => one.innerText === arguments[1]);
            if (found) found.dataset.pressed = '';
            return Boolean(found);";
        let end = Instant::now() + PATIENCE;
        while self.run(mark, json!([within, text])) != json!(true) {
            assert!(
                Instant::now() < end,
                "there is no button {text:?} in {within}"
            );
            sleep(Duration::from_millis(50));
        }
        let middle = "document.querySelector('[data-pressed]').scrollIntoView({ block: 'center' })";
        self.run(middle, json!([]));
        self.click("[data-pressed]");
    }

    /// Puts text into a field, in place of what is there.
    pub fn fill(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        let keys = json!({ "text": text });
        self.command("POST", &format!("/element/{element}/value"), &keys);
    }

    /// Chooses an option of a field by its value.
    pub fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value={}]", json!(value)));
    }

    /// The field with this label, within such an element, as a selector.
    pub fn labelled(&self, within: &str, label: &str) -> String {
        let script = "const label = [...document.querySelectorAll(arguments[0] + ' label')].find((one) => one.textContent === arguments[1]);
            return label ? label.htmlFor : null;";
        let end = Instant::now() + PATIENCE;
        let id = loop {
            if let Value::String(id) = self.run(script, json!([within, label])) {
                break id;
            }
            assert!(
                Instant::now() < end,
                "nothing is labelled {label:?} in {within}"
            );
            sleep(Duration::from_millis(50));
        };
        format!("[id={}]", json!(id))
    }

    /// Presses and releases keys one after the other, for whatever has the focus.
    pub fn keys(&self, keys: &[&str]) {
        let presses = keys.iter().flat_map(|key| {
            [
                json!({ "type": "keyDown", "value": key }),
                json!({ "type": "keyUp", "value": key }),
            ]
        });
        let actions =
            json!([{ "type": "key", "id": "keyboard", "actions": presses.collect::<Vec<_>>() }]);
        self.command("POST", "/actions", &json!({ "actions": actions }));
    }

    /// Moves the pointer to a point of the first such element, in pixels from its middle.
    pub fn point(&self, css: &str, x: i32, y: i32) {
        let origin = json!({ ELEMENT: self.element(css) });
        let pointing =
            json!({ "type": "pointerMove", "duration": 0, "origin": origin, "x": x, "y": y });
        let actions = json!([{ "type": "pointer", "id": "mouse", "actions": [pointing] }]);
        self.command("POST", "/actions", &json!({ "actions": actions }));
    }

    /// A command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, parameters: Value) -> Value {
        let call = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &call)
    }

    /// Size of the window, in pixels.
    pub fn size(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// The colours that the user prefers.
    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
    }

    /// The window as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let png = self.command("GET", "/screenshot", &Value::Null);
        STANDARD.decode(png.as_str().unwrap()).unwrap()
    }

    /// Role and name of an element, as a screen reader gets them.
    pub fn accessible(&self, element: &Value) -> (String, String) {
        let id = element[ELEMENT].as_str().unwrap();
        let [role, name] = ["computedrole", "computedlabel"].map(|what| {
            let path = format!("/element/{id}/{what}");
            let value = self.command("GET", &path, &Value::Null);
            value.as_str().unwrap_or_default().to_owned()
        });
        (role, name)
    }

    /// Bytes of the page's objects, after what is not needed was thrown away.
    pub fn heap(&self) -> u64 {
        self.devtools("HeapProfiler.collectGarbage", json!({}));
        let used = self.value("performance.memory.usedJSHeapSize");
        used.as_u64().unwrap()
    }

    /// Everything that the browser complained of since the last call.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let text = |entry: &Value| entry["message"].as_str().unwrap().to_owned();
        log.as_array().unwrap().iter().map(text).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser, and then is ended itself.
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &self.session, &Value::Null);
        } else if let Ok(mut tcp) = TcpStream::connect(("127.0.0.1", self.driver.port)) {
            let _ = write!(
                tcp,
                "DELETE {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.driver.port
            );
            let _ = tcp.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = tcp.read(&mut [0; 1024]);
        }
    }
}
