//! Certificates made on the spot, as files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use uartbridge_tls::certificates;

use crate::device::Directory;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A CA whose certificate is in `NAME.pem`.
pub(crate) struct Authority<'d> {
    directory: &'d Directory,
    issuer: Issuer<'static, KeyPair>,
}

impl<'d> Authority<'d> {
    pub(crate) fn new(directory: &'d Directory, name: &str) -> Self {
        let mut params = named(name, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        write(directory, &format!("{name}.pem"), &certificate.pem());
        Self { directory, issuer: Issuer::new(params, key) }
    }

    /// Issues `NAME.pem` and `NAME.key`, for localhost and 127.0.0.1, for both usages, valid for a hundred days.
    pub(crate) fn issue(&self, name: &str) {
        self.issue_with(name, |_| {});
    }

    /// The same with changes.
    pub(crate) fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let (params, key) = leaf(name, change);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        write(self.directory, &format!("{name}.pem"), &certificate.pem());
        write_key(self.directory, &format!("{name}.key"), &key.serialize_pem());
    }
}

/// The settings of a rustls server with `server.pem`. The provider is spelled out: another package of the workspace may bring
/// a second one.
pub(crate) fn rustls_server(directory: &Directory) -> Arc<ServerConfig> {
    let file = |name: &str| std::fs::read(directory.path(name)).expect("just written");
    let chain = certificates(&file("server.pem")).expect("a certificate");
    let key = PemObject::from_pem_slice(&file("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("a provider of both versions");
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).expect("a pair"))
}

/// A certificate that is its own issuer.
pub(crate) fn self_signed(directory: &Directory, name: &str) {
    let (params, key) = leaf(name, |_| {});
    write(directory, &format!("{name}.pem"), &params.self_signed(&key).expect("a certificate").pem());
    write_key(directory, &format!("{name}.key"), &key.serialize_pem());
}

/// Days from now; negative ones are past.
pub(crate) fn days(days: i32) -> SystemTime {
    let span = DAY * days.unsigned_abs();
    let now = SystemTime::now();
    if days < 0 { now - span } else { now + span }
}

fn named(name: &str, names: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = days(-1).into();
    params.not_after = days(100).into();
    params
}

fn leaf(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = named(name, vec!["localhost".to_owned(), "127.0.0.1".to_owned()]);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    (params, KeyPair::generate().expect("a key"))
}

fn write(directory: &Directory, name: &str, content: &str) -> PathBuf {
    let path = directory.path(name);
    std::fs::write(&path, content).expect("room on the disk");
    path
}

fn write_key(directory: &Directory, name: &str, content: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = write(directory, name, content);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("our own file");
}
