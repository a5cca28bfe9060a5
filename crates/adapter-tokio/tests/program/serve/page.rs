//! A page, as the relay meets one: a WebSocket client that keeps to the protocol, or goes against it where a test wants that.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use super::program::Serving;
use crate::device::client;

/// The subprotocols.
pub(super) const WORDS: &str = "uartbridge.v1";
pub(super) const BARE: &str = "binary";
/// What the page may send before it is told more.
pub(super) const FIRST_CREDIT_UP: u64 = 262_144;
/// What the relay may send before it is told more.
pub(super) const FIRST_CREDIT_DOWN: usize = 65_536;

pub(super) struct Page {
    socket: WebSocket<TcpStream>,
    /// Bytes of the stream that the page has sent, and may send.
    pub(super) sent: u64,
    pub(super) credit: u64,
    /// Bytes and words that have come and were not asked for yet.
    pub(super) down: Vec<u8>,
    words: VecDeque<Value>,
}

/// How a WebSocket has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// The message `closed`, if there was one.
    pub(super) words: Option<Value>,
    /// Of the close frame; none if the connection has just ended.
    pub(super) code: Option<u16>,
    pub(super) reason: String,
}

impl Page {
    /// A page of our own with a connection to this server.
    pub(super) fn open(serving: &Serving, target: &str) -> Self {
        let mut page = Self::of(serving, target, Some(WORDS));
        assert_eq!(page.told("open")["peer"], target);
        page
    }

    /// A page that has just opened its WebSocket: with acknowledgements, or as websockify's pages do.
    pub(super) fn of(serving: &Serving, target: &str, protocol: Option<&str>) -> Self {
        let path = format!("/relay?target={target}&token={}", serving.token);
        let headers = protocol.map(|protocol| ("Sec-WebSocket-Protocol", protocol));
        Self::with(serving, &path, headers.as_slice())
            .unwrap_or_else(|(status, body)| panic!("{status} {body}"))
    }

    /// With exactly this request; otherwise status and text of the refusal.
    pub(super) fn with(
        serving: &Serving,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, String)> {
        let stream = client(&serving.address.ip().to_string(), serving.address.port());
        Self::over(stream, path, headers)
    }

    /// The same over a connection that is there already.
    pub(super) fn over(
        stream: TcpStream,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, String)> {
        let address = stream.peer_addr().expect("connected");
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header's value"));
        }
        // What a page sends leaves at once, and in messages as large as it likes.
        let config = WebSocketConfig::default().write_buffer_size(0);
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((socket, _)) => Ok(Self {
                socket,
                sent: 0,
                credit: FIRST_CREDIT_UP,
                down: Vec::new(),
                words: VecDeque::new(),
            }),
            Err(HandshakeError::Failure(Error::Http(answer))) => {
                let body = answer.body().as_deref().unwrap_or_default();
                Err((answer.status().as_u16(), String::from_utf8_lossy(body).into_owned()))
            }
            Err(HandshakeError::Failure(Error::Protocol(problem))) => Err((0, problem.to_string())),
            Err(error) => panic!("{error}"),
        }
    }

    /// Bytes of the stream, in one message.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.sent += bytes.len() as u64;
        self.message(Message::binary(bytes.to_vec()));
    }

    /// Words, or what a page takes for them.
    pub(super) fn say(&mut self, text: &str) {
        self.message(Message::text(text));
    }

    pub(super) fn grant(&mut self, total: u64) {
        self.say(&json!({ "type": "credit", "total": total }).to_string());
    }

    /// A FIN for the server.
    pub(super) fn end(&mut self) {
        self.say(r#"{"type":"end"}"#);
    }

    pub(super) fn message(&mut self, message: Message) {
        self.socket.send(message).expect("the relay reads");
    }

    /// The next message goes where it belongs.
    fn hear(&mut self) -> Result<(), Ended> {
        match self.socket.read() {
            Ok(Message::Binary(bytes)) => self.down.extend_from_slice(&bytes),
            Ok(Message::Text(text)) => {
                let words: Value =
                    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
                if words["type"] == "credit" {
                    let total = words["total"].as_u64().expect("a number");
                    assert!(total > self.credit || self.credit == FIRST_CREDIT_UP, "never less: {total}");
                    self.credit = total;
                } else {
                    self.words.push_back(words);
                }
            }
            Ok(Message::Close(frame)) => {
                return Err(Ended {
                    words: None,
                    code: frame.as_ref().map(|frame| frame.code.into()),
                    reason: frame.map(|frame| frame.reason.to_string()).unwrap_or_default(),
                });
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the relay says nothing; so far {:?} and {} bytes", self.words, self.down.len())
            }
            Err(error) => return Err(Ended { words: None, code: None, reason: error.to_string() }),
        }
        Ok(())
    }

    /// Waits until the relay has read all that was said before: a ping is answered in its turn (RFC 6455 §5.5.3).
    pub(super) fn is_heard(&mut self) {
        self.message(Message::Ping(b"?".to_vec().into()));
        loop {
            if let Message::Pong(_) = self.next() {
                return;
            }
        }
    }

    /// The next message, whatever it is.
    pub(super) fn next(&mut self) -> Message {
        self.socket.read().unwrap_or_else(|error| panic!("no message, but {error}"))
    }

    /// The next words, which are of this type.
    pub(super) fn told(&mut self, kind: &str) -> Value {
        loop {
            if let Some(words) = self.words.pop_front() {
                assert_eq!(words["type"], kind, "{words}");
                return words;
            }
            self.hear().unwrap_or_else(|ended| panic!("{kind} was expected, and not {ended:?}"));
        }
    }

    /// The next bytes of the stream.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.down.len() < count {
            self.hear()
                .unwrap_or_else(|ended| panic!("{} of {count} bytes, then {ended:?}", self.down.len()));
        }
        self.down.drain(..count).collect()
    }

    /// What the server's TCP holds now.
    pub(super) fn ask(&mut self) -> u64 {
        self.say(r#"{"type":"ask"}"#);
        self.told("acked")["total"].as_u64().expect("a number")
    }

    /// Asks until the server's TCP holds so much.
    pub(super) fn acked(&mut self, total: u64) {
        let until = std::time::Instant::now() + crate::process::PATIENCE;
        loop {
            let acked = self.ask();
            if acked == total {
                return;
            }
            assert!(acked < total, "{acked} is more than {total}");
            assert!(std::time::Instant::now() < until, "only {acked} of {total} bytes");
        }
    }

    /// Sends as the relay gives credit.
    pub(super) fn send_all(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (self.credit - self.sent).min(bytes.len() as u64).min(65_536) as usize;
            if room > 0 {
                self.send(&bytes[..room]);
                bytes = &bytes[room..];
            } else {
                self.hear().unwrap_or_else(|ended| panic!("{} bytes are left: {ended:?}", bytes.len()));
            }
        }
    }

    /// Sends until the relay gives no more credit, because the server takes nothing: how much that was.
    pub(super) fn fill(&mut self) -> u64 {
        let (mut acked, mut quiet) = (0, 0);
        // An answer without news says that nothing moves; a few of them, that nothing will.
        while quiet < 20 {
            let room = (self.credit - self.sent) as usize;
            if room > 0 {
                self.send(&vec![b'.'; room]);
                quiet = 0;
            }
            let now = self.ask();
            quiet = if now == acked { quiet + 1 } else { 0 };
            acked = now;
        }
        self.sent
    }

    /// How the relay ends it.
    pub(super) fn ended(mut self) -> Ended {
        let mut ended = loop {
            if let Err(ended) = self.hear() {
                break ended;
            }
        };
        ended.words = self.words.pop_front();
        assert!(self.words.is_empty(), "closed is the last word: {:?}", self.words);
        assert!(ended.words.as_ref().is_none_or(|words| words["type"] == "closed"), "{ended:?}");
        ended
    }

    /// Says goodbye, and waits until the relay has answered.
    pub(super) fn leave(mut self) {
        self.socket.close(None).expect("the relay reads");
        while self.socket.read().is_ok() {}
    }

    /// Is gone from one moment to the next, without a word of WebSockets: a browser that is killed.
    pub(super) fn vanish(self) {
        drop(self);
    }

    /// Is gone in a way that its kernel tells at once, whatever waits to be read: a reset.
    pub(super) fn reset(self) {
        SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
    }

    /// The TCP connection below.
    pub(super) fn tcp(&self) -> &TcpStream {
        self.socket.get_ref()
    }
}

impl Ended {
    /// The reason, the text, and what the server's TCP held.
    pub(super) fn closed(&self) -> (&str, &str, Option<u64>) {
        let words = self.words.as_ref().unwrap_or_else(|| panic!("no last words: {self:?}"));
        let text = |name: &str| words[name].as_str().unwrap_or_else(|| panic!("no {name} in {words}"));
        (text("reason"), text("text"), words["acked"].as_u64())
    }
}
