//! Our server and rustls' own buffered client in one process.

#![allow(dead_code, reason = "each test file uses a part")]

use super::*;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use uartbridge_tls::{Clients, Server, ServerConfig, ServerSettings};

pub(crate) type BoxedServer = Server<Box<[u8]>, Box<[u8]>>;

/// A server and a client with a wire between them that holds nothing.
pub(crate) struct Served {
    pub(crate) server: BoxedServer,
    pub(crate) client: ClientConnection,
    /// Ciphertext that the server's socket took.
    pub(crate) sent: u64,
    pub(crate) chunk: usize,
    pub(crate) client_error: Option<rustls::Error>,
}

impl Served {
    pub(crate) fn new(server: &ServerConfig, client: &Arc<ClientConfig>) -> Self {
        let server = Server::new(server, boxed(INPUT_FOR_ANY_RECORD), boxed(4096)).expect("a server");
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(client.clone(), name).expect("a client");
        Self { server, client, sent: 0, chunk: usize::MAX, client_error: None }
    }

    pub(crate) fn turn(&mut self) -> bool {
        let mut moved = false;
        let tx = self.server.ports().tx;
        let count = tx.len().min(self.chunk);
        if count > 0 {
            let mut bytes = &tx[..count];
            while !bytes.is_empty() && self.client.read_tls(&mut bytes).expect("a slice") > 0 {}
            self.server.handle(Duration::ZERO, Event::Tx(count)).expect("lent");
            self.sent += count as u64;
            if let Err(error) = self.client.process_new_packets() {
                self.client_error.get_or_insert(error);
            }
            moved = true;
        }
        let rx = self.server.ports().rx;
        let count = rx.len().min(self.chunk);
        if count > 0 && self.client.wants_write() {
            let written = self.client.write_tls(&mut &mut rx[..count]).expect("a slice");
            self.server.handle(Duration::ZERO, Event::Rx(written)).expect("lent");
            moved |= written > 0;
        }
        moved
    }

    pub(crate) fn run(&mut self) {
        while self.turn() {}
    }

    pub(crate) fn client_reads(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut some = [0; 4096];
        while let Ok(count @ 1..) = self.client.reader().read(&mut some) {
            bytes.extend_from_slice(&some[..count]);
        }
        bytes
    }

    pub(crate) fn server_reads(&mut self) -> Vec<u8> {
        let mut bytes = vec![];
        let mut some = [0; 1000];
        while let count @ 1.. = self.server.read_plain(&mut some) {
            bytes.extend_from_slice(&some[..count]);
        }
        bytes
    }
}

pub(crate) fn serving(authority: &Authority, clients: Clients) -> ServerSettings {
    let clock = Arc::new(Clock(Some(TODAY)));
    ServerSettings { clients, ..ServerSettings::new(provider(), clock, authority.server().identity()) }
}

pub(crate) fn required(authority: &Authority) -> ServerConfig {
    ServerConfig::new(serving(authority, Clients::Required(authority.roots()))).expect("settings")
}

pub(crate) fn client(
    authority: &Authority,
    certificate: Option<&Certificate>,
    tls13: bool,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).expect("pem")).expect("root");
    let version = if tls13 { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
    let builder = ClientConfig::builder_with_details(ring(), Arc::new(Clock(Some(TODAY))))
        .with_protocol_versions(&[version])
        .expect("version")
        .with_root_certificates(roots);
    Arc::new(match certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            let key = PrivateKeyDer::try_from(certificate.key.serialize_der()).expect("key");
            builder.with_client_auth_cert(vec![certificate.der.clone().into()], key).expect("pair")
        }
    })
}
