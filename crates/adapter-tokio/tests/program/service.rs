//! The service manager's protocol (sd_notify(3)) on a real socket.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::device::{Directory, client};
use crate::process::{PATIENCE, Program, listening};

/// What `WatchdogSec=` gives the program: it is to feed three times as often.
const PERIOD: Duration = Duration::from_millis(600);

struct Manager(UnixDatagram);

impl Manager {
    /// The next message; `None` if there is none for so long.
    fn next(&self, patience: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(patience)).expect("not zero");
        let mut room = [0; 512];
        let n = self.0.recv(&mut room).ok()?;
        Some(String::from_utf8_lossy(&room[..n]).trim_end().to_owned())
    }

    fn wait_for(&self, message: &str) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.next(PATIENCE).expect("messages come").starts_with(message) {
                return;
            }
        }
        panic!("no {message}");
    }

    /// Waits until nothing has come for two periods: the watchdog would bite.
    fn starves(&self) {
        let until = Instant::now() + PATIENCE;
        while self.next(2 * PERIOD).is_some() {
            assert!(Instant::now() < until, "it is fed all the time");
        }
    }
}

fn start(socket: &str, words: &[&str]) -> Program {
    // As systemd does, with the process that it means.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "WATCHDOG_PID=$$ exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_uartbridge")]).args(words);
    shell.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", PERIOD.as_micros().to_string());
    Program::spawn(&mut shell)
}

#[test]
fn it_is_fed_while_the_loop_runs_and_starves_while_it_does_not() {
    let directory = Directory::new();
    let path = directory.path("notify");
    let name = format!("uartbridge-test-{}", std::process::id());
    let sockets = [
        (UnixDatagram::bind(&path), path.to_str().expect("our own name").to_owned()),
        (
            SocketAddr::from_abstract_name(&name).and_then(|address| UnixDatagram::bind_addr(&address)),
            format!("@{name}"),
        ),
    ];
    for (socket, address) in sockets {
        let manager = Manager(socket.expect("a socket of our own"));
        let program = start(&address, &["pty:", "tcp-listen://:0", "--watchdog"]);
        manager.wait_for("READY=1");
        manager.wait_for("STATUS=waiting for a client at tcp-listen://127.0.0.1:");
        manager.wait_for("WATCHDOG=1");
        let start = Instant::now();
        for _ in 0..6 {
            manager.wait_for("WATCHDOG=1");
        }
        // Six thirds of the period, and not all at once.
        assert!(start.elapsed() > PERIOD, "{:?}", start.elapsed());
        program.signal(Signal::STOP);
        manager.starves();
        program.signal(Signal::CONT);
        manager.wait_for("WATCHDOG=1");
        program.signal(Signal::TERM);
        manager.wait_for("STOPPING=1");
        assert_eq!(program.ended().0, 0);
    }
}

#[test]
fn without_the_option_it_is_told_the_state_and_nothing_feeds_it() {
    let directory = Directory::new();
    let path = directory.path("notify");
    let manager = Manager(UnixDatagram::bind(&path).expect("a socket of our own"));
    let mut program = start(path.to_str().expect("our own name"), &["pty:", "tcp-listen://:0"]);
    manager.wait_for("READY=1");
    let peer = client("127.0.0.1", listening(&mut program));
    manager.wait_for(&format!("STATUS=connected to {}", peer.local_addr().expect("connected")));
    assert_eq!(manager.next(2 * PERIOD), None);
    program.signal(Signal::TERM);
    assert_eq!(manager.next(PATIENCE).as_deref(), Some("STOPPING=1"));
}

#[test]
fn many_bridges_are_told_of_in_one_line() {
    let directory = Directory::new();
    let path = directory.path("notify");
    let manager = Manager(UnixDatagram::bind(&path).expect("a socket of our own"));
    let file = directory.path("two.toml");
    let toml = "[[bridge]]\nuart = 'pty:'\nnet = 'tcp-listen://:0'\n".repeat(2);
    std::fs::write(&file, toml).expect("our own directory");
    let words = ["run", file.to_str().expect("our own name")];
    let mut program = start(path.to_str().expect("our own name"), &words);
    manager.wait_for("STATUS=0 of 2 bridges connected");
    let _peer = client("127.0.0.1", listening(&mut program));
    manager.wait_for("STATUS=1 of 2 bridges connected");
}
