//! UART ends on real ptys and sockets. A pty pair stands for a serial line: the test holds the master and is
//! the device, the slave is the port. What a pty cannot show (parity, `TIOCEXCL`, RS-485, line errors) is
//! tested beside the code as far as it goes without hardware.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr,
};
use uartbridge::endpoint::{DataBits, Flow, Parity, Rs485, SerialSettings, StopBits, UartEndpoint};
use uartbridge::uart::{OpenError, Uart, UartRead};

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The device at the other end of a serial line. Dropping it unplugs the adapter.
struct Device {
    line: File,
    port: PathBuf,
}

impl Device {
    fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pty");
        unlockpt(&master).expect("a pty");
        let port = ptsname(&master, Vec::new()).expect("a name").into_string().expect("ASCII");
        Self { line: master.into(), port: port.into() }
    }

    fn open(&self, change: impl FnOnce(&mut SerialSettings)) -> Result<Uart, OpenError> {
        open_serial(&self.port, change)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.line.write_all(bytes).expect("the port is open");
    }

    fn receive(&mut self, count: usize) -> Vec<u8> {
        receive(&mut self.line, count)
    }

    /// The port's settings, as its other end sees them.
    fn settings(&self) -> Termios {
        tcgetattr(&self.line).expect("a pty")
    }
}

/// A directory of its own for each test, gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("uartbridge-uart-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory for temporary files");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open_serial(port: &Path, change: impl FnOnce(&mut SerialSettings)) -> Result<Uart, OpenError> {
    let mut settings = SerialSettings::default();
    change(&mut settings);
    Uart::open(&UartEndpoint::Serial { path: port.to_owned(), settings })
}

fn open_pty(link: &Path) -> Result<Uart, OpenError> {
    Uart::open(&UartEndpoint::Pty { link: Some(link.to_owned()) })
}

/// A program that uses the bridge's pty as its serial port.
fn program(port: &Path) -> File {
    let noctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).expect("a flag");
    File::options().read(true).write(true).custom_flags(noctty).open(port).expect("a pty")
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("something happens in time")
}

async fn read(uart: &mut Uart) -> (UartRead, Vec<u8>) {
    let mut buf = vec![0; 64 * 1024];
    let read = in_time(poll_fn(|cx| uart.poll_read(cx, &mut buf))).await;
    buf.truncate(if let UartRead::Bytes(bytes) = read { bytes } else { 0 });
    (read, buf)
}

async fn read_exactly(uart: &mut Uart, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let (read, some) = read(uart).await;
        assert!(matches!(read, UartRead::Bytes(_)), "{read:?} after {} of {count} bytes", bytes.len());
        bytes.extend(some);
    }
    bytes
}

async fn write_all(uart: &mut Uart, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = in_time(poll_fn(|cx| uart.poll_write(cx, bytes))).await.expect("the line is there");
        bytes = &bytes[written..];
    }
}

/// Reads as many bytes as another program would; fails rather than hang.
fn receive(from: &mut File, count: usize) -> Vec<u8> {
    let patience = rustix::time::Timespec::try_from(PATIENCE).expect("a short time");
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let mut ready = [PollFd::new(from, PollFlags::IN)];
        assert_eq!(poll(&mut ready, Some(&patience)), Ok(1), "{} of {count} bytes came", bytes.len());
        let mut some = vec![0; count - bytes.len()];
        let length = from.read(&mut some).expect("the other side is there");
        bytes.extend(&some[..length]);
    }
    bytes
}

/// Writes without waiting; gives the number of bytes that fitted.
fn write_until_full(uart: &mut Uart, bytes: &[u8]) -> usize {
    let mut cx = Context::from_waker(Waker::noop());
    let mut written = 0;
    while written < bytes.len() {
        match uart.poll_write(&mut cx, &bytes[written..]) {
            std::task::Poll::Ready(count) => written += count.expect("the line is there"),
            std::task::Poll::Pending => break,
        }
    }
    written
}

fn is_quiet(uart: &mut Uart) -> bool {
    uart.poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 8]).is_pending()
}

/// Bytes in which a lost, doubled or swapped one shows.
fn numbered(records: u32) -> Vec<u8> {
    (0..records).flat_map(u32::to_be_bytes).collect()
}

fn refusal(opened: Result<Uart, OpenError>) -> (String, bool) {
    let error = opened.expect_err("this cannot be opened");
    (error.to_string(), error.is_temporary())
}

#[tokio::test]
async fn a_port_is_raw_and_its_settings_reach_the_line() {
    let device = Device::new();
    let mut before = device.settings();
    before.control_modes |= ControlModes::HUPCL;
    tcsetattr(&device.line, OptionalActions::Now, &before).expect("a pty");
    let _uart = device
        .open(|settings| {
            settings.baud = 12_345;
            settings.stop_bits = StopBits::Two;
            settings.flow = Flow::RtsCts;
        })
        .expect("a pty does all of this");
    let line = device.settings();
    assert_eq!((line.input_speed(), line.output_speed()), (12_345, 12_345));
    let on = ControlModes::CSTOPB | ControlModes::CRTSCTS | ControlModes::CLOCAL | ControlModes::CREAD;
    assert!(line.control_modes.contains(on), "{line:?}");
    assert!(!line.control_modes.contains(ControlModes::HUPCL), "{line:?}");
    assert!(line.input_modes.contains(InputModes::IGNBRK), "{line:?}");
    let cooked = InputModes::ICRNL | InputModes::IXON | InputModes::IXOFF | InputModes::ISTRIP;
    assert!(!line.input_modes.intersects(cooked), "{line:?}");
    assert!(
        !line.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG),
        "{line:?}"
    );
    assert!(!line.output_modes.contains(OutputModes::OPOST), "{line:?}");
}

#[tokio::test]
async fn settings_of_an_earlier_program_do_not_linger() {
    let device = Device::new();
    let first = device.open(|settings| {
        settings.stop_bits = StopBits::Two;
        settings.flow = Flow::XonXoff;
    });
    drop(first.expect("a pty does all of this"));
    assert!(device.settings().input_modes.contains(InputModes::IXON | InputModes::IXOFF));
    let _second = device.open(|_| {}).expect("the port is free again");
    let line = device.settings();
    assert_eq!(line.output_speed(), SerialSettings::default().baud);
    assert!(!line.control_modes.contains(ControlModes::CSTOPB), "{line:?}");
    assert!(!line.input_modes.intersects(InputModes::IXON | InputModes::IXOFF), "{line:?}");
}

#[tokio::test]
async fn a_pty_as_a_port_takes_any_frame_and_passes_eight_bits() {
    let mut device = Device::new();
    let opened = device.open(|settings| {
        settings.data_bits = DataBits::Seven;
        settings.parity = Parity::Even;
    });
    let mut uart = opened.expect("frames do not exist on a pty");
    let every: Vec<u8> = (0..=255).collect();
    device.send(&every);
    assert_eq!(read_exactly(&mut uart, 256).await, every);
    write_all(&mut uart, &every).await;
    assert_eq!(device.receive(256), every);
}

#[tokio::test]
async fn what_arrived_before_opening_is_kept() {
    let mut device = Device::new();
    let (waiting, _first) = (b"early", device.open(|settings| settings.exclusive = false).expect("a port"));
    device.send(waiting);
    let mut second = device.open(|_| {}).expect("nobody has claimed it");
    assert_eq!(read_exactly(&mut second, waiting.len()).await, waiting);
}

#[tokio::test]
async fn a_claimed_port_is_refused_every_time_and_says_who_has_it() {
    let device = Device::new();
    let first = device.open(|_| {}).expect("a free port");
    for _ in 0..2 {
        let (text, is_temporary) = refusal(device.open(|_| {}));
        let start = format!("serial:{}: in use by another program, ", device.port.display());
        let end = format!(" (process {}); stop that one first", std::process::id());
        assert!(text.starts_with(&start) && text.ends_with(&end), "{text}");
        assert!(is_temporary);
    }
    drop(first);
    device.open(|_| {}).expect("free again");
}

#[tokio::test]
async fn what_is_not_there_or_no_port_is_refused_with_advice() {
    let folder = Folder::new();
    let absent = folder.file("ttyUSB0");
    let (text, is_temporary) = refusal(open_serial(&absent, |_| {}));
    assert_eq!(text, format!("serial:{}: no such device; is it plugged in?", absent.display()));
    assert!(is_temporary);

    let file = folder.file("file");
    fs::write(&file, "").expect("a file");
    for path in [Path::new("/dev/null"), &file, &folder.0] {
        let (text, is_temporary) = refusal(open_serial(path, |_| {}));
        assert!(
            text.ends_with(": this is not a serial port; name a terminal device such as /dev/ttyUSB0"),
            "{text}"
        );
        assert!(!is_temporary);
    }
}

#[tokio::test]
async fn a_driver_without_rs485_is_an_error() {
    let device = Device::new();
    let (text, is_temporary) = refusal(device.open(|settings| {
        settings.rs485 = Some(Rs485 {
            delay_before: Duration::ZERO,
            delay_after: Duration::ZERO,
            rts_on_send: true,
            rx_during_tx: false,
        });
    }));
    assert!(text.contains("the driver does not do RS-485 at all"), "{text}");
    assert!(!is_temporary);
}

#[tokio::test]
async fn an_unplugged_port_is_gone_once_and_comes_back() {
    let folder = Folder::new();
    let by_id = folder.file("by-id");
    let mut device = Device::new();
    symlink(&device.port, &by_id).expect("a link");
    let mut uart = open_serial(&by_id, |_| {}).expect("a port");
    device.send(b"before");
    assert_eq!(read_exactly(&mut uart, 6).await, b"before");
    assert!(is_quiet(&mut uart));

    drop(device);
    let (read, _) = read(&mut uart).await;
    assert!(matches!(read, UartRead::Gone(_)), "{read:?}");
    assert!(is_quiet(&mut uart));
    let lost = in_time(poll_fn(|cx| uart.poll_write(cx, b"lost"))).await;
    lost.expect_err("there is no line any more");
    drop(uart);
    // As udev does. The pty's own name may belong to another test by now.
    fs::remove_file(&by_id).expect("the link");
    assert!(refusal(open_serial(&by_id, |_| {})).1);

    let mut device = Device::new();
    symlink(&device.port, &by_id).expect("a link");
    let mut uart = open_serial(&by_id, |_| {}).expect("a port");
    device.send(b"after");
    assert_eq!(read_exactly(&mut uart, 5).await, b"after");
}

#[tokio::test]
async fn one_wake_up_brings_one_message() {
    let mut device = Device::new();
    let mut uart = device.open(|_| {}).expect("a port");
    let (mut polls, mut buf) = (0, [0; 64]);
    for _ in 0..100 {
        assert!(is_quiet(&mut uart));
        device.send(b"message");
        let mut seen = 0;
        while seen < 7 {
            let read = in_time(poll_fn(|cx| {
                polls += 1;
                uart.poll_read(cx, &mut buf)
            }))
            .await;
            let UartRead::Bytes(bytes) = read else { panic!("{read:?}") };
            seen += bytes;
        }
        write_all(&mut uart, b"answer").await;
        assert_eq!(device.receive(6), b"answer");
    }
    // Pending once and ready once for each; a busy loop would make thousands.
    assert!(polls <= 300, "{polls} polls for 100 messages");
}

#[tokio::test]
async fn a_full_line_stops_the_writer_until_it_is_read() {
    let folder = Folder::new();
    let mut bridge = open_pty(&folder.file("port")).expect("a pty");
    let mut other = open_serial(&folder.file("port"), |_| {}).expect("its slave");
    let bytes = numbered(50_000);
    for _ in 0..2 {
        let fitted = write_until_full(&mut bridge, &bytes);
        assert!((4_096..bytes.len()).contains(&fitted), "{fitted} bytes fitted");
        let ((), received) =
            tokio::join!(write_all(&mut bridge, &bytes[fitted..]), read_exactly(&mut other, bytes.len()));
        assert!(received == bytes, "bytes were lost, doubled or swapped");
    }
}

#[tokio::test]
async fn room_once_found_is_used_until_it_runs_out() {
    let folder = Folder::new();
    let mut bridge = open_pty(&folder.file("port")).expect("a pty");
    let mut program = program(&folder.file("port"));
    let fitted = write_until_full(&mut bridge, &numbered(50_000));
    receive(&mut program, fitted);
    write_all(&mut bridge, b"one").await;
    // Now the line is known to have room: no waiting for more.
    assert_eq!(write_until_full(&mut bridge, b"two"), 3);
    assert_eq!(write_until_full(&mut bridge, b"three"), 5);
    assert_eq!(receive(&mut program, 11), b"onetwothree");
}

#[tokio::test]
async fn a_small_buffer_gets_everything_in_turn() {
    let mut device = Device::new();
    let mut uart = device.open(|_| {}).expect("a port");
    let bytes = numbered(250);
    device.send(&bytes);
    let (mut received, mut buf) = (Vec::<u8>::new(), [0; 10]);
    while received.len() < bytes.len() {
        let read = in_time(poll_fn(|cx| uart.poll_read(cx, &mut buf))).await;
        let UartRead::Bytes(count) = read else { panic!("{read:?}") };
        received.extend(&buf[..count]);
    }
    assert!(received == bytes, "bytes were lost, doubled or swapped");
}

#[tokio::test]
async fn bytes_cross_in_order_both_ways_at_once() {
    let folder = Folder::new();
    let mut a = open_pty(&folder.file("port")).expect("a pty");
    let mut b = open_serial(&folder.file("port"), |_| {}).expect("its slave");
    let bytes = numbered(100_000);
    let (from_b, from_a) = tokio::join!(exchange(&mut a, &bytes), exchange(&mut b, &bytes));
    assert!(from_a == bytes && from_b == bytes, "bytes were lost, doubled or swapped");
}

/// Writes `bytes` and reads as many, each as soon as it can go.
async fn exchange(uart: &mut Uart, bytes: &[u8]) -> Vec<u8> {
    let (mut sent, mut received, mut buf) = (0, Vec::new(), vec![0; 10_000]);
    while sent < bytes.len() || received.len() < bytes.len() {
        in_time(poll_fn(|cx| {
            let mut moved = false;
            while let std::task::Poll::Ready(count) = uart.poll_write(cx, &bytes[sent..]) {
                sent += count.expect("the line is there");
                moved = true;
            }
            while let std::task::Poll::Ready(UartRead::Bytes(count)) = uart.poll_read(cx, &mut buf) {
                received.extend(&buf[..count]);
                moved = true;
            }
            if moved { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        }))
        .await;
    }
    received
}

#[tokio::test]
async fn a_ptys_link_comes_and_goes_with_it() {
    let folder = Folder::new();
    let link = folder.file("port");
    let uart = open_pty(&link).expect("a pty");
    assert_eq!(fs::read_link(&link).ok().as_deref(), uart.path());
    let modes = tcgetattr(program(&link)).expect("a terminal");
    assert!(!modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    drop(uart);
    assert!(fs::symlink_metadata(&link).is_err());
    assert_eq!(fs::read_dir(&folder.0).expect("the directory").count(), 0);
}

#[tokio::test]
async fn a_left_over_link_is_replaced() {
    let folder = Folder::new();
    let link = folder.file("port");
    let strangers = Device::new();
    for left_over in [Path::new("/dev/pts/999999"), &strangers.port] {
        symlink(left_over, &link).expect("a link");
        let uart = open_pty(&link).expect("a pty");
        assert_eq!(fs::read_link(&link).ok().as_deref(), uart.path());
        drop(uart);
        assert!(fs::symlink_metadata(&link).is_err());
    }
}

#[tokio::test]
async fn nothing_else_is_replaced_by_a_link() {
    let folder = Folder::new();
    let (file, link) = (folder.file("file"), folder.file("link"));
    fs::write(&file, "precious").expect("a file");
    symlink(&file, &link).expect("a link");
    for taken in [&file, &link, &folder.0] {
        let (text, is_temporary) = refusal(open_pty(taken));
        assert!(text.starts_with(&format!("pty:{}: there is something else", taken.display())), "{text}");
        assert!(!is_temporary);
    }
    assert_eq!(fs::read_to_string(&link).expect("the file"), "precious");
    let (text, _) = refusal(open_pty(&folder.file("missing/port")));
    let missing = folder.file("missing");
    assert!(
        text.ends_with(&format!("there is no directory {}; create it first", missing.display())),
        "{text}"
    );
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_by_now_is_left_alone() {
    let folder = Folder::new();
    let link = folder.file("port");
    let first = open_pty(&link).expect("a pty");
    let second = open_pty(&link).expect("a pty");
    drop(first);
    assert_eq!(fs::read_link(&link).ok().as_deref(), second.path());
}

#[tokio::test]
async fn a_pty_keeps_bytes_while_nobody_has_it_open() {
    let folder = Folder::new();
    let link = folder.file("port");
    let mut uart = open_pty(&link).expect("a pty");
    for round in [b"first ", b"second"] {
        write_all(&mut uart, round).await;
        assert!(is_quiet(&mut uart));
        let mut program = program(&link);
        assert_eq!(receive(&mut program, 6), round);
        program.write_all(b"last words").expect("room");
        drop(program);
        assert_eq!(read_exactly(&mut uart, 10).await, b"last words");
        assert!(is_quiet(&mut uart), "leaving is no event");
    }
}

#[tokio::test]
async fn a_unix_socket_is_gone_when_its_peer_leaves() {
    let folder = Folder::new();
    let path = folder.file("socket");
    let end = UartEndpoint::Unix { path: path.clone() };
    let (text, is_temporary) = refusal(Uart::open(&end));
    assert_eq!(text, format!("unix:{}: nobody answers there; start the program that should", path.display()));
    assert!(is_temporary);

    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a new name");
    let mut uart = Uart::open(&end).expect("somebody listens");
    let (mut peer, _) = listener.accept().expect("a connection");
    write_all(&mut uart, b"up").await;
    assert!(uart.queued().expect("a socket") > 0);
    let mut bytes = [0; 2];
    peer.read_exact(&mut bytes).expect("they are there already");
    assert_eq!((&bytes, uart.queued().expect("a socket")), (b"up", 0));
    peer.write_all(b"last words").expect("room");
    drop(peer);
    assert_eq!(read_exactly(&mut uart, 10).await, b"last words");
    let (read, _) = read(&mut uart).await;
    assert!(matches!(read, UartRead::Gone(_)), "{read:?}");
}

#[tokio::test]
async fn a_port_without_line_reports_no_line_errors_and_an_empty_queue() {
    let device = Device::new();
    let mut uart = device.open(|settings| settings.low_latency = true).expect("low latency is a wish only");
    assert_eq!(uart.line_errors(), None);
    assert_eq!(uart.queued().expect("a port"), 0);
    assert_eq!(uart.path(), None);
}
