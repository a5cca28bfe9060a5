//! `--trace`: what it writes, how much, and that no disk holds up a bridge.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::device::{Directory, accept, address, free_port, open_pty, server};
use crate::process::{Program, command, count, expect};

/// Back-off that does not keep a test waiting.
const QUICK: [&str; 2] = ["--backoff-max", "50ms"];

pub(crate) fn name(path: &Path) -> &str {
    path.to_str().expect("our own name")
}

/// Runs `uartbridge replay` to its end.
pub(crate) fn replay(file: &Path, options: &[&str]) -> Output {
    command(&[&["replay", name(file)], options].concat()).output().expect("the program was built")
}

/// The story of a trace that replays without difference.
pub(crate) fn story(file: &Path, options: &[&str]) -> String {
    let output = replay(file, options);
    let told = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("every action is the recorded one"), "{told}");
    told
}

/// A device that says this, a server that answers, an outage, and the same once more: what each end got.
pub(crate) fn outage(directory: &Directory, options: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let port = free_port();
    let peer = server(port);
    let (uart, net) = (directory.end("pty:", "tty"), format!("127.0.0.1:{port}"));
    let mut program = Program::start(&[&[uart.as_str(), &net][..], &QUICK, options].concat());
    program.said("connected to");
    let mut device = open_pty(&directory.path("tty"));
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut talk = |peer: &mut std::net::TcpStream, question: &[u8], answer: &[u8]| {
        device.write_all(question).expect("room");
        expect(peer, question);
        peer.write_all(answer).expect("room");
        expect(&mut device, answer);
        up.extend_from_slice(question);
        down.extend_from_slice(answer);
    };
    let mut first = accept(&peer);
    talk(&mut first, b"temp 1\r\n", b"ok \x00\xff\n");
    drop((first, peer));
    program.said("not connected: ");
    let peer = server(port);
    let mut second = accept(&peer);
    program.said("connected to");
    talk(&mut second, b"temp 2\r\n", b"fine\n");
    program.counts("up_held=0");
    program.signal(rustix::process::Signal::TERM);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut second, &mut rest).expect("a half-close");
    drop(second);
    let (code, log) = program.ended();
    assert_eq!((code, rest), (0, Vec::new()), "{log:#?}");
    (up, down)
}

#[test]
fn a_run_with_an_outage_replays_without_difference_and_is_told_in_words() {
    for bytes in [&[][..], &["--trace-bytes"]] {
        let directory = Directory::new();
        let trace = directory.path("run.trace");
        outage(&directory, &[&["--trace", name(&trace)], bytes].concat());
        let told = story(&trace, &[]);
        for line in [
            "connected to tcp://127.0.0.1:",
            "  UART → net: 8 B read, 8 B acknowledged; UART ← net: 6 B read, 6 B written\n",
            "not connected: the peer has closed the connection; next attempt in ",
            "  UART → net: 8 B read, 8 B acknowledged; UART ← net: 5 B read, 5 B written\n",
            "stopping: delivering what is held\n",
            "finished",
            "UART → net: 16 B read, 16 B acknowledged, 0 B held, 0 B dropped, 0 B sent again\n",
            "UART ← net: 11 B read, 11 B written, 0 B held, 0 B cut off\n",
            "connections: 2 of ",
        ] {
            assert!(told.contains(line), "no {line:?} in\n{told}");
        }
        let verbose = story(&trace, &["--verbose"]);
        let shown = [
            r#"> UartRx(8)  "temp 1\r\n""#,
            r#"> TxDone(8)  "temp 1\r\n""#,
            r#"> SockRx(6)  "ok \x00\xff\n""#,
        ];
        for line in shown {
            assert_eq!(verbose.contains(line), !bytes.is_empty(), "{line} in\n{verbose}");
        }
        assert!(verbose.contains("> UartRx(8)") && verbose.contains("< Sleep for "), "{verbose}");
    }
}

/// The peer has room for some of it, and leaves without having read anything: the story says which bytes are sent again.
#[test]
fn what_was_on_its_way_is_told_as_sent_again_from_its_byte_on() {
    const SIZE: usize = 300_000;
    let directory = Directory::new();
    let (trace, port) = (directory.path("run.trace"), free_port());
    let peer = server(port);
    rustix::net::sockopt::set_socket_recv_buffer_size(&peer, 4_096).expect("socket(7)");
    let (uart, net) = (directory.end("pty:", "tty"), format!("127.0.0.1:{port}"));
    let mut program = Program::start(&[&[uart.as_str(), &net, "--trace", name(&trace)][..], &QUICK].concat());
    let first = accept(&peer);
    let said: Vec<u8> = (0..SIZE).map(|place| (place * 31 % 251) as u8).collect();
    open_pty(&directory.path("tty")).write_all(&said).expect("room");
    program.counts(&format!("uart_rx={SIZE} "));
    drop((first, peer));
    program.said("not connected: ");
    let mut second = accept(&server(port));
    let mut again = Vec::new();
    let mut room = [0; 4096];
    while !again.ends_with(&said[SIZE - 100..]) {
        let n = std::io::Read::read(&mut second, &mut room).expect("more");
        assert_ne!(n, 0, "{} bytes came again", again.len());
        again.extend_from_slice(&room[..n]);
    }
    drop(second);
    program.stop();
    let told = story(&trace, &[]);
    let from =
        told.split_once("they will be sent again, from byte ").and_then(|(_, rest)| rest.split_once(' '));
    let from: usize = from.and_then(|(from, _)| from.parse().ok()).unwrap_or_else(|| panic!("{told}"));
    assert!(again == said[from..], "{} bytes came again, of {SIZE}; {told}", again.len());
}

#[test]
fn a_trace_is_its_owners_alone_and_the_one_before_it_is_kept() {
    let directory = Directory::new();
    let (trace, old) = (directory.path("run.trace"), directory.path("run.trace.old"));
    fs::write(&trace, b"what went wrong yesterday").expect("our own directory");
    let words = ["pty:", "tcp-listen://:0", "--trace", name(&trace)];
    let mut program = Program::start(&words);
    let said = program.said("the trace that was there is");
    assert!(said.contains(name(&old)), "{said}");
    program.said("waiting for a client");
    assert_eq!(program.stop().0, 0);
    assert_eq!(fs::metadata(&trace).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&old).expect("it is there"), b"what went wrong yesterday");
    assert!(
        story(&trace, &[]).contains("waiting for a client at tcp-listen://127.0.0.1:"),
        "in the words of the log"
    );
}

#[test]
fn a_trace_that_cannot_be_written_is_told_before_anything_starts() {
    let directory = Directory::new();
    fs::create_dir(directory.path("folder")).expect("our own directory");
    for place in ["no/such/folder/run.trace", "folder"] {
        let trace = directory.path(place);
        let (code, log) = Program::start(&["pty:", "tcp-listen://:0", "--trace", name(&trace)]).ended();
        assert_eq!(code, 73, "{log:#?}");
        let said = format!("--trace {}: cannot write there: ", trace.display());
        assert_eq!(count(&log, &said), 1, "{log:#?}");
    }
}

#[test]
fn a_trace_ends_at_its_limit_says_so_once_and_the_bridge_goes_on() {
    let (directory, peer) = (Directory::new(), server(0));
    let trace = directory.path("run.trace");
    let words = ["--trace", name(&trace), "--trace-bytes", "--trace-limit", "4KiB"];
    let (uart, net) = (directory.end("pty:", "tty"), address(&peer));
    let program = Program::start(&[&[uart.as_str(), &net][..], &words].concat());
    let mut peer = accept(&peer);
    let mut device = open_pty(&directory.path("tty"));
    let line = [b'x'; 500];
    for _ in 0..20 {
        device.write_all(&line).expect("room");
        expect(&mut peer, &line);
    }
    drop(peer);
    let (_, log) = program.stop();
    assert_eq!(count(&log, "has grown to its limit and ends; see --trace-limit"), 1, "{log:#?}");
    let len = fs::metadata(&trace).expect("it is there").len();
    assert!((3_000..=4_096).contains(&len), "{len}");
    let told = story(&trace, &[]);
    assert!(told.contains("here the trace was full; the bridge went on\n"), "{told}");
}

/// A device that is always full, and a file that must not grow, as on a disk that is full.
#[test]
fn a_full_disk_is_told_once_and_holds_up_nothing() {
    let directory = Directory::new();
    for (trace, lines) in [(Path::new("/dev/full").to_owned(), 3), (directory.path("run.trace"), 60)] {
        let peer = server(0);
        // A file of at most 8 blocks, whose unit is 512 or 1024 bytes; SIGXFSZ would end the process.
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_uartbridge")]);
        shell.args([
            &directory.end("pty:", "tty"),
            &address(&peer),
            "--trace",
            name(&trace),
            "--trace-bytes",
        ]);
        let mut program = Program::spawn(&mut shell);
        let mut peer = accept(&peer);
        let mut device = open_pty(&directory.path("tty"));
        let line = [b'x'; 500];
        // What the bridge was made of is written; after that, the rest fits or does not.
        while !trace.starts_with("/dev") && fs::metadata(&trace).expect("it is there").len() == 0 {
            std::thread::yield_now();
        }
        for _ in 0..lines {
            device.write_all(&line).expect("room");
            expect(&mut peer, &line);
        }
        program.said("ends here: cannot write: ");
        device.write_all(b"and on").expect("room");
        expect(&mut peer, b"and on");
        program.counts("up_held=0");
        drop(peer);
        let (_, log) = program.stop();
        let said = format!("ERROR bridge{{id=tty}}: the trace {} ends here: cannot write: ", trace.display());
        assert_eq!(count(&log, &said), 1, "{log:#?}");
        assert_eq!(count(&log, " lacks "), 1, "{log:#?}");
        if trace.starts_with("/dev") {
            continue;
        }
        let len = fs::metadata(&trace).expect("it is there").len();
        assert!(len <= 8_192, "{len}");
        story(&trace, &[]);
    }
}

#[test]
fn each_bridge_of_a_process_has_a_trace_of_its_own() {
    let (directory, peer) = (Directory::new(), server(0));
    let file = directory.path("two.toml");
    let bridge = |bridge: &str| {
        format!(
            "[[bridge]]\nname = '{bridge}'\nuart = '{}'\nnet = '{}'\ntrace = '{}'\ntrace-bytes = true\n",
            directory.end("pty:", bridge),
            address(&peer),
            directory.end("", &format!("{bridge}.trace"))
        )
    };
    fs::write(&file, bridge("one") + &bridge("two")).expect("our own directory");
    let mut program = Program::start(&["run", name(&file)]);
    let mut peers = [accept(&peer), accept(&peer)];
    // Which of them is whose, nobody knows.
    for bridge in ["one", "two"] {
        open_pty(&directory.path(bridge)).write_all(bridge.as_bytes()).expect("room");
    }
    for peer in &mut peers {
        let mut word = [0; 3];
        std::io::Read::read_exact(peer, &mut word).expect("three bytes");
    }
    drop(peers);
    program.said("not connected");
    program.stop();
    for (bridge, other) in [("one", "two"), ("two", "one")] {
        let told = story(&directory.path(&format!("{bridge}.trace")), &["--verbose"]);
        assert!(told.contains(&format!("\"{bridge}\"")) && !told.contains(&format!("\"{other}\"")), "{told}");
    }
}

#[test]
fn under_tls_both_sides_replay_and_their_traces_have_plaintext() {
    let directory = Directory::new();
    let certs = directory.path("certs");
    assert!(command(&["certs", name(&certs)]).output().expect("the program was built").status.success());
    let file = |name: &str| certs.join(name).display().to_string();
    let traces = ["served", "client"].map(|side| directory.path(&format!("{side}.trace")));
    let listen = format!("tls-listen://127.0.0.1:0?cert={}&key={}", file("server.pem"), file("server.key"));
    let mut served = Program::start(&["-", &listen, "--trace", name(&traces[0]), "--trace-bytes"]);
    let port = crate::process::listening(&mut served);
    let to = format!("tls://localhost:{port}?ca={}", file("ca.pem"));
    let mut client = Program::start(&["-", &to, "--trace", name(&traces[1]), "--trace-bytes"]);
    let (mut to_client, mut from_client) = (client.stdin(), client.stdout());
    let (mut to_served, mut from_served) = (served.stdin(), served.stdout());
    to_client.write_all(b"question").expect("room");
    expect(&mut from_served, b"question");
    to_served.write_all(b"answer").expect("room");
    expect(&mut from_client, b"answer");
    drop(to_client);
    let (code, log) = client.ended();
    assert_eq!(code, 0, "{log:#?}");
    served.said("no client any more");
    served.stop();
    for trace in traces {
        let told = story(&trace, &["--verbose"]);
        assert!(told.contains("\"question\"") && told.contains("\"answer\""), "{told}");
    }
}
