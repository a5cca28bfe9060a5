//! The program as a stranger meets it: mistakes, what is said about them, and the exit code.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs the program to its end with this standard input.
fn run(words: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_uartbridge"))
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    // Whoever refuses the command line does not read its input.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("the program ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A file of this test's own, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("uartbridge-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, content).expect("a writable directory for temporary files");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("our own name")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_mistake_on_the_command_line_ends_with_64_and_says_what_to_write() {
    for (words, said) in [
        (
            &["/dev/ttyUSB0"][..],
            "the second end is missing; for example uartbridge /dev/ttyUSB0 192.0.2.1:4000",
        ),
        (&["--show", "hex"], "both ends are missing"),
        (&["/dev/ttyS0", "/dev/ttyS1"], "two UART ends"),
        (&["serve", "a:1"], "serve \"a:1\": each server has an --allow of its own; write --allow a:1"),
        (&["serve", "--allow", "a.example"], "write a.example:4000 for one, or a.example:* for all of them"),
        (&["a:1", "b:1"], "two network ends"),
        (
            &["ttyUSB0", "a:1"],
            "\"ttyUSB0\": a serial port is named by its whole path; for example /dev/ttyUSB0",
        ),
        (&["pty:", "localhost"], "neither the path of a serial port nor host:port"),
        (&["pty:", "tcp://localhost"], "the port is missing"),
        (&["pty:", "tls://a:1?key=k"], "key needs cert; if one file holds both"),
        (&["pty:", "a:1", "--peer", "udp://b:1"], "UDP and other peers cannot take turns"),
        (&["pty:", "a:1", "--peer", "b:0"], "nobody listens on port 0"),
        (&["/dev/ttyS0?baud=0", "a:1"], "at 0 baud the line is hung up"),
        (&["pty:", "a:1", "b:1"], "unexpected argument 'b:1'"),
        (&["pty:", "a:1", "--up-bufer", "1MiB"], "a similar argument exists: '--up-buffer'"),
        (&["pty:", "a:1", "--up-buffer", "0"], "--up-buffer: must hold at least 1 byte"),
        (&["pty:", "a:1", "--up-buffer", "much"], "for example 4096, 64KiB or 1MiB"),
        (&["pty:", "a:1", "--connect-timeout", "15"], "15 lacks its unit; for example 15s or 15ms"),
        (&["pty:", "a:1", "--close-timeout", "never"], "--close-timeout: must end"),
        (&["pty:", "a:1", "--overflow", "drop"], "block, drop-oldest, drop-newest"),
        (&["pty:", "a:1", "--greeting", r"\q"], r"\q is not understood; there are \r, \n, \t, \\ and \xNN"),
        (&["pty:", "a:1", "--heartbeat-hex", "abc"], "a byte has two hexadecimal digits"),
        (&["pty:", "a:1", "--name", ""], "--name: is empty"),
        (&["pty:", "a:1", "--log-level", "loud"], "off, error, warn, info, debug, trace"),
        (&["--up-buffer", "1MiB", "run", "x.toml"], "a command takes no ends and no options of a bridge"),
        (&["run"], "<FILE>"),
        (&["demo", "--lines", "some"], "invalid value 'some' for '--lines <N>'"),
    ] {
        let output = run(words, b"");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{words:?}\n{error}");
        assert!(error.starts_with("error: ") && error.contains(said), "{words:?}\n{error}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    let help = run(&["--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    let shown = text(&help.stdout);
    for part in ["Examples:", "Supervision:", "--up-buffer <BYTES>", "rs485=on|off", "Exit status"] {
        assert!(shown.contains(part), "no {part} in\n{shown}");
    }
    let version = run(&["--version"], b"");
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), format!("uartbridge {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn check_counts_bridges_or_tells_every_problem_with_its_line() {
    let good = File::new(
        "good.toml",
        b"[[bridge]]\nuart = 'pty:'\nnet = 'a:1'\n[[bridge]]\nuart = 'pty:'\nnet = 'a:1'\n",
    );
    let output = run(&["check", good.path()], b"");
    assert_eq!(text(&output.stdout), format!("{}: 2 bridges, no problems\n", good.path()));
    assert_eq!(output.status.code(), Some(0));

    let content = b"[[bridge]]\nname = 'pump'\nuart = 'pty:'\nnet = 'a'\n\nup-bufer = 1\n";
    let bad = File::new("bad.toml", content);
    let expected = [
        format!("{}:4: bridge \"pump\": key `net`: \"a\": neither", bad.path()),
        format!("{}:6: bridge \"pump\": unknown key `up-bufer`; did you mean `up-buffer`?", bad.path()),
    ];
    for command in ["check", "run"] {
        let output = run(&[command, bad.path()], b"");
        assert_eq!(output.status.code(), Some(78), "{command}");
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), expected.len(), "{error}");
        for (line, expected) in error.lines().zip(&expected) {
            assert!(line.starts_with(expected), "{line}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_ends_with_66() {
    for path in ["/no/such/file.toml", "/"] {
        let output = run(&["--log-level", "debug", "run", path], b"");
        assert_eq!(output.status.code(), Some(66));
        let error = text(&output.stderr);
        assert!(error.starts_with(&format!("{path}: cannot be read: ")), "{error}");
    }
    let latin = File::new("latin.toml", b"# Stra\xdfe\n");
    let output = run(&["check", latin.path()], b"");
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).starts_with(&format!("{}:1: not UTF-8", latin.path())));
}

#[test]
fn a_uart_that_is_none_ends_with_66_and_its_log_line_is_the_wanted_one() {
    let file = File::new("no-uart", b"");
    let output = run(&[file.path(), "127.0.0.1:9", "--name", "x", "--log-level", "error"], b"");
    assert_eq!(output.status.code(), Some(66));
    let log = text(&output.stderr);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("Z ERROR bridge{id=x}: serial:") && log.contains("not a serial port"), "{log}");

    let json = run(&[file.path(), "127.0.0.1:9", "--log-format", "json"], b"");
    let log = text(&json.stderr);
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(line.starts_with("{\"timestamp\":\"") && line.ends_with('}'), "{line}");
    }
}

/// Registration packets may hold passwords; logs are kept for long and read by many.
#[test]
fn bytes_arrive_and_what_may_be_secret_is_not_in_the_log() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let peer = server.local_addr().expect("bound").to_string();
    let reader = std::thread::spawn(move || {
        let (mut client, _) = server.accept()?;
        let mut got = Vec::new();
        client.read_to_end(&mut got).map(|_| got)
    });
    let greeting = r"PASS s3cret\r\n";
    let output =
        run(&["-", &peer, "--greeting", greeting, "--heartbeat", "s3cret", "--log-level", "debug"], b"hello");
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let got = reader.join().expect("no panic").expect("a connection");
    assert_eq!(text(&got), "PASS s3cret\r\nhello", "{log}");
    assert!(log.contains("bridge{id=stdio}") && !log.contains("s3cret"), "{log}");
}
