//! The words about TLS.

use super::pick;
use crate::scenario::tls::{ClientCertificate, Handshake, ServerCertificate, Tls, TlsAct, Trust, Version};
use crate::scenario::{PeerAct, Scenario, Step, Transport};
use crate::words::Words;

/// Takes the rest of a header line that begins with `key`; false if it is not about TLS.
pub(super) fn header(tls: &mut Option<Tls>, key: &str, words: &mut Words<'_>) -> Result<bool, String> {
    if key == "tls"
        && let Some(mutual) = pick(words, &[("one-way", false), ("mutual", true)])
    {
        tls.get_or_insert_default().mutual = mutual;
        return Ok(true);
    }
    let about_client = key == "client" && words.eat("certificate");
    let about_server = key == "server" && words.eat("certificate");
    if !about_client && !about_server && !matches!(key, "tls" | "trust") {
        return Ok(false);
    }
    let tls = tls.as_mut().ok_or("`tls one-way` or `tls mutual` comes before anything else about TLS")?;
    if about_server {
        tls.server = pick(words, SERVER_CERTIFICATES).ok_or_else(|| wanted(words, SERVER_CERTIFICATES))?;
    } else if about_client && !tls.mutual {
        return Err("nobody asks for a client certificate; say `tls mutual`".into());
    } else if about_client {
        tls.client = pick(words, CLIENT_CERTIFICATES).ok_or_else(|| wanted(words, CLIENT_CERTIFICATES))?;
    } else if key == "trust" {
        tls.trust = pick(words, TRUSTS).ok_or_else(|| wanted(words, TRUSTS))?;
    } else if words.eat("without tickets") {
        tls.without_tickets = true;
    } else {
        let known = [("version 1.2", Version::Tls12), ("version 1.3", Version::Tls13)];
        let what = "`one-way`, `mutual`, `version 1.2`, `version 1.3` or `without tickets`";
        tls.version = Some(pick(words, &known).ok_or_else(|| words.wanted(what))?);
    }
    Ok(true)
}

/// What a peer does in a connection that is encrypted.
pub(super) fn act(words: &mut Words<'_>) -> Option<PeerAct> {
    let handshake = |handshake| PeerAct::Tls(TlsAct::Handshake(handshake));
    let known = [
        ("stalls the handshake", handshake(Handshake::Stalls)),
        ("closes in mid-handshake", handshake(Handshake::CutShort)),
        ("answers with garbage", handshake(Handshake::Garbage)),
        ("shakes hands again", handshake(Handshake::Proper)),
        ("distrusts the bridge", PeerAct::Tls(TlsAct::Distrusts(true))),
        ("trusts the bridge", PeerAct::Tls(TlsAct::Distrusts(false))),
        ("closes in mid-record", PeerAct::ClosesMidRecord),
        ("closes unannounced", PeerAct::ClosesUnannounced),
        ("sends garbage", PeerAct::Tls(TlsAct::SendsGarbage)),
        ("sends an empty record", PeerAct::Tls(TlsAct::SendsEmptyRecord)),
        ("updates its keys", PeerAct::Tls(TlsAct::UpdatesKeys)),
        ("renegotiates", PeerAct::Tls(TlsAct::Renegotiates)),
    ];
    pick(words, &known)
}

/// Whether `step` makes sense in `scenario`, as far as TLS goes.
pub(super) fn check(scenario: &Scenario, step: &Step) -> Result<(), String> {
    let listens = scenario.transport == Transport::TcpListen;
    if scenario.tls.is_some() && scenario.transport == Transport::Udp {
        return Err("TLS goes over `transport tcp` or `tcp-listen`".into());
    }
    if listens && scenario.tls.is_some_and(|tls| tls.trust != Trust::Authority || tls.without_tickets) {
        return Err(
            "`trust` and `tls without tickets` are about servers; with `tcp-listen` the bridge is one".into(),
        );
    }
    let Step::Peer(_, act @ (PeerAct::Tls(_) | PeerAct::ClosesMidRecord | PeerAct::ClosesUnannounced)) = step
    else {
        return Ok(());
    };
    let Some(tls) = scenario.tls else {
        return Err("the peers do not speak TLS; add `tls one-way` or `tls mutual` to the header".into());
    };
    let only = |version, text: &str| if tls.version == Some(version) { Ok(()) } else { Err(text.to_owned()) };
    if *act == PeerAct::Tls(TlsAct::Renegotiates) && listens {
        Err("only a server asks for this; with `tcp-listen` the bridge is the server".into())
    } else if *act == PeerAct::Tls(TlsAct::Renegotiates) {
        only(Version::Tls12, "only TLS 1.2 knows this; add `tls version 1.2` to the header")
    } else if *act == PeerAct::Tls(TlsAct::UpdatesKeys) {
        only(Version::Tls13, "only TLS 1.3 knows this; add `tls version 1.3` to the header")
    } else if matches!(act, PeerAct::Tls(TlsAct::Distrusts(_))) && !tls.mutual && !listens {
        Err("the peers do not know who the bridge is; say `tls mutual` in the header".into())
    } else {
        Ok(())
    }
}

const SERVER_CERTIFICATES: &[(&str, ServerCertificate)] = &[
    ("expired", ServerCertificate::Expired),
    ("not yet valid", ServerCertificate::NotYetValid),
    ("for another name", ServerCertificate::AnotherName),
    ("for clients", ServerCertificate::ForClients),
    ("self-signed", ServerCertificate::SelfSigned),
    ("of another authority", ServerCertificate::AnotherAuthority),
];

const CLIENT_CERTIFICATES: &[(&str, ClientCertificate)] = &[
    ("none", ClientCertificate::None),
    ("of another authority", ClientCertificate::AnotherAuthority),
    ("expired", ClientCertificate::Expired),
    ("with another key", ClientCertificate::AnotherKey),
];

const TRUSTS: &[(&str, Trust)] = &[
    ("authority and another pin", Trust::AuthorityAndAnotherPin),
    ("authority and pin", Trust::AuthorityAndPin),
    ("authority", Trust::Authority),
    ("another pin", Trust::AnotherPin),
    ("pin", Trust::Pin),
];

fn wanted<T>(words: &Words<'_>, known: &[(&str, T)]) -> String {
    let names: Vec<_> = known.iter().map(|(name, _)| format!("`{name}`")).collect();
    words.wanted(&format!("one of {}", names.join(", ")))
}
