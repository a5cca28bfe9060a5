//! Certificates that change while a client is connected.

use std::io::Write as _;

use super::s_client::{IDENTIFIED, SClient};
use super::{certificates, listener, path};
use crate::certs::made;
use crate::device::open_pty;
use crate::process::{count, expect, listening};

#[test]
fn new_certificates_are_used_for_the_next_client_and_the_present_one_stays() {
    let directory = certificates();
    let dir = directory.path("");
    let mut program = listener(&directory, "&ca=ca.pem&takeover=yes");
    let port = listening(&mut program);
    let mut terminal = open_pty(&directory.path("tty"));
    let mut first = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");

    let renamed = ["-verify_hostname", "new.example"];
    let renamed: Vec<&str> = IDENTIFIED.into_iter().chain(renamed).collect();
    SClient::start(&directory, port, &renamed).refused();
    program.said("was refused: it refused our certificate");
    made(&[path(&dir), "--server", "--force", "--name", "new.example", "--days", "20"]);
    terminal.write_all(b"still here").expect("room");
    expect(&mut first.output, b"still here");
    let mut second = SClient::start(&directory, port, &renamed);
    program.said("certificates have changed and were read again");
    program.said("takes the place of the present client");
    program.said("connected to ");
    program.counts("connections=2");
    program.said("cert=server.pem expires at ");

    // A file that cannot be used changes nothing.
    std::fs::write(directory.path("server.pem"), "half a certif").expect("our own file");
    terminal.write_all(b"on and on").expect("room");
    expect(&mut second.output, b"on and on");
    let _third = SClient::start(&directory, port, &renamed);
    let line = program.said("what was read before stays in use");
    assert!(line.contains("cert=server.pem: ") && line.contains("WARN"), "{line}");
    program.said("takes the place of the present client");
    program.said("connected to ");
}

#[test]
fn a_client_whose_authority_is_no_longer_trusted_does_not_come_in_by_an_old_ticket() {
    let directory = certificates();
    made(&[path(&directory.path("other"))]);
    let mut program = listener(&directory, "&ca=ca.pem");
    let port = listening(&mut program);
    for version in ["-tls1_3", "-tls1_2"] {
        let words = |session| [&IDENTIFIED[..], &[version, session, "session"]].concat();
        let mut peer = SClient::start(&directory, port, &words("-sess_out"));
        program.said("connected to ");
        open_pty(&directory.path("tty")).write_all(b"x").expect("room");
        expect(&mut peer.output, b"x");
        peer.end();
        program.said("no client any more");
        let (ours, other) = (directory.path("ca.pem"), directory.path("other/ca.pem"));
        std::fs::rename(&ours, directory.path("kept.pem")).expect("our own files");
        std::fs::copy(&other, &ours).expect("our own files");
        let words = [&words("-sess_in")[..], &["-CAfile", "kept.pem"]].concat();
        SClient::start(&directory, port, &words).refused();
        program.said("was refused: its certificate comes from an authority that is not trusted");
        std::fs::rename(directory.path("kept.pem"), &ours).expect("our own files");
    }
    let (_, log) = program.stop();
    assert_eq!(count(&log, "connected to "), 2, "{log:#?}");
}

#[test]
fn a_certificate_that_expires_soon_is_warned_of() {
    let directory = certificates();
    made(&[path(&directory.path("")), "--server", "--force", "--days", "29"]);
    let mut program = listener(&directory, "");
    let line = program.said("cert=server.pem expires at ");
    assert!(line.contains("in 28 days; renew it") && line.contains("WARN"), "{line}");
}
