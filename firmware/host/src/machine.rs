//! The board in QEMU: its UART is a socket or a pty, its cable ends in QEMU's own network, where the host is 10.0.2.2.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use uartbridge_firmware_config::Settings;
use uartbridge_trace::Ring;

use crate::image::Image;
use crate::log::{Line, Log};
use crate::qmp::Qmp;

/// QEMU's name for the board's network.
pub(crate) const CABLE: &str = "n0";
/// What leads every packet into nowhere while it is on.
const HOLE: &str = "hole";
/// The same for what the board sends alone.
const MUTE: &str = "mute";
/// Where the image expects fresh randomness: the start of the RAM that it does not use.
const SEED_ADDRESS: &str = "0x21000000";
/// How long QEMU may take to start on a machine that is busy.
const START: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// How the board is to run.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The image, not yet configured.
    pub image: &'a Image,
    /// What is written into it.
    pub settings: &'a Settings<'a>,
    /// What its UART is.
    pub serial: Serial,
    /// Each instruction takes 2 to the power of this, in ns of virtual time, so that time counts them; `None`: time
    /// is the host's.
    pub icount: Option<u8>,
    /// Also listens for a debugger on [`Machine::debugger`].
    pub debugger: bool,
}

/// What the board's UART is on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serial {
    /// [`Machine::uart`].
    Socket,
    /// A pty, named by [`Machine::pty`].
    Pty,
}

/// A running board. Dropping it pulls the plug.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    folder: PathBuf,
    /// Its UART, for [`Serial::Socket`].
    pub uart: Option<UnixStream>,
    /// Its control.
    pub qmp: Qmp,
    /// Its log.
    pub log: Log,
}

impl Machine {
    /// Starts the board; `each` sees every log line as it comes.
    ///
    /// # Errors
    /// The image cannot be configured, or QEMU does not start.
    pub fn start(plan: &Plan<'_>, each: impl FnMut(&Line) + Send + 'static) -> Result<Self> {
        let folder = new_folder()?;
        let started = Self::start_in(&folder, plan, each);
        if started.is_err() {
            // A folder left behind in /tmp harms nobody.
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }

    fn start_in(folder: &Path, plan: &Plan<'_>, each: impl FnMut(&Line) + Send + 'static) -> Result<Self> {
        let mut image = plan.image.clone();
        image.configure(plan.settings)?;
        image.save(&folder.join("image.elf"))?;
        fs::write(folder.join("seed"), seed()?)?;
        // QEMU connects to us, so that nobody has to guess when it is ready.
        let control = UnixListener::bind(folder.join("qmp"))?;
        let uart = UnixListener::bind(folder.join("uart"))?;
        let mut child = command(folder, plan)
            .spawn()
            .context("qemu-system-arm does not start; `cargo xtask setup` installs it")?;
        let log = match child.stdout.take() {
            Some(stdout) => Log::start(plan.image, stdout, each),
            None => bail!("QEMU has no standard output"),
        };
        let connected = (|| {
            let qmp = Qmp::new(accept(&control, &child)?)?;
            let uart = match plan.serial {
                Serial::Socket => Some(accept(&uart, &child)?),
                Serial::Pty => None,
            };
            Ok((qmp, uart, log?))
        })();
        match connected {
            Ok((qmp, uart, log)) => Ok(Self { child, folder: folder.to_owned(), uart, qmp, log }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// The pty that is the board's UART, for [`Serial::Pty`].
    ///
    /// # Errors
    /// QEMU does not say.
    pub fn pty(&mut self) -> Result<PathBuf> {
        let devices = self.qmp.execute("query-chardev", serde_json::json!({}))?;
        let names = devices.as_array().into_iter().flatten().filter_map(|device| device["filename"].as_str());
        let path = names.filter_map(|name| name.strip_prefix("pty:")).next();
        path.map(PathBuf::from).context("QEMU names no pty")
    }

    /// From now on every packet on the cable vanishes, both ways, and nobody is told; or no more.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn black_hole(&mut self, on: bool) -> Result<()> {
        self.filter(HOLE, on)
    }

    /// From now on what the board sends vanishes, and what is sent to it arrives; or no more.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn mute(&mut self, on: bool) -> Result<()> {
        self.filter(MUTE, on)
    }

    fn filter(&mut self, name: &str, on: bool) -> Result<()> {
        let status = if on { "on" } else { "off" };
        let path = format!("/objects/{name}");
        let arguments = serde_json::json!({ "path": path, "property": "status", "value": status });
        self.qmp.execute("qom-set", arguments).map(drop)
    }

    /// The socket for a debugger.
    pub fn debugger(&self) -> PathBuf {
        self.folder.join("gdb")
    }

    /// A file of this machine's own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Bytes of the machine's memory.
    ///
    /// # Errors
    /// As [`Qmp::memory`].
    pub fn memory(&mut self, address: u32, len: u32) -> Result<Vec<u8>> {
        let file = self.folder.join("memory");
        self.qmp.memory(address, len, &file)
    }

    /// The trace that the image `traced` has kept so far; `None` if it has not begun.
    ///
    /// # Errors
    /// It is another image, or as [`Qmp::memory`].
    pub fn trace(&mut self, image: &Image) -> Result<Option<Vec<u8>>> {
        // A record and what says that it is there are written one after the other.
        self.qmp.execute("stop", serde_json::json!({}))?;
        let ring = self.trace_ring(image);
        self.qmp.execute("cont", serde_json::json!({}))?;
        let Some(ring) = ring? else { return Ok(None) };
        // A ring writes its trace's beginning without what marks it as a ring, and at most 32 bytes besides.
        let mut trace = vec![0; ring.len() + 32];
        let len = Ring::unroll(&ring, &mut trace).context("the board's memory holds no trace")?;
        trace.truncate(len);
        Ok(Some(trace))
    }

    fn trace_ring(&mut self, image: &Image) -> Result<Option<Vec<u8>>> {
        let place = image.symbol("TRACE").context("only the image `traced` keeps a trace")?;
        let words = self.memory(place.address, place.size)?;
        let word =
            |nth: usize| words.chunks_exact(4).nth(nth)?.first_chunk().copied().map(u32::from_le_bytes);
        match (word(0), word(1)) {
            (Some(address @ 1..), Some(len)) => self.memory(address, len).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether QEMU has ended by itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> Result<bool> {
        self.child.try_wait().map(|status| status.is_some()).context("looking after QEMU")
    }

    /// Waits until QEMU ends by itself.
    ///
    /// # Errors
    /// What the system says.
    pub fn wait(&mut self) -> Result<()> {
        self.child.wait().map(drop).context("waiting for QEMU")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_folder() -> Result<PathBuf> {
    static MACHINES: AtomicU32 = AtomicU32::new(0);
    let nth = MACHINES.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("uartbridge-qemu-{}-{nth}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    Ok(folder)
}

/// Randomness for the image: this machine's own source of it is a debugger's, as it were.
fn seed() -> Result<[u8; 64]> {
    let mut seed = [0; 64];
    let mut source = fs::File::open("/dev/urandom").context("opening /dev/urandom")?;
    std::io::Read::read_exact(&mut source, &mut seed).context("reading /dev/urandom")?;
    Ok(seed)
}

fn command(folder: &Path, plan: &Plan<'_>) -> Command {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new("qemu-system-arm");
    command.args(["-M", "mps2-an385", "-display", "none", "-monitor", "none"]);
    command.args(["-semihosting-config", "enable=on,target=native"]);
    command.args(["-nic", &format!("user,model=lan9118,id={CABLE}")]);
    command.args(["-chardev", "null,id=nowhere", "-chardev", "null,id=nothing"]);
    // The network's side of the cable: it receives what the board sends.
    for (name, queue, nowhere) in [(HOLE, "all", "nowhere"), (MUTE, "rx", "nothing")] {
        let filter = format!("filter-redirector,id={name},netdev={CABLE},queue={queue},outdev={nowhere}");
        command.args(["-object", &format!("{filter},status=off")]);
    }
    command.args(["-chardev", &format!("socket,id=control,path={}", file("qmp"))]);
    command.args(["-mon", "chardev=control,mode=control"]);
    command.args(["-device", &format!("loader,file={},addr={SEED_ADDRESS},force-raw=on", file("seed"))]);
    command.args(["-kernel", &file("image.elf")]);
    match plan.serial {
        Serial::Socket => {
            command.args(["-chardev", &format!("socket,id=uart,path={}", file("uart"))]);
            command.args(["-serial", "chardev:uart"]);
        }
        Serial::Pty => {
            command.args(["-serial", "pty"]);
        }
    }
    if let Some(shift) = plan.icount {
        command.args(["-icount", &format!("shift={shift}")]);
    }
    if plan.debugger {
        command.args(["-chardev", &format!("socket,id=gdb,path={},server=on,wait=off", file("gdb"))]);
        command.args(["-gdb", "chardev:gdb"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// QEMU's connection to `listener`.
fn accept(listener: &UnixListener, child: &Child) -> Result<UnixStream> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("QEMU's process number")?;
    let ended = pidfd_open(pid, PidfdFlags::empty()).context("watching QEMU")?;
    let mut watched = [PollFd::new(listener, PollFlags::IN), PollFd::new(&ended, PollFlags::IN)];
    poll(&mut watched, Some(&START)).context("waiting for QEMU")?;
    if watched[0].revents().contains(PollFlags::IN) {
        return Ok(listener.accept().context("QEMU's connection")?.0);
    }
    if watched[1].revents().contains(PollFlags::IN) {
        bail!("QEMU has ended at once; what it said is above");
    }
    bail!("QEMU has not connected within {} s", START.tv_sec)
}
