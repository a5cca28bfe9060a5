//! Where packets end, and datagrams.

use uartbridge_core::{Acks, Config, Delimiter, Duration, Event, Packing, Timer};

use crate::rig::{Answer, CONFIG, Rig, secs};

const GAP: Duration = Duration::from_millis(20);

fn packing(packing: Packing) -> Config<'static> {
    Config { packing, ..CONFIG }
}

#[test]
fn a_packet_waits_for_a_quiet_line() {
    let mut rig = Rig::connected(packing(Packing { gap: GAP, ..Packing::NONE }), 32, 16);
    for _ in 0..3 {
        rig.says(b"abc");
        assert_eq!(rig.deadline(), Some((GAP, Timer::Gap)));
        assert_eq!(rig.writes_all(), b"");
        rig.pass(Duration::from_millis(19));
    }
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.writes_all(), b"abcabcabc");
    rig.acknowledges();
    assert_eq!(rig.deadline(), None);
}

#[test]
fn a_packet_that_is_long_enough_does_not_wait() {
    let mut rig = Rig::connected(packing(Packing { max_len: 4, gap: GAP, ..Packing::NONE }), 32, 16);
    rig.says(b"abc");
    assert_eq!(rig.writes_all(), b"");
    rig.says(b"defghij");
    assert_eq!(rig.writes_all(), b"abcdefgh");
    rig.pass(GAP);
    assert_eq!(rig.writes_all(), b"ij");
}

#[test]
fn a_delimiter_ends_a_packet_also_across_reads() {
    for mark in [&b"\n"[..], b"\r\n", b"<=>", b"(=)\n"] {
        let mut rig =
            Rig::connected(packing(Packing { delimiter: Delimiter::new(mark), ..Packing::NONE }), 32, 16);
        rig.says(b"a");
        for &byte in &mark[..mark.len() - 1] {
            rig.says(&[byte]);
            assert_eq!(rig.writes_all(), b"");
        }
        rig.says(&[mark[mark.len() - 1], b'b']);
        assert_eq!(rig.writes_all(), [b"a", mark].concat());
        rig.acknowledges();
        rig.says(mark);
        assert_eq!(rig.writes_all(), [b"b", mark].concat());
    }
}

#[test]
fn a_delimiter_is_not_put_together_from_two_packets() {
    let config = packing(Packing { delimiter: Delimiter::new(b"--"), ..Packing::NONE });
    let mut rig = Rig::connected(config, 32, 16);
    rig.says(b"a---b");
    assert_eq!(rig.writes_all(), b"a--");
    rig.says(b"--");
    assert_eq!(rig.writes_all(), b"-b--");
}

#[test]
fn what_does_not_fit_the_ring_is_cut() {
    let mut rig =
        Rig::connected(packing(Packing { delimiter: Delimiter::new(b"\n"), ..Packing::NONE }), 8, 16);
    rig.says(b"1234567");
    assert_eq!(rig.writes_all(), b"");
    rig.says(b"8");
    assert_eq!(rig.writes_all(), b"12345678");
}

#[test]
fn a_stop_sends_the_packet_that_is_open() {
    let mut rig = Rig::connected(packing(Packing { gap: secs(60), ..Packing::NONE }), 32, 16);
    rig.says(b"abc");
    rig.tell(Event::Stop);
    assert_eq!(rig.writes_all(), b"abc");
}

#[test]
fn a_datagram_is_what_one_read_gave() {
    let config = packing(Packing { max_len: 8, datagrams: true, ..Packing::NONE });
    let mut rig = Rig::new(config, 32, 16, Answer::None);
    rig.tell(Event::Connected(Acks::OnWrite));
    rig.says(b"one");
    rig.says(b"two");
    rig.says(b"threefour");
    let datagrams: Vec<_> = std::iter::from_fn(|| Some(rig.writes(usize::MAX))).take(5).collect();
    assert_eq!(datagrams, [&b"one"[..], b"two", b"threefou", b"r", b""]);
}

#[test]
fn a_datagram_does_not_wait_until_the_one_before_has_arrived() {
    let config = packing(Packing { max_len: 8, datagrams: true, ..Packing::NONE });
    let mut rig = Rig::connected(config, 32, 16);
    for datagram in [&b"one"[..], b"two", b"three"] {
        rig.says(datagram);
    }
    for datagram in [&b"one"[..], b"two", b"three"] {
        assert_eq!(rig.writes(usize::MAX), datagram);
    }
    rig.acknowledges();
    assert_eq!(rig.bridge.stats().tx_acked, 11);
}

#[test]
fn a_datagram_across_the_fold_goes_whole() {
    let config = packing(Packing { max_len: 8, datagrams: true, gap: GAP, ..Packing::NONE });
    let mut rig = Rig::new(config, 12, 16, Answer::None);
    rig.tell(Event::Connected(Acks::OnWrite));
    rig.says(b"12345678");
    rig.says(b"abcd");
    assert_eq!(rig.writes(usize::MAX), b"12345678");
    rig.says(b"efgh");
    rig.says(b"i");
    assert_eq!(rig.writes(usize::MAX), b"abcdefgh");
    rig.pass(GAP);
    assert_eq!(rig.writes(usize::MAX), b"i");
}

#[test]
fn datagrams_wait_for_a_place_to_remember_their_ends_and_are_never_joined() {
    let config = packing(Packing { max_len: 8, datagrams: true, ..Packing::NONE });
    let mut rig = Rig::new(config, 32, 16, Answer::None);
    rig.tell(Event::Connected(Acks::OnWrite));
    // The rig's bridge remembers 4 ends.
    let read: usize = (0..6).map(|_| rig.says(b"xy")).sum();
    assert_eq!(read, 8);
    for _ in 0..4 {
        assert_eq!(rig.writes(usize::MAX), b"xy");
    }
    assert_eq!(rig.writes(usize::MAX), b"");
}

#[test]
fn a_stop_joins_no_datagrams_that_wait_for_a_place() {
    let config = packing(Packing { max_len: 8, datagrams: true, gap: GAP, ..Packing::NONE });
    let mut rig = Rig::new(config, 64, 16, Answer::None);
    rig.tell(Event::Connected(Acks::OnWrite));
    // The rig's bridge remembers 4 ends.
    assert_eq!(rig.says(&[7; 43]), 43);
    rig.tell(Event::Stop);
    let datagrams: Vec<_> = std::iter::from_fn(|| Some(rig.writes(usize::MAX).len())).take(6).collect();
    assert_eq!(datagrams, [8, 8, 8, 8, 8, 3]);
}

#[test]
fn a_datagram_from_the_peer_is_read_into_an_empty_ring_or_a_roomy_one() {
    let config = packing(Packing { max_len: 8, datagrams: true, ..Packing::NONE });
    let mut rig = Rig::connected(config, 32, 4096);
    rig.hears(&[1; 2048]);
    assert_eq!(rig.bridge.sock_rx().len(), 2048);
    rig.hears(&[1; 1]);
    assert!(rig.bridge.sock_rx().is_empty());
    rig.tell(Event::SockRxCut(7));
    assert_eq!(rig.bridge.stats().down_cut, 7);
    rig.device_takes();
    assert_eq!(rig.bridge.sock_rx().len(), 4096);
}

#[test]
fn bytes_that_move_to_the_start_of_the_ring_stay_what_they_are() {
    let mut rig = Rig::connected(CONFIG, 4096, 16);
    let mut byte = (0..=u8::MAX).cycle();
    // Ten bytes are always held, so that the ring is never empty.
    let mut expected: Vec<u8> = byte.by_ref().take(10).collect();
    rig.says_all(&expected);
    for _ in 0..20 {
        let fresh: Vec<u8> = byte.by_ref().take(1000).collect();
        rig.says_all(&fresh);
        expected.extend(fresh);
        let bytes = rig.writes(1000);
        assert_eq!(bytes, expected.drain(..1000).collect::<Vec<_>>());
        rig.acknowledges();
    }
    assert_eq!(rig.writes_all(), expected);
}

#[test]
fn what_begins_at_the_fold_of_the_ring_is_lent_in_the_first_part() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(b"0123456789abcdef");
    assert_eq!(rig.writes(8), b"01234567");
    rig.acknowledges();
    rig.says(b"ghijklmn");
    assert_eq!(rig.writes(8), b"89abcdef");
    assert_eq!(rig.bridge.tx()[0], b"ghijklmn");
    assert_eq!(rig.bridge.ports().tx[0], b"ghijklmn");
    assert_eq!(rig.writes_all(), b"ghijklmn");
}
