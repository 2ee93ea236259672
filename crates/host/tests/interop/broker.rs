//! A mosquitto with TLS on a loopback port, and its own clients to look at it from the other side.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

use crate::peers::on_path;
use crate::program::{Access, PATIENCE, Program};

/// The client that sees every topic.
const OPERATOR: &str = "operator";
const OPERATORS_PASSWORD: &str = "correct horse battery staple";

/// Ways in which devices prove their identity.
pub(crate) enum Authentication<'a> {
    /// By MQTT user name and password.
    Password {
        /// The only device's user name.
        user_name: &'a str,
        /// And its password.
        password: &'a str,
    },
    /// By a client certificate whose common name is the device's id.
    Certificate,
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this common name and these hosts, and its key, both in PEM.
    pub(crate) fn certify(&self, name: &str, hosts: &[&str]) -> (String, String) {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }
}

/// A running broker. It is killed when this is dropped.
pub(crate) struct Broker {
    program: Program,
    port: u16,
    server: PathBuf,
    folder: TempDir,
    /// Authority that certifies the broker and its clients.
    pub(crate) authority: Authority,
    ca_pem: String,
}

impl Broker {
    /// Starts mosquitto for a device that authenticates like this.
    pub(crate) fn start(server: &Path, authentication: &Authentication<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("authority of the broker");
        write_pair(
            folder.path(),
            "server",
            authority.certify("localhost", &["localhost", "127.0.0.1"]),
        );
        write_pair(folder.path(), OPERATOR, authority.certify(OPERATOR, &[]));
        let ca_pem = authority.pem();
        fs::write(folder.path().join("ca.pem"), &ca_pem).unwrap();
        let configuration = configure(folder.path(), authentication);
        let (program, port) = (0..5)
            .find_map(|_| listen(server, folder.path(), &configuration, free_port()))
            .expect("mosquitto found every port taken");
        Self {
            program,
            port,
            server: server.to_owned(),
            folder,
            authority,
            ca_pem,
        }
    }

    /// Kills the broker and starts another on the same port, which knows nothing of the first one's clients.
    pub(crate) fn restart(&mut self) {
        let old = fs::read_to_string(self.folder.path().join("configuration")).unwrap();
        let (_, configuration) = old.split_once('\n').unwrap();
        self.program.kill();
        let listening = listen(&self.server, self.folder.path(), configuration, self.port);
        (self.program, self.port) = listening.expect("somebody took the port between two brokers");
    }

    /// Returns the data that a device needs to join this broker.
    pub(crate) fn access<'a>(
        &'a self,
        connection_string: &'a str,
        certificate: Option<(&'a str, &'a str)>,
    ) -> Access<'a> {
        Access {
            connection_string,
            ca_pem: &self.ca_pem,
            endpoint: format!("127.0.0.1:{}", self.port),
            certificate,
        }
    }

    /// The first line of the broker's log that contains `text`, written already or soon.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.program.wait_for(text)
    }

    /// An operator who sees all telemetry from now on: lines of QoS, topic and payload.
    #[track_caller]
    pub(crate) fn monitor(&self) -> Program {
        let mut command = self.client("mosquitto_sub");
        command.args([
            "-i",
            "monitor",
            "-q",
            "1",
            "-t",
            "devices/+/messages/events/#",
        ]);
        command.args(["-F", "%q %t %p"]);
        let program = Program::spawn(command, None);
        self.wait_for("Sending SUBACK to monitor");
        program
    }

    /// Publishes a message as an operator, acknowledged by the broker.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, message: &str) {
        let mut command = self.client("mosquitto_pub");
        command.args(["-q", "1", "-t", topic, "-m", message]);
        let (status, lines) = Program::spawn(command, None).finish();
        assert!(status.success(), "{}", lines.join("\n"));
    }

    /// One of mosquitto's clients, as the operator, over verified TLS.
    fn client(&self, program: &str) -> Command {
        let file = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(on_path(program).unwrap());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.arg("--cafile").arg(file("ca.pem"));
        command.arg("--cert").arg(file("operator.pem"));
        command.arg("--key").arg(file("operator.key"));
        command.args(["-u", OPERATOR, "-P", OPERATORS_PASSWORD]);
        command
    }
}

fn write_pair(folder: &Path, name: &str, (certificate, key): (String, String)) {
    fs::write(folder.join(format!("{name}.pem")), certificate).unwrap();
    fs::write(folder.join(format!("{name}.key")), key).unwrap();
}

/// Writes the files of the broker; gives its configuration, without the port.
fn configure(folder: &Path, authentication: &Authentication<'_>) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    // %c is the client id; %u is the user name, which here is the certificate's common name.
    let (device, specific) = match authentication {
        Authentication::Password {
            user_name,
            password,
        } => {
            write_passwords(
                folder,
                &[(user_name, password), (OPERATOR, OPERATORS_PASSWORD)],
            );
            ("%c", format!("password_file {}", file("passwords")))
        }
        Authentication::Certificate => {
            let specific = "require_certificate true\nuse_identity_as_username true";
            ("%u", specific.to_owned())
        }
    };
    let access = format!(
        "pattern write devices/{device}/messages/events/#\n\
         pattern read devices/{device}/messages/devicebound/#\n\
         pattern readwrite $iothub/#\n\
         user {OPERATOR}\ntopic readwrite devices/#\n"
    );
    fs::write(folder.join("access"), access).unwrap();
    // Root stays root, or the broker could not read this folder; anybody else ignores the line.
    format!(
        "user root\nlog_dest stderr\nlog_type all\nallow_anonymous false\n\
         acl_file {}\ncafile {}\ncertfile {}\nkeyfile {}\n{specific}\n",
        file("access"),
        file("ca.pem"),
        file("server.pem"),
        file("server.key"),
    )
}

fn write_passwords(folder: &Path, entries: &[(&str, &str)]) {
    let file = folder.join("passwords");
    fs::write(&file, "").unwrap();
    for (user_name, password) in entries {
        let mut command = Command::new(on_path("mosquitto_passwd").unwrap());
        command.arg("-b").arg(&file).args([user_name, password]);
        assert!(command.status().unwrap().success());
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts the broker; `None` if somebody else has taken the port.
fn listen(server: &Path, folder: &Path, configuration: &str, port: u16) -> Option<(Program, u16)> {
    let file = folder.join("configuration");
    // The listener comes first: what follows belongs to it.
    fs::write(&file, format!("listener {port} 127.0.0.1\n{configuration}")).unwrap();
    let mut command = Command::new(server);
    command.arg("-c").arg(&file);
    let program = Program::spawn(command, None);
    let started = Instant::now();
    loop {
        let lines = program.lines();
        let says = |text: &str| lines.iter().any(|line| line.contains(text));
        if says(" running") {
            return Some((program, port));
        }
        if says("Address already in use") {
            return None;
        }
        assert!(
            !says("Error: ") && started.elapsed() < PATIENCE,
            "mosquitto does not start:\n{}",
            lines.join("\n")
        );
        thread::sleep(Duration::from_millis(10));
    }
}
