//! The demo's device: it talks by itself, and says what pages that watch have it say.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use uartbridge::endpoint::{SerialSettings, UartEndpoint};
use uartbridge::ends::UartRead;
use uartbridge::uart::Uart;

use super::{GREETING, OUTAGE, say};

/// The pause between the device's lines.
const PAUSE: Duration = Duration::from_millis(500);
/// How long the device waits for the echo of its last line.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long it waits for the next byte of what pages have it say: whoever uses the port from another terminal wants to read, too.
const BRIEF: Duration = Duration::from_secs(2);

/// A device on the demo's serial port.
pub(super) struct Device {
    path: PathBuf,
    port: Uart,
    /// What pages have it say.
    orders: mpsc::Receiver<Bytes>,
    /// The part of it that is to be said next.
    saying: Bytes,
    /// How much of such it was told to say.
    ordered: usize,
    /// What has come back.
    back: Vec<u8>,
}

impl Device {
    pub(super) fn open(path: &Path, orders: mpsc::Receiver<Bytes>) -> io::Result<Self> {
        let end = UartEndpoint::Serial {
            path: path.to_owned(),
            settings: SerialSettings { exclusive: false, ..SerialSettings::default() },
        };
        let port = Uart::open(&end).map_err(io::Error::other)?;
        let (saying, back) = (Bytes::new(), Vec::new());
        Ok(Self { path: path.to_owned(), port, orders, saying, ordered: 0, back })
    }

    /// Sends lines and says whether each came back; then does what pages want until they are gone.
    pub(super) async fn play(
        mut self,
        lines: u32,
        outage: watch::Sender<bool>,
        complete: oneshot::Sender<bool>,
    ) -> io::Result<()> {
        // The demo waits for it, or is about to end.
        let _ = complete.send(self.talk(lines, outage).await?);
        loop {
            if self.saying.is_empty() {
                self.back.clear();
                self.ordered = 0;
                match self.orders.recv().await {
                    Some(order) => self.take(order),
                    None => return Ok(()),
                }
            }
            self.live(Instant::now() + BRIEF, Some(0)).await?;
        }
    }

    /// True if each line came back. In the middle it has the server's plug pulled.
    async fn talk(&mut self, lines: u32, outage: watch::Sender<bool>) -> io::Result<bool> {
        let mut sent = Vec::new();
        for number in 1..=lines {
            if number == lines / 2 + 1 {
                say(&format!(
                    "the server's plug is pulled for {} s; the device goes on talking",
                    OUTAGE.as_secs()
                ));
                // The server lives as long as the demo.
                let _ = outage.send(true);
            }
            let line = format!("temp {number} {}.{} C\r\n", 20 + number / 10, number % 10);
            sent.extend_from_slice(line.as_bytes());
            self.send(line.as_bytes()).await?;
            self.live(Instant::now() + PAUSE, None).await?;
        }
        self.live(Instant::now() + PATIENCE, Some(sent.len())).await?;
        let came_back = contains_in_order(&self.back, &sent);
        say(&format!("try: picocom -q {0}    or: socat -,rawer,escape=0x0f {0}", self.path.display()));
        Ok(came_back)
    }

    async fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes).await?..];
        }
        Ok(())
    }

    /// Listens, and says what it is told to, until `until`; or until `enough` bytes have come back beside greetings and what
    /// it was told to say, for which it waits longer while bytes move.
    async fn live(&mut self, mut until: Instant, enough: Option<usize>) -> io::Result<()> {
        while !enough.is_some_and(|enough| self.saying.is_empty() && self.has_back(enough + self.ordered)) {
            let saying = self.saying.clone();
            let orders = &mut self.orders;
            let next = async {
                match orders.recv().await {
                    Some(order) => order,
                    None => std::future::pending().await,
                }
            };
            let step = step(&mut self.port, &mut self.back, &saying);
            tokio::select! {
                order = next, if saying.is_empty() => self.take(order),
                moved = timeout_at(until, step) => match moved {
                    Ok(written) => {
                        drop(self.saying.split_to(written?));
                        if enough.is_some() {
                            until = until.max(Instant::now() + BRIEF);
                        }
                    }
                    Err(_) => break,
                },
            }
        }
        Ok(())
    }

    /// Whether so much has come back beside greetings.
    fn has_back(&self, bytes: usize) -> bool {
        // Most of the time a glance does: looking for greetings costs as much as there is.
        self.back.len() >= bytes && without_greetings(&self.back).len() >= bytes
    }

    fn take(&mut self, order: Bytes) {
        self.ordered += order.len();
        self.saying = order;
    }

    async fn step(&mut self, saying: &[u8]) -> io::Result<usize> {
        step(&mut self.port, &mut self.back, saying).await
    }
}

/// Writes or reads, whichever can be done first, so that neither waits for the other; how much was written.
async fn step(port: &mut Uart, back: &mut Vec<u8>, saying: &[u8]) -> io::Result<usize> {
    let mut buffer = [0; 512];
    std::future::poll_fn(|cx| {
        if !saying.is_empty()
            && let written @ std::task::Poll::Ready(_) = port.poll_write(cx, saying)
        {
            return written;
        }
        port.poll_read(cx, &mut buffer).map(|read| match read {
            UartRead::Bytes(n) => {
                back.extend_from_slice(&buffer[..n]);
                Ok(0)
            }
            UartRead::Gone(error) => Err(error),
            UartRead::Ended => Err(io::ErrorKind::UnexpectedEof.into()),
        })
    })
    .await
}

/// The server echoes the greeting of each connection too.
fn without_greetings(back: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(back);
    text.replace(&*String::from_utf8_lossy(GREETING), "").into_bytes()
}

/// Every line came back, in order; a line whose echo was lost with the connection may have come back twice.
fn contains_in_order(back: &[u8], sent: &[u8]) -> bool {
    let clean = without_greetings(back);
    let mut back = clean.split_inclusive(|&byte| byte == b'\n');
    sent.split_inclusive(|&byte| byte == b'\n').all(|line| back.any(|echo| echo.ends_with(line)))
}
