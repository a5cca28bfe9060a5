//! The README's example, as it is written there.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use crate::device::{Directory, Patient, free_port};
use crate::process::{Program, expect};

#[test]
fn mutual_tls_in_a_minute() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README");
    let section = readme.split("### Mutual TLS in a minute").nth(1).expect("the section");
    let block = section.split("```").nth(1).expect("the example");
    // The port may be somebody else's on this machine.
    let port = free_port().to_string();
    let commands: Vec<String> = block
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .map(|line| line.replace("4433", &port))
        .collect();
    let [make, listen, connect] = commands.as_slice() else { panic!("{commands:?}") };

    let directory = Directory::new();
    let shell = |line: &str| {
        let own = Path::new(env!("CARGO_BIN_EXE_uartbridge")).parent().expect("a directory");
        let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).env("PATH", path).current_dir(directory.path(""));
        command
    };
    assert!(shell(make).output().is_ok_and(|output| output.status.success()), "{make}");
    let mut server = Program::spawn(&mut shell(listen));
    server.said("waiting for a client at tls-listen://127.0.0.1:");
    let mut client = Program::spawn(&mut shell(connect));
    server.said("connected to ");
    client.said("connected to tls://localhost:");
    let mut terminals =
        [&mut server, &mut client].map(|program| (program.stdin(), Patient(program.stdout())));
    for (from, to) in [(0, 1), (1, 0)] {
        terminals[from].0.write_all(b"typed by hand\n").expect("it reads");
        expect(&mut terminals[to].1, b"typed by hand\n");
    }
}
