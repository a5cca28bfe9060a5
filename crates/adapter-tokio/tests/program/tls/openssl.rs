//! `openssl s_server` as a child process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use crate::device::Directory;
use crate::process::{PATIENCE, Program};

/// The server at work, with the certificate `server.pem`; it is killed with this value.
pub(crate) struct Server {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
    said: Vec<String>,
    pub(crate) port: u16,
}

/// What makes it refuse clients without a certificate of `ca.pem`.
pub(crate) const MUTUAL: [&str; 3] = ["-Verify", "1", "-verify_return_error"];

impl Server {
    pub(crate) fn start(directory: &Directory, options: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", "-key", "server.key"])
            .args(["-CAfile", "ca.pem"])
            .args(options)
            .current_dir(directory.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl: `cargo xtask setup` installs it");
        let (stdin, stdout) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
            for line in lines {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let mut server = Self { child, stdin, lines, said: Vec::new(), port: 0 };
        let line = server.line_with("ACCEPT");
        server.port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("host:port");
        server
    }

    /// Waits for the next line that has this in it.
    pub(crate) fn line_with(&mut self, wanted: &str) -> String {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.said.push(line.clone());
            if line.contains(wanted) {
                return line;
            }
        }
        panic!("s_server did not say {wanted:?}, but\n{}", self.said.join("\n"));
    }

    /// Sends a line to the client; some single letters are commands of s_server's instead.
    pub(crate) fn type_in(&mut self, line: &str) {
        // In one piece: s_server acts on what a single read gives.
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("s_server runs");
    }

    /// Ends the present connection, without `close_notify` (a habit of s_server's), and waits for the next.
    pub(crate) fn hang_up(&mut self, program: &mut Program) {
        self.type_in("q");
        program.said("the connection ended without TLS close_notify; what came last may be missing");
    }

    /// The end that connects to it, with these settings.
    pub(crate) fn end(&self, settings: &str) -> String {
        format!("tls://127.0.0.1:{}?{settings}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
