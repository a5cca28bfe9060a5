//! Connections that work: both versions, both authentications, sessions, the end.

use std::io::Write;
use std::process::Command;

use rustix::process::Signal;

use super::authority::{Authority, days, rustls_server};
use super::openssl::{MUTUAL, Server};
use crate::device::{Directory, Patient, accept, address, open_pty, server};
use crate::process::{Program, command, count, expect};

/// The program in this directory, where certificates are, with its UART at `tty`.
pub(super) fn start(directory: &Directory, net: &str, options: &[&str]) -> Program {
    let words = [&["pty:tty", net, "--backoff-first", "50ms", "--backoff-max", "100ms"], options].concat();
    Program::spawn(command(&words).current_dir(directory.path("")))
}

fn tty(directory: &Directory) -> Patient<std::fs::File> {
    open_pty(&directory.path("tty"))
}

#[test]
fn mutual_authentication_in_both_versions_with_bytes_both_ways_and_an_orderly_end() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    for (option, facts) in [("-tls1_3", "(TLS 1.3, "), ("-tls1_2", "(TLS 1.2, ")] {
        let mut peer = Server::start(&directory, &[&[option][..], &MUTUAL].concat());
        let end = peer.end("ca=ca.pem&cert=client.pem&key=client.key");
        let mut program = start(&directory, &end, &["--greeting", r"who\n"]);
        let line = program.said("connected to tls://127.0.0.1:");
        assert!(line.contains(facts), "{line}");
        peer.line_with("who");
        let mut terminal = tty(&directory);
        for number in 0..100 {
            terminal.write_all(format!("up {number}\n").as_bytes()).expect("room");
            peer.line_with(&format!("up {number}"));
            peer.type_in(&format!("down {number}"));
            expect(&mut terminal, format!("down {number}\n").as_bytes());
        }
        let (code, log) = program.stop();
        assert_eq!((code, count(&log, "WARN")), (0, 0), "{log:#?}");
        // It says ERROR instead if there is no close_notify.
        peer.line_with("DONE");
    }
}

#[test]
fn every_way_to_trust_a_server() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue_with("server", |params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("device.example".try_into().expect("a name"))];
    });
    Authority::new(&directory, "other");
    let pin = pin_of(&directory, "server.pem");
    let other = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for settings in [
        "ca=ca.pem&sni=device.example".to_owned(),
        format!("pin={pin}"),
        format!("pin={other},{pin}"),
        format!("ca=ca.pem&sni=Device.Example&pin={other}&pin={pin}"),
    ] {
        let peer = Server::start(&directory, &[]);
        let mut program = start(&directory, &peer.end(&settings), &[]);
        program.said("connected to tls://127.0.0.1:");
        assert_eq!(count(&program.stop().1, "WARN"), 0, "{settings}");
    }
    // What the system trusts is told by a file, and this variable names another one.
    let peer = Server::start(&directory, &[]);
    let end = peer.end("sni=device.example");
    for (bundle, outcome) in
        [("ca.pem", "connected to tls://"), ("other.pem", "an authority that is not trusted")]
    {
        let mut program = Program::spawn(
            command(&["pty:", &end]).current_dir(directory.path("")).env("SSL_CERT_FILE", bundle),
        );
        program.said(outcome);
    }
    let peer = Server::start(&directory, &[]);
    let mut program = start(&directory, &peer.end("insecure=verify-nobody"), &[]);
    program.said("nobody is verified (insecure=verify-nobody)");
    program.said("connected to tls://127.0.0.1:");
}

/// The public key's digest, as OpenSSL computes it.
pub(super) fn pin_of(directory: &Directory, certificate: &str) -> String {
    let line = format!(
        "openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r"
    );
    let shell = Command::new("sh").args(["-c", &line]).current_dir(directory.path("")).output();
    let output = shell.expect("a shell").stdout;
    let digest = String::from_utf8_lossy(&output).split_whitespace().next().map(str::to_owned);
    format!("sha256:{}", digest.expect("openssl works"))
}

#[test]
fn a_reconnect_takes_up_the_session_and_the_protocol_is_agreed_on() {
    let directory = Directory::new();
    Authority::new(&directory, "ca").issue("server");
    for version in ["-tls1_3", "-tls1_2"] {
        let mut peer = Server::start(&directory, &[version, "-alpn", "serial/1"]);
        let mut program = start(&directory, &peer.end("ca=ca.pem&alpn=mqtt&alpn=serial/1"), &[]);
        let first = program.said("connected to tls://");
        assert!(!first.contains("resumed") && first.contains("ALPN serial/1"), "{first}");
        peer.hang_up(&mut program);
        let second = program.said("connected to tls://");
        assert!(second.contains(", resumed") && second.contains("ALPN serial/1"), "{second}");
    }
}

/// OpenSSL 3.0 has no such key exchange; rustls has.
#[test]
fn the_key_exchange_is_post_quantum_where_the_server_can_do_it() {
    let directory = Directory::new();
    Authority::new(&directory, "ca").issue("server");
    let listener = server(0);
    let end = format!("tls://{}?ca=ca.pem", address(&listener));
    let mut program = start(&directory, &end, &["--greeting", "hello"]);
    let mut socket = accept(&listener);
    let mut tls = rustls::ServerConnection::new(rustls_server(&directory)).expect("a server");
    expect(&mut rustls::Stream::new(&mut tls, &mut socket), b"hello");
    let line = program.said("connected to tls://");
    assert!(line.contains("(TLS 1.3, X25519MLKEM768)"), "{line}");
}

#[test]
fn a_server_without_tickets_is_believed_after_a_quiet_second() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    let options = [&["-tls1_3", "-num_tickets", "0"][..], &MUTUAL].concat();
    let mut peer = Server::start(&directory, &options);
    let end = peer.end("ca=ca.pem&cert=client.pem&key=client.key");
    let start_at = std::time::Instant::now();
    let mut program = start(&directory, &end, &[]);
    program.said("connected to tls://");
    assert!(start_at.elapsed() >= std::time::Duration::from_secs(1));
    tty(&directory).write_all(b"here\n").expect("room");
    peer.line_with("here");
}

#[test]
fn dates_are_told_when_asked_for_and_warned_of_when_near() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue_with("client", |params| params.not_after = (days(20)).into());
    let peer = Server::start(&directory, &MUTUAL);
    let end = peer.end("ca=ca.pem&cert=client.pem&key=client.key");
    let mut program = start(&directory, &end, &[]);
    let warning = program.said("; renew it");
    assert!(warning.contains("WARN") && warning.contains("cert=client.pem expires at "), "{warning}");
    program.said("connected to tls://");
    program.signal(Signal::USR1);
    program.said("counters");
    let line = program.said("ca=ca.pem expires at ");
    assert!(line.ends_with(", in 99 days"), "{line}");
    let line = program.said("cert=client.pem expires at ");
    assert!(line.ends_with(", in 19 days"), "{line}");
}

#[test]
fn a_handshake_that_never_ends_is_given_up_with_the_connect_timeout() {
    let directory = Directory::new();
    Authority::new(&directory, "ca");
    let mute = server(0);
    let end = format!("tls://127.0.0.1:{}?ca=ca.pem", mute.local_addr().expect("bound").port());
    let mut program = start(&directory, &end, &["--connect-timeout", "300ms"]);
    program.said("not connected: connecting took too long");
    program.said("not connected: connecting took too long");
}
