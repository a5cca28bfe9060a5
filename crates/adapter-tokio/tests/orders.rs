//! Orders to a bridge that has nothing else to do.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::coop::consume_budget;
use tokio::task::yield_now;
use uartbridge::ends::{Dial, Dialing, Halves, OpenFailure, OpenUart};
use uartbridge::run::{Observer, Orders, PagedBridge, run};
use uartbridge::sock::NetSock;
use uartbridge::storage::Storage;
use uartbridge_core::{Config, PeerIndex};

type Uart = Halves<tokio::io::DuplexStream, tokio::io::Sink>;

struct Silent(Option<Uart>);

impl OpenUart for Silent {
    type End = Uart;

    fn open(&mut self) -> Result<Uart, OpenFailure> {
        self.0.take().ok_or(OpenFailure { text: "opened twice".to_owned(), permanent: true })
    }
}

struct Nowhere;

impl Dial for Nowhere {
    type Sock = NetSock;

    fn dial(&mut self, _: PeerIndex) -> Dialing<NetSock> {
        Box::pin(pending())
    }

    fn name(&self, _: PeerIndex) -> String {
        "nowhere".to_owned()
    }
}

struct Nobody;

impl Observer for Nobody {}

/// Whoever runs a bridge beside other futures in one task may leave it nothing of what the scheduler lets a task do at a time.
#[tokio::test]
async fn a_stop_is_heard_though_the_task_had_used_up_its_budget_when_it_began() {
    let (_device, reader) = tokio::io::duplex(64);
    let uart = Silent(Some(Halves { reader, writer: tokio::io::sink() }));
    let (orders, told) = watch::channel(Orders::default());
    let running = tokio::spawn(async move {
        let ring = || Storage::new(4096).expect("memory");
        let config = Config { connect_timeout: uartbridge_core::Duration::NEVER, ..Config::default() };
        let config = Box::leak(Box::new(config));
        let mut bridge = PagedBridge::new(config, 1, ring(), ring()).expect("a listener's settings");
        let mut observer = Nobody;
        let mut running = pin!(run(&mut bridge, uart, Nowhere, told, &mut observer));
        let mut begun = false;
        poll_fn(|cx| {
            if !std::mem::replace(&mut begun, true) {
                while pin!(consume_budget()).poll(cx) == Poll::Ready(()) {}
            }
            running.as_mut().poll(cx)
        })
        .await
    });
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(!running.is_finished());
    orders.send_modify(|orders| orders.stop = true);
    let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
    ended.expect("it hears it").expect("it does not panic").expect("it finishes");
}
