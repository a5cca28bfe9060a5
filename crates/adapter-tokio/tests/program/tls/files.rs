//! Files that cannot be used, and files that change.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::authority::Authority;
use super::connections::start;
use super::openssl::{MUTUAL, Server};
use crate::device::Directory;
use crate::process::command;

/// Runs the program in this directory to its end: the exit code, and what it said.
fn outcome(directory: &Directory, words: &[&str]) -> (Option<i32>, String) {
    let output = command(words).current_dir(directory.path("")).output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn files_that_cannot_be_used_are_found_by_check_and_at_the_start() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("one");
    authority.issue("two");
    std::fs::write(directory.path("no.pem"), "nothing\n").expect("room on the disk");
    let text = std::fs::read_to_string(directory.path("ca.pem")).expect("just written");
    std::fs::write(directory.path("cut.pem"), &text[..text.len() / 2]).expect("room on the disk");
    let locked = Command::new("openssl")
        .args(["pkey", "-in", "one.key", "-aes128", "-passout", "pass:x", "-out", "locked.key"])
        .current_dir(directory.path(""))
        .status();
    assert!(locked.is_ok_and(|status| status.success()));
    for (settings, what) in [
        ("ca=absent.pem", "ca=absent.pem: no such file or directory; correct the path"),
        ("ca=no.pem", "ca=no.pem: the file holds no certificate; give a PEM or DER certificate"),
        ("ca=cut.pem", "ca=cut.pem: the PEM file is damaged; copy it again"),
        ("ca=ca.pem&cert=absent.pem&key=one.key", "cert=absent.pem: no such file or directory"),
        ("ca=ca.pem&cert=one.key&key=one.key", "cert=one.key: the file holds no certificate"),
        ("ca=ca.pem&cert=one.pem&key=absent.key", "key=absent.key: no such file or directory"),
        ("ca=ca.pem&cert=one.pem&key=one.pem", "key=one.pem: the file holds no private key; give PKCS#8"),
        (
            "ca=ca.pem&cert=one.pem&key=locked.key",
            "key=locked.key: the private key is protected by a password",
        ),
        (
            "ca=ca.pem&cert=one.pem&key=two.key",
            "cert=one.pem: key=two.key: the private key does not belong to",
        ),
    ] {
        let end = format!("tls://localhost:1?{settings}");
        let file = format!("[[bridge]]\nuart = 'pty:'\nnet = '{end}'\n");
        std::fs::write(directory.path("bridges.toml"), file).expect("room on the disk");
        for words in [&["check", "bridges.toml"][..], &["run", "bridges.toml"]] {
            let (code, said) = outcome(&directory, words);
            let wanted = format!("bridges.toml:3: bridge 1: key `net`: {what}");
            assert!(code == Some(78) && said.starts_with(&wanted), "{words:?}: {code:?} {said}");
        }
        let (code, said) = outcome(&directory, &["pty:", &end]);
        assert!(code == Some(78) && said.contains(&format!("tls://localhost:1: {what}")), "{code:?} {said}");
    }
    let file = "[[bridge]]\nuart = 'pty:'\nnet = 'tls://localhost:1?ca=ca.pem&cert=one.pem&key=one.key'\n";
    std::fs::write(directory.path("bridges.toml"), file).expect("room on the disk");
    assert_eq!(outcome(&directory, &["check", "bridges.toml"]).0, Some(0));
}

#[test]
fn every_form_of_a_certificate_and_a_key_will_do() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    let openssl = |line: &str| {
        let status = Command::new("openssl").args(line.split(' ')).current_dir(directory.path("")).status();
        assert!(status.is_ok_and(|status| status.success()), "{line}");
    };
    openssl("x509 -in ca.pem -outform DER -out ca.der");
    openssl("x509 -in client.pem -outform DER -out client.der");
    openssl("pkey -in client.key -outform DER -out pkcs8.der");
    openssl("ec -in client.key -out sec1.pem");
    let both =
        ["client.key", "client.pem"].map(|file| std::fs::read(directory.path(file)).expect("just written"));
    std::fs::write(directory.path("both.pem"), both.concat()).expect("room on the disk");
    let peer = Server::start(&directory, &MUTUAL);
    for settings in [
        "ca=ca.der&cert=client.der&key=pkcs8.der",
        "ca=ca.pem&cert=client.pem&key=sec1.pem",
        "ca=ca.pem&cert=both.pem&key=both.pem",
    ] {
        let mut program = start(&directory, &peer.end(settings), &[]);
        program.said("connected to tls://");
        assert_eq!(program.stop().0, 0, "{settings}");
    }
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of_and_used() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(directory.path("client.key"), open).expect("our own file");
    let peer = Server::start(&directory, &MUTUAL);
    let mut program = start(&directory, &peer.end("ca=ca.pem&cert=client.pem&key=client.key"), &[]);
    let line = program.said("key=client.key: every user of this machine may read or write this key");
    assert!(line.contains("WARN"), "{line}");
    program.said("connected to tls://");
}

#[test]
fn new_files_are_used_from_the_next_connection_and_bad_ones_are_not() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    let mut peer = Server::start(&directory, &MUTUAL);
    let mut program = start(&directory, &peer.end("ca=ca.pem&cert=client.pem&key=client.key"), &[]);
    program.said("connected to tls://");

    std::fs::write(directory.path("client.pem"), "half a cert").expect("room on the disk");
    peer.hang_up(&mut program);
    program.said("cert=client.pem: the file holds no certificate");
    program.said("connected to tls://");

    Authority::new(&directory, "other").issue("client");
    peer.hang_up(&mut program);
    program.said("certificates have changed and were read again");
    program.said("the server refused the client certificate: its authority is unknown there");

    authority.issue("client");
    program.said("certificates have changed and were read again");
    program.said("connected to tls://");
}
