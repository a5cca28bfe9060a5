//! Two network namespaces: the peer's, in which this process lives, and the bridge's. Between them a veth, or tunnels
//! through a forwarder that loses and reorders packets.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Done;
use crate::forwarder::Forwarder;

/// The peer, the bridge, and the bridge after its address has changed.
pub(crate) const PEER: &str = "10.9.0.1";
pub(crate) const BRIDGE: &str = "10.9.0.2";
pub(crate) const MOVED: &str = "10.9.0.3";
/// The peer through the tunnels.
pub(crate) const THROUGH: &str = "10.8.0.1";
const TUNNELLED: &str = "10.8.0.2";

pub(crate) struct Net {
    /// In the bridge's namespace, until its input ends.
    holder: Child,
    tunnels: Vec<Child>,
    pub(crate) forwarder: Forwarder,
    pub(crate) folder: PathBuf,
}

impl Net {
    /// Its files lie in `folder`.
    pub(crate) fn new(folder: PathBuf) -> Result<Self, String> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--", "sh", "-c", "echo; exec cat"]);
        let spawned = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut holder = spawned.map_err(|error| format!("unshare: {error}"))?;
        // It is in its namespace once it speaks.
        let out = holder.stdout.as_mut().ok_or("no pipe")?;
        std::io::Read::read_exact(out, &mut [0])
            .map_err(|error| format!("the bridge's namespace: {error}"))?;
        let pid = holder.id();
        let forwarder = Forwarder::new(&folder)?;
        let mut net = Self { holder, tunnels: Vec::new(), forwarder, folder };
        net.peer(&format!("link add v1 type veth peer name v0 netns {pid}"))?;
        net.peer(&format!("addr add {PEER}/24 dev v1"))?;
        net.peer("link set v1 up")?;
        net.bridge(&format!("addr add {BRIDGE}/24 dev v0"))?;
        net.bridge("link set v0 up")?;
        net.tunnel(THROUGH, "peer", &[])?;
        net.tunnel(TUNNELLED, "bridge", &net.prefix())?;
        Ok(net)
    }

    /// What stands before a program that is to run in the bridge's namespace.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--target", &pid, "--net", "--"].map(str::to_owned).into()
    }

    pub(crate) fn peer(&self, words: &str) -> Done {
        ip(Command::new("ip").args(words.split(' ')))
    }

    pub(crate) fn bridge(&self, words: &str) -> Done {
        let prefix = self.prefix();
        ip(Command::new(&prefix[0]).args(&prefix[1..]).arg("ip").args(words.split(' ')))
    }

    /// The bridge has its first address again, and packets get through.
    pub(crate) fn ordinary(&self) -> Done {
        self.forwarder.loses(false);
        self.bridge("addr flush dev v0")?;
        self.bridge(&format!("addr add {BRIDGE}/24 dev v0"))
    }

    /// A tunnel's end with this address, whose packets go to the forwarder: socat knows TUN.
    fn tunnel(&mut self, address: &str, end: &str, prefix: &[String]) -> Done {
        let own = self.folder.join(end);
        let there = Forwarder::at(&self.folder, end);
        let mut words = prefix.to_vec();
        words.extend(["socat".into(), format!("TUN:{address}/24,iff-up,iff-no-pi")]);
        words.push(format!("UNIX-SENDTO:{},bind={}", there.display(), own.display()));
        let spawned = Command::new(&words[0]).args(&words[1..]).stdin(Stdio::null()).spawn();
        self.tunnels.push(spawned.map_err(|error| format!("{}: {error}", words[0]))?);
        exists(&own)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for tunnel in &mut self.tunnels {
            // Ended already, or ended now.
            let _ = tunnel.kill();
            let _ = tunnel.wait();
        }
        // Its input ends.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

fn exists(path: &Path) -> Done {
    let limit = Instant::now() + Duration::from_secs(10);
    while !path.exists() {
        if Instant::now() > limit {
            return Err(format!("{} does not appear: is there a /dev/net/tun?", path.display()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn ip(command: &mut Command) -> Done {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)))
    }
}
