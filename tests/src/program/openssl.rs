//! `openssl s_server` as a peer: TLS by others, in a process of its own, between two pipes.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::event::PollFlags;

use super::device::{read, write};
use super::live::{Interest, await_listener};
use crate::records::Records;
use crate::scenario::tls::Version;
use crate::scenario::{Payload, PeerAct};
use crate::tls::Credentials;
use crate::world::{Connection, Observed};

/// With `-quiet` it carries bytes and nothing else: without, some letters are commands. So nobody learns where one connection
/// ends and another begins; all of them count as one.
#[derive(Debug)]
pub(crate) struct OpensslPeer {
    child: Child,
    folder: PathBuf,
    to: ChildStdin,
    from: ChildStdout,
    queue: VecDeque<u8>,
    records: Records,
}

impl OpensslPeer {
    /// One that listens at `at`, speaks one version of TLS, 1.3 if the peers of `credentials` speak more, and asks for a client certificate if the peers of `credentials` do. Its files
    /// are in `folder`, which is its own.
    pub(crate) fn new(at: SocketAddr, credentials: &Credentials, folder: PathBuf) -> Result<Self, String> {
        let (child, to, from) = start(at, credentials, &folder).map_err(|error| {
            format!("openssl s_server, which `cargo xtask setup` installs, or its files: {error}")
        })?;
        let peer = Self { child, folder, to, from, queue: VecDeque::new(), records: Records::down() };
        await_listener(at).map(|()| peer).map_err(|error| format!("openssl s_server: {error}"))
    }

    pub(super) fn interests(&self) -> Vec<Interest<'_>> {
        let mut interests = vec![(self.from.as_fd(), PollFlags::IN)];
        if !self.queue.is_empty() {
            interests.push((self.to.as_fd(), PollFlags::OUT));
        }
        interests
    }

    pub(super) fn act(&mut self, act: &PeerAct, observed: &mut Observed) -> Result<(), String> {
        let PeerAct::Sends(payload) = act else {
            return Err("openssl s_server only sends".into());
        };
        let bytes = match payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Records(count) => self.records.take(*count),
        };
        observed.peer_sent.extend(&bytes);
        self.queue.extend(bytes);
        self.turn(observed).map_err(|error| error.to_string())
    }

    pub(super) fn turn(&mut self, observed: &mut Observed) -> io::Result<()> {
        if observed.connections.is_empty() {
            observed.connections.push(Connection::new(0));
        }
        write(self.to.as_fd(), &mut self.queue, usize::MAX)?;
        read(self.from.as_fd(), &mut observed.connections[0].got)?;
        observed.peer_queues[0].note(observed.now, self.queue.len());
        Ok(())
    }
}

fn start(
    at: SocketAddr,
    credentials: &Credentials,
    folder: &Path,
) -> io::Result<(Child, ChildStdin, ChildStdout)> {
    std::fs::create_dir_all(folder)?;
    credentials.for_openssl(folder)?;
    let mut command = Command::new("openssl");
    let version = match credentials.version() {
        Some(Version::Tls12) => "-tls1_2",
        Some(Version::Tls13) | None => "-tls1_3",
    };
    command.args(["s_server", "-quiet", version, "-cert", "server.pem", "-key", "server.der"]);
    command.arg("-accept").arg(at.to_string());
    if credentials.are_mutual() {
        command.args(["-Verify", "1", "-verify_return_error", "-CAfile", "ca.pem"]);
    }
    command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("no pipes"));
    };
    rustix::io::ioctl_fionbio(&to, true)?;
    rustix::io::ioctl_fionbio(&from, true)?;
    Ok((child, to, from))
}

impl Drop for OpensslPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Left behind in /tmp, it harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
