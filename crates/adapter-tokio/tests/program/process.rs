//! The program as a child process whose log can be waited for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The program at work; it is killed with this value.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    log: Vec<String>,
}

/// The program with these words, to be set up further.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uartbridge"));
    command.args(words).env_remove("NOTIFY_SOCKET").env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    command
}

impl Program {
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::spawn(&mut command(words))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program was built");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let (sender, lines) = channel();
        // Ends with the program, or with the test.
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, log: Vec::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("our own child, not waited for yet");
    }

    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("taken once")
    }

    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("taken once")
    }

    /// Waits for the next log line that has this in it.
    pub(crate) fn said(&mut self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            self.log.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
        panic!("{words:?} was not said, but\n{}", self.log.join("\n"));
    }

    /// Asks for counters until they have this in them.
    pub(crate) fn counts(&mut self, wanted: &str) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.signal(Signal::USR1);
            if self.said("counters").contains(wanted) {
                return;
            }
            std::thread::yield_now();
        }
        panic!("the counters never have {wanted:?}:\n{}", self.log.join("\n"));
    }

    /// Waits for the end: the exit code, and all lines of the log.
    pub(crate) fn ended(mut self) -> (i32, Vec<String>) {
        self.is_over();
        let status = self.child.wait().expect("our own child");
        let log = std::mem::take(&mut self.log);
        (status.code().unwrap_or_else(|| panic!("{status}\n{}", log.join("\n"))), log)
    }

    /// Asks to stop, and waits for the end.
    pub(crate) fn stop(self) -> (i32, Vec<String>) {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until standard error is closed.
    fn is_over(&mut self) {
        let until = Instant::now() + PATIENCE;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.lines.recv_timeout(left) {
                Ok(line) => self.log.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => break,
            }
        }
        panic!("the program does not end:\n{}", self.log.join("\n"));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in the program's line about waiting for a client.
pub(crate) fn listening(program: &mut Program) -> u16 {
    let line = program.said("waiting for a client at ");
    line.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no port in {line}"))
}

/// Exactly these bytes come next.
pub(crate) fn expect(from: &mut impl Read, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    from.read_exact(&mut got).unwrap_or_else(|error| panic!("{}: {error}", bytes.escape_ascii()));
    assert_eq!(got.escape_ascii().to_string(), bytes.escape_ascii().to_string());
}

/// How many of these lines have this in them.
pub(crate) fn count(log: &[String], words: &str) -> usize {
    log.iter().filter(|line| line.contains(words)).count()
}
