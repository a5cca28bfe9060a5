//! Who and what a certificate is for.

use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// The common name in this certificate (DER), or its first DNS name, or its whole subject; `None` if it cannot be read. For
/// logs: control characters are escaped.
pub(crate) fn subject(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let common = certificate.subject().iter_common_name().find_map(|name| name.as_str().ok());
    let alternative = || {
        let extension = certificate.subject_alternative_name().ok().flatten()?;
        extension.value.general_names.iter().find_map(|name| {
            if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None }
        })
    };
    let name = common.map(str::to_owned).or_else(alternative);
    Some(name.unwrap_or_else(|| certificate.subject().to_string()).escape_debug().to_string())
}

/// Whether clients will take this certificate (DER) for a server's: it is for servers, or for anything (RFC 5280 §4.2.1.12).
pub(crate) fn is_for_servers(certificate: &[u8]) -> bool {
    let Ok((_, certificate)) = parse_x509_certificate(certificate) else { return true };
    match certificate.extended_key_usage() {
        Ok(Some(usage)) => usage.value.server_auth || usage.value.any,
        Ok(None) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn made(names: &[&str], common: Option<&str>) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("good names");
        params.distinguished_name = DistinguishedName::new();
        match common {
            Some(common) => params.distinguished_name.push(DnType::CommonName, common),
            None => params.distinguished_name.push(DnType::OrganizationName, "maker"),
        }
        let key = KeyPair::generate().expect("random numbers");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_shortest_name_is_taken() {
        let of = |names: &[&str], common| subject(&made(names, common));
        assert_eq!(of(&["a.example"], Some("pump-2")).as_deref(), Some("pump-2"));
        assert_eq!(of(&["a.example"], None).as_deref(), Some("a.example"));
        assert_eq!(of(&[], None).as_deref(), Some("O=maker"));
        assert_eq!(of(&[], Some("two\nlines")).as_deref(), Some("two\\nlines"));
        assert_eq!(subject(b"no certificate"), None);
    }
}
