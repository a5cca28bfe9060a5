//! Bulk through programs that were not written here, and through a second one of ours.

use std::process::Command;

use super::{REQUIRED, certificates, listener};
use crate::device::{free_port, open_pty};
use crate::outside::{Outside, arrives, device, files, socat};
use crate::process::{Program, command, listening};

#[test]
fn socat_over_openssl() {
    let directory = certificates();
    let (up, down) = files(&directory);
    let mut program = listener(&directory, REQUIRED);
    let port = listening(&mut program);
    let name = |file: &str| directory.path(file).display().to_string();
    let _device = device(&directory, "tty", "up", "down.got");
    let _peer = socat(
        &directory,
        &format!(
            "OPENSSL:127.0.0.1:{port},verify=1,commonname=localhost,cafile={},cert={},key={}",
            name("ca.pem"),
            name("client.pem"),
            name("client.key")
        ),
    );
    arrives(&directory.path("up.got"), &up);
    arrives(&directory.path("down.got"), &down);
    assert_eq!(program.stop().0, 0);
}

#[test]
fn stunnel_as_the_client_of_a_program_without_tls() {
    let directory = certificates();
    let (up, down) = files(&directory);
    let mut program = listener(&directory, REQUIRED);
    let (port, local) = (listening(&mut program), free_port());
    let settings = format!(
        "foreground = yes\npid =\n[uart]\nclient = yes\naccept = 127.0.0.1:{local}\nconnect = 127.0.0.1:{port}\n\
         CAfile = ca.pem\nverifyChain = yes\ncheckHost = localhost\ncert = client.pem\nkey = client.key\n"
    );
    std::fs::write(directory.path("stunnel.conf"), settings).expect("room on the disk");
    let _device = device(&directory, "tty", "up", "down.got");
    let _stunnel =
        Outside::start(Command::new("stunnel").arg("stunnel.conf").current_dir(directory.path("")));
    let _peer = socat(&directory, &format!("TCP:127.0.0.1:{local},retry=100,interval=0.1"));
    arrives(&directory.path("up.got"), &up);
    arrives(&directory.path("down.got"), &down);
    assert_eq!(program.stop().0, 0);
}

#[test]
fn two_of_ours_with_a_break_in_the_middle() {
    let directory = certificates();
    let (up, down) = files(&directory);
    let mut server = listener(&directory, REQUIRED);
    let port = listening(&mut server);
    let end = format!("tls://localhost:{port}?ca=ca.pem&cert=client.pem&key=client.key");
    let start = || {
        let words = ["pty:tty2", &end, "--backoff-max", "50ms"];
        Program::spawn(command(&words).current_dir(directory.path("")))
    };
    let mut client = start();
    client.said("connected to tls://localhost:");
    server.said("client client)");
    let _near = device(&directory, "tty", "up", "up2.got");
    let _far = device(&directory, "tty2", "down", "down.got");
    arrives(&directory.path("down.got"), &up);
    arrives(&directory.path("up2.got"), &down);
    // Nothing of what is written while nobody is there is lost.
    drop(client);
    server.said("no client any more");
    let mut terminal = open_pty(&directory.path("tty"));
    std::io::Write::write_all(&mut terminal, b"meanwhile").expect("room");
    let mut client = start();
    client.said("connected to tls://localhost:");
    crate::process::expect(&mut open_pty(&directory.path("tty2")), b"meanwhile");
    assert_eq!(server.stop().0, 0);
}
