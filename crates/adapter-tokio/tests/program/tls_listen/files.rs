//! Files that cannot be used for a listener.

use super::certificates;
use crate::certs::made;
use crate::process::{Program, command};

#[test]
fn a_listener_with_files_that_cannot_be_used_does_not_start() {
    let directory = certificates();
    std::fs::write(directory.path("empty.pem"), "").expect("room on the disk");
    for (settings, what) in [
        ("cert=absent.pem&key=server.key", "cert=absent.pem: no such file or directory; correct the path"),
        ("cert=server.key&key=server.key", "cert=server.key: the file holds no certificate"),
        ("cert=server.pem&key=server.pem", "key=server.pem: the file holds no private key"),
        (
            "cert=server.pem&key=client.key",
            "cert=server.pem: key=client.key: the private key does not belong to the certificate",
        ),
        ("cert=server.pem&key=server.key&ca=empty.pem", "ca=empty.pem: the file holds no certificate"),
    ] {
        let end = format!("tls-listen://:0?{settings}");
        let file = format!("[[bridge]]\nuart = 'pty:'\nnet = '{end}'\n");
        std::fs::write(directory.path("bridges.toml"), file).expect("room on the disk");
        let found = format!("bridges.toml:3: bridge 1: key `net`: {what}");
        let told = format!("tls-listen://127.0.0.1:0: {what}");
        for (words, wanted) in [(&["check", "bridges.toml"][..], found), (&["pty:", &end], told)] {
            let output = command(words).current_dir(directory.path("")).output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{words:?}: {said}");
            assert!(said.contains(&wanted), "{words:?}: {said}");
        }
    }
}

#[test]
fn a_certificate_that_clients_will_refuse_is_warned_of() {
    let directory = certificates();
    made(&[super::path(&directory.path("")), "--client", "pump"]);
    let words = ["pty:", "tls-listen://:0?cert=pump.pem&key=pump.key"];
    let mut program = Program::spawn(command(&words).current_dir(directory.path("")));
    let line = program.said("cert=pump.pem: ");
    assert!(line.contains("WARN") && line.contains("not for servers"), "{line}");
    program.said("waiting for a client");
}
