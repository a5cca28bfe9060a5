//! Pages that watch the demo.

use std::net::TcpStream;

use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tungstenite::Message;

use super::page::Page;
use super::program::Serving;
use crate::device::client;
use crate::process::{PATIENCE, Program};

/// A demo whose device says only what it is told to.
fn demo() -> Serving {
    let mut serving = Serving::of(Program::start(&["demo", "--lines", "0"]));
    serving.read_on();
    serving
}

/// What has come to somebody who watches.
struct Watcher {
    page: Page,
    /// Bytes from the device, and to it.
    rows: [Vec<u8>; 2],
    skipped: u64,
    words: Vec<Value>,
}

impl Watcher {
    fn join(serving: &Serving) -> Self {
        Self::over(client("127.0.0.1", serving.address.port()), serving)
    }

    /// Over a connection that holds little: small segments make the sender's buffer small, too.
    fn with_little_room(serving: &Serving) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_tcp_mss(536).expect("tcp(7)");
        socket.set_recv_buffer_size(4096).expect("socket(7)");
        socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
        socket.connect(&serving.address.into()).expect("the program listens");
        Self::over(socket.into(), serving)
    }

    fn over(stream: TcpStream, serving: &Serving) -> Self {
        let path = format!("/watch?token={}", serving.token);
        let page = Page::over(stream, &path, &[]).expect("an upgrade");
        Self { page, rows: [Vec::new(), Vec::new()], skipped: 0, words: Vec::new() }
    }

    fn hear(&mut self) {
        match self.page.next() {
            Message::Binary(row) => {
                let (head, bytes) = row.split_at(9);
                let time = f64::from_be_bytes(head[1..].try_into().expect("eight bytes"));
                assert!((1.7e12..1e13).contains(&time), "ms since 1970: {time}");
                self.rows[usize::from(head[0])].extend_from_slice(bytes);
            }
            Message::Text(text) => {
                let words: Value = serde_json::from_str(&text).expect("JSON");
                self.skipped += words["bytes"].as_u64().unwrap_or(0);
                self.words.push(words);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other @ (Message::Close(_) | Message::Frame(_)) => panic!("{other:?}"),
        }
    }

    /// Until the device has got something that ends like this.
    fn until(&mut self, end: &[u8]) {
        while !self.rows[1].ends_with(end) {
            self.hear();
        }
    }

    /// All that has passed, seen or not.
    fn total(&self) -> u64 {
        self.rows.iter().map(|row| row.len() as u64).sum::<u64>() + self.skipped
    }
}

#[test]
fn whoever_watches_sees_the_bridge_and_can_have_its_device_speak() {
    let serving = demo();
    let (mut one, mut other) = (Watcher::join(&serving), Watcher::join(&serving));
    one.page.send(b"hello, server\r\n");
    for watcher in [&mut one, &mut other] {
        watcher.until(b"hello, server\r\n");
        assert!(watcher.rows[0].ends_with(b"hello, server\r\n"), "{}", watcher.rows[0].escape_ascii());
        while !["uart", "state", "stats"]
            .iter()
            .all(|kind| watcher.words.iter().any(|it| it["type"] == *kind))
        {
            watcher.hear();
        }
        let last = watcher.words.iter().rev().find(|words| words["type"] == "state").expect("just seen");
        assert_eq!(last["name"], "open", "{:?}", watcher.words);
    }
    serving.stop();
}

#[test]
fn whoever_is_slow_misses_rows_and_is_told_and_holds_nobody() {
    let serving = demo();
    let (mut fast, mut slow) = (Watcher::join(&serving), Watcher::with_little_room(&serving));
    // From here on both see the same.
    fast.page.send(b"start");
    for watcher in [&mut fast, &mut slow] {
        watcher.until(b"start");
        watcher.rows.iter_mut().for_each(Vec::clear);
    }
    let mut piece = vec![b'.'; 63 << 10];
    // Far more than its connection and its place in the program hold: both ways, 2 MB.
    for round in 0..16 {
        piece.extend(format!("round {round}\r\n").as_bytes());
        fast.page.send(&piece);
        fast.until(&piece[63 << 10..]);
        piece.truncate(63 << 10);
    }
    while slow.skipped == 0 {
        slow.hear();
    }
    fast.page.send(b"the end");
    fast.until(b"the end");
    slow.until(b"the end");
    assert_eq!(fast.skipped, 0, "who reads misses nothing");
    assert!(slow.skipped > 0, "{} rows", slow.rows[0].len());
    assert_eq!(slow.total(), fast.total());
    serving.stop();
}

#[test]
fn without_the_token_nobody_watches() {
    let serving = demo();
    for path in ["/watch", "/watch?token=", "/watch?token=0123456789abcdef0123456789abcdef"] {
        let ended = Page::with(&serving, path, &[]).expect("an upgrade").ended();
        assert_eq!(ended.code, Some(1008), "{ended:?}");
        assert!(ended.reason.starts_with("the token is missing or wrong"), "{ended:?}");
    }
    let foreign = [("Origin", "https://evil.example")];
    let path = format!("/watch?token={}", serving.token);
    assert_eq!(Page::with(&serving, &path, &foreign).err().expect("refused").0, 403);
}

#[test]
fn the_relay_has_nothing_to_watch() {
    let serving = Serving::start(&[]);
    let (status, body) =
        Page::with(&serving, &format!("/watch?token={}", serving.token), &[]).err().expect("refused");
    assert!(status == 404 && body.contains("nothing to watch"), "{status} {body}");
}
