//! Making certificates.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use super::{BadAuthority, ClientName, DAY, Host, LONGEST_SUBJECT};

/// From when to when a certificate is valid.
#[derive(Clone, Debug)]
pub(super) struct Span {
    from: SystemTime,
    pub(super) until: SystemTime,
}

impl Span {
    /// So many days from `now` on, and a day before, for devices whose clock is late.
    pub(super) fn from(now: SystemTime, days: u64) -> Self {
        Self { from: now - DAY, until: now + Duration::from_secs(days * DAY.as_secs()) }
    }

    /// No longer than this one.
    pub(super) fn within(self, outer: &Self) -> Self {
        Self { from: self.from.max(outer.from), until: self.until.min(outer.until) }
    }
}

/// A certificate and its key, in PEM.
pub(super) struct Made {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A CA that can issue.
pub(super) struct Authority {
    pub(super) certificate: Made,
    pub(super) span: Span,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(span: Span) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = params(&span);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // No two CAs have the same name: programs look for the issuer by it.
        let number: String =
            params.key_identifier(&key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("uartbridge CA {number}"));
        let certificate = params.self_signed(&key)?.pem();
        let certificate = Made { certificate, key: key.serialize_pem() };
        Ok(Self { certificate, span, issuer: Issuer::new(params, key) })
    }

    /// The CA of these two PEM files.
    pub(super) fn load(certificate: &str, key: &str, now: SystemTime) -> Result<Self, BadAuthority> {
        let (_, pem) = parse_x509_pem(certificate.as_bytes()).map_err(|_| BadAuthority::Certificate)?;
        let parsed = pem.parse_x509().map_err(|_| BadAuthority::Certificate)?;
        if !parsed.is_ca() {
            return Err(BadAuthority::NoAuthority);
        }
        let at = |time: x509_parser::time::ASN1Time| {
            let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        };
        let span = Span { from: at(parsed.validity().not_before), until: at(parsed.validity().not_after) };
        if span.until <= now {
            return Err(BadAuthority::Expired);
        }
        let pair = KeyPair::from_pem(key).map_err(|_| BadAuthority::Key)?;
        if pair.subject_public_key_info() != parsed.public_key().raw {
            return Err(BadAuthority::Mismatch);
        }
        let issuer = Issuer::from_ca_cert_pem(certificate, pair).map_err(|_| BadAuthority::Certificate)?;
        let certificate = Made { certificate: certificate.to_owned(), key: key.to_owned() };
        Ok(Self { certificate, span, issuer })
    }

    /// A certificate for a server that is reached by these names.
    pub(super) fn server(&self, names: &[Host], span: &Span) -> Result<Made, rcgen::Error> {
        let mut params = params(span);
        for Host(name) in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            });
        }
        // For people; programs read the names above.
        if let Some(Host(first)) = names.first().filter(|Host(name)| name.len() <= LONGEST_SUBJECT) {
            params.distinguished_name.push(DnType::CommonName, first.as_str());
        }
        self.leaf(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(super) fn client(&self, ClientName(name): &ClientName, span: &Span) -> Result<Made, rcgen::Error> {
        let mut params = params(span);
        params.distinguished_name.push(DnType::CommonName, name.as_str());
        self.leaf(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn leaf(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Made, rcgen::Error> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Made { certificate, key: key.serialize_pem() })
    }
}

/// The names that a server's certificate, in PEM, is for; none if it cannot be read.
pub(super) fn names(certificate: &str) -> Vec<String> {
    let Ok((_, pem)) = parse_x509_pem(certificate.as_bytes()) else { return Vec::new() };
    let Ok(parsed) = pem.parse_x509() else { return Vec::new() };
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(host).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds of name are not of hosts")]
fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn params(span: &Span) -> CertificateParams {
    let at = |time: SystemTime| {
        date_time_ymd(1970, 1, 1) + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    (params.not_before, params.not_after) = (at(span.from), at(span.until));
    params
}
