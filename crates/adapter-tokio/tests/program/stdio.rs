//! Standard input and output as either end.

use std::io::{Read, Write};

use crate::device::{Device, Directory, Patient, accept, address, server};
use crate::process::{Program, count, expect};

#[test]
fn input_goes_out_and_the_answer_comes_back_before_the_end() {
    let peer = server(0);
    let mut program = Program::start(&["-", &address(&peer)]);
    let mut input = program.stdin();
    input.write_all(b"question").expect("room");
    drop(input);
    let mut peer = accept(&peer);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).expect("a half-close in order");
    assert_eq!(got, b"question");
    let answer = vec![b'a'; 300_000];
    let mut output = program.stdout();
    let reader = std::thread::spawn(move || {
        let mut answer = Vec::new();
        output.read_to_end(&mut answer).map(|_| answer)
    });
    peer.write_all(&answer).expect("it reads");
    drop(peer);
    assert!(reader.join().expect("no panic").expect("a pipe") == answer, "the answer is whole");
    let (code, log) = program.ended();
    assert_eq!(code, 0, "{log:#?}");
}

#[test]
fn when_nobody_reads_the_output_any_more_the_program_ends_with_74() {
    let peer = server(0);
    let mut program = Program::start(&["-", &address(&peer)]);
    let _input = program.stdin();
    let mut peer = accept(&peer);
    drop(program.stdout());
    peer.write_all(b"for nobody").expect("room");
    let (code, log) = program.ended();
    assert_eq!(code, 74, "{log:#?}");
    assert_eq!(count(&log, "not delivered: 0 bytes from the UART, 10 bytes from the network"), 1, "{log:#?}");
    assert_eq!(count(&log, "-: standard output takes no more"), 1, "{log:#?}");
}

#[test]
fn a_device_can_be_talked_to_by_standard_input_and_output() {
    let directory = Directory::new();
    let port = directory.path("tty");
    let mut device = Device::plug_in(&port);
    let mut program = Program::start(&[port.to_str().expect("our own name"), "-", "--log-level", "debug"]);
    program.said("UART is open");
    let (mut input, mut output) = (program.stdin(), Patient(program.stdout()));
    input.write_all(b"AT\r").expect("room");
    expect(&mut device.line, b"AT\r");
    // The answer takes its time: the end of the question must not be the end of everything.
    drop(input);
    device.line.write_all(b"\r\nOK\r\n").expect("room");
    expect(&mut output, b"\r\nOK\r\n");
    let (code, log) = program.stop();
    assert_eq!(code, 0, "{log:#?}");
    assert_eq!(count(&log, "connected to -"), 1, "{log:#?}");
}

#[test]
fn a_recorder_whose_reader_leaves_ends_with_74() {
    let directory = Directory::new();
    let port = directory.path("tty");
    let mut device = Device::plug_in(&port);
    let mut program = Program::start(&[port.to_str().expect("our own name"), "-"]);
    program.said("connected to -");
    drop((program.stdin(), program.stdout()));
    device.line.write_all(b"lost").expect("room");
    let (code, log) = program.ended();
    assert_eq!(code, 74, "{log:#?}");
    assert_eq!(count(&log, "not delivered: 4 bytes from the UART"), 1, "{log:#?}");
}
