//! `uartbridge replay`: what it says of traces that are none, that are damaged or that differ; and what it makes of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use uartbridge_core::{Action, Config, Event, Instant, PeerIndex};
use uartbridge_trace::{Recorder as _, Ring, Setup, Sink, Tape};

use crate::device::Directory;
use crate::process::command;
use crate::traces::{name, outage, replay, story};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It ends so, and says this on standard error.
fn refused(output: &Output, code: i32, said: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.starts_with("error: ") && error.contains(said), "no {said:?} in {error}");
}

/// A trace in memory.
#[derive(Debug, Default)]
struct Paper(Vec<u8>);

impl Sink for Paper {
    fn put(&mut self, parts: &[&[u8]]) -> bool {
        self.0.extend(parts.concat());
        true
    }
}

fn setup(packets: usize) -> Setup<'static> {
    Setup { config: Config::DEFAULT, seed: 1, up: 64, down: 64, packets, content: true, began: None }
}

/// A bridge that is told of its address and opens its UART; then it does `action`.
fn trace(packets: usize, action: Action) -> Vec<u8> {
    let mut tape = Tape::new(Paper::default(), &setup(packets));
    tape.name(PeerIndex(0), "tcp://a.example:1");
    let at = Instant::from_micros(1_000_007);
    tape.told(at, Event::IpReady, &[]);
    tape.asked(at, action);
    tape.told(at, Event::UartOpened, &[]);
    std::mem::take(&mut tape.sink().0)
}

#[test]
fn what_is_no_trace_is_told_with_what_to_do() {
    let directory = Directory::new();
    let whole = trace(8, Action::OpenUart);
    let newer = [b"UBtrace\x09", &whole[8..]].concat();
    for (content, code, said) in [
        (&b""[..], 65, ": empty; the bridge that was to write it has not begun"),
        (b"#!/bin/sh\n", 65, ": not a trace of uartbridge; the option --trace of a bridge makes one"),
        (
            &newer,
            65,
            ": a trace in version 9 of the format, and this reads version 1; take the version of uartbridge",
        ),
        (&whole[..20], 65, ": cut off within a record (byte "),
        (b"UBtring1 and no more", 65, ": a dump with the beginning of a ring, but not with all of it"),
    ] {
        let file = directory.path("x.trace");
        fs::write(&file, content).expect("our own directory");
        let output = replay(&file, &[]);
        refused(&output, code, said);
        assert_eq!(text(&output.stdout), "", "{said}");
    }
    refused(&replay(&directory.path("absent"), &[]), 66, "absent: cannot read: No such file or directory");
    refused(&replay(&directory.path(""), &[]), 66, ": cannot read: ");
}

#[test]
fn what_a_damaged_trace_still_has_is_told() {
    let directory = Directory::new();
    let file = directory.path("x.trace");
    let (pcapng, scenario) = (directory.path("x.pcapng"), directory.path("x.scn"));
    let whole = trace(8, Action::OpenUart);
    fs::write(&file, &whole[..whole.len() - 1]).expect("our own directory");
    let output = replay(&file, &["--pcapng", name(&pcapng), "--scenario", name(&scenario)]);
    refused(&output, 65, "cut off within a record (byte ");
    let told = text(&output.stdout);
    assert!(told.contains("     1.000007 s  the trace ends here: cut off within a record"), "{told}");
    assert!(told.contains("replayed: 3 records, 2 calls of the bridge, every action"), "{told}");
    assert!(pcapng.exists() && scenario.exists(), "{told}");
}

#[test]
fn a_difference_is_told_with_time_event_and_both_actions() {
    let directory = Directory::new();
    let file = directory.path("x.trace");
    fs::write(&file, trace(8, Action::Connect(PeerIndex(0)))).expect("our own directory");
    let output = replay(&file, &[]);
    refused(&output, 1, "the bridge does not do again what it did, see above; please report this");
    let told = text(&output.stdout);
    let lines = "     1.000007 s  DIFFERENT after IpReady, 1000007 µs after its clock's start:\n    \
                 recorded: Connect(PeerIndex(0))\n    replayed: OpenUart\n";
    assert!(told.contains(lines), "{told}");
    assert!(told.contains("     1.000007 s  UART is open\n"), "the story goes on: {told}");
}

#[test]
fn a_bridge_of_an_unusual_size_is_told_but_not_checked() {
    let directory = Directory::new();
    let file = directory.path("x.trace");
    fs::write(&file, trace(7, Action::OpenUart)).expect("our own directory");
    let output = replay(&file, &[]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains(
            "not checked: its bridge tells 7 packets apart, and this program has bridges for 4, 8,"
        ),
        "{told}"
    );
    assert!(
        told.contains("UART is open") && told.contains("of which 0 calls of the bridge could be checked"),
        "{told}"
    );
}

/// Peers that there are not, more bytes than memory has, times beyond all calendars: whoever made the trace, nothing panics.
#[test]
fn what_cannot_be_is_told_as_well_as_it_can_be() {
    let directory = Directory::new();
    let file = directory.path("x.trace");
    let (pcapng, scenario) = (directory.path("x.pcapng"), directory.path("x.scn"));
    let mut config = Config::DEFAULT;
    config.packing.delimiter = uartbridge_core::Delimiter::new(b"\n");
    for content in [false, true] {
        let setup = Setup { config, content, began: Some(u64::MAX - 1), ..setup(7) };
        let mut tape = Tape::new(Paper::default(), &setup);
        tape.name(PeerIndex(255), "tcp://[::1]:99999");
        for round in [1, u64::MAX / 2] {
            let at = Instant::from_micros(round);
            tape.asked(at, Action::Connect(PeerIndex(200)));
            tape.told(at, Event::Connected(uartbridge_core::Acks::OnWrite), &[]);
            for n in [0, 1, 70_000, usize::MAX] {
                for event in [
                    Event::UartRx(n),
                    Event::SockRx(n),
                    Event::TxDone(n),
                    Event::UartTxDone(n),
                    Event::SockRxCut(n),
                ] {
                    let brings = matches!(event, Event::UartRx(_) | Event::SockRx(_)) && n < 100_000;
                    tape.told(at, event, &vec![b'\n'; if brings { n } else { 0 }]);
                }
            }
            let errors =
                uartbridge_core::LineErrors { overrun: u32::MAX, framing: u32::MAX, parity: u32::MAX };
            for event in [Event::TxAcked(u64::MAX), Event::PeerClosed, Event::Stop, Event::UartErrors(errors)]
            {
                tape.told(at, event, &[]);
            }
            tape.told(at, Event::Closed(uartbridge_core::CloseReason::TimedOut), &[]);
        }
        fs::write(&file, &tape.sink().0).expect("our own directory");
        let output =
            replay(&file, &["-v", "--force", "--pcapng", name(&pcapng), "--scenario", name(&scenario)]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(tshark(&pcapng, &[]).lines().count() > 10);
    }
}

/// The memory of a ring that has gone round, as a debugger writes it: the beginning is missing.
#[test]
fn a_dump_of_a_ring_is_told_from_where_it_begins() {
    let directory = Directory::new();
    let file = directory.path("memory.bin");
    let mut memory = vec![0; 300];
    let mut tape = Tape::new(Ring::new(&mut memory[..]), &setup(8));
    tape.name(PeerIndex(0), "tcp://a.example:1");
    for nth in 0..50 {
        let at = Instant::from_micros(nth * 1_000_000);
        tape.asked(at, Action::Connect(PeerIndex(0)));
        tape.told(at, Event::Closed(uartbridge_core::CloseReason::Refused), &[]);
        let until = Some((Instant::from_micros((nth + 1) * 1_000_000), uartbridge_core::Timer::BackOff));
        let depth = uartbridge_core::Depth::Idle;
        tape.asked(at, Action::Sleep(uartbridge_core::Sleep { until, depth, wake_on_downlink: false }));
    }
    fs::write(&file, [&[0xff; 1000][..], &memory, &[0xff; 1000]].concat()).expect("our own directory");
    let output = replay(&file, &[]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains(" records are missing here: what follows cannot be checked\n"), "{told}");
    let last = "    49.000000 s  not connected: connection refused; next attempt in 1 s\n";
    assert!(told.contains(last), "{told}");
}

#[test]
fn files_are_replaced_only_by_force_and_made_for_their_owner() {
    let directory = Directory::new();
    let (file, out) = (directory.path("x.trace"), directory.path("out"));
    fs::write(&file, trace(8, Action::OpenUart)).expect("our own directory");
    for option in ["--pcapng", "--scenario"] {
        fs::write(&out, b"precious").expect("our own directory");
        let output = replay(&file, &[option, name(&out)]);
        refused(&output, 73, "out: there is a file already; --force replaces it");
        assert_eq!(fs::read(&out).expect("it is there"), b"precious");
        story(&file, &[option, name(&out), "--force"]);
        assert_ne!(fs::read(&out).expect("it is there"), b"precious");
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&out).expect("it is there").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let nowhere = directory.path("no/such/folder");
        refused(&replay(&file, &[option, name(&nowhere)]), 73, "no/such/folder: cannot write: ");
        refused(&replay(&file, &[option, "/dev/full"]), 73, "/dev/full: cannot write: ");
        let left = fs::read_dir(directory.path("")).expect("our own directory").count();
        assert_eq!(left, 2, "nothing half made is left");
    }
}

#[test]
fn a_reader_who_has_seen_enough_changes_nothing() {
    let directory = Directory::new();
    let (file, out) = (directory.path("x.trace"), directory.path("out"));
    fs::write(&file, trace(8, Action::OpenUart)).expect("our own directory");
    let mut child = command(&["replay", name(&file), "--scenario", name(&out)]);
    let mut child = child.stdout(std::process::Stdio::piped()).spawn().expect("the program was built");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("our own child").code(), Some(0));
    assert!(out.exists());
}

/// tshark on a file: what it prints.
fn tshark(file: &Path, words: &[&str]) -> String {
    let output = Command::new("tshark").args(["-n", "-r", name(file)]).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("tshark: {error}; `cargo xtask setup` installs it"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The bytes in lines of hexadecimal.
fn bytes<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let digits: String = lines.into_iter().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// What Wireshark shows as "Follow TCP Stream": from the bridge, and to it (those lines are indented).
fn follow(file: &Path, stream: usize) -> (Vec<u8>, Vec<u8>) {
    let shown = tshark(file, &["-q", "-z", &format!("follow,tcp,raw,{stream}")]);
    let is_hex = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let lines: Vec<&str> = shown.lines().filter(is_hex).collect();
    let (down, up): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with('\t'));
    (bytes(up), bytes(down.into_iter().map(str::trim)))
}

/// The UART's bytes that went this way; as its user would, the test tells Wireshark what is in them.
fn uart(file: &Path, direction: u8) -> Vec<u8> {
    let table = r#"uat:user_dlts:"User 0 (DLT=147)","data","0","","0","""#;
    let filter = format!("frame.interface_id == 0 && frame.packet_flags_direction == {direction}");
    bytes(tshark(file, &["-o", table, "-Y", &filter, "-T", "fields", "-e", "data.data"]).lines())
}

#[test]
fn wireshark_gets_back_every_byte_and_follows_each_connection() {
    let directory = Directory::new();
    let (file, out) = (directory.path("run.trace"), directory.path("run.pcapng"));
    let (up, down) = outage(&directory, &["--trace", name(&file), "--trace-bytes"]);
    story(&file, &["--pcapng", name(&out)]);
    assert_eq!(uart(&out, 1), up);
    assert_eq!(uart(&out, 2), down);
    // Attempts in between that were refused have a stream each, too.
    let streams = tshark(&out, &["-T", "fields", "-e", "tcp.stream", "-Y", "tcp.len > 0"]);
    let mut streams: Vec<usize> = streams.lines().map(|stream| stream.parse().expect("a number")).collect();
    streams.dedup();
    assert_eq!(streams.len(), 2, "{streams:?}");
    let (first, second) = (follow(&out, streams[0]), follow(&out, streams[1]));
    assert_eq!([first.0, second.0].concat(), up);
    assert_eq!([first.1, second.1].concat(), down);
    let checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let wrong = "tcp.checksum.status == Bad || ip.checksum.status == Bad || _ws.malformed || tcp.analysis.lost_segment \
                 || tcp.analysis.ack_lost_segment || tcp.analysis.retransmission";
    assert_eq!(tshark(&out, &[&checks[..], &["-Y", wrong]].concat()), "");
    let good = tshark(&out, &[&checks[..], &["-Y", "tcp.checksum.status == Good"]].concat());
    assert!(good.lines().count() > 8, "{good}");
    let comments = tshark(&out, &["-T", "fields", "-e", "frame.comment"]);
    assert!(comments.contains("not connected: the peer has closed the connection"), "{comments}");
    // The times are those of the story.
    let first = tshark(&out, &["-c", "1", "-T", "fields", "-e", "frame.time_epoch"]);
    let seconds: f64 = first.trim().parse().expect("a number");
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    assert!((0.0..3600.0).contains(&(now - seconds)), "{seconds}");
}

/// Without bytes there are packets of the right lengths, of which nothing but headers was caught.
#[test]
fn without_bytes_wireshark_gets_lengths() {
    let directory = Directory::new();
    let (file, out) = (directory.path("run.trace"), directory.path("run.pcapng"));
    let (up, down) = outage(&directory, &["--trace", name(&file)]);
    let told = story(&file, &["--pcapng", name(&out)]);
    assert!(
        told.contains(
            "run.pcapng: both sides as packets, for Wireshark; it has lengths and times only, because"
        ),
        "{told}"
    );
    let sum = |filter: &str, field: &str| -> usize {
        let numbers = tshark(&out, &["-Y", filter, "-T", "fields", "-e", field]);
        numbers.lines().map(|number| number.parse::<usize>().expect("a number")).sum()
    };
    assert_eq!(sum("frame.interface_id == 0 && frame.packet_flags_direction == 1", "frame.len"), up.len());
    assert_eq!(sum("frame.interface_id == 0 && frame.packet_flags_direction == 2", "frame.len"), down.len());
    assert_eq!(sum("frame.interface_id == 0", "frame.cap_len"), 0);
    assert_eq!(sum("ip.src == 192.0.2.1", "tcp.len"), up.len());
    assert_eq!(sum("ip.dst == 192.0.2.1", "tcp.len"), down.len());
    assert_eq!(sum("tcp", "frame.cap_len"), 40 * tshark(&out, &["-Y", "tcp"]).lines().count());
}
