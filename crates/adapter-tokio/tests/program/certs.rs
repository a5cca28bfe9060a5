//! `uartbridge certs`, judged by openssl.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::device::Directory;
use crate::process::command;

fn certs(words: &[&str]) -> Output {
    command(&[&["certs"], words].concat()).output().expect("the program was built")
}

/// Makes what is asked for, and gives what was said.
pub(crate) fn made(words: &[&str]) -> String {
    let output = certs(words);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && output.stderr.is_empty(), "{said}{output:?}");
    said
}

/// What is said when it fails with this exit code.
fn refused(words: &[&str], code: i32) -> String {
    let output = certs(words);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs openssl in this directory; whether it is content, and what it says.
fn openssl(dir: &Path, words: &str) -> (bool, String) {
    let output = Command::new("openssl").args(words.split(' ')).current_dir(dir).output().expect("openssl");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn good(dir: &Path, words: &str) -> String {
    let (success, said) = openssl(dir, words);
    assert!(success, "openssl {words}: {said}");
    said
}

fn bad(dir: &Path, words: &str) {
    let (success, said) = openssl(dir, words);
    assert!(!success, "openssl {words}: {said}");
}

#[test]
fn openssl_accepts_what_is_made_each_for_its_use_alone() {
    let directory = Directory::new();
    let dir = directory.path("certs");
    let said = made(&[dir.to_str().expect("our own name")]);

    let verify = "verify -x509_strict -CAfile ca.pem";
    good(&dir, &format!("{verify} -purpose sslserver server.pem"));
    good(&dir, &format!("{verify} -purpose sslclient client.pem"));
    bad(&dir, &format!("{verify} -purpose sslclient server.pem"));
    bad(&dir, &format!("{verify} -purpose sslserver client.pem"));
    for name in ["localhost", "127.0.0.1", "::1"] {
        let option = if name == "localhost" { "verify_hostname" } else { "verify_ip" };
        good(&dir, &format!("{verify} -{option} {name} server.pem"));
    }
    bad(&dir, &format!("{verify} -verify_hostname example.com server.pem"));

    // The CA issues leaves only, and outlives them.
    let text = good(&dir, "x509 -in ca.pem -noout -text");
    for part in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "X509v3 Subject Key Identifier"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = good(&dir, "x509 -in server.pem -noout -text");
    for part in ["CA:FALSE", "X509v3 Authority Key Identifier", "id-ecPublicKey", "Version: 3"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (days, certificate, valid) in [(396, "server", true), (398, "client", false), (3649, "ca", true)] {
        let words = format!("x509 -in {certificate}.pem -noout -checkend {}", days * 86_400);
        assert_eq!(openssl(&dir, &words).0, valid, "{words}");
    }

    // The pin is the hash of the server's public key, as everybody else computes it.
    let key = good(&dir, "pkey -in server.key -pubout -outform DER -out spki.der");
    let hash = good(&dir, "dgst -sha256 -r spki.der");
    let hash = hash.split(' ').next().expect("a hash");
    assert!(said.contains(&format!("pin=sha256:{hash}")), "{key}{hash}: {said}");

    for (file, mode) in [("ca", 0o600), ("server", 0o600), ("client", 0o600)] {
        let mode_of = |name: String| {
            std::fs::metadata(dir.join(name)).expect("it was made").permissions().mode() & 0o777
        };
        assert_eq!(mode_of(format!("{file}.key")), mode);
        assert_eq!(mode_of(format!("{file}.pem")), 0o644);
    }
}

#[test]
fn more_clients_and_new_server_certificates_come_from_the_same_ca() {
    let directory = Directory::new();
    let dir = directory.path("certs");
    let path = dir.to_str().expect("our own name");
    made(&[path, "--name", "*.gate.example", "--name", "[2001:db8::1]"]);
    let verify = "verify -x509_strict -CAfile ca.pem";
    good(&dir, &format!("{verify} -verify_hostname a.gate.example server.pem"));
    good(&dir, &format!("{verify} -verify_ip 2001:db8::1 server.pem"));
    bad(&dir, &format!("{verify} -verify_hostname localhost server.pem"));

    let said = made(&[path, "--client", "pump-1", "--client", "pump-2", "--days", "3"]);
    assert!(said.contains("pump-2.key") && !said.contains("tls-listen"), "{said}");
    for pump in ["pump-1", "pump-2"] {
        good(&dir, &format!("{verify} -purpose sslclient {pump}.pem"));
        let subject = good(&dir, &format!("x509 -in {pump}.pem -noout -subject -nameopt RFC2253"));
        assert_eq!(subject.trim(), format!("subject=CN={pump}"));
        bad(&dir, &format!("x509 -in {pump}.pem -noout -checkend {}", 4 * 86_400));
    }
    good(&dir, &format!("{verify} client.pem"));

    let before = std::fs::read(dir.join("server.pem")).expect("it was made");
    made(&[path, "--server", "--force", "--name", "b.example"]);
    assert_ne!(std::fs::read(dir.join("server.pem")).expect("it was made"), before);
    good(&dir, &format!("{verify} -verify_hostname b.example server.pem"));
}

#[test]
fn nothing_is_overwritten_and_every_refusal_says_what_to_do() {
    let directory = Directory::new();
    let dir = directory.path("certs");
    let path = dir.to_str().expect("our own name");
    let said = refused(&[path, "--client", "a"], 66);
    assert!(said.contains("ca.pem: cannot read the CA: ") && said.contains("makes one"), "{said}");
    made(&[path]);
    let ca = std::fs::read(dir.join("ca.pem")).expect("it was made");
    let said = refused(&[path], 73);
    assert!(
        said.contains("there is ca.pem, ca.key, server.pem, server.key, client.pem, client.key"),
        "{said}"
    );
    assert!(refused(&[path, "--client", "client"], 73).contains("--force replaces it"));
    assert!(refused(&[path, "--server"], 73).contains("server.pem, server.key"));
    assert_eq!(std::fs::read(dir.join("ca.pem")).expect("it is still there"), ca);
    made(&[path, "--force"]);
    assert_ne!(std::fs::read(dir.join("ca.pem")).expect("it is there again"), ca);
    good(&dir, "verify -CAfile ca.pem server.pem client.pem");

    let other = directory.path("other");
    made(&[other.to_str().expect("our own name")]);
    std::fs::copy(other.join("ca.key"), dir.join("ca.key")).expect("our own files");
    assert!(refused(&[path, "--client", "b"], 66).contains("the private key is not this certificate's"));
    std::fs::copy(dir.join("server.pem"), dir.join("ca.pem")).expect("our own files");
    assert!(refused(&[path, "--client", "b"], 66).contains("the certificate is no CA's"));
    std::fs::write(dir.join("ca.pem"), "no certificate").expect("our own files");
    assert!(refused(&[path, "--client", "b"], 66).contains("the certificate cannot be read"));
    assert!(!dir.join("b.key").exists());

    let file = directory.path("file");
    std::fs::write(&file, "").expect("our own directory");
    let said = refused(&[file.to_str().expect("our own name")], 73);
    assert!(said.contains("cannot write: ") && said.contains("choose a directory"), "{said}");
    for words in [
        &["--client", "../x"][..],
        &["--client", "ca"],
        &["--name", "a b"],
        &["--client", "a", "--name", "b"],
        &["--days", "0"],
    ] {
        refused(&[&[path], words].concat(), 64);
    }
}
