//! Each way in which a client is refused: told as exactly that, on both sides.

use std::io::{Read as _, Write as _};

use super::s_client::{IDENTIFIED, SClient};
use super::{REQUIRED, certificates, listener, path};
use crate::certs::made;
use crate::device::{Directory, client};
use crate::process::{Program, count, listening};

/// A listener, and its port.
fn listening_in(directory: &Directory, settings: &str) -> (Program, u16) {
    let mut program = listener(directory, settings);
    let port = listening(&mut program);
    (program, port)
}

#[test]
fn a_client_that_may_not_come_in_hears_why() {
    let directory = certificates();
    made(&[path(&directory.path("other"))]);
    let stranger = ["-cert", "other/client.pem", "-key", "other/client.key"];
    let server = ["-cert", "server.pem", "-key", "server.key"];
    for (options, reason, heard) in [
        (&["-tls1_3"][..], "it shows no certificate; give it one that an authority", "certificate required"),
        (&["-tls1_2"], "it shows no certificate; give it one that an authority", "alert"),
        (&stranger, "its certificate comes from an authority that is not trusted; have it", "unknown ca"),
        (&server, "its certificate is not for clients; issue one with the usage clientAuth", "alert"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "it speaks neither TLS 1.2 nor 1.3; update it", "alert"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "it has no cipher suite or parameter in common", "alert"),
    ] {
        let (mut program, port) = listening_in(&directory, REQUIRED);
        let said = SClient::start(&directory, port, options).refused();
        let line = program.said("was refused: ");
        assert!(line.contains(reason) && line.contains("WARN"), "{options:?}: {line}");
        assert!(said.contains(heard), "{options:?}: {said}");
        let _good = SClient::start(&directory, port, &IDENTIFIED);
        program.said("connected to ");
    }
}

#[test]
fn a_client_that_refuses_us() {
    let directory = certificates();
    made(&[path(&directory.path("other"))]);
    for (options, reason) in [
        (
            &["-CAfile", "other/ca.pem"][..],
            "it refused our certificate: its authority is unknown there; give",
        ),
        (&["-verify_hostname", "elsewhere.example"], "it refused our certificate: "),
        (&["-alpn", "mqtt"], "it offers none of the application protocols of alpn="),
    ] {
        let (mut program, port) = listening_in(&directory, "&alpn=serial/1");
        SClient::start(&directory, port, options).refused();
        let line = program.said("was refused: ");
        assert!(line.contains(reason), "{options:?}: {line}");
    }
}

#[test]
fn what_is_no_client_at_all() {
    let directory = certificates();
    let (mut program, port) = listening_in(&directory, REQUIRED);
    let mut plain = client("127.0.0.1", port);
    plain.write_all(b"AT+CGMR\r\n").expect("connected");
    program.said("was refused: what it sends is not TLS; let it use TLS, or listen with tcp-listen://");
    let mut alert = Vec::new();
    plain.read_to_end(&mut alert).expect("an orderly end");
    assert_eq!(alert.first(), Some(&21), "an alert (RFC 8446 §5.1)");
    drop(client("127.0.0.1", port));
    program.said("was refused: it left in the middle of the TLS handshake");
}

#[test]
fn a_crowd_of_strangers_does_not_fill_the_log() {
    let directory = certificates();
    let (mut program, port) = listening_in(&directory, REQUIRED);
    for _ in 0..9 {
        SClient::start(&directory, port, &["-tls1_2"]).refused();
    }
    let _good = SClient::start(&directory, port, &IDENTIFIED);
    program.said("connected to ");
    let (_, log) = program.stop();
    assert_eq!(count(&log, "was refused: "), 5, "{log:#?}");
}

#[test]
fn a_listener_that_asks_nobody_who_he_is_is_warned_of_beyond_loopback() {
    let directory = certificates();
    let words = "whoever reaches this port can use the UART, without a certificate; ca=FILE asks for one";
    for (settings, host, warnings) in [
        ("", "127.0.0.1", 0),
        ("", "0.0.0.0", 1),
        ("&ca=ca.pem&client=optional", "[::]", 1),
        (REQUIRED, "0.0.0.0", 0),
    ] {
        let net = format!("tls-listen://{host}:0?cert=server.pem&key=server.key{settings}");
        let mut command = crate::process::command(&["pty:tty", &net]);
        let mut program = Program::spawn(command.current_dir(directory.path("")));
        program.said("waiting for a client at ");
        let (code, log) = program.stop();
        assert_eq!(code, 0, "{log:#?}");
        assert_eq!(count(&log, words), warnings, "{net}: {log:#?}");
    }
}
