//! What a full up ring does: holds the device back, or drops, counted.

use uartbridge_core::{Config, Delimiter, Duration, Event, Flow, Overflow, Packing};

use crate::rig::{Answer, Asked, CONFIG, Rig, secs};

const LINES: Packing = Packing { max_len: 8, gap: Duration::from_millis(20), ..Packing::NONE };

fn dropping(overflow: Overflow, packing: Packing) -> Config<'static> {
    Config { overflow, packing, ..CONFIG }
}

#[test]
fn the_device_is_stopped_at_three_quarters_and_goes_on_at_half() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    let mut flow = Vec::new();
    for held in 1..=16 {
        rig.says(b"x");
        flow.extend(rig.asked().into_iter().map(|asked| (held, asked)));
    }
    assert_eq!(flow, [(12, Asked::Flow(Flow::Stop))]);
    flow.clear();
    for held in (0..16).rev() {
        rig.writes(1);
        rig.acknowledges();
        flow.extend(rig.asked().into_iter().map(|asked| (held, asked)));
    }
    assert_eq!(flow, [(8, Asked::Flow(Flow::Go))]);
}

#[test]
fn a_full_ring_stops_the_device_and_nobody_else() {
    let mut rig = Rig::connected(CONFIG, 16, 16);
    rig.says(&[1; 16]);
    assert!(rig.bridge.uart_rx().is_empty());
    assert_eq!(rig.hears(b"down"), 4);
    assert_eq!(rig.device_takes(), b"down");
    rig.hears(&[2; 16]);
    assert!(rig.bridge.sock_rx().is_empty());
    assert_eq!(rig.writes_all(), [1; 16]);
    rig.acknowledges();
    assert_eq!(rig.says(b"more"), 4);
}

#[test]
fn the_socket_is_read_again_when_half_of_the_ring_is_free() {
    let mut rig = Rig::connected(CONFIG, 16, 9);
    rig.hears(&[1; 9]);
    for free in 1..9 {
        rig.tell(Event::UartTxDone(1));
        assert_eq!(rig.bridge.sock_rx().is_empty(), free < 5, "{free}");
    }
}

#[test]
fn dropping_never_holds_the_device_back() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let mut rig = Rig::new(dropping(overflow, Packing::NONE), 32, 16, Answer::Refuses);
        rig.asked();
        for _ in 0..100 {
            assert!(rig.says(b"x") == 1);
        }
        assert_eq!(rig.asked(), []);
        let stats = rig.bridge.stats();
        assert_eq!((stats.up_held, stats.up_dropped, stats.uart_rx), (30, 70, 100));
        assert_eq!(stats.up_dropped_packets, 70);
    }
}

#[test]
fn the_oldest_bytes_make_room_for_the_newest() {
    let mut rig = Rig::connected(dropping(Overflow::DropOldest, Packing::NONE), 16, 16);
    rig.says(b"0123456789");
    assert_eq!(rig.writes(4), b"0123");
    rig.says_all(b"abcdef");
    rig.says_all(b"ghi");
    // 15 are held: 4 bytes dropped, all of them in flight.
    assert_eq!(rig.bridge.stats().up_dropped, 4);
    assert_eq!(rig.writes_all(), b"456789abcdefghi");
    rig.acknowledges();
    let stats = rig.bridge.stats();
    assert_eq!((stats.tx_acked, stats.up_held, stats.up_dropped), (15, 0, 4));
}

#[test]
fn bytes_dropped_unsent_shift_what_acknowledgements_mean() {
    let mut rig = Rig::connected(dropping(Overflow::DropOldest, Packing::NONE), 16, 16);
    rig.says(b"01");
    assert_eq!(rig.writes_all(), b"01");
    rig.says_all(b"23456789abcde");
    rig.says_all(b"fghi");
    // 0 to 3 are gone, 2 and 3 of them unsent.
    assert_eq!(rig.bridge.stats().up_dropped, 4);
    assert_eq!(rig.writes(3), b"456");
    rig.has = 4;
    rig.tell(Event::TxAcked(4));
    assert_eq!((rig.bridge.stats().tx_acked, rig.bridge.stats().up_held), (2, 13));
    rig.breaks();
    rig.pass(secs(1));
    assert_eq!(rig.writes_all(), b"6789abcdefghi");
}

#[test]
fn the_newest_bytes_go_where_the_oldest_are_kept() {
    let mut rig = Rig::connected(dropping(Overflow::DropNewest, Packing::NONE), 16, 16);
    rig.says(b"0123456789");
    rig.says_all(b"abcdef");
    assert_eq!(rig.writes_all(), b"0123456789abcde");
    assert_eq!(rig.bridge.stats().up_dropped, 1);
}

#[test]
fn whole_packets_are_dropped_from_the_front() {
    let mut rig = Rig::new(dropping(Overflow::DropOldest, LINES), 16, 16, Answer::Refuses);
    for packet in [&b"aaaaaa"[..], b"bbbbbb", b"cccccc"] {
        rig.says_all(packet);
        rig.pass(LINES.gap);
    }
    let stats = rig.bridge.stats();
    assert_eq!((stats.up_held, stats.up_dropped, stats.up_dropped_packets), (12, 6, 1));
    rig.answer = Answer::Connects;
    rig.pass(secs(30));
    assert_eq!(rig.writes_all(), b"bbbbbbcccccc");
}

#[test]
fn a_packet_that_is_partly_sent_is_never_cut_in_two() {
    let mut rig = Rig::connected(dropping(Overflow::DropOldest, LINES), 16, 16);
    rig.says(b"aaaaaa");
    rig.pass(LINES.gap);
    assert_eq!(rig.writes(2), b"aa");
    rig.says_all(b"bbbbbb");
    rig.pass(LINES.gap);
    rig.says_all(b"cccc");
    rig.pass(LINES.gap);
    assert_eq!(rig.writes_all(), b"aaaabbbbbb", "the newest packet gave way");
    let stats = rig.bridge.stats();
    assert_eq!((stats.up_dropped, stats.up_dropped_packets), (4, 1));
}

#[test]
fn a_packet_that_does_not_fit_is_dropped_whole_with_what_comes_of_it_later() {
    let packing = Packing { delimiter: Delimiter::new(b"\n"), ..Packing::NONE };
    let mut rig = Rig::new(dropping(Overflow::DropNewest, packing), 16, 16, Answer::Refuses);
    rig.says(b"first line\n");
    rig.says(b"seco");
    assert_eq!(rig.bridge.stats().up_dropped, 0);
    rig.says(b"n");
    assert_eq!(rig.bridge.stats().up_dropped, 5);
    // The rest of it goes, too; the next one stays.
    rig.says_all(b"d\nok\n");
    let stats = rig.bridge.stats();
    assert_eq!((stats.up_dropped, stats.up_held, stats.uart_rx), (7, 14, 21));
    rig.answer = Answer::Connects;
    rig.pass(secs(30));
    assert_eq!(rig.writes_all(), b"first line\nok\n");
}

#[test]
fn the_rest_of_a_dropped_packet_ends_where_the_line_is_quiet_or_the_packet_is_full() {
    let packing = Packing { max_len: 8, gap: Duration::from_millis(20), ..Packing::NONE };
    let mut rig = Rig::new(dropping(Overflow::DropNewest, packing), 16, 16, Answer::Refuses);
    let held_and_dropped = |rig: &Rig| (rig.bridge.stats().up_held, rig.bridge.stats().up_dropped);
    rig.says_all(b"00000000");
    rig.says_all(b"11112222");
    assert_eq!(held_and_dropped(&rig), (8, 8), "that packet was full");
    rig.says_all(b"333");
    rig.pass(packing.gap);
    rig.says_all(b"4444");
    assert_eq!(held_and_dropped(&rig), (15, 8));
    rig.says_all(b"5");
    assert_eq!(held_and_dropped(&rig), (11, 13));
    // Still of the packet that is being dropped, which ends with its eighth byte.
    rig.says_all(b"67");
    assert_eq!(held_and_dropped(&rig), (11, 15));
    rig.says_all(b"89");
    assert_eq!(held_and_dropped(&rig), (12, 16));
    rig.pass(packing.gap);
    rig.says_all(b"aaaa");
    assert_eq!(held_and_dropped(&rig), (12, 20));
    rig.pass(packing.gap);
    rig.says_all(b"b");
    assert_eq!(held_and_dropped(&rig), (13, 20), "the gap was the end of what is dropped");
    rig.answer = Answer::Connects;
    rig.pass(secs(30));
    assert_eq!(rig.writes_all(), b"000000003339b");
}

#[test]
fn packets_beyond_those_remembered_are_joined_and_dropped_together() {
    let packing = Packing { delimiter: Delimiter::new(b";"), ..Packing::NONE };
    let mut rig = Rig::new(dropping(Overflow::DropOldest, packing), 16, 16, Answer::Refuses);
    // The rig's bridge remembers 4 ends.
    rig.says(b"a;b;c;d;e;f;");
    rig.says_all(b"1234");
    assert_eq!(rig.bridge.stats().up_dropped, 2);
    rig.says_all(b"56;");
    assert_eq!(rig.bridge.stats().up_dropped, 4);
    rig.says_all(b"7");
    assert_eq!(rig.bridge.stats().up_dropped, 6);
    rig.says_all(b"89;");
    assert_eq!((rig.bridge.stats().up_dropped, rig.bridge.stats().up_dropped_packets), (12, 4));
    rig.answer = Answer::Connects;
    rig.pass(secs(30));
    assert_eq!(rig.writes_all(), b"123456;789;");
}

#[test]
fn the_end_of_a_datagram_that_was_dropped_is_no_datagram() {
    let packing = Packing { max_len: 12, datagrams: true, ..LINES };
    let mut rig = Rig::new(dropping(Overflow::DropNewest, packing), 16, 16, Answer::Refuses);
    rig.says_all(b"twelve bytes");
    for (bytes, dropped) in [(&b"1234"[..], 4), (b"abc", 4), (b"5", 5), (b"6", 6)] {
        rig.says_all(bytes);
        rig.pass(packing.gap);
        assert_eq!(rig.bridge.stats().up_dropped, dropped);
    }
    rig.answer = Answer::Connects;
    rig.pass(secs(30));
    assert_eq!((rig.writes(16), rig.writes(16)), (b"twelve bytes".to_vec(), b"abc".to_vec()));
}

#[test]
fn a_packet_that_takes_the_whole_ring_is_dropped_whole() {
    let packing = Packing { delimiter: Delimiter::new(b"\n"), ..Packing::NONE };
    let mut rig = Rig::connected(dropping(Overflow::DropNewest, packing), 16, 16);
    rig.says_all(b"fifteen, and an\n");
    assert_eq!(rig.bridge.stats().up_dropped, 16);
    rig.says_all(b"ok\n");
    assert_eq!(rig.writes_all(), b"ok\n");
}

#[test]
fn of_a_packet_that_was_joined_to_one_on_its_way_only_the_end_is_dropped() {
    let packing = Packing { delimiter: Delimiter::new(b";"), ..Packing::NONE };
    let mut rig = Rig::connected(dropping(Overflow::DropNewest, packing), 32, 16);
    // The rig's bridge remembers 4 ends.
    rig.says_all(b"a;b;c;d;");
    assert_eq!(rig.writes_all(), b"a;b;c;d;");
    rig.says_all(b"efghijklmnopqrstuvwxyz-;");
    assert_eq!(rig.bridge.stats().up_dropped, 2);
    assert_eq!(rig.writes_all(), b"efghijklmnopqrstuvwxyz");
    rig.acknowledges();
    assert_eq!(rig.bridge.stats().tx_acked, 30);
}
