//! The demo's server.

use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

use super::{OUTAGE, say};

/// Sends back what it gets; once `plug` is pulled it resets its connection and is away for a while.
pub(super) async fn echo(mut listener: TcpListener, mut plug: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else {
        return;
    };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        if serve(stream, &mut plug).await == Served::PlugPulled {
            drop(listener);
            tokio::time::sleep(OUTAGE).await;
            say("the server is back");
            match listen_again(address) {
                Ok(back) => listener = back,
                Err(error) => return say(&format!("the server cannot come back: {error}")),
            }
        }
    }
}

/// How a connection to the server ended.
#[derive(PartialEq, Eq)]
enum Served {
    Closed,
    PlugPulled,
}

async fn serve(mut stream: TcpStream, plug: &mut watch::Receiver<bool>) -> Served {
    let mut buffer = [0; 4096];
    loop {
        tokio::select! {
            Ok(()) = plug.changed() => {
                // A pulled plug says nothing; a reset is the nearest that one machine can do.
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return Served::PlugPulled;
            }
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return Served::Closed,
                Ok(n) => if stream.write_all(&buffer[..n]).await.is_err() {
                    return Served::Closed;
                }
            }
        }
    }
}

fn listen_again(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1)
}
