//! What the core decides, rule by rule: each test is named for the behaviour.

mod attempts;
mod closing;
mod heartbeat;
mod misuse;
mod overflow;
mod packing;
mod power;
mod rig;
mod settings;
mod supervision;
mod uart;
