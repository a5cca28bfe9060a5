//! What testssl.sh has to say of the listener.

use std::process::{Command, Stdio};

use super::{certificates, listener};
use crate::process::listening;

/// Findings that are not the listener's.
const NOT_OURS: &[(&str, &str)] = &[(
    "cert_revocation",
    "a CA for one's own devices has no revocation service: it issues anew and replaces ca=",
)];

/// Some of what it must have looked at: a scan that did not get through finds no fault either.
const LOOKED_AT: &[&str] = &[
    "SSLv2",
    "SSLv3",
    "TLS1_2",
    "TLS1_3",
    "PFS",
    "cipher_order",
    "cert_chain_of_trust",
    "cert_trust",
    "heartbleed",
    "CCS",
    "ROBOT",
    "secure_renego",
    "secure_client_renego",
    "SWEET32",
    "BEAST",
    "LUCKY13",
    "RC4",
];

/// Parts of the scan, which mostly waits: they run side by side, each on a listener of its own.
const PARTS: [&[&str]; 3] = [&["-p", "-s", "-f"], &["-P", "-S"], &["-U"]];

#[test]
fn testssl_finds_nothing_above_low() {
    let scans: Vec<String> = std::thread::scope(|scope| {
        let parts = PARTS.map(|part| scope.spawn(|| scan(part)));
        parts.map(|part| part.join().expect("it gets through")).into()
    });
    // "id","host/address","port","severity","finding","cve","cwe"
    let findings = scans.iter().flat_map(|scan| scan.lines().skip(1));
    let findings: Vec<Vec<&str>> =
        findings.map(|line| line.trim_matches('"').split("\",\"").collect()).collect();
    let above_low: Vec<_> = findings
        .iter()
        .filter(|finding| !NOT_OURS.iter().any(|(id, _)| finding[0] == *id))
        .filter(|finding| !["OK", "INFO", "LOW", "WARN", "DEBUG"].contains(&finding[3]))
        .collect();
    assert!(above_low.is_empty(), "{above_low:#?}");
    for id in LOOKED_AT {
        let good = findings.iter().any(|finding| finding[0] == *id && finding[3] == "OK");
        assert!(good, "nothing good was found of {id}: {findings:#?}");
    }
}

/// The findings of these checks, as lines of values with a line of names before them.
fn scan(checks: &[&str]) -> String {
    let directory = certificates();
    // It comes with the next connection before the last one is gone.
    let mut program = listener(&directory, "&takeover=yes");
    let address = format!("127.0.0.1:{}", listening(&mut program));
    let output = Command::new("testssl")
        .args(["--warnings", "off", "--quiet", "--color", "0", "--nodns", "none", "--add-ca", "ca.pem"])
        .args(["--connect-timeout", "10", "--openssl-timeout", "10", "--csvfile", "scan.csv"])
        .args(checks)
        .arg(&address)
        .envs([("HEARTBLEED_MAX_WAITSOCK", "2"), ("CCS_MAX_WAITSOCK", "2")])
        .current_dir(directory.path(""))
        .stdin(Stdio::null())
        .output()
        .expect("testssl: `cargo xtask setup` installs it");
    std::fs::read_to_string(directory.path("scan.csv")).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
