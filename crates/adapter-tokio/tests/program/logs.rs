//! What the log and the shown traffic look like.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::device::{Directory, Patient, accept, address, open_pty, server};
use crate::process::{Program, command, count, expect};

#[test]
fn a_flapping_server_does_not_fill_the_log() {
    let flapping = server(0);
    let start = Instant::now();
    let program = Program::start(&["pty:", &address(&flapping), "--backoff-max", "1ms"]);
    for _ in 0..300 {
        drop(accept(&flapping));
    }
    let (code, log) = program.stop();
    let windows = 1 + start.elapsed().as_secs() as usize / 10;
    assert_eq!(code, 0, "{log:#?}");
    assert!(log.len() <= 22 * windows + 10, "{} lines: {log:#?}", log.len());
    assert!(count(&log, " lines suppressed") >= 1, "{log:#?}");
    assert_eq!(count(&log, "final counters"), 1, "{log:#?}");
}

#[test]
fn neither_greeting_nor_heartbeat_is_in_the_log() {
    for format in ["text", "json"] {
        let peer = server(0);
        let mut program = Program::start(&[
            "-",
            &address(&peer),
            "--greeting",
            "PASS s3cret",
            "--heartbeat",
            "s3cret",
            "--heartbeat-after",
            "1ms",
            "--log-level",
            "trace",
            "--log-format",
            format,
        ]);
        let input = program.stdin();
        let mut peer = accept(&peer);
        expect(&mut peer, b"PASS s3crets3cret");
        drop((input, peer));
        let (_, log) = program.ended();
        assert!(log.len() > 3 && count(&log, "s3cret") == 0, "{log:#?}");
    }
}

#[test]
fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    for (no_color, coloured) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        grantpt(&master).expect("a pty");
        unlockpt(&master).expect("a pty");
        let slave = ptsname(&master, Vec::new()).expect("a pty").into_string().expect("/dev/pts/N");
        let terminal = std::fs::File::options().read(true).write(true).open(slave).expect("a pty");
        let mut command = command(&["pty:", "tcp-listen://:0"]);
        command.env_remove("NO_COLOR").envs(no_color.map(|value| ("NO_COLOR", value)));
        let mut child = command.stderr(Stdio::from(terminal)).spawn().expect("the program was built");
        let mut terminal = Patient(master);
        let mut shown = Vec::new();
        while !shown.ends_with(b"\n") {
            let mut room = [0; 256];
            let n = terminal.read(&mut room).expect("a line in time");
            shown.extend_from_slice(&room[..n]);
        }
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert_eq!(shown.contains(&0x1b), coloured, "{no_color:?}: {}", shown.escape_ascii());
    }
}

#[test]
fn traffic_is_shown_both_ways_on_standard_error() {
    let (directory, peer) = (Directory::new(), server(0));
    let mut program = Program::start(&[&directory.end("pty:", "tty"), &address(&peer), "--show", "both"]);
    let mut peer = accept(&peer);
    let mut terminal = open_pty(&directory.path("tty"));
    terminal.write_all(b"up\r\n").expect("room");
    expect(&mut peer, b"up\r\n");
    let line = program.said("UART → net");
    assert!(
        line.ends_with(r#"   4 B  75 70 0d 0a                                       "up\r\n""#),
        "{line}"
    );
    peer.write_all(&[0, 0xff]).expect("room");
    let line = program.said("UART ← net");
    assert!(
        line.contains("Z tty UART")
            && line.ends_with(r#"00 ff                                             "\x00\xff""#),
        "{line}"
    );
    let mut output = String::new();
    let mut stdout = program.stdout();
    drop(peer);
    assert_eq!(program.stop().0, 0);
    stdout.read_to_string(&mut output).expect("text");
    assert_eq!(output, "");
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_byte() {
    nobody_reads_standard_error(&[]);
}

#[test]
fn traffic_that_is_shown_to_nobody_holds_up_no_byte() {
    nobody_reads_standard_error(&["--show", "both"]);
}

fn nobody_reads_standard_error(options: &[&str]) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can be made non-blocking");
    // Full to the brim: whoever logs to it from now on, and waits, waits for ever.
    while rustix::io::write(&writer, &[b'.'; 4096]).is_ok() {}
    while rustix::io::write(&writer, b".").is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("and blocking again");
    let server = server(0);
    let mut child = command(&["-", &address(&server)])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .expect("the program was built");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"not held up").expect("the program reads");
    expect(&mut accept(&server), b"not held up");
    drop((input, reader));
    child.wait().expect("our own child");
}
