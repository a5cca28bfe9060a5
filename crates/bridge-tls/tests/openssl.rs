//! Against OpenSSL's `s_server`, over loopback sockets.

mod common;
use common::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uartbridge_tls::{
    Client, Config, Event, Failure, INPUT_FOR_ANY_RECORD, Identity, Objection, SetupError, State, Trust,
    Version, memory_sessions,
};

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uartbridge-tls-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn put(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).expect("a file");
        self.path(name)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `openssl s_server`: lines on its stdin go to the client or are commands, what the client sends is on its stdout.
struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    port: u16,
    _files: Scratch,
}

impl Server {
    fn new(certificate: &Certificate, authority: &Authority, options: &[&str]) -> Self {
        let files = Scratch::new();
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", &files.put("cert.pem", &certificate.pem)])
            .args(["-key", &files.put("key.pem", &certificate.key.serialize_pem())])
            .args(["-CAfile", &files.put("ca.pem", &authority.pem)])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut server = Self { child, stdin, stdout: BufReader::new(stdout), port: 0, _files: files };
        let line = server.line_with("ACCEPT");
        server.port =
            line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("ACCEPT host:port");
        server
    }

    fn line_with(&mut self, wanted: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.stdout.read_line(&mut line).expect("text");
            assert!(count > 0, "s_server ended before it said {wanted:?}");
            if line.contains(wanted) {
                return line;
            }
        }
    }

    fn type_in(&mut self, line: &str) {
        // In one piece: s_server acts on what a single read gives.
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("s_server runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client on a socket.
struct Wire {
    client: BoxedClient,
    socket: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    fn new(config: &Config, server: &Server) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", server.port)).expect("s_server listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let client =
            Client::new(config, "localhost", boxed(INPUT_FOR_ANY_RECORD), boxed(4096)).expect("client");
        Self { client, socket, read: vec![] }
    }

    fn flush(&mut self) {
        loop {
            let tx = self.client.ports().tx;
            // A server that has refused us may have gone; its alert is still to be read.
            let Ok(count @ 1..) = self.socket.write(tx) else { return };
            self.client.handle(Duration::ZERO, Event::Tx(count)).expect("lent");
        }
    }

    /// Moves bytes until `done`, a failure or the end.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        loop {
            self.flush();
            self.read.extend(read_all(&mut self.client));
            if done(self) || matches!(self.client.state(), State::Failed(_) | State::Closed) {
                return;
            }
            self.receive();
        }
    }

    /// Waits for ciphertext, or the end.
    fn receive(&mut self) {
        let event = match self.socket.read(self.client.ports().rx) {
            Ok(0) => Event::Eof,
            Ok(count) => Event::Rx(count),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Event::Eof,
            Err(error) => panic!("{error} in {:?}", self.client),
        };
        self.client.handle(Duration::ZERO, event).expect("lent");
    }

    fn until_read(&mut self, wanted: &[u8]) {
        self.until(|wire| wire.read.ends_with(wanted));
        assert!(self.read.ends_with(wanted), "{:?}", self.client);
    }
}

fn mutual(authority: &Authority, client: Option<&Certificate>) -> Config {
    let mut settings = settings(Trust::Authorities(authority.roots()));
    settings.identity = client.map(Certificate::identity);
    settings.sessions = Some(memory_sessions(1));
    config(settings)
}

/// The protocol versions to try, as `s_server` takes them and as we report them.
fn spoken() -> impl Iterator<Item = (&'static str, Version)> {
    let of = |tls13: &bool| if *tls13 { ("-tls1_3", Version::Tls13) } else { ("-tls1_2", Version::Tls12) };
    versions().iter().map(of)
}

const REFUSING: [&str; 3] = ["-Verify", "1", "-verify_return_error"];

#[test]
fn mutual_authentication_data_key_updates_and_the_end() {
    let authority = Authority::new("ours");
    let config = mutual(&authority, Some(&authority.client()));
    for (option, version) in spoken() {
        let options = [&[option][..], &REFUSING].concat();
        let mut server = Server::new(&authority.server(), &authority, &options);
        let mut wire = Wire::new(&config, &server);
        wire.until(|wire| wire.client.state() == State::Proven);
        assert_eq!(wire.client.state(), State::Proven);
        assert_eq!(wire.client.facts().map(|facts| facts.version), Some(version));
        let said = b"from the client\n";
        assert_eq!(wire.client.write_plain(said), said.len());
        wire.flush();
        server.line_with("from the client");
        server.type_in("from the server");
        wire.until_read(b"from the server\n");
        if version == Version::Tls13 {
            for command in ["k", "K"] {
                // A command swallows the rest of what its read gave.
                server.type_in(command);
                wire.receive();
                server.type_in("after a key update");
                wire.until_read(b"after a key update\n");
                wire.read.clear();
                assert_eq!(wire.client.write_plain(b"and back\n"), 9);
                wire.flush();
                server.line_with("and back");
            }
        }
        wire.client.close();
        wire.until(|wire| wire.client.state() == State::Closed);
        assert_eq!(wire.client.state(), State::Closed);
    }
}

#[test]
fn a_session_is_taken_up_again() {
    let authority = Authority::new("ours");
    for (option, _) in spoken() {
        let config = mutual(&authority, None);
        let server = Server::new(&authority.server(), &authority, &[option]);
        for resumed in [false, true] {
            let mut wire = Wire::new(&config, &server);
            wire.until(|wire| wire.client.state() == State::Proven);
            assert_eq!(wire.client.facts().map(|facts| facts.resumed), Some(resumed), "{option}");
            wire.client.close();
            wire.flush();
        }
    }
}

#[test]
fn client_certificate_missing_or_refused() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let stranger = theirs.client();
    for (option, _) in spoken() {
        for (client, expected) in [
            (None, Failure::ClientCertificateRequired),
            (Some(&stranger), Failure::ClientCertificateRefused(Objection::UnknownAuthority)),
        ] {
            let server = Server::new(&ours.server(), &ours, &[&[option][..], &REFUSING].concat());
            let mut wire = Wire::new(&mutual(&ours, client), &server);
            wire.until(|wire| wire.client.state() == State::Proven);
            assert_eq!(wire.client.state(), State::Failed(expected), "{option}");
        }
    }
}

#[test]
fn renegotiation_is_refused_and_blamed_on_nobodys_certificate() {
    if !versions().contains(&false) {
        return; // TLS 1.3 has none.
    }
    let authority = Authority::new("ours");
    let mut server = Server::new(&authority.server(), &authority, &["-tls1_2"]);
    let mut wire = Wire::new(&mutual(&authority, None), &server);
    wire.until(|wire| wire.client.state() == State::Proven);
    assert_eq!(wire.client.write_plain(b"here\n"), 5);
    wire.flush();
    server.line_with("here");
    server.type_in("r");
    wire.until(|_| false);
    // OpenSSL takes our `no_renegotiation` for an error and gives up with `handshake_failure` (40).
    assert_eq!(wire.client.state(), State::Failed(Failure::Alert(40)));
}

#[test]
fn too_old_a_protocol() {
    let authority = Authority::new("ours");
    let options = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let server = Server::new(&authority.server(), &authority, &options);
    let mut wire = Wire::new(&mutual(&authority, None), &server);
    wire.until(|_| false);
    assert_eq!(wire.client.state(), State::Failed(Failure::ProtocolVersion));
}

#[test]
fn whole_records_of_16_kib() {
    let authority = Authority::new("ours");
    for (option, _) in spoken() {
        let server = Server::new(&authority.server(), &authority, &[option, "-WWW"]);
        // `-WWW` serves files of the working directory, which is this package's.
        let file = std::fs::read("src/connection.rs").expect("this package's source");
        let mut wire = Wire::new(&mutual(&authority, None), &server);
        wire.client.write_plain(b"");
        wire.until(|wire| matches!(wire.client.state(), State::Unproven | State::Proven));
        assert!(wire.client.write_plain(b"GET /src/connection.rs HTTP/1.0\r\n\r\n") > 0);
        wire.until(|wire| wire.client.peer_closed());
        assert!(wire.read.ends_with(&file), "{option}: {} bytes", wire.read.len());
    }
}

#[test]
fn keys_in_every_form() {
    let files = Scratch::new();
    let openssl = |line: &str| {
        let done =
            Command::new("openssl").args(line.split(' ')).current_dir(&files.0).output().expect("openssl");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    openssl("req -x509 -newkey rsa:2048 -nodes -subj /CN=rsa -keyout rsa.pkcs8.pem -out rsa.crt");
    openssl("rsa -in rsa.pkcs8.pem -traditional -out rsa.pkcs1.pem");
    openssl("rsa -in rsa.pkcs8.pem -traditional -outform DER -out rsa.pkcs1.der");
    openssl("ecparam -genkey -name prime256v1 -out ec.sec1.pem");
    openssl("req -x509 -key ec.sec1.pem -subj /CN=ec -out ec.crt");
    openssl("ec -in ec.sec1.pem -outform DER -out ec.sec1.der");
    openssl("pkcs8 -topk8 -nocrypt -in ec.sec1.pem -outform DER -out ec.pkcs8.der");
    openssl("ec -in ec.sec1.pem -aes128 -passout pass:secret -out ec.locked.pem");
    let read = |name: &str| std::fs::read(files.path(name)).expect(name);
    for key in
        ["rsa.pkcs8.pem", "rsa.pkcs1.pem", "rsa.pkcs1.der", "ec.sec1.pem", "ec.sec1.der", "ec.pkcs8.der"]
    {
        let certificate = if key.starts_with("rsa") { "rsa.crt" } else { "ec.crt" };
        let mut settings = settings(Trust::InsecureVerifyNobody);
        settings.identity = Some(Identity::new(&read(certificate), &read(key)).expect(key));
        let made = Config::new(settings).map(|config| config.insecure());
        let unusable = for_chips() && key.starts_with("rsa");
        assert_eq!(made, if unusable { Err(SetupError::UnusableKey) } else { Ok(true) }, "{key}");
    }
    let locked = Identity::new(&read("ec.crt"), &read("ec.locked.pem"));
    assert_eq!(locked.err(), Some(SetupError::EncryptedKey));
}
