//! Certificates and keys as files bring them: PEM or DER, told apart by looking.

use crate::settings::SetupError;
use alloc::vec;
use alloc::vec::Vec;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// All certificates of a PEM file, or the one of a DER file. They are not looked into.
///
/// # Errors
/// There is none, or the PEM is damaged.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    if !is_pem(file) {
        return match file.first() {
            Some(&SEQUENCE) => Ok(vec![CertificateDer::from(file.to_vec())]),
            Some(_) | None => Err(SetupError::NoCertificate),
        };
    }
    let found = CertificateDer::pem_slice_iter(file)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| SetupError::BadPem)?;
    if found.is_empty() { Err(SetupError::NoCertificate) } else { Ok(found) }
}

/// The first private key of a PEM file, or the one of a DER file: PKCS#8, SEC1 or PKCS#1.
pub(crate) fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, SetupError> {
    if !is_pem(file) {
        return PrivateKeyDer::try_from(file.to_vec()).map_err(|_| SetupError::NoKey);
    }
    if contains(file, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(file, b"Proc-Type: 4,ENCRYPTED") {
        return Err(SetupError::EncryptedKey);
    }
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(file);
    sections
        .find_map(|section| match section {
            Ok((kind, der)) => PrivateKeyDer::from_pem(kind, der).map(Ok),
            Err(_) => Some(Err(SetupError::BadPem)),
        })
        .unwrap_or(Err(SetupError::NoKey))
}

/// The tag that each of these structures starts with in DER.
const SEQUENCE: u8 = 0x30;

fn is_pem(file: &[u8]) -> bool {
    contains(file, b"-----BEGIN ")
}

fn contains(file: &[u8], wanted: &[u8]) -> bool {
    file.windows(wanted.len()).any(|window| window == wanted)
}
