//! Over TLS, against OpenSSL: what the peer's stack carries goes on to an `openssl s_server` on loopback.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use embassy_net::tcp::TcpSocket;
use embedded_io_async::Write as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use uartbridge_core::Weight;
use uartbridge_embassy::log::Said;
use uartbridge_embassy::options::Options;
use uartbridge_tls::{Config, Identity, Roots, Settings, TimeProvider, Trust, UnixTime};
use uartbridge_tls_rustcrypto::{Crypto, GetRandomFailed};

use crate::rig::{bridge, leak, read_exactly, with_tls};
use crate::tcp::{PEERS, config, numbered};

static CRYPTO: Crypto = Crypto::new(random);

fn random(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    getrandom::fill(bytes).map_err(|_| GetRandomFailed)
}

#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

/// An authority, a server and a client.
struct Keys {
    authority: String,
    server: (String, String),
    client: (String, String),
}

impl Keys {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("an authority").pem();
        let issuer = Issuer::new(params, key);
        let leaf = |usage| {
            let mut params = CertificateParams::new(vec![]).expect("no names");
            params.subject_alt_names.push(SanType::IpAddress([10, 0, 0, 2].into()));
            // Another name than its authority's, or OpenSSL takes it for its own issuer.
            params.distinguished_name.push(DnType::CommonName, "leaf");
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate().expect("a key");
            (params.signed_by(&key, &issuer).expect("a certificate").pem(), key.serialize_pem())
        };
        let server = leaf(ExtendedKeyUsagePurpose::ServerAuth);
        let client = leaf(ExtendedKeyUsagePurpose::ClientAuth);
        Self { authority, server, client }
    }

    /// A client that trusts this authority, and shows its certificate.
    fn client(&self) -> &'static Config {
        let trust = Trust::Authorities(Roots::new(self.authority.as_bytes()).expect("an authority"));
        let mut settings = Settings::new(Arc::new(CRYPTO.provider()), Arc::new(Clock), trust);
        let (certificate, key) = &self.client;
        settings.identity = Some(Identity::new(certificate.as_bytes(), key.as_bytes()).expect("an identity"));
        leak(Config::new(settings).expect("good settings"))
    }
}

/// `openssl s_server`: its stdin goes to the client, what the client sends comes out of its stdout.
struct Server {
    port: u16,
    stdin: ChildStdin,
    stdout: ChildStdout,
    _child: Child,
    directory: PathBuf,
}

impl Server {
    /// Asks for a client certificate of the authority `clients`.
    fn new(keys: &Keys, clients: &str) -> Self {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port of loopback");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let name = format!("uartbridge-embassy-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let file = |name: &str, content: &str| {
            let path = directory.join(name);
            std::fs::write(&path, content).expect("a file");
            path
        };
        let mut child = Command::new("openssl")
            .args(["s_server", "-quiet", "-Verify", "2", "-verify_return_error", "-tls1_3", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-cert")
            .arg(file("cert.pem", &keys.server.0))
            .arg("-key")
            .arg(file("key.pem", &keys.server.1))
            .arg("-CAfile")
            .arg(file("ca.pem", clients))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is installed");
        let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { port, stdin, stdout, _child: child, directory }
    }

    /// Carries bytes between the peer's socket and this server until one of them ends.
    async fn carry(port: u16, mut socket: TcpSocket<'static>) {
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => break stream,
                // It has not got round to listening yet.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        };
        let ((mut socket_rx, mut socket_tx), (mut rx, mut tx)) = (socket.split(), stream.into_split());
        let up = async {
            let mut bytes = [0; 1024];
            while let Ok(n @ 1..) = socket_rx.read(&mut bytes).await {
                if tx.write_all(&bytes[..n]).await.is_err() {
                    break;
                }
            }
        };
        let down = async {
            let mut bytes = [0; 1024];
            while let Ok(n @ 1..) = rx.read(&mut bytes).await {
                if socket_tx.write_all(&bytes[..n]).await.is_err() {
                    break;
                }
            }
            let _ = socket_tx.flush().await;
        };
        tokio::select! { () = up => {}, () = down => {} }
        socket.abort();
        let _ = socket.flush().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn openssl_accepts_the_bridges_certificate_and_gets_every_byte_and_so_does_the_device() {
    let keys = Keys::new();
    let mut bridge = bridge(config());
    with_tls(&mut bridge, PEERS, keys.client(), Options::new(), async |hands| {
        let mut server = Server::new(&keys, &keys.authority);
        let socket = hands.accept().await;
        let (mut device_rx, mut device_tx) = (hands.device.rx, hands.device.tx);
        let sent = numbered(30_000);
        let work = async {
            let mut up = vec![0; sent.len()];
            let (up_came, down, (), ()) = tokio::join!(
                server.stdout.read_exact(&mut up),
                read_exactly(&mut device_rx, sent.len()),
                async { device_tx.write_all(&sent).await.expect("the bridge reads") },
                async { server.stdin.write_all(&sent).await.expect("s_server reads") },
            );
            up_came.expect("all of the bytes");
            assert!(up == sent, "up: byte for byte");
            assert!(down == sent, "down: byte for byte");
        };
        tokio::select! {
            () = work => {}
            () = Server::carry(server.port, socket) => panic!("the connection has ended"),
        }
    })
    .expect("the bridge goes on");
    assert_eq!(bridge.stats().connections, 1);
}

#[test]
fn a_server_that_refuses_the_certificate_gets_no_byte_and_the_log_says_why() {
    let (keys, others) = (Keys::new(), Keys::new());
    let mut bridge = bridge(config());
    let mut lines = Vec::new();
    let log = |said: &Said<'_>| {
        if said.weight() > Weight::Detail {
            lines.push(said.to_string());
        }
    };
    with_tls(&mut bridge, PEERS, keys.client(), Options::new().log(log), async |mut hands| {
        let server = Server::new(&keys, &others.authority);
        hands.device.tx.write_all(b"not for everybody").await.expect("the bridge reads");
        for _ in 0..2 {
            let socket = hands.accept().await;
            Server::carry(server.port, socket).await;
        }
    })
    .expect("the bridge goes on");
    assert!(lines.iter().any(|line| line.contains("client certificate")), "{lines:?}");
    assert_eq!((bridge.stats().connections, bridge.stats().up_held), (0, 17));
}
