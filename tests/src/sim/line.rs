//! The serial line: a device that sends and reads at the line's pace, and the UART's driver with its buffers.

use std::collections::VecDeque;

use super::dice::Dice;
use crate::records::Records;
use crate::scenario::FlowControl;

/// The line and both its ends.
#[derive(Debug)]
pub(crate) struct Line {
    baud: u64,
    capacity: usize,
    flow_control: FlowControl,
    pub(crate) plugged: bool,
    /// What the bridge has told the device.
    pub(crate) stopped: bool,
    /// The device's queue, and its flood.
    pub(crate) to_send: VecDeque<u8>,
    pub(crate) records: Records,
    pub(crate) floods: bool,
    pub(crate) device_reads: bool,
    /// The driver's buffers.
    pub(crate) received: VecDeque<u8>,
    pub(crate) to_device: VecDeque<u8>,
    /// Line errors that the bridge has not been told of.
    pub(crate) overrun: u32,
    pub(crate) framing: u32,
    /// Whether an event is on its way, for each direction.
    pub(crate) sending: bool,
    pub(crate) draining: bool,
}

impl Line {
    pub(crate) fn new(baud: u32, capacity: usize, flow_control: FlowControl) -> Self {
        Self {
            baud: u64::from(baud),
            capacity,
            flow_control,
            plugged: true,
            stopped: false,
            to_send: VecDeque::new(),
            records: Records::up(),
            floods: false,
            device_reads: true,
            received: VecDeque::new(),
            to_device: VecDeque::new(),
            overrun: 0,
            framing: 0,
            sending: false,
            draining: false,
        }
    }

    /// How long a few bytes take, and how many: the faster the line, the more come at a time.
    pub(crate) fn pace(&self, dice: &mut Dice) -> (u64, usize) {
        let bytes = dice.between(1, 8.max(self.baud as usize / 14_400));
        ((bytes as u64 * 10_000_000 / self.baud).max(1), bytes)
    }

    /// Whether the device has something to send and may.
    pub(crate) fn may_send(&self) -> bool {
        let nearly_full = self.received.len() + self.capacity / 4 >= self.capacity;
        let held = match self.flow_control {
            FlowControl::None => false,
            FlowControl::Bridge => self.stopped,
            FlowControl::Driver => self.stopped || nearly_full,
        };
        self.plugged && !self.to_send.is_empty() && !held
    }

    /// Bytes come over the line; what the driver has no room for is lost.
    pub(crate) fn receive(&mut self, bytes: usize) -> usize {
        let mut moved = 0;
        while moved < bytes && self.may_send() {
            let Some(byte) = self.to_send.pop_front() else { break };
            moved += 1;
            if self.received.len() < self.capacity {
                self.received.push_back(byte);
            } else {
                self.overrun += 1;
            }
        }
        moved
    }

    /// Whether bytes can go to the device.
    pub(crate) fn may_drain(&self) -> bool {
        self.plugged && self.device_reads && !self.to_device.is_empty()
    }

    /// Room in the driver for bytes to the device.
    pub(crate) fn room(&self) -> usize {
        if self.plugged { self.capacity - self.to_device.len().min(self.capacity) } else { 0 }
    }

    /// What is in the driver is lost: so many bytes for the bridge, and for the device.
    pub(crate) fn unplug(&mut self) -> [usize; 2] {
        self.plugged = false;
        let lost = [self.received.len(), self.to_device.len()];
        self.received.clear();
        self.to_device.clear();
        lost
    }
}
