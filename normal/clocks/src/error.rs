//! What can go wrong with clocks, as sentences.

use thiserror::Error;

use crate::ProviderError;

/// A provider did not do what it was told with a clock.
#[derive(Debug, Error)]
#[error("{provider} could not switch {clock} {}: {source}", if *.on { "on" } else { "off" })]
pub struct ClockError {
    /// The provider's name.
    pub provider: String,
    /// The clock's name.
    pub clock: String,
    /// On or off.
    pub on: bool,
    /// The provider's reason.
    pub source: ProviderError,
}

/// A consumer did not get its clocks; it has none of them.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// No such clock.
    #[error(
        "{consumer} wants clock {number} of {provider}, which has none with that number; it is entry {index} of its clocks"
    )]
    NoClock {
        /// Who wants it.
        consumer: String,
        /// The provider's name.
        provider: String,
        /// The clock's number.
        number: u32,
        /// Where it stands in the consumer's list, from 0.
        index: usize,
    },
    /// A clock could not be switched on.
    #[error("{consumer} cannot have its clocks, entry {index}: {source}")]
    Enable {
        /// Who wants it.
        consumer: String,
        /// Where it stands in the consumer's list, from 0.
        index: usize,
        /// Why not.
        source: ClockError,
    },
}
