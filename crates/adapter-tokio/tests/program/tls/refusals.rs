//! Each way in which one side refuses the other: told as exactly that, and a failed attempt.

use rcgen::ExtendedKeyUsagePurpose;

use super::authority::{Authority, days, self_signed};
use super::connections::start;
use super::openssl::{MUTUAL, Server};
use crate::device::Directory;
use crate::process::count;

/// The program fails twice in a row for this reason, and is never connected.
fn refuses(directory: &Directory, server_options: &[&str], settings: &str, reason: &str) {
    let peer = Server::start(directory, server_options);
    let mut program = start(directory, &peer.end(settings), &["--drain-timeout", "100ms"]);
    let wanted = format!("not connected: tls://127.0.0.1:{}: {reason}", peer.port);
    let line = program.said(&wanted);
    assert!(line.contains("(1 failure)"), "{line}");
    let line = program.said(&wanted);
    assert!(line.contains("(2 failures in a row)"), "{line}");
    program.counts(" connections=0 ");
    let (_, log) = program.stop();
    assert_eq!(count(&log, "connected to"), 0, "{log:#?}");
}

#[test]
fn a_client_certificate_that_the_server_does_not_accept() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    Authority::new(&directory, "other").issue("stranger");
    authority.issue_with("late", |params| params.not_after = days(-1).into());
    let refused = "the server refused the client certificate: ";
    for version in ["-tls1_3", "-tls1_2"] {
        let options = [&[version][..], &MUTUAL].concat();
        for (certificate, why) in [
            ("stranger", "its authority is unknown there; have it issued by one that the server trusts"),
            ("late", "it has expired or is not valid yet; renew it, or set the server's clock"),
        ] {
            let settings = format!("ca=ca.pem&cert={certificate}.pem&key={certificate}.key");
            refuses(&directory, &options, &settings, &format!("{refused}{why}"));
        }
        let missing = "the server wants a client certificate; give one (cert=, key=)";
        refuses(&directory, &options, "ca=ca.pem", missing);
    }
}

#[test]
fn a_server_that_we_do_not_trust() {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    Authority::new(&directory, "other").issue("server");
    let unknown = "the server's certificate comes from an authority that is not trusted";
    refuses(&directory, &[], "ca=ca.pem", unknown);
    let pin = "pin=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mismatch = "the server's public key is none of the pinned ones";
    refuses(&directory, &[], pin, mismatch);
    refuses(&directory, &[], &format!("ca=other.pem&{pin}"), mismatch);

    authority.issue("server");
    let name = "the server's certificate is for another name; connect by a name that it lists";
    refuses(&directory, &[], "ca=ca.pem&sni=elsewhere.example", name);
    authority.issue_with("server", |params| params.not_after = days(-1).into());
    refuses(&directory, &[], "ca=ca.pem", "the server's certificate has expired; renew it");
    authority.issue_with("server", |params| params.not_before = days(1).into());
    refuses(&directory, &[], "ca=ca.pem", "the server's certificate is not valid yet");
    authority.issue_with("server", |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    refuses(&directory, &[], "ca=ca.pem", "the server's certificate is not for servers");
    self_signed(&directory, "server");
    refuses(&directory, &[], "ca=ca.pem", "the server's certificate is self-signed; pin its key");
}

#[test]
fn a_server_that_speaks_something_else() {
    let directory = Directory::new();
    Authority::new(&directory, "ca").issue("server");
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    refuses(&directory, &old, "ca=ca.pem", "the server speaks neither TLS 1.2 nor 1.3; update it");
    let talkative = crate::device::server(0);
    let port = talkative.local_addr().expect("bound").port();
    let mut program = start(&directory, &format!("tls://127.0.0.1:{port}?ca=ca.pem"), &[]);
    let mut client = crate::device::accept(&talkative);
    std::io::Write::write_all(&mut client, b"220 mail.example ESMTP\r\n").expect("connected");
    program.said("what answers does not speak TLS; correct the port, or connect without TLS");
}
