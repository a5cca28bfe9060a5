//! `openssl s_client` as a child process.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::device::{Directory, Patient};

/// A client that verifies its server; it is killed with this value.
pub(super) struct SClient {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(super) output: Patient<ChildStdout>,
}

/// What makes it show a certificate.
pub(super) const IDENTIFIED: [&str; 4] = ["-cert", "client.pem", "-key", "client.key"];

impl SClient {
    /// Connects from this directory, where `ca.pem` is the authority; `options` win.
    pub(super) fn start(directory: &Directory, port: u16, options: &[&str]) -> Self {
        let address = format!("127.0.0.1:{port}");
        let mut child = Command::new("openssl")
            .args(["s_client", "-connect", &address, "-CAfile", "ca.pem", "-verify_return_error"])
            .args(["-verify_hostname", "localhost", "-quiet", "-no_ign_eof"])
            .args(options)
            .current_dir(directory.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl: `cargo xtask setup` installs it");
        let stdin = child.stdin.take();
        let output = Patient(child.stdout.take().expect("a pipe"));
        Self { child, stdin, output }
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it has not been closed");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("s_client runs");
    }

    /// Ends its input, upon which it says `close_notify` and ends. It must be content; gives what it said of errors.
    pub(super) fn end(mut self) -> String {
        self.stdin = None;
        let (content, said) = self.is_over();
        assert!(content, "{said}");
        said
    }

    /// Waits until it ends by itself, because there is no connection: what it said of that.
    pub(super) fn refused(mut self) -> String {
        let (content, said) = self.is_over();
        assert!(!content, "{said}");
        said
    }

    fn is_over(&mut self) -> (bool, String) {
        let mut said = String::new();
        let stderr = self.child.stderr.take().expect("a pipe");
        Patient(stderr).read_to_string(&mut said).expect("it ends");
        (self.child.wait().expect("our own child").success(), said)
    }
}

impl Drop for SClient {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
