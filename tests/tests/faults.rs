//! Faults of a real kernel: the built program in one network namespace, its peer in another, a veth between them. Prints a
//! table; fails if a byte is lost, damaged or out of order, or arrives twice although the bridge did not count it as sent again.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use uartbridge_tests::align::{Own, Tally, align};
use uartbridge_tests::program::{self, ProgramWorld};
use uartbridge_tests::scenario::{DeviceAct, Payload, PeerAct};
use uartbridge_tests::{Act, World, parse};

/// `short` or `full`; without it nothing is run.
const LENGTH: &str = "UARTBRIDGE_FAULTS";
/// Set in the peer's namespace.
const INSIDE: &str = "UARTBRIDGE_FAULTS_PROGRAM";
/// The peer, the bridge, and the bridge after its address has changed.
const PEER: &str = "10.9.0.1";
const BRIDGE: &str = "10.9.0.2";
const MOVED: &str = "10.9.0.3";
/// What both sides say at a time, in bytes, and the pause after it.
const BATCH: usize = 320;
const PACE: Duration = Duration::from_millis(20);
/// Nobody's.
const NOWHERE: &str = "02:00:00:00:00:99";

type Done = Result<(), String>;

fn main() -> ExitCode {
    let Some(length) = std::env::var_os(LENGTH) else {
        println!("left out: set {LENGTH} to short or full (needs root)");
        return ExitCode::SUCCESS;
    };
    let done = match std::env::var_os(INSIDE) {
        Some(program) => run(Path::new(&program), length == "full"),
        None => outside(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Goes on in the peer's namespace.
fn outside() -> Done {
    if !rustix::process::geteuid().is_root() {
        return Err("faults: needs root, to make network namespaces with a veth between them".into());
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--"]).arg(own).args(std::env::args_os().skip(1)).env(INSIDE, program::build()?);
    let status = unshare.status().map_err(|error| format!("unshare: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("faults: {status}")) }
}

fn run(program: &Path, full: bool) -> Done {
    let net = Net::new(program)?;
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!(
        "| fault | up in | down in | lost | twice | of that resent | reordered | damaged | connections | recovery, s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut failed = Vec::new();
    for (name, fault) in FAULTS.iter().filter(|(name, _)| name.contains(&wanted)) {
        if let Err(error) = Run::new(&net, full).and_then(|mut run| run.fault(name, *fault)) {
            failed.push(format!("{name}: {error}"));
        }
        net.ordinary()?;
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
}

type Fault = fn(&mut Run<'_>) -> Done;

const FAULTS: &[(&str, Fault)] = &[
    ("none", |run| run.flow(Duration::from_secs(1))),
    ("link down and up", |run| {
        run.net.bridge("link set v0 down")?;
        run.flow(run.secs(3, 45))?;
        run.net.bridge("link set v0 up")
    }),
    ("cable pulled and back", |run| {
        run.net.peer("link set v1 down")?;
        run.flow(run.secs(3, 45))?;
        run.net.peer("link set v1 up")
    }),
    ("address changed", |run| {
        run.net.bridge(&format!("addr del {BRIDGE}/24 dev v0"))?;
        run.net.bridge(&format!("addr add {MOVED}/24 dev v0"))?;
        run.flow(run.secs(1, 1))
    }),
    ("black hole", |run| {
        run.net.bridge(&format!("neigh replace {PEER} lladdr {NOWHERE} dev v0 nud permanent"))?;
        run.net.peer(&format!("neigh replace {BRIDGE} lladdr {NOWHERE} dev v1 nud permanent"))?;
        run.flow(run.secs(5, 45))?;
        run.net.bridge(&format!("neigh del {PEER} dev v0"))?;
        run.net.peer(&format!("neigh del {BRIDGE} dev v1"))
    }),
    ("server reads nothing for a while", |run| {
        run.act(Act::Peer(0, PeerAct::Stalls))?;
        run.flow(run.secs(3, 60))?;
        run.act(Act::Peer(0, PeerAct::ReadsAgain))
    }),
    ("resets", |run| {
        for _ in 0..run.times(5, 25) {
            run.act(Act::Peer(0, PeerAct::Resets))?;
            run.recover()?;
        }
        Ok(())
    }),
    ("server restarted", |run| {
        for _ in 0..run.times(8, 50) {
            run.act(Act::Peer(0, PeerAct::Refuses))?;
            run.act(Act::Peer(0, PeerAct::Resets))?;
            run.flow(Duration::from_millis(200))?;
            run.act(Act::Peer(0, PeerAct::Listens))?;
            run.recover()?;
        }
        Ok(())
    }),
    ("bridge stopped and continued", |run| {
        run.signal(Signal::STOP)?;
        run.flow(run.secs(4, 60))?;
        run.signal(Signal::CONT)
    }),
    ("descriptors exhausted", |run| {
        let pid = run.pid()?;
        let before = getrlimit(Resource::Nofile);
        let limit =
            |current| prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum: before.maximum });
        limit(Some(3)).map_err(|error| format!("prlimit: {error}"))?;
        run.act(Act::Peer(0, PeerAct::Resets))?;
        run.flow(run.secs(3, 20))?;
        limit(before.current).map(drop).map_err(|error| format!("prlimit: {error}"))
    }),
];

/// Two namespaces and the cable between them. This process lives in the peer's.
struct Net {
    /// In the bridge's namespace, until its input ends.
    holder: Child,
    folder: PathBuf,
}

impl Net {
    fn new(program: &Path) -> Result<Self, String> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--", "sh", "-c", "echo; exec cat"]);
        let mut holder = unshare
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        // It is in its namespace once it speaks.
        let out = holder.stdout.as_mut().ok_or("no pipe")?;
        std::io::Read::read_exact(out, &mut [0])
            .map_err(|error| format!("the bridge's namespace: {error}"))?;
        let pid = holder.id();
        let folder = std::env::temp_dir().join(format!("uartbridge-faults-{pid}"));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let wrapper = format!(
            "#!/bin/sh\necho $$ >{}\nexec nsenter --target {pid} --net -- {} \"$@\"\n",
            folder.join("pid").display(),
            program.display()
        );
        let path = folder.join("uartbridge");
        std::fs::write(&path, wrapper).map_err(|error| error.to_string())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .map_err(|error| error.to_string())?;
        let net = Self { holder, folder };
        net.peer(&format!("link add v1 type veth peer name v0 netns {pid}"))?;
        net.peer(&format!("addr add {PEER}/24 dev v1"))?;
        net.peer("link set v1 up")?;
        net.bridge(&format!("addr add {BRIDGE}/24 dev v0"))?;
        net.bridge("link set v0 up")?;
        Ok(net)
    }

    fn peer(&self, words: &str) -> Done {
        ip(Command::new("ip").args(words.split(' ')))
    }

    fn bridge(&self, words: &str) -> Done {
        let pid = self.holder.id().to_string();
        ip(Command::new("nsenter").args(["--target", &pid, "--net", "--", "ip"]).args(words.split(' ')))
    }

    /// The bridge has its first address again.
    fn ordinary(&self) -> Done {
        self.bridge("addr flush dev v0")?;
        self.bridge(&format!("addr add {BRIDGE}/24 dev v0"))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // Its input ends; a folder left behind in /tmp harms nobody.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn ip(command: &mut Command) -> Done {
    let done = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if done.status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)))
    }
}

/// One fault's run.
struct Run<'a> {
    net: &'a Net,
    world: ProgramWorld,
    full: bool,
}

impl<'a> Run<'a> {
    fn new(net: &'a Net, full: bool) -> Result<Self, String> {
        // The full run keeps the program's own limits.
        let quick = "option unacked-limit 2s\noption backoff-max 1s\n";
        let text = format!("title faults\nproves S7\n{}\nexpect connected\n", if full { "" } else { quick });
        let scenario = parse("faults.scn", &text).map_err(|error| error.to_string())?;
        let at: SocketAddr = format!("{PEER}:4000").parse().map_err(|_| "an address")?;
        let mut world = ProgramWorld::at(&scenario, &net.folder.join("uartbridge"), at)?;
        world.start()?;
        Ok(Self { net, world, full })
    }

    fn secs(&self, short: u64, full: u64) -> Duration {
        Duration::from_secs(self.times(short, full))
    }

    const fn times(&self, short: u64, full: u64) -> u64 {
        if self.full { full } else { short }
    }

    fn act(&mut self, act: Act) -> Done {
        self.world.act(&act)
    }

    fn pid(&self) -> Result<Pid, String> {
        let text = std::fs::read_to_string(self.net.folder.join("pid")).map_err(|error| error.to_string())?;
        text.trim().parse().ok().and_then(Pid::from_raw).ok_or_else(|| "no pid".into())
    }

    fn signal(&self, signal: Signal) -> Done {
        kill_process(self.pid()?, signal).map_err(|error| format!("kill: {error}"))
    }

    /// The device and, while it has a connection, the peer talk for so long.
    fn flow(&mut self, time: Duration) -> Done {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.act(Act::Device(DeviceAct::Sends(Payload::Records(BATCH))))?;
            self.world.wait(PACE, &mut |_| false)?;
        }
        Ok(())
    }

    /// Until what the device says now arrives; how long that took.
    fn recover(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        self.act(Act::Device(DeviceAct::Sends(Payload::Records(BATCH))))?;
        let mark = self.world.observed().device_sent.len();
        let end = self.world.observed().device_sent[mark - 16..].to_vec();
        let back = self.world.wait(Duration::from_secs(120), &mut |seen| {
            seen.connections.iter().rev().any(|c| c.got.windows(16).rev().any(|window| window == end))
        })?;
        if back { Ok(start.elapsed()) } else { Err(format!("no recovery{}", self.world.history())) }
    }

    /// The peer says something, and all of it comes out at the device: only over a connection that is whole, since
    /// what a peer's TCP holds when its connection breaks is the peer's to send again.
    fn down(&mut self) -> Done {
        self.act(Act::Peer(0, PeerAct::Sends(Payload::Records(64 * 1024))))?;
        let there = self
            .world
            .wait(Duration::from_secs(60), &mut |seen| seen.device_got.len() >= seen.peer_sent.len())?;
        if there { Ok(()) } else { Err(format!("downlink is missing{}", self.world.history())) }
    }

    fn fault(&mut self, name: &str, fault: Fault) -> Done {
        self.flow(Duration::from_millis(500))?;
        self.recover()?;
        self.down()?;
        fault(self)?;
        let recovery = self.recover()?;
        self.down()?;
        self.flow(Duration::from_millis(200))?;
        self.recover()?;
        let replayed = self.world.stat("replayed")?;
        let seen = self.world.observed();
        let own = Own::default();
        let up = align(&seen.device_sent, &seen.streams(None), &own);
        let down = align(&seen.peer_sent, &[&seen.device_got], &own);
        let sum = |of: fn(&Tally) -> usize| of(&up) + of(&down);
        let (lost, reordered, damaged) = (sum(Tally::lost), sum(|t| t.reordered), sum(|t| t.corrupt));
        println!(
            "| {name} | {} | {} | {lost} | {} | {replayed} | {reordered} | {damaged} | {} | {:.2} |",
            seen.device_sent.len(),
            seen.peer_sent.len(),
            up.duplicated,
            seen.connections.len(),
            recovery.as_secs_f64()
        );
        let _ = std::io::stdout().flush();
        let whole = up.reached == seen.device_sent.len() && down.reached == seen.peer_sent.len();
        let fair = up.duplicated as u64 <= replayed && down.duplicated == 0;
        if whole && fair && lost + reordered + damaged == 0 {
            Ok(())
        } else {
            Err(format!("up {up:?}, down {down:?}"))
        }
    }
}
