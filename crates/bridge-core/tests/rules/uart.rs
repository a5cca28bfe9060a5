//! A device that is absent, comes back, and counts its errors.

use uartbridge_core::{Event, LineErrors, Timer};

use crate::rig::{Answer, Asked, CONFIG, Rig};

#[test]
fn an_absent_device_is_tried_again_and_again() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.device = false;
    rig.tell(Event::UartClosed);
    for _ in 0..3 {
        assert_eq!(rig.deadline(), Some((CONFIG.uart_retry, Timer::UartRetry)));
        rig.pass(CONFIG.uart_retry);
        assert_eq!(rig.asked(), [Asked::OpenUart]);
    }
    rig.device = true;
    rig.pass(CONFIG.uart_retry);
    assert_eq!(rig.says(b"back"), 4);
}

#[test]
fn what_is_for_a_device_that_is_away_waits_for_it() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.hears(b"down");
    rig.device = false;
    rig.tell(Event::UartClosed);
    assert!(rig.bridge.uart_tx().is_empty() && rig.bridge.ports().uart_tx.is_empty());
    assert!(rig.bridge.uart_rx().is_empty() && rig.bridge.ports().uart_rx.is_empty());
    rig.device = true;
    rig.pass(CONFIG.uart_retry);
    assert_eq!(rig.device_takes(), b"down");
}

#[test]
fn line_errors_add_up_each_in_its_place() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::None);
    for _ in 0..2 {
        rig.tell(Event::UartErrors(LineErrors { overrun: 1, framing: 2, parity: 3 }));
    }
    assert_eq!(rig.bridge.stats().line, LineErrors { overrun: 2, framing: 4, parity: 6 });
}

#[test]
fn attempts_connections_and_bytes_are_counted() {
    let mut rig = Rig::new(CONFIG, 16, 16, Answer::Connects);
    rig.says(b"up");
    rig.hears(b"down!");
    rig.breaks();
    rig.pass(CONFIG.backoff.first);
    rig.tell(Event::UartTxDone(1));
    let stats = rig.bridge.stats();
    assert_eq!((stats.attempts, stats.connections), (2, 2));
    assert_eq!((stats.uart_rx, stats.up_held, stats.tx_acked), (2, 2, 0));
    assert_eq!((stats.sock_rx, stats.uart_tx, stats.down_held), (5, 1, 4));
}
