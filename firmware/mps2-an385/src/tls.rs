//! TLS, as the image `tls` has it: cryptography, calendar, trust and identity from the settings.

use alloc::sync::Arc;
use core::time::Duration;

use static_cell::{ConstStaticCell, StaticCell};
use uartbridge_embassy::sock::{Tcp, Tls};
use uartbridge_firmware_config::Settings;
use uartbridge_tls::{
    Config, INPUT_FOR_ANY_RECORD, Identity, Roots, SetupError, TimeProvider, Trust, UnixTime,
};
use uartbridge_tls_rustcrypto::Crypto;

use crate::{entropy, fault};

/// Bytes of ciphertext on their way out: the client's certificates must fit.
const OUTPUT: usize = 4 * 1024;

/// The largest handshake message, in bytes: two certificates of P-256 as a company's own authority makes them. A KiB more of
/// them takes four more of heap.
const HANDSHAKE: usize = 1024;

static CRYPTO: Crypto = Crypto::new(entropy::fill);

/// A way to the peers by TLS.
pub type Secured = Tls<&'static Config, Tcp<'static>, &'static mut [u8], &'static mut [u8]>;

/// TLS over `tcp`, as `settings` want it; once. It lies in static memory: on the stack of the task it would take its size
/// several times, for each move.
#[inline(never)]
pub fn over(tcp: Tcp<'static>, settings: &Settings<'_>) -> &'static mut Secured {
    static SECURED: StaticCell<Secured> = StaticCell::new();
    static INPUT: ConstStaticCell<[u8; INPUT_FOR_ANY_RECORD]> = ConstStaticCell::new([0; _]);
    static BUFFER: ConstStaticCell<[u8; OUTPUT]> = ConstStaticCell::new([0; _]);
    static CONFIG: StaticCell<Config> = StaticCell::new();
    let made = config(settings).and_then(|config| {
        let config: &'static Config = CONFIG.init(config);
        Tls::new(
            tcp,
            settings.config.peers,
            config,
            INPUT.take().as_mut_slice(),
            BUFFER.take().as_mut_slice(),
        )
    });
    match made {
        Ok(made) => SECURED.init(made),
        Err(error) => {
            defmt::error!("configuration: TLS: {}", defmt::Display2Format(&error));
            fault::stop()
        }
    }
}

fn config(settings: &Settings<'_>) -> Result<Config, SetupError> {
    let tls = &settings.tls;
    let trust = Trust::Authorities(Roots::new(tls.authorities)?);
    let mut wanted =
        uartbridge_tls::Settings::new(Arc::new(CRYPTO.provider()), Arc::new(Calendar::now()), trust);
    wanted.in_place = true;
    wanted.handshake_limit = HANDSHAKE;
    if !tls.certificates.is_empty() {
        wanted.identity = Some(Identity::new(tls.certificates, tls.key)?);
    }
    Config::new(wanted)
}

/// The time of day: asked of the host once, by semihosting, and counted on from there. A real chip has it from SNTP or from
/// the cellular network.
#[derive(Debug)]
struct Calendar {
    /// When the board's clock was 0; `None`: the host did not say.
    start: Option<Duration>,
}

impl Calendar {
    fn now() -> Self {
        let uptime = embassy_time::Instant::now().as_secs();
        // Seconds since 1970; a usize is a u32 here.
        let time = semihosting::sys::arm_compat::sys_time().ok();
        Self { start: time.and_then(|time| (time as u64).checked_sub(uptime)).map(Duration::from_secs) }
    }
}

impl TimeProvider for Calendar {
    fn current_time(&self) -> Option<UnixTime> {
        let uptime = Duration::from_secs(embassy_time::Instant::now().as_secs());
        Some(UnixTime::since_unix_epoch(self.start? + uptime))
    }
}
