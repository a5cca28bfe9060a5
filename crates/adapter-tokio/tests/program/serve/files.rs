//! The URL that is printed, and the page's files.

use super::page::WORDS;
use super::program::{Serving, request};
use crate::device::{Directory, address, server};
use crate::process::Program;
use crate::serve::page::Page;

#[test]
fn the_printed_url_is_the_page_s_and_names_its_servers_and_its_token() {
    let server = server(0);
    let target = address(&server);
    let serving = Serving::start(&["--allow", &target, "--allow", "a.example:*"]);
    assert!(serving.url.starts_with(&format!("http://{}/#token=", serving.address)), "{}", serving.url);
    // A browser keeps what is behind the # to itself; the page takes the token and the servers from there.
    assert!(serving.url.ends_with(&format!("&target={}", target.replace(':', "%3A"))), "{}", serving.url);
    let page = request(serving.address, "GET", "/", &[]);
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains("<title>"), "{}", page.body);
    // All that the page names is there, of the type that it must have.
    let named = page.body.split(['"', '\'']).filter(|it| it.ends_with(".js") || it.ends_with(".css"));
    let named: Vec<_> = named.map(str::to_owned).collect();
    assert!(named.len() >= 2, "{named:?}");
    for name in named {
        let file = request(serving.address, "GET", &format!("/{}", name.trim_start_matches(['.', '/'])), &[]);
        let wanted = if name.ends_with(".js") { "text/javascript" } else { "text/css" };
        assert!(file.status == 200 && file.header("content-type").starts_with(wanted), "{name}: {file:?}");
    }
    Page::of(&serving, &target, Some(WORDS)).told("open");
}

#[test]
fn every_answer_keeps_the_page_safe() {
    let serving = Serving::start(&[]);
    for (method, path, status) in [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/nothing", 404),
        ("POST", "/", 405),
        ("GET", "/watch", 400),
    ] {
        let answer = request(serving.address, method, path, &[]);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
        for (header, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(header), value, "{method} {path}");
        }
    }
    assert_eq!(request(serving.address, "POST", "/", &[]).header("allow"), "GET, HEAD");
    for outside in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "/page.css/"] {
        assert_eq!(request(serving.address, "GET", outside, &[]).status, 404, "{outside}");
    }
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    let serving = Serving::start(&[]);
    let page = request(serving.address, "GET", "/", &[]);
    assert_eq!(page.header("cache-control"), "no-cache");
    let tag = page.header("etag");
    let again = request(serving.address, "GET", "/", &[("If-None-Match", tag)]);
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(request(serving.address, "GET", "/", &[("If-None-Match", "\"other\"")]).status, 200);
}

#[test]
fn a_token_in_a_file_stays_and_is_not_printed_into_a_log() {
    let (directory, server) = (Directory::new(), server(0));
    let (file, target) = (directory.path("token"), address(&server));
    let words = ["--allow", &target, "--token-file", file.to_str().expect("our own name")];
    for _ in 0..2 {
        let mut serving = Serving::of(Program::start(&[&["serve", "--listen", "0"], &words[..]].concat()));
        assert_eq!(serving.token, "", "standard output is no terminal");
        let hint = serving.line();
        assert!(hint.contains("token=TOKEN") && hint.contains(words[3]), "{hint}");
        let token = std::fs::read_to_string(&file).expect("made");
        serving.token = token.trim().to_owned();
        Page::of(&serving, &target, Some(WORDS)).told("open");
        serving.stop();
    }
}
