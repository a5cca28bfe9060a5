//! uartbridge
fn main() {}
