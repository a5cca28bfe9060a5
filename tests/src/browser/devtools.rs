//! A client of the Chrome DevTools Protocol over a WebSocket: commands with their answers, and events.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// How long a browser may think about a command.
const ANSWER: Duration = Duration::from_secs(60);

/// A conversation with a browser, or with one of its pages.
#[derive(Debug)]
pub struct Devtools {
    socket: WebSocket<TcpStream>,
    commands: u64,
    events: VecDeque<Event>,
}

/// Something happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Such as `Runtime.bindingCalled`.
    pub method: String,
    /// By the protocol's names.
    pub params: Value,
}

impl Devtools {
    /// Talks to whatever has this `ws://` address on this machine.
    ///
    /// # Errors
    /// It does not answer.
    pub fn connect(url: &str) -> Result<Self, String> {
        let said = |error: &dyn core::fmt::Display| format!("{url}: {error}");
        let host = url.split('/').nth(2).ok_or_else(|| said(&"no address"))?;
        let stream = TcpStream::connect(host).map_err(|error| said(&error))?;
        stream.set_nodelay(true).map_err(|error| said(&error))?;
        // A screenshot is one message.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) = tungstenite::client::client_with_config(url, stream, Some(config))
            .map_err(|error| said(&error))?;
        socket.get_ref().set_nonblocking(true).map_err(|error| said(&error))?;
        Ok(Self { socket, commands: 0, events: VecDeque::new() })
    }

    /// Gives a command and waits for its answer.
    ///
    /// # Errors
    /// The browser refuses, has gone, or does not answer.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        let id = self.send(method, params)?;
        let until = Instant::now() + ANSWER;
        loop {
            match self.receive(until)? {
                None => return Err(format!("{method}: no answer for {ANSWER:?}")),
                Some(Value::Object(mut answer)) if answer.get("id").and_then(Value::as_u64) == Some(id) => {
                    return match answer.remove("error") {
                        Some(error) => Err(format!("{method}: {error}")),
                        None => Ok(answer.remove("result").unwrap_or_default()),
                    };
                }
                Some(message) => self.note(message),
            }
        }
    }

    /// The next event that has come, without waiting.
    ///
    /// # Errors
    /// The browser has gone.
    pub fn event(&mut self) -> Result<Option<Event>, String> {
        while let Some(message) = self.receive(Instant::now())? {
            self.note(message);
        }
        Ok(self.events.pop_front())
    }

    /// Waits for the next event, at most until `limit`.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub fn next_event(&mut self, limit: Instant) -> Result<Option<Event>, String> {
        if self.events.is_empty()
            && let Some(message) = self.receive(limit)?
        {
            self.note(message);
        }
        Ok(self.events.pop_front())
    }

    /// Readable when there may be something new.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }

    fn send(&mut self, method: &str, params: Value) -> Result<u64, String> {
        self.commands += 1;
        let command = json!({ "id": self.commands, "method": method, "params": params });
        let mut sent = self.socket.send(Message::text(command.to_string()));
        let until = Instant::now() + ANSWER;
        while let Err(tungstenite::Error::Io(error)) = &sent {
            if error.kind() != ErrorKind::WouldBlock || !self.ready(PollFlags::OUT, until)? {
                break;
            }
            sent = self.socket.flush();
        }
        sent.map(|()| self.commands).map_err(|error| format!("{method}: the browser has gone: {error}"))
    }

    fn receive(&mut self, until: Instant) -> Result<Option<Value>, String> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => {
                    return serde_json::from_str(&text).map(Some).map_err(|error| error.to_string());
                }
                Ok(
                    Message::Binary(_)
                    | Message::Ping(_)
                    | Message::Pong(_)
                    | Message::Close(_)
                    | Message::Frame(_),
                ) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.ready(PollFlags::IN, until)? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(format!("the browser has gone: {error}")),
            }
        }
    }

    fn ready(&self, flags: PollFlags, until: Instant) -> Result<bool, String> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let socket = self.descriptor();
        match poll(&mut [PollFd::new(&socket, flags)], Some(&timeout)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(true),
            Err(error) => Err(format!("poll: {error}")),
        }
    }

    fn note(&mut self, message: Value) {
        // What is no event answers a command that nobody waits for any more.
        if let Value::Object(mut message) = message
            && let Some(Value::String(method)) = message.remove("method")
        {
            let params = message.remove("params").unwrap_or_default();
            self.events.push_back(Event { method, params });
        }
    }
}
