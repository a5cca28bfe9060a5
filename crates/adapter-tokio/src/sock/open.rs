//! An open connection of any kind: moving bytes, acknowledgements, closing.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::RecvFlags;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use uartbridge_core::Acks;
use uartbridge_tls::{ClientSide, ServerSide};

use super::alarm::Alarm;
use super::plain;
use super::tls::Tls;
use crate::ends::{Sock, SockRead, UartEnd, UartRead};
use crate::ioctl::output_queue;
use crate::uart::Uart;

/// An open connection.
#[derive(Debug)]
pub enum NetSock {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A TLS connection, as a client.
    Tls(Box<Tls<ClientSide>>),
    /// A TLS connection, as a server.
    TlsServed(Box<Tls<ServerSide>>),
    /// A connected UDP socket.
    Udp(Udp),
    /// A Unix stream socket.
    Unix(UnixStream),
    /// Standard input and output.
    Stdio(Stdio),
}

/// A connected UDP socket.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    /// Tells of a refusal that nobody meets by reading or writing.
    alarm: Alarm,
    /// What a write has learnt of the peer: that an earlier datagram was refused. Reading reports it, so that the
    /// datagram at hand is kept.
    refused: Option<io::Error>,
    shut: bool,
}

/// Standard input and output. The end of the input is not the end of the connection: a recorder has no input at all.
#[derive(Debug)]
pub struct Stdio {
    pub(super) pipe: Uart,
    /// Why standard output takes no more. Reading reports it; connecting again, later, fails for good.
    pub(super) broken: Arc<OnceLock<String>>,
    pub(super) shut: bool,
}

impl Sock for NetSock {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
        match self {
            Self::Tcp(stream) => poll_stream(Pin::new(stream), cx, buf),
            Self::Tls(tls) => tls.poll_read(cx, buf),
            Self::TlsServed(tls) => tls.poll_read(cx, buf),
            Self::Unix(stream) => poll_stream(Pin::new(stream), cx, buf),
            Self::Udp(Udp { refused, .. }) if refused.is_some() => {
                Poll::Ready(refused.take().map_or(Ok(SockRead::Ended), Err))
            }
            Self::Udp(Udp { shut: true, .. }) | Self::Stdio(Stdio { shut: true, .. }) => {
                Poll::Ready(Ok(SockRead::Ended))
            }
            Self::Udp(udp) => udp.poll_receive(cx, buf),
            Self::Stdio(Stdio { broken, .. }) if broken.get().is_some() => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            Self::Stdio(Stdio { pipe, .. }) => match ready!(UartEnd::poll_read(pipe, cx, buf)) {
                UartRead::Bytes(n) => Poll::Ready(Ok(SockRead::Bytes(n, 0))),
                UartRead::Ended => Poll::Pending,
                UartRead::Gone(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        let first = parts[0];
        match self {
            Self::Tcp(stream) if parts[1].is_empty() => Pin::new(stream).poll_write(cx, first),
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, &parts.map(IoSlice::new)),
            Self::Tls(tls) => tls.poll_write(cx, parts),
            Self::TlsServed(tls) => tls.poll_write(cx, parts),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, first),
            Self::Udp(udp) => udp.poll_send(cx, parts).map(Ok),
            Self::Stdio(Stdio { pipe, broken, .. }) => match ready!(UartEnd::poll_write(pipe, cx, first)) {
                Ok(written) => Poll::Ready(Ok(written)),
                Err(error) => {
                    broken.get_or_init(|| plain(&error));
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
        }
    }

    fn acks(&self) -> Acks {
        match self {
            Self::Tcp(_) | Self::Tls(_) | Self::TlsServed(_) => Acks::Peer,
            Self::Udp(_) | Self::Unix(_) | Self::Stdio(_) => Acks::OnWrite,
        }
    }

    fn unacked(&mut self) -> Option<usize> {
        match self {
            Self::Tcp(stream) => output_queue(stream.as_fd()).ok(),
            Self::Tls(tls) => tls.unacked(),
            Self::TlsServed(tls) => tls.unacked(),
            Self::Udp(_) | Self::Unix(_) | Self::Stdio(_) => None,
        }
    }

    fn details(&self) -> Option<String> {
        match self {
            Self::Tls(tls) => tls.details(),
            Self::TlsServed(tls) => match (tls.details(), tls.client()) {
                (Some(details), Some(client)) => Some(format!("{details}, client {client}")),
                (details, _) => details,
            },
            Self::Tcp(_) | Self::Udp(_) | Self::Unix(_) | Self::Stdio(_) => None,
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(tls) => tls.poll_flush(cx),
            Self::TlsServed(tls) => tls.poll_flush(cx),
            Self::Tcp(_) | Self::Udp(_) | Self::Unix(_) | Self::Stdio(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(tls) => tls.poll_shutdown(cx),
            Self::TlsServed(tls) => tls.poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Udp(Udp { shut, .. }) | Self::Stdio(Stdio { shut, .. }) => {
                // No FIN will come of these: the end of reading is our own to report.
                *shut = true;
                cx.waker().wake_by_ref();
                Poll::Ready(Ok(()))
            }
        }
    }

    fn abort(self) {
        match self {
            Self::Tcp(stream) => {
                // If this fails the kernel goes on trying for a while; the peer may then get bytes twice.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Self::Tls(tls) => tls.abort(),
            Self::TlsServed(tls) => tls.abort(),
            Self::Udp(_) | Self::Unix(_) | Self::Stdio(_) => {}
        }
    }
}

impl Udp {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self { alarm: Alarm::of(&socket)?, socket, refused: None, shut: false })
    }

    /// The next datagram, or that an earlier one of ours was refused.
    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
        if let received @ Poll::Ready(_) = poll_datagram(&self.socket, cx, buf) {
            return received;
        }
        ready!(self.alarm.poll(cx));
        match self.socket.take_error() {
            Ok(Some(error)) | Err(error) => Poll::Ready(Err(error)),
            Ok(None) => Poll::Pending,
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<usize> {
        while self.refused.is_none() {
            let sent = match ready!(self.socket.poll_send_ready(cx)) {
                Err(error) => Err(error),
                Ok(()) => self.socket.try_io(Interest::WRITABLE, || {
                    SockRef::from(&self.socket).send_vectored(&parts.map(IoSlice::new))
                }),
            };
            match sent {
                Ok(sent) => return Poll::Ready(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    self.refused = Some(error);
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}

fn poll_stream(
    stream: Pin<&mut impl AsyncRead>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<io::Result<SockRead>> {
    let mut buf = ReadBuf::new(buf);
    ready!(stream.poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(match buf.filled().len() {
        0 => SockRead::Ended,
        n => SockRead::Bytes(n, 0),
    }))
}

fn poll_datagram(socket: &UdpSocket, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<SockRead>> {
    loop {
        ready!(socket.poll_recv_ready(cx))?;
        let received = socket.try_io(Interest::READABLE, || {
            // With TRUNC the kernel says how long the datagram was, whatever fitted (udp(7)).
            Ok(rustix::net::recv(socket, &mut *buf, RecvFlags::TRUNC)?)
        });
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return Poll::Ready(received.map(|(n, whole)| SockRead::Bytes(n, whole - n))),
        }
    }
}
