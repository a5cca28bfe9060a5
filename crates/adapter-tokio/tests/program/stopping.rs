//! Signals and exit codes.

use std::io::{Read, Write};
use std::process::Command;

use rustix::process::Signal;

use crate::device::{Directory, accept, address, free_port, open_pty, server};
use crate::process::{Program, command, count, expect};

/// Back-off that does not keep a test waiting.
const QUICK: [&str; 2] = ["--backoff-max", "50ms"];

/// A bridge with a pty that holds 4 bytes for a server that is away.
fn holding(directory: &Directory, port: u16, options: &[&str]) -> Program {
    let (uart, net) = (directory.end("pty:", "tty"), format!("127.0.0.1:{port}"));
    let words = [&[uart.as_str(), &net][..], &QUICK, options].concat();
    let mut program = Program::start(&words);
    program.said("pts");
    open_pty(&directory.path("tty")).write_all(b"held").expect("room");
    program.counts("up_held=4");
    program
}

/// Whether SIGHUP is ignored in this run (proc(5), `SigIgn`): then the program, which inherits that, does not end by it.
fn under_nohup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("every Linux has it");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("proc(5)");
    u64::from_str_radix(ignored.trim(), 16).expect("proc(5)") & 1 == 1
}

#[test]
fn what_is_held_is_delivered_when_the_server_comes_back_in_time() {
    let hang_up = (!under_nohup()).then_some(Signal::HUP);
    for stop in [Signal::TERM, Signal::INT].into_iter().chain(hang_up) {
        let (directory, port) = (Directory::new(), free_port());
        let mut program = holding(&directory, port, &["--drain-timeout", "1h"]);
        program.signal(stop);
        program.said("stopping: delivering what is held");
        let mut peer = accept(&server(port));
        expect(&mut peer, b"held");
        drop(peer);
        let (code, log) = program.ended();
        assert_eq!(code, 0, "{stop:?} {log:#?}");
        assert_eq!(count(&log, "final counters uart_rx=4 tx_acked=4 up_held=0"), 1, "{log:#?}");
    }
}

#[test]
fn what_cannot_be_delivered_in_time_is_counted_and_ends_with_75() {
    let directory = Directory::new();
    let program = holding(&directory, free_port(), &["--drain-timeout", "100ms"]);
    let (code, log) = program.stop();
    assert_eq!(code, 75, "{log:#?}");
    assert_eq!(count(&log, "not delivered: 4 bytes from the UART, 0 bytes from the network"), 1, "{log:#?}");
    assert!(directory.path("tty").symlink_metadata().is_err(), "the link has gone");
}

#[test]
fn a_second_signal_ends_at_once() {
    let directory = Directory::new();
    let mut program = holding(&directory, free_port(), &["--drain-timeout", "1h"]);
    program.signal(Signal::TERM);
    program.said("a second signal ends at once");
    // Signals in quick succession are one: these are a person's.
    std::thread::sleep(std::time::Duration::from_millis(300));
    program.signal(Signal::INT);
    let (code, log) = program.ended();
    assert_eq!(code, 75, "{log:#?}");
    assert_eq!(count(&log, "stopped at once; what was held is lost"), 1, "{log:#?}");
    assert!(directory.path("tty").symlink_metadata().is_err(), "the link has gone");
}

/// timeout(1) signals the process and its group.
#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let (directory, port) = (Directory::new(), free_port());
    let mut program = holding(&directory, port, &["--drain-timeout", "1h"]);
    program.signal(Signal::TERM);
    program.signal(Signal::INT);
    program.said("stopping");
    expect(&mut accept(&server(port)), b"held");
    let (code, log) = program.ended();
    assert_eq!(code, 0, "{log:#?}");
}

#[test]
fn under_nohup_a_hang_up_changes_nothing() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_uartbridge")]);
    shell.args(["pty:", "tcp-listen://:0"]);
    let mut program = Program::spawn(&mut shell);
    program.said("waiting for a client");
    program.signal(Signal::HUP);
    program.counts("uart_rx=0");
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    assert_eq!(count(&log, "stopping: delivering"), 1, "{log:#?}");
}

#[test]
fn counters_come_at_every_log_level_and_in_json() {
    for level in ["off", "error", "trace"] {
        for (format, expected) in [
            ("text", " INFO bridge{id=x y}: counters uart_rx=0 tx_acked=0 "),
            ("json", r#""message":"counters","uart_rx":0,"tx_acked":0,"#),
        ] {
            let mut program = Program::start(&[
                "--name",
                "x y",
                "-",
                "tcp-listen://:0",
                "--log-level",
                level,
                "--log-format",
                format,
            ]);
            // Nothing tells that the handler is installed at these levels: until then the signal ends the process.
            let caught = || {
                let status =
                    std::fs::read_to_string(format!("/proc/{}/status", program.pid())).expect("alive");
                let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("proc(5)");
                let mask = u64::from_str_radix(mask.trim(), 16).expect("proc(5)");
                mask >> (Signal::USR1.as_raw() - 1) & 1 == 1
            };
            while !caught() {
                std::thread::yield_now();
            }
            program.signal(Signal::USR1);
            let line = program.said("counters");
            assert!(line.contains(expected), "{level} {format}: {line}");
            drop(program);
        }
    }
}

#[test]
fn an_address_that_cannot_be_listened_on_ends_with_69_and_advice() {
    let taken = server(0);
    for (net, said) in [
        (format!("tcp-listen://{}", address(&taken)), "address already in use; stop the program that uses"),
        ("tcp-listen://192.0.2.1:0".to_owned(), "listen on an address of this machine"),
        ("tcp-listen://no-such-host.invalid:0".to_owned(), "cannot resolve no-such-host.invalid"),
    ] {
        let (code, log) = Program::start(&["pty:", &net]).ended();
        assert_eq!(code, 69, "{log:#?}");
        assert_eq!(count(&log, said), 1, "{net}: {log:#?}");
    }
}

#[test]
fn a_stuck_network_is_reset_by_command_and_then_ends_the_program_with_75() {
    let (directory, net) = (Directory::new(), format!("127.0.0.1:{}", free_port()));
    let proof = directory.path("reset");
    let command = format!("cat; echo to the log; echo done >> {}", proof.display());
    let ladder = ["--reset-after", "2", "--restart-after", "60", "--reset-command", &command];
    // Standard input stays open: the command must not wait for it, nor write to our standard output.
    let words = [&["-", &net, "--backoff-max", "20ms"][..], &ladder].concat();
    let mut program = Program::start(&words);
    let (_input, mut output) = (program.stdin(), program.stdout());
    let (code, log) = program.ended();
    assert_eq!(code, 75, "{log:#?}");
    assert!(std::fs::read_to_string(proof).expect("the command has run").starts_with("done\n"));
    assert!(count(&log, "the network is stuck: running") >= 1, "{log:#?}");
    assert!(count(&log, "to the log") >= 1, "{log:#?}");
    assert_eq!(count(&log, "ending, so that the service manager starts the program again"), 1, "{log:#?}");
    let mut printed = String::new();
    output.read_to_string(&mut printed).expect("text");
    assert_eq!(printed, "");
}

#[test]
fn one_bridge_that_wants_a_restart_ends_all_of_them() {
    let directory = Directory::new();
    let file = directory.path("two.toml");
    let stuck = format!(
        "[[bridge]]\nname = 'stuck'\nuart = 'pty:'\nnet = '127.0.0.1:{}'\nrestart-after = 2\nbackoff-max = '10ms'\n",
        free_port()
    );
    let other = "[[bridge]]\nname = 'other'\nuart = 'pty:'\nnet = 'tcp-listen://:0'\n";
    std::fs::write(&file, stuck + other).expect("our own directory");
    let (code, log) = Program::start(&["run", file.to_str().expect("our own name")]).ended();
    assert_eq!(code, 75, "{log:#?}");
    assert_eq!(count(&log, "bridge{id=other}: finished"), 1, "{log:#?}");
}

#[test]
fn one_bad_device_does_not_stop_the_others() {
    let (directory, peer) = (Directory::new(), server(0));
    let file = directory.path("three.toml");
    let toml = format!(
        "[[bridge]]\nname = 'bad'\nuart = '/dev/null'\nnet = '{0}'\n\
         [[bridge]]\nname = 'absent'\nuart = '/dev/no-such-tty'\nnet = 'tcp-listen://:0'\n\
         [[bridge]]\nname = 'good'\nuart = '{1}'\nnet = '{0}'\n",
        address(&peer),
        directory.end("pty:", "tty")
    );
    std::fs::write(&file, toml).expect("our own directory");
    let mut program = Program::start(&["run", file.to_str().expect("our own name")]);
    program.said("ERROR bridge{id=bad}: serial:/dev/null: this is not a serial port");
    let mut peer = accept(&peer);
    open_pty(&directory.path("tty")).write_all(b"good").expect("room");
    expect(&mut peer, b"good");
    drop(peer);
    let (code, log) = program.stop();
    assert_eq!(code, 66, "{log:#?}");
    assert_eq!(count(&log, "WARN bridge{id=absent}: serial:/dev/no-such-tty: no such device"), 1, "{log:#?}");
}

#[test]
fn the_demo_says_goodbye_whenever_it_is_interrupted() {
    for until in ["serial port", "plug is pulled", "connected to"] {
        let mut demo = Program::spawn(&mut command(&["demo"]));
        let mut output = std::io::BufReader::new(crate::device::Patient(demo.stdout()));
        let mut shown = String::new();
        while !shown.contains(until) {
            let read = std::io::BufRead::read_line(&mut output, &mut shown).expect("a line in time");
            assert_ne!(read, 0, "no {until} in\n{shown}");
        }
        demo.signal(Signal::INT);
        output.read_to_string(&mut shown).expect("text");
        let (code, log) = demo.ended();
        assert_eq!((code, log.as_slice()), (0, &[][..]), "{shown}");
        assert!(shown.lines().last().is_some_and(|line| line.contains("goodbye: ")), "{shown}");
    }
}
