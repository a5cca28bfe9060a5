//! What a host does with the firmware's images: configures them, runs them in QEMU, cuts their cable, reads their logs
//! and measures them.

#![forbid(unsafe_code)]

pub mod image;
pub mod log;
pub mod machine;
pub mod qmp;

pub use image::Image;
pub use log::Log;
pub use machine::{Machine, Plan, Serial};
