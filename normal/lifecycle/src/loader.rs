//! Who puts firmware into the processor's memory and lets it run: the TEE, or Linux itself.

pub use rproc_abi::service::TableLocation;

/// The loader of one processor.
///
/// Whatever was loaded stays the loader's until [`Loader::release`]; the lifecycle calls that after every failed boot and
/// after every shutdown, so that no failure leaves memory taken.
pub trait Loader {
    /// Why the loader refused.
    type Error: std::error::Error + 'static;

    /// Whether the processor runs without having been started through this loader's owner: by a boot loader, or in an earlier
    /// life of the normal world. A loader that cannot tell says no, as Linux's driver does without its state register.
    ///
    /// # Errors
    /// The loader's own.
    fn is_running(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }

    /// Takes a firmware file, authenticates it where that is the loader's task, and places its segments.
    ///
    /// # Errors
    /// The loader's own; the processor stays off.
    fn load(&mut self, firmware: &[u8]) -> Result<(), Self::Error>;

    /// Where the loaded firmware's resource table is: physical address as the application processor sees it, and size in
    /// bytes; nothing when the firmware has none.
    ///
    /// # Errors
    /// The loader's own, for instance when nothing is loaded.
    fn resource_table(&mut self) -> Result<Option<TableLocation>, Self::Error>;

    /// The device address that the table's bytes were loaded to, where that is not where the firmware reads them.
    fn table_loaded_at(&self) -> Option<u64> {
        None
    }

    /// This side joins a processor that runs. From now on a crash must not restart it by itself.
    ///
    /// # Errors
    /// The loader's own; the processor runs on.
    fn attach(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// This side leaves a processor that runs on.
    ///
    /// # Errors
    /// The loader's own.
    fn detach(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Lets the processor run what was loaded.
    ///
    /// # Errors
    /// The loader's own; the processor stays off.
    fn start(&mut self) -> Result<(), Self::Error>;

    /// Puts the processor into reset.
    ///
    /// # Errors
    /// The loader's own; the processor may still run.
    fn stop(&mut self) -> Result<(), Self::Error>;

    /// Forgets what was loaded, and leaves nothing of it in memory. Nothing loaded is not an error.
    ///
    /// # Errors
    /// The loader's own.
    fn release(&mut self) -> Result<(), Self::Error>;

    /// The memory of a stopped or crashed processor as an ELF core file.
    ///
    /// # Errors
    /// The loader's own; upstream's Trusted Application gives none.
    fn coredump(&mut self) -> Result<Vec<u8>, Self::Error>;
}
