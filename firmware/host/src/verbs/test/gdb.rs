//! As much of the GDB remote protocol as it takes to make a processor hang (GDB manual, "Remote Protocol").

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::peer::PATIENCE;

/// `b .` in Thumb: a branch to itself.
const SPIN: &str = "fee7";
/// How the news of a stop begins.
const STOPPED: char = 'T';
/// The program counter's place among the registers.
const PC: usize = 15;

/// Puts an endless loop where the processor is, and lets it go on.
///
/// # Errors
/// QEMU does not do as it is told.
pub(super) fn hang(socket: &Path) -> Result<()> {
    let socket = UnixStream::connect(socket).context("QEMU's door for debuggers")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut gdb = Gdb { socket: BufReader::new(socket) };
    // To connect has stopped it; it may tell that by itself as well.
    let mut registers = gdb.ask("g")?;
    while registers.starts_with(STOPPED) {
        registers = gdb.answer()?;
    }
    let pc = registers.get(8 * PC..8 * (PC + 1)).context("too few registers")?;
    // In the order in which they lie in memory.
    let pc = u32::from_str_radix(pc, 16).context("the program counter")?.swap_bytes();
    if gdb.ask(&format!("M{pc:x},2:{SPIN}"))? != "OK" {
        bail!("QEMU does not write to its memory");
    }
    if gdb.ask("D")? != "OK" {
        bail!("QEMU does not let go");
    }
    Ok(())
}

struct Gdb {
    socket: BufReader<UnixStream>,
}

impl Gdb {
    fn ask(&mut self, question: &str) -> Result<String> {
        let sum = question.bytes().fold(0u8, u8::wrapping_add);
        write!(self.socket.get_ref(), "${question}#{sum:02x}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut answer = String::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(char::from(byte)),
            }
        }
        // Its checksum: a socket does not damage bytes.
        self.byte()?;
        self.byte()?;
        write!(self.socket.get_ref(), "+")?;
        Ok(answer)
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).context("QEMU's door for debuggers")?;
        Ok(byte[0])
    }
}
