//! The file that a trace goes to, written by a thread of its own: neither a slow nor a full disk holds up a bridge.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use uartbridge::ends::Dial;
use uartbridge::sock::Peers;
use uartbridge::spec::{BridgeSpec, TraceFile};
use uartbridge_core::PeerIndex;
use uartbridge_trace::{FULL, Setup, Sink, Tape};

/// How long records may wait for others, so that they are written together.
const GATHER: Duration = Duration::from_millis(50);
/// The most that waits to be written, in bytes. What comes beyond is lost and counted.
const WAITING: usize = 4 << 20;

/// A trace of the bridge that `spec` describes, which was made with `seed` and has not been called yet.
///
/// # Errors
/// What was tried, what happened, and what to do.
pub(super) fn start(spec: &BridgeSpec, seed: u32, peers: &Peers) -> Result<Option<Tape<Disk>>, String> {
    let Some(file) = &spec.trace else { return Ok(None) };
    let disk = Disk::create(file, tracing::Span::current()).map_err(|error| {
        format!(
            "--trace {}: cannot write there: {error}; name a file in a directory that is yours",
            file.path.display()
        )
    })?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let setup = Setup {
        config: spec.config,
        seed,
        up: spec.up_buffer,
        down: spec.down_buffer,
        packets: uartbridge::run::PACKETS,
        content: file.content,
        began: u64::try_from(since.as_micros()).ok(),
    };
    let mut tape = Tape::new(disk, &setup);
    for peer in (0..spec.config.peers).map(PeerIndex) {
        tape.name(peer, &peers.name(peer));
    }
    Ok(Some(tape))
}

/// A trace's file, as the bridge sees it.
#[derive(Debug)]
pub(super) struct Disk {
    shared: Arc<Shared>,
    path: PathBuf,
    /// What may still be written.
    left: u64,
    /// Room for no more was found.
    full: bool,
    lost: u64,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: Vec<u8>,
    /// The writer sleeps, and wants to be woken.
    idle: bool,
    /// Writing has failed for good.
    failed: bool,
    closed: bool,
}

impl Disk {
    fn create(trace: &TraceFile, span: tracing::Span) -> io::Result<Self> {
        let file = create(&trace.path)?;
        let shared = Arc::<Shared>::default();
        let (seen, path) = (Arc::clone(&shared), trace.path.clone());
        let writer = std::thread::Builder::new()
            .name("trace".to_owned())
            .spawn(move || span.in_scope(|| seen.write(file, &path)))?;
        Ok(Self {
            shared,
            path: trace.path.clone(),
            left: trace.limit,
            full: false,
            lost: 0,
            writer: Some(writer),
        })
    }

    /// The limit is reached: the trace says so at its end.
    fn fill(&mut self) {
        if std::mem::replace(&mut self.full, true) {
            return;
        }
        self.shared.lock().bytes.extend_from_slice(&FULL);
        tracing::warn!(
            "the trace {} has grown to its limit and ends; see --trace-limit",
            self.path.display()
        );
    }
}

impl Sink for Disk {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        let n: usize = parts.iter().map(|part| part.len()).sum();
        if self.full || n as u64 + FULL.len() as u64 > self.left {
            self.fill();
            self.lost += 1;
            return false;
        }
        let mut queue = self.shared.lock();
        if queue.failed || queue.bytes.len() + n > WAITING {
            drop(queue);
            self.lost += 1;
            return false;
        }
        parts.iter().for_each(|part| queue.bytes.extend_from_slice(part));
        self.left -= n as u64;
        true
    }

    fn pause(&mut self) {
        let mut queue = self.shared.lock();
        if queue.idle && !queue.bytes.is_empty() {
            queue.idle = false;
            self.shared.news.notify_one();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.news.notify_one();
        if let Some(writer) = self.writer.take() {
            // It has said what went wrong.
            let _ = writer.join();
        }
        if self.lost > 0 {
            tracing::warn!("the trace {} lacks {} records", self.path.display(), self.lost);
        }
    }
}

impl Shared {
    /// Nothing panics while it holds the lock, and a half-made record would be found by its checksum.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until the bridge has gone.
    fn write(&self, mut file: File, path: &Path) {
        let mut batch = Vec::new();
        let mut whole = 0;
        loop {
            let mut queue = self.lock();
            while queue.bytes.is_empty() && !queue.closed {
                queue.idle = true;
                queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.idle = false;
            let gathered = self.news.wait_timeout_while(queue, GATHER, |queue| !queue.closed);
            let mut queue = gathered.unwrap_or_else(PoisonError::into_inner).0;
            std::mem::swap(&mut batch, &mut queue.bytes);
            let closed = queue.closed;
            drop(queue);
            if let Err(error) = file.write_all(&batch) {
                self.lock().failed = true;
                // What is there can be replayed as far as it goes; a device has no length to set.
                let _ = file.set_len(whole);
                return tracing::error!(
                    "the trace {} ends here: cannot write: {error}; the bridge goes on",
                    path.display()
                );
            }
            whole += batch.len() as u64;
            batch.clear();
            if closed {
                return;
            }
        }
    }
}

/// A new file that only its owner can read. One that is there is kept beside it: it may hold what went wrong before a restart.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => {
            let mut old = path.as_os_str().to_owned();
            old.push(".old");
            let old = PathBuf::from(old);
            let gone = if old.exists() { ", and the one before it is gone" } else { "" };
            std::fs::rename(path, &old)?;
            tracing::info!("the trace that was there is {} now{gone}", old.display());
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
        // A device, or a pipe to a program that reads.
        Ok(_) => return options.open(path),
    }
    options.create_new(true).open(path)
}
