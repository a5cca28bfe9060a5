//! Who gets no connection, and what they are told.

use std::io::Write;

use super::page::{BARE, Page, WORDS};
use super::program::{Serving, request};
use crate::device::{accept, address, free_port, server};
use crate::process::{count, expect};

#[test]
fn without_the_token_nobody_is_connected_and_the_page_hears_why() {
    let server = server(0);
    let target = address(&server);
    let mut serving = Serving::start(&["--allow", &target, "--log-level", "trace"]);
    let longer = format!("{}0", serving.token);
    for given in ["", "&token=", "&token=0123456789abcdef0123456789abcdef", &format!("&token={longer}")] {
        for protocol in [WORDS, BARE] {
            let path = format!("/relay?target={target}{given}");
            let page =
                Page::with(&serving, &path, &[("Sec-WebSocket-Protocol", protocol)]).expect("an upgrade");
            let ended = page.ended();
            assert_eq!(ended.code, Some(1008), "{ended:?}");
            assert!(ended.reason.starts_with("the token is missing or wrong"), "{ended:?}");
            if protocol == WORDS {
                let (reason, text, acked) = ended.closed();
                assert_eq!((reason, acked), ("not-allowed", None), "{ended:?}");
                assert!(text.contains("open the page by the URL that the program has printed"), "{text}");
            }
            serving.program.said("refused: the token is missing or wrong");
        }
    }
    let (token, log) = (serving.token.clone(), serving.stop());
    assert!(!log.join("\n").contains(&token[..16]), "{log:#?}");
    server.set_nonblocking(true).expect("a socket");
    assert!(server.accept().is_err(), "nobody has come");
}

#[test]
fn requests_under_another_name_or_from_another_page_are_refused() {
    let server = server(0);
    let target = address(&server);
    let mut serving = Serving::start(&["--allow", &target, "--origin", "https://gate.example"]);
    let (port, path) = (serving.address.port(), format!("/relay?target={target}&token={}", serving.token));
    let own = format!("http://127.0.0.1:{port}");
    let local = format!("localhost:{port}");
    for (host, origin, said) in [
        ("evil.example", None, "start the program with --origin http://evil.example"),
        ("evil.example", Some("http://evil.example"), "start the program with --origin http://evil.example"),
        (
            local.as_str(),
            Some("https://evil.example"),
            "start the program with --origin https://evil.example",
        ),
        (local.as_str(), Some(own.as_str()), "may not use this relay"),
        (local.as_str(), Some("null"), "a page without an address"),
    ] {
        let headers: Vec<_> = [("Host", host)].into_iter().chain(origin.map(|it| ("Origin", it))).collect();
        let (status, body) = Page::with(&serving, &path, &headers).err().expect("refused");
        assert_eq!(status, 403, "{headers:?}: {body}");
        assert!(body.contains(said), "{headers:?}: {body}");
        serving.program.said("refused: ");
        // The page's files are no different: a name that is pointed here would read the page under it.
        let file = request(serving.address, "GET", "/", &headers);
        assert_eq!(file.status, 403, "{file:?}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
    for (host, origin) in [
        (format!("127.0.0.1:{port}"), own.as_str()),
        (local.clone(), &format!("http://{local}")),
        (local, "https://gate.example"),
        ("gate.example".to_owned(), "https://gate.example"),
    ] {
        let headers = [("Host", host.as_str()), ("Origin", origin), ("Sec-WebSocket-Protocol", WORDS)];
        let mut page = Page::with(&serving, &path, &headers).expect("our own page");
        page.told("open");
        page.leave();
    }
    serving.stop();
}

#[test]
fn an_unknown_subprotocol_is_refused_and_none_means_bare_bytes() {
    let server = server(0);
    let serving = Serving::to(&address(&server));
    let path = format!("/relay?token={}", serving.token);
    let refused = Page::with(&serving, &path, &[("Sec-WebSocket-Protocol", "mqtt")]).err().expect("refused");
    assert_eq!(refused.0, 400);
    assert!(refused.1.contains("the relay speaks uartbridge.v1 and binary"), "{refused:?}");
    // Whoever offers both has the better one.
    let both = [("Sec-WebSocket-Protocol", "binary, uartbridge.v1")];
    Page::with(&serving, &path, &both).expect("an upgrade").told("open");
    let mut bare = Page::with(&serving, &path, &[]).expect("an upgrade");
    let (_other, mut peer) = (accept(&server), accept(&server));
    bare.send(b"hello");
    expect(&mut peer, b"hello");
    peer.write_all(b"you").expect("room");
    assert_eq!(bare.take(3), b"you");
}

#[test]
fn servers_that_nobody_has_allowed_are_named_with_the_option_that_allows_them() {
    let (allowed, other) = (server(0), server(0));
    let mut serving = Serving::start(&["--allow", &address(&allowed), "--allow", "a.example:1"]);
    let target = address(&other);
    for (asked, said) in [
        (target.as_str(), format!("{target} is not allowed; start the program with --allow {target}")),
        ("a.example:2", "a.example:2 is not allowed".to_owned()),
        ("b.example", "is no server: write HOST:PORT".to_owned()),
        ("", "no server was named; write target=HOST:PORT".to_owned()),
        ("tls://a.example:1", "the relay carries TLS as it carries anything else".to_owned()),
    ] {
        let ended = Page::of(&serving, asked, Some(WORDS)).ended();
        let (reason, text, _) = ended.closed();
        assert_eq!((reason, ended.code), ("not-allowed", Some(1008)), "{ended:?}");
        assert!(text.contains(&said), "{asked:?}: {text}");
        serving.program.said("refused: ");
        let bare = Page::of(&serving, asked, Some(BARE)).ended();
        assert_eq!((bare.words, bare.code), (None, Some(1008)));
        // A close frame has little room: what is cut is told in full by the program.
        assert!(text.starts_with(&bare.reason) && bare.reason.len() > 20, "{}", bare.reason);
    }
    serving.stop();
}

#[test]
fn beyond_the_limit_pages_are_told_to_come_back_and_a_place_becomes_free() {
    let server = server(0);
    let target = address(&server);
    let mut serving = Serving::start(&["--allow", &target, "--max-relays", "2"]);
    let first = Page::open(&serving, &target);
    let _second = Page::open(&serving, &target);
    let ended = Page::of(&serving, &target, Some(WORDS)).ended();
    assert_eq!((ended.closed().0, ended.code), ("failed", Some(1013)), "{ended:?}");
    assert!(ended.closed().1.contains("2 connections already") && ended.closed().1.contains("--max-relays"));
    serving.program.said("refused: there are 2 connections already");
    first.leave();
    let line = serving.program.said("closed: the page has closed it");
    assert!(line.contains("relay 1 from "), "{line}");
    Page::open(&serving, &target);
}

#[test]
fn servers_that_cannot_be_reached_are_told_with_the_reason() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let serving = Serving::start(&["--allow", &nobody, "--allow", "no-such-host.invalid:1"]);
    for (target, reason, said) in [
        (nobody.as_str(), "refused", "connection refused"),
        ("no-such-host.invalid:1", "unresolved", "cannot resolve no-such-host.invalid: "),
    ] {
        let ended = Page::of(&serving, target, Some(WORDS)).ended();
        let (why, text, acked) = ended.closed();
        assert_eq!((why, acked), (reason, None), "{ended:?}");
        assert!(text.contains(said), "{text}");
        let bare = Page::of(&serving, target, Some(BARE)).ended();
        assert!(bare.reason.contains(said) && bare.code == Some(1011), "{bare:?}");
    }
    let log = serving.stop();
    assert_eq!(count(&log, "not connected: "), 4, "{log:#?}");
}
