//! The loop with a socket of one's own, which holds back what is written until it is flushed.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use uartbridge::ends::{Dial, DialError, Dialing, Halves, OpenFailure, OpenUart, Sock, SockRead};
use uartbridge::run::{Observer, Orders, PagedBridge, run};
use uartbridge::storage::Storage;
use uartbridge_core::{Acks, CloseReason, Config, PeerIndex};

/// Encryption is like this when the kernel has no room: what was taken is nowhere else.
struct Late {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Sock for Late {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<SockRead>> {
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: [&[u8]; 2]) -> Poll<io::Result<usize>> {
        self.held.extend(parts.concat());
        cx.waker().wake_by_ref();
        Poll::Ready(Ok(parts[0].len() + parts[1].len()))
    }

    fn acks(&self) -> Acks {
        Acks::OnWrite
    }

    fn unacked(&mut self) -> Option<usize> {
        None
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.held) {
                Poll::Ready(Ok(count)) => drop(self.held.drain(..count)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn abort(self) {}
}

struct To(String);

impl Dial for To {
    type Sock = Late;

    fn dial(&mut self, _: PeerIndex) -> Dialing<Late> {
        let address = self.0.clone();
        Box::pin(async move {
            let failed = |error: io::Error| DialError {
                reason: CloseReason::Failed,
                text: error.to_string(),
                permanent: true,
            };
            let stream = TcpStream::connect(address).await.map_err(failed)?;
            Ok(Late { stream, held: Vec::new() })
        })
    }

    fn name(&self, _: PeerIndex) -> String {
        self.0.clone()
    }
}

type Uart = Halves<tokio::io::DuplexStream, tokio::io::Sink>;

struct Once(Option<Uart>);

impl OpenUart for Once {
    type End = Uart;

    fn open(&mut self) -> Result<Uart, OpenFailure> {
        self.0.take().ok_or(OpenFailure { text: "opened twice".to_owned(), permanent: true })
    }
}

struct Nobody;

impl Observer for Nobody {}

#[tokio::test]
async fn what_a_socket_holds_back_is_flushed_although_nothing_else_moves() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
    let peer = To(server.local_addr().expect("bound").to_string());
    let (mut device, reader) = tokio::io::duplex(64);
    let uart = Once(Some(Halves { reader, writer: tokio::io::sink() }));
    let ring = || Storage::new(4096).expect("memory");
    let config = Box::leak(Box::new(Config::default()));
    let mut bridge = PagedBridge::new(config, 1, ring(), ring()).expect("defaults");
    let (_orders, told) = watch::channel(Orders::default());
    let mut observer = Nobody;
    let mut running = Box::pin(run(&mut bridge, uart, peer, told, &mut observer));
    let test = async {
        let (mut client, _) = server.accept().await.expect("it connects");
        device.write_all(b"hello").await.expect("room");
        let mut got = [0; 5];
        client.read_exact(&mut got).await.expect("it arrives");
        assert_eq!(&got, b"hello");
    };
    tokio::select! {
        ended = poll_fn(|cx| running.as_mut().poll(cx)) => panic!("the bridge ended: {ended:?}"),
        done = tokio::time::timeout(std::time::Duration::from_secs(20), test) => done.expect("it was flushed"),
    }
}
