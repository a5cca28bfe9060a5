//! Programs that were not written here, on both ends: socat as the device on a pty, and as the server.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::device::Directory;
use crate::process::{PATIENCE, Program};

/// More than any buffer on the way holds, and no multiple of one.
const SIZE: usize = 1_000_003;

/// A program that ends with the test.
pub(crate) struct Outside(Child);

impl Outside {
    pub(crate) fn socat(words: &[String]) -> Self {
        Self::start(Command::new("socat").args(words))
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}; `cargo xtask setup` installs it")))
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn pattern(step: usize) -> Vec<u8> {
    (0..SIZE).map(|place| (place * step % 251) as u8).collect()
}

/// A pty in this directory on which a program writes `up` and reads into `down.got`.
pub(crate) fn device(directory: &Directory, tty: &str, from: &str, to: &str) -> Outside {
    let name = |file: &str| directory.path(file).display().to_string();
    let file = format!("{},ignoreeof!!CREATE:{}", name(from), name(to));
    Outside::socat(&[file, format!("{},rawer", name(tty))])
}

/// What goes up, and what goes down; also as files of these names.
pub(crate) fn files(directory: &Directory) -> (Vec<u8>, Vec<u8>) {
    let (up, down) = (pattern(31), pattern(17));
    std::fs::write(directory.path("up"), &up).expect("room on the disk");
    std::fs::write(directory.path("down"), &down).expect("room on the disk");
    (up, down)
}

/// A program that writes `down` to this address and reads into `up.got`.
pub(crate) fn socat(directory: &Directory, peer: &str) -> Outside {
    let name = |file: &str| directory.path(file).display().to_string();
    Outside::socat(&[format!("{},ignoreeof!!CREATE:{}", name("down"), name("up.got")), peer.to_owned()])
}

#[test]
fn socat_s_bytes_reach_socat_and_the_other_way_round() {
    let up: Vec<u8> = (0..SIZE).map(|i| (i * 31 % 253) as u8).collect();
    let down: Vec<u8> = (0..SIZE).map(|i| (i * 17 % 241) as u8).collect();
    let dir = std::env::temp_dir().join(format!("uartbridge-outside-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    let name = |file: &str| dir.join(file).display().to_string();
    std::fs::write(name("up"), &up).expect("room on the disk");
    std::fs::write(name("down"), &down).expect("room on the disk");
    // Free a moment ago, and nobody else asks for this one.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("loopback").port();

    // Both stay when their file is at its end, so that what they have written is not thrown away.
    let pipe = |from: &str, to: &str| format!("{},ignoreeof!!CREATE:{}", name(from), name(to));
    let _server =
        Outside::socat(&[pipe("down", "up.got"), format!("TCP-LISTEN:{port},reuseaddr,bind=127.0.0.1")]);
    let _device =
        Outside::socat(&[pipe("up", "down.got"), format!("PTY,link={},rawer,wait-slave", name("tty"))]);
    let program = Program::start(&[&name("tty"), &format!("127.0.0.1:{port}")]);

    arrives(&dir.join("up.got"), &up);
    arrives(&dir.join("down.got"), &down);
    assert_eq!(program.stop().0, 0);
    std::fs::remove_dir_all(&dir).expect("our own directory");
}

/// Waits until the file holds so many bytes, and compares them.
pub(crate) fn arrives(file: &Path, expected: &[u8]) {
    let until = Instant::now() + PATIENCE;
    while std::fs::metadata(file).map_or(0, |is| is.len()) < expected.len() as u64 {
        assert!(Instant::now() < until, "{} does not fill", file.display());
        std::thread::yield_now();
    }
    let got = std::fs::read(file).expect("it is there");
    assert!(got == expected, "{}: other bytes than were sent", file.display());
}
