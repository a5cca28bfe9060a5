//! `openssl`, and a client on a socket to its `s_server`.

use super::{Authority, BoxedClient, Certificate, boxed, read_all};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uartbridge_tls::{Client, Config, Event, INPUT_FOR_ANY_RECORD, State};

/// An `s_server` that insists on a client certificate.
pub(crate) const REFUSING: [&str; 3] = ["-Verify", "1", "-verify_return_error"];

/// A directory that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Where this module is compiled into one program several times, the count alone is not unique.
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("uartbridge-tls-{}-{count}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Self(path),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
    }

    pub(crate) fn put(&self, name: &str, content: &str) -> String {
        std::fs::write(self.0.join(name), content).expect("a file");
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect(name)
    }

    pub(crate) fn openssl(&self, line: &str) {
        let done = Command::new("openssl").args(line.split(' ')).current_dir(&self.0).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `openssl s_server`: lines on its stdin go to the client or are commands, what the client sends is on its stdout.
pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    port: u16,
    _files: Scratch,
}

impl Server {
    pub(crate) fn new(certificate: &Certificate, authority: &Authority, options: &[&str]) -> Self {
        let files = Scratch::new();
        files.put("cert.pem", &certificate.pem);
        files.put("key.pem", &certificate.key.serialize_pem());
        files.put("ca.pem", &authority.pem);
        Self::with_files(files, options)
    }

    /// With the directory's `cert.pem`, `key.pem` and `ca.pem`.
    pub(crate) fn with_files(files: Scratch, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", &files.path("cert.pem")])
            .args(["-key", &files.path("key.pem")])
            .args(["-CAfile", &files.path("ca.pem")])
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

    pub(crate) fn line_with(&mut self, wanted: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.stdout.read_line(&mut line).expect("text");
            assert!(count > 0, "s_server ended before it said {wanted:?}");
            if line.contains(wanted) {
                return line;
            }
        }
    }

    pub(crate) fn type_in(&mut self, line: &str) {
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
pub(crate) struct Wire {
    pub(crate) client: BoxedClient,
    socket: TcpStream,
    pub(crate) read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(config: &Config, server: &Server) -> Self {
        let socket = TcpStream::connect(("127.0.0.1", server.port)).expect("s_server listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
        let client =
            Client::new(config, "localhost", boxed(INPUT_FOR_ANY_RECORD), boxed(4096)).expect("client");
        Self { client, socket, read: vec![] }
    }

    pub(crate) fn flush(&mut self) {
        loop {
            let tx = self.client.ports().tx;
            // A server that has refused us may have gone; its alert is still to be read.
            let Ok(count @ 1..) = self.socket.write(tx) else { return };
            self.client.handle(Duration::ZERO, Event::Tx(count)).expect("lent");
        }
    }

    /// Moves bytes until `done`, a failure or the end.
    pub(crate) fn until(&mut self, done: impl Fn(&Self) -> bool) {
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
    pub(crate) fn receive(&mut self) {
        let event = match self.socket.read(self.client.ports().rx) {
            Ok(0) => Event::Eof,
            Ok(count) => Event::Rx(count),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Event::Eof,
            Err(error) => panic!("{error} in {:?}", self.client),
        };
        self.client.handle(Duration::ZERO, event).expect("lent");
    }

    pub(crate) fn until_read(&mut self, wanted: &[u8]) {
        self.until(|wire| wire.read.ends_with(wanted));
        assert!(self.read.ends_with(wanted), "{:?}", self.client);
    }
}
