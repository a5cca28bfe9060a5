//! The image with TLS, against OpenSSL.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use uartbridge_firmware_config::{Settings, Tls, Transport};

use super::peer::{PATIENCE, Peer, board, read_exactly, settings};
use super::plain::both_ways;
use super::stream::noise;
use crate::verbs::image;

/// Certificates in a folder of their own, made by OpenSSL.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// An authority, a server's certificate for the host as the board sees it, and a client's.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("uartbridge-certificates-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let made = Self { folder };
        made.issue("ca", "basicConstraints=critical,CA:TRUE", None)?;
        made.issue("server", "subjectAltName=IP:10.0.2.2", Some("ca"))?;
        made.issue("client", "extendedKeyUsage=clientAuth", Some("ca"))?;
        Ok(made)
    }

    /// A key and a certificate called `name`, signed by `by` or itself.
    fn issue(&self, name: &str, extension: &str, by: Option<&str>) -> Result<()> {
        let file = |name: &str, kind: &str| self.file(name, kind).display().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        openssl.args(["-days", "30", "-subj", &format!("/CN={name}"), "-addext", extension]);
        openssl.args(["-keyout", &file(name, "key"), "-out", &file(name, "pem")]);
        if let Some(by) = by {
            openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
            openssl.args(["-CA", &file(by, "pem"), "-CAkey", &file(by, "key")]);
        }
        let made = openssl.output().context("openssl; `cargo xtask setup` installs it")?;
        ensure!(made.status.success(), "{openssl:?}: {}", String::from_utf8_lossy(&made.stderr));
        Ok(())
    }

    /// The path of what is called `name`: its `pem` or its `key`.
    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }

    /// What the client needs: the authority, its certificate, its key.
    pub(crate) fn client(&self) -> Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        Ok((self.read("ca", "pem")?, self.read("client", "pem")?, self.read("client", "key")?))
    }

    /// The contents of that.
    fn read(&self, name: &str, kind: &str) -> Result<Vec<u8>> {
        let path = self.file(name, kind);
        fs::read(&path).with_context(|| format!("reading {}", path.display()))
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // A folder left behind in /tmp harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `openssl s_server`, which lets nobody in without a certificate of its authority.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Its standard input and output: what it sends to the client, and what the client has sent to it.
    pub(crate) data: UnixStream,
}

impl Server {
    /// Starts it on `port`, trusting the clients of `clients`' authority.
    pub(crate) fn start(port: u16, own: &Certificates, clients: &Certificates) -> Result<Self> {
        Self::with_chain(port, own, clients, &own.file("ca", "pem"))
    }

    /// The same, with the certificates in the file `chain` after its own.
    fn with_chain(port: u16, own: &Certificates, clients: &Certificates, chain: &Path) -> Result<Self> {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-quiet", "-tls1_3", "-Verify", "2", "-verify_return_error"]);
        openssl.args(["-accept", &format!("127.0.0.1:{port}")]);
        openssl.arg("-cert").arg(own.file("server", "pem")).arg("-key").arg(own.file("server", "key"));
        openssl.arg("-cert_chain").arg(chain);
        openssl.arg("-CAfile").arg(clients.file("ca", "pem"));
        let (data, theirs) = UnixStream::pair().context("a pair of sockets")?;
        data.set_read_timeout(Some(PATIENCE))?;
        data.set_write_timeout(Some(PATIENCE))?;
        // What it says of the clients that it refuses is expected, or shows at the board.
        openssl.stdin(OwnedFd::from(theirs.try_clone()?)).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
        let child = openssl.spawn().context("openssl s_server; `cargo xtask setup` installs openssl")?;
        Ok(Self { child, data })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody else has just now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(Peer::new()?.port())
}

/// Verified on both sides: bytes go both ways, also those from before the connection.
pub(super) fn mutual() -> Result<()> {
    let certificates = Certificates::new("mutual")?;
    let port = free_port()?;
    let (ca, certificate, key) = certificates.client()?;
    let place = format!("10.0.2.2:{port}");
    let settings = Settings {
        transport: Transport::Tls,
        tls: Tls { authorities: &ca, certificates: &certificate, key: &key },
        ..settings(&place)
    };
    let mut board = board(&image("tls")?, &settings)?;
    let mut uart = board.uart.as_ref().context("the UART")?.try_clone()?;
    uart.set_read_timeout(Some(PATIENCE))?;
    let (up, down) = (noise(64 * 1024, 11), noise(64 * 1024, 12));
    let early = &up[..100];
    uart.write_all(early)?;
    board.log.wait("connection refused", PATIENCE)?;
    let server = Server::start(port, &certificates, &certificates)?;
    board.log.wait("connected to tls://10.0.2.2", PATIENCE)?;
    let tail = up[early.len()..].to_vec();
    both_ways(&board, server.data.try_clone()?, (&tail, &up), &down)?;
    ensure!(board.log.wait("panic", Duration::from_millis(100)).is_err(), "the board has panicked");
    Ok(())
}

/// A server that another authority has signed is not spoken to, and a client that the server does not know learns that;
/// neither loses a byte, and the right server gets them all.
pub(super) fn refused() -> Result<()> {
    let (right, wrong) = (Certificates::new("right")?, Certificates::new("wrong")?);
    let port = free_port()?;
    let (ca, certificate, key) = right.client()?;
    let place = format!("10.0.2.2:{port}");
    let settings = Settings {
        transport: Transport::Tls,
        tls: Tls { authorities: &ca, certificates: &certificate, key: &key },
        ..settings(&place)
    };
    let server = Server::start(port, &wrong, &right)?;
    let mut board = board(&image("tls")?, &settings)?;
    let mut uart = board.uart.as_ref().context("the UART")?.try_clone()?;
    uart.write_all(b"kept")?;
    board.log.wait("not connected: the server's certificate", PATIENCE)?;
    drop(server);
    let server = Server::start(port, &right, &wrong)?;
    board.log.wait("not connected: the server", PATIENCE)?;
    let line = board.log.wait("certificate", PATIENCE)?;
    ensure!(!line.text.contains("connected to"), "{line}");
    drop(server);
    // What would take more heap than there is does not come so far as to be verified.
    let chain = right.file("chain", "pem");
    fs::write(&chain, fs::read(right.file("ca", "pem"))?.repeat(12))?;
    let server = Server::with_chain(port, &right, &right, &chain)?;
    board.log.wait("does not fit", PATIENCE)?;
    drop(server);
    let mut server = Server::start(port, &right, &right)?;
    let got = read_exactly(&mut server.data, 4)?;
    ensure!(got == b"kept", "the server has {got:?}");
    ensure!(board.log.wait("panic", Duration::from_millis(100)).is_err(), "the board has panicked");
    Ok(())
}
