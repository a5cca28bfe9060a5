//! uartbridge
