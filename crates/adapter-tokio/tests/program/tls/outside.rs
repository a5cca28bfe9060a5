//! Bulk to servers that were not written here: socat over OpenSSL, and stunnel in front of a plain one.

use std::process::Command;

use super::authority::Authority;
use crate::device::{Directory, free_port};
use crate::outside::{Outside, arrives, device, files, socat};
use crate::process::{Program, command};

/// Certificates, the device on `tty`, and the program between it and this port.
fn start(directory: &Directory, port: u16) -> Program {
    let end = format!("tls://localhost:{port}?ca=ca.pem&cert=client.pem&key=client.key");
    let words = ["pty:tty", &end, "--backoff-max", "50ms"];
    let mut program = Program::spawn(command(&words).current_dir(directory.path("")));
    program.said("connected to tls://localhost:");
    program
}

fn certificates() -> Directory {
    let directory = Directory::new();
    let authority = Authority::new(&directory, "ca");
    authority.issue("server");
    authority.issue("client");
    directory
}

#[test]
fn socat_over_openssl() {
    let directory = certificates();
    let (up, down) = files(&directory);
    let port = free_port();
    let name = |file: &str| directory.path(file).display().to_string();
    let address =
        format!("OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,verify=1,cafile={}", name("ca.pem"));
    let pair = format!("cert={},key={}", name("server.pem"), name("server.key"));
    let _server = socat(&directory, &format!("{address},{pair}"));
    let program = start(&directory, port);
    let _device = device(&directory, "tty", "up", "down.got");
    arrives(&directory.path("up.got"), &up);
    arrives(&directory.path("down.got"), &down);
    assert_eq!(program.stop().0, 0);
}

#[test]
fn stunnel_in_front_of_a_server_without_tls() {
    let directory = certificates();
    let (up, down) = files(&directory);
    let (port, local) = (free_port(), free_port());
    let settings = format!(
        "foreground = yes\npid =\n[uart]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{local}\n\
         CAfile = ca.pem\nverifyChain = yes\nrequireCert = yes\ncert = server.pem\nkey = server.key\n"
    );
    std::fs::write(directory.path("stunnel.conf"), settings).expect("room on the disk");
    let _server = socat(&directory, &format!("TCP-LISTEN:{local},bind=127.0.0.1,reuseaddr"));
    let _stunnel =
        Outside::start(Command::new("stunnel").arg("stunnel.conf").current_dir(directory.path("")));
    let program = start(&directory, port);
    let _device = device(&directory, "tty", "up", "down.got");
    arrives(&directory.path("up.got"), &up);
    arrives(&directory.path("down.got"), &down);
    assert_eq!(program.stop().0, 0);
}
