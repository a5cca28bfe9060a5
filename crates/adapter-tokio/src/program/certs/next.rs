//! What there is now, and the commands to try next.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::SystemTime;

use uartbridge::endpoint::{NetEndpoint, TlsClient, TlsClients, TlsFiles, TlsServer, TlsTrust};

use super::folder::Folder;
use super::issue::{Span, names};
use super::{AUTHORITY, Certs, ClientName, Pair, Refusal, SERVER};

/// A port that programs for trying TLS out use.
const PORT: u16 = 4433;

/// The files that were made, and how to use them. `spans`: of the CA, and of what it has issued.
pub(super) fn text(wanted: &Certs, folder: &Folder<'_>, spans: (&Span, &Span)) -> Result<String, Refusal> {
    let mut text = format!("{}:\n", folder.path("").display());
    let mut line = |file: &str, what: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {file:<13} {what}");
    };
    if wanted.authority {
        line(
            AUTHORITY.0,
            &format!("the CA, until {}: whom the other side's ca= trusts", date(spans.0.until)),
        );
        line(AUTHORITY.1, "its key, which issues more; keep it secret, and off the machines of the bridges");
    }
    let until = date(spans.1.until);
    let server = folder.read_certificate(SERVER);
    let reached_by = server.as_deref().map(names).unwrap_or_default();
    if wanted.server.is_some() {
        line(SERVER.0, &format!("the server {}, until {until}", reached_by.join(", ")));
        if let Some(certificate) = &server {
            line("", &format!("pin={}", super::pin(certificate)?));
        }
        line(SERVER.1, "its key");
    }
    for client in &wanted.clients {
        line(&client.certificate(), &format!("a client, until {until}"));
        line(&client.key(), "its key");
    }
    let host = reached_by.first().map_or("localhost", |name| name.strip_prefix("*.").unwrap_or(name));
    text.push_str("\nTo try it, each in a terminal of its own; what is typed in one appears in the other:\n");
    if wanted.server.is_some() {
        let _ = writeln!(text, "  {}", command(&listen(folder, host)));
    }
    for client in &wanted.clients {
        let _ = writeln!(text, "  {}", command(&connect(folder, host, client)));
    }
    Ok(text)
}

fn listen(folder: &Folder<'_>, host: &str) -> NetEndpoint {
    let own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    NetEndpoint::TlsListen {
        host: if own { "127.0.0.1" } else { "0.0.0.0" }.to_owned(),
        port: PORT,
        takeover: false,
        tls: TlsServer {
            identity: files(folder, SERVER),
            clients: TlsClients::Required(folder.path(AUTHORITY.0)),
            alpn: Vec::new(),
        },
    }
}

fn connect(folder: &Folder<'_>, host: &str, client: &ClientName) -> NetEndpoint {
    NetEndpoint::Tls {
        host: host.to_owned(),
        port: PORT,
        tls: TlsClient {
            trust: TlsTrust::Authorities(folder.path(AUTHORITY.0)),
            identity: Some(files(folder, (&client.certificate(), &client.key()))),
            name: None,
            alpn: Vec::new(),
        },
    }
}

fn files(folder: &Folder<'_>, (certificate, key): Pair<'_>) -> TlsFiles {
    TlsFiles { cert: folder.path(certificate), key: folder.path(key) }
}

/// This program with standard input and output as the UART.
fn command(net: &NetEndpoint) -> String {
    let program = std::env::args_os().next().unwrap_or_else(|| OsString::from("uartbridge"));
    format!("{} - {}", quoted(&program.to_string_lossy()), quoted(&net.to_string()))
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-:".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Year, month and day in UTC.
fn date(time: SystemTime) -> String {
    let mut text = humantime::format_rfc3339_seconds(time).to_string();
    text.truncate("2000-01-01".len());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        for word in ["plain/path.pem", "tls://a:1?b=c&d=e", "it's", "a b", "$HOME"] {
            let shell = std::process::Command::new("sh")
                .arg("-c")
                .arg(format!("printf %s {}", quoted(word)))
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&shell.stdout), word);
        }
    }

    #[test]
    fn dates_are_days() {
        assert_eq!(
            date(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_564_800)),
            "2026-11-25"
        );
    }
}
