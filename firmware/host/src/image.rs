//! An image: an ELF file whose configuration block is written here, and whose symbols and sizes are read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::read::elf::{ElfFile32, ElfSection32};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind};
use uartbridge_firmware_config::{Settings, encode};

/// The section that holds the configuration.
const CONFIG: &str = ".config";

/// An image as it was built, or configured.
#[derive(Clone, Debug)]
pub struct Image {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// What lies where, in bytes. Neither the configuration's block nor what the debugger reads counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Code and constants: in flash.
    pub text: u64,
    /// Variables with a first value: in flash and in RAM.
    pub data: u64,
    /// Other variables: in RAM.
    pub bss: u64,
}

/// A variable of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Where it lies.
    pub address: u32,
    /// Its size in bytes.
    pub size: u32,
}

impl Image {
    /// Reads an image.
    ///
    /// # Errors
    /// It cannot be read, or is no 32-bit ELF file.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("reading the image {}", path.display()))?;
        let image = Self { path: path.to_owned(), bytes };
        image.elf()?;
        Ok(image)
    }

    /// Writes `settings` into the image's block.
    ///
    /// # Errors
    /// The image has no such block, or the settings do not fit.
    pub fn configure(&mut self, settings: &Settings<'_>) -> Result<()> {
        let range = {
            let elf = self.elf()?;
            let section = elf.section_by_name(CONFIG).with_context(|| {
                format!("{}: no section {CONFIG}: this is no uartbridge image", self.path.display())
            })?;
            section.file_range().context("the configuration's section has no bytes in the file")?
        };
        let (from, len) = (usize::try_from(range.0)?, usize::try_from(range.1)?);
        let block = self.bytes.get_mut(from..from + len).context("the image is cut off")?;
        encode(settings, block).context("the configuration cannot be written")
    }

    /// Writes the image to `path`.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, &self.bytes).with_context(|| format!("writing {}", path.display()))
    }

    /// The whole file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A variable, or a name that the linker has given.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn symbol(&self, name: &str) -> Result<Symbol> {
        let elf = self.elf()?;
        let found = elf.symbols().find(|symbol| symbol.name() == Ok(name));
        let symbol = found.with_context(|| format!("{}: no symbol {name}", self.path.display()))?;
        Ok(Symbol { address: symbol.address().try_into()?, size: symbol.size().try_into()? })
    }

    /// What lies where.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn sizes(&self) -> Result<Sizes> {
        let elf = self.elf()?;
        let mut sizes = Sizes::default();
        for section in elf.sections().filter(|section| section.name() != Ok(CONFIG)) {
            let kind = section.kind();
            if kind == SectionKind::UninitializedData {
                sizes.bss += section.size();
            } else if is_loaded(&section) && kind == SectionKind::Data {
                sizes.data += section.size();
            } else if is_loaded(&section) {
                sizes.text += section.size();
            }
        }
        Ok(sizes)
    }

    fn elf(&self) -> Result<ElfFile32<'_, Endianness>> {
        match ElfFile32::parse(&*self.bytes) {
            Ok(elf) => Ok(elf),
            Err(error) => {
                bail!("{}: {error}; build it with `cargo xtask firmware build`", self.path.display())
            }
        }
    }
}

/// Whether the section is part of what runs (ELF's SHF_ALLOC).
fn is_loaded(section: &ElfSection32<'_, '_, Endianness>) -> bool {
    let SectionFlags::Elf { sh_flags } = section.flags() else { return false };
    sh_flags & u64::from(object::elf::SHF_ALLOC) != 0
}
