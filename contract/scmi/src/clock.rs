//! The clock protocol, 0x14.

use crate::wire::{Message, Payload, long};
use crate::{BadMessage, Name};

/// A command of the clock protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// 3, CLOCK_ATTRIBUTES.
    ClockAttributes {
        /// The clock's number.
        clock: u32,
    },
    /// 4, CLOCK_DESCRIBE_RATES.
    DescribeRates {
        /// The clock's number.
        clock: u32,
        /// The first rate wanted, counted from 0.
        index: u32,
    },
    /// 5, CLOCK_RATE_SET, waiting until it is done.
    RateSet {
        /// The clock's number.
        clock: u32,
        /// The rate in hertz.
        rate: u64,
        /// What to do with a rate between two possible ones.
        rounding: Rounding,
    },
    /// 6, CLOCK_RATE_GET.
    RateGet {
        /// The clock's number.
        clock: u32,
    },
    /// 7, CLOCK_CONFIG_SET.
    ConfigSet {
        /// The clock's number.
        clock: u32,
        /// On or off.
        enable: bool,
    },
    /// 11, CLOCK_CONFIG_GET.
    ConfigGet {
        /// The clock's number.
        clock: u32,
    },
}

/// What CLOCK_RATE_SET does with a rate between two possible ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The next lower one, flags 0.
    Down,
    /// The next higher one, flags bit 2.
    Up,
    /// As the platform likes, flags bit 3.
    Auto,
}

impl Request {
    pub(crate) const fn message(&self) -> u8 {
        match self {
            Self::ClockAttributes { .. } => 3,
            Self::DescribeRates { .. } => 4,
            Self::RateSet { .. } => 5,
            Self::RateGet { .. } => 6,
            Self::ConfigSet { .. } => 7,
            Self::ConfigGet { .. } => 11,
        }
    }

    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::ClockAttributes { clock } | Self::RateGet { clock } => to.word(*clock),
            Self::DescribeRates { clock, index } => to.words(&[*clock, *index]),
            Self::RateSet { clock, rate, rounding } => {
                let flags = match rounding {
                    Rounding::Down => 0,
                    Rounding::Up => 4,
                    Rounding::Auto => 8,
                };
                to.words(&[flags, *clock]);
                to.long(*rate);
            }
            Self::ConfigSet { clock, enable } => to.words(&[*clock, u32::from(*enable), 0]),
            Self::ConfigGet { clock } => to.words(&[*clock, 0]),
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        match from.message {
            3 => from.words().map(|[clock]| Self::ClockAttributes { clock }),
            4 => from.words().map(|[clock, index]| Self::DescribeRates { clock, index }),
            5 => {
                let [flags, clock, low, high] = from.words()?;
                let rounding = match flags {
                    0 => Rounding::Down,
                    4 => Rounding::Up,
                    8 | 12 => Rounding::Auto,
                    _ => return Err(from.value("flags", flags)),
                };
                Ok(Self::RateSet { clock, rate: long(low, high), rounding })
            }
            6 => from.words().map(|[clock]| Self::RateGet { clock }),
            7 => {
                // Before version 3 of the protocol the last word, a vendor's own setting, was not there.
                let ([clock, attributes], rest) = from.head()?;
                if !matches!(rest.len(), 0 | 4) {
                    return Err(from.size(12));
                }
                match attributes {
                    0 | 1 => Ok(Self::ConfigSet { clock, enable: attributes == 1 }),
                    _ => Err(from.value("attributes", attributes)),
                }
            }
            11 => match from.words()? {
                [clock, 0] => Ok(Self::ConfigGet { clock }),
                [_, flags] => Err(from.value("flags", flags)),
            },
            _ => Err(from.unknown()),
        }
    }
}

/// The rates of a clock, or as many as fit one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rates {
    /// Each one by itself.
    List {
        /// In hertz, in ascending order; [`Rates::MAX`] at most, of which the first `len` count.
        rates: [u64; Self::MAX],
        /// How many there are in this reply.
        len: usize,
        /// How many more there are.
        remaining: u16,
    },
    /// All from one to another, in hertz.
    Range {
        /// The lowest.
        lowest: u64,
        /// The highest.
        highest: u64,
        /// From one to the next.
        step: u64,
    },
}

impl Rates {
    /// The most rates of one reply.
    pub const MAX: usize = 11;

    /// As many of the rates as fit one reply.
    pub fn list(all: &[u64]) -> Self {
        let mut rates = [0; Self::MAX];
        let len = all.len().min(Self::MAX);
        for (to, rate) in rates.iter_mut().zip(all) {
            *to = *rate;
        }
        let remaining = u16::try_from(all.len() - len).unwrap_or(u16::MAX);
        Self::List { rates, len, remaining }
    }

    fn encode(&self, to: &mut Message) {
        match self {
            Self::List { rates, len, remaining } => {
                let rates = rates.get(..*len).unwrap_or(rates);
                to.word(rates.len() as u32 | u32::from(*remaining) << 16);
                rates.iter().for_each(|rate| to.long(*rate));
            }
            Self::Range { lowest, highest, step } => {
                to.word(3 | RANGE);
                [lowest, highest, step].into_iter().for_each(|rate| to.long(*rate));
            }
        }
    }

    fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        let ([flags], bytes) = from.head()?;
        let count = (flags & 0xfff) as usize;
        if count > Self::MAX {
            return Err(from.value("number of rates", flags));
        }
        if bytes.len() != 8 * count {
            return Err(from.size(4 + 8 * count));
        }
        let mut rates = [0; Self::MAX];
        for (to, rate) in rates.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *to = u64::from_le_bytes(*rate);
        }
        match (flags & RANGE != 0, rates) {
            (false, rates) => Ok(Self::List { rates, len: count, remaining: (flags >> 16) as u16 }),
            (true, [lowest, highest, step, ..]) if count == 3 => Ok(Self::Range { lowest, highest, step }),
            (true, _) => Err(from.value("number of rates", flags)),
        }
    }
}

/// In the flags of CLOCK_DESCRIBE_RATES: lowest, highest, step.
const RANGE: u32 = 1 << 12;

/// A reply of the clock protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Request::ClockAttributes`].
    ClockAttributes {
        /// Whether it runs.
        enabled: bool,
        /// Its name.
        name: Name,
        /// The longest time that switching it on takes, in microseconds; 0 where nobody knows, and `None` from a
        /// platform that speaks version 1 of the protocol.
        latency: Option<u32>,
    },
    /// To [`Request::DescribeRates`].
    DescribeRates(Rates),
    /// To [`Request::RateSet`].
    RateSet,
    /// To [`Request::RateGet`]: hertz.
    RateGet(u64),
    /// To [`Request::ConfigSet`].
    ConfigSet,
    /// To [`Request::ConfigGet`].
    ConfigGet {
        /// Whether it runs.
        enabled: bool,
    },
}

impl Reply {
    pub(crate) fn encode(&self, to: &mut Message) {
        match self {
            Self::ClockAttributes { enabled, name, latency } => {
                to.word(u32::from(*enabled));
                to.name(name);
                if let Some(latency) = latency {
                    to.word(*latency);
                }
            }
            Self::DescribeRates(rates) => rates.encode(to),
            Self::RateSet | Self::ConfigSet => {}
            Self::RateGet(rate) => to.long(*rate),
            Self::ConfigGet { enabled } => to.words(&[0, u32::from(*enabled), 0]),
        }
    }

    pub(crate) fn decode(from: Payload<'_>) -> Result<Self, BadMessage> {
        match from.message {
            3 => {
                let ([attributes], name, rest) = from.named()?;
                let latency = match *rest {
                    [] => None,
                    [a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
                    _ => return Err(from.size(24)),
                };
                Ok(Self::ClockAttributes { enabled: attributes & 1 != 0, name, latency })
            }
            4 => Rates::decode(from).map(Self::DescribeRates),
            5 => from.words::<0>().map(|_| Self::RateSet),
            6 => from.words().map(|[low, high]| Self::RateGet(long(low, high))),
            7 => from.words::<0>().map(|_| Self::ConfigSet),
            11 => from.words().map(|[_, config, _]| Self::ConfigGet { enabled: config & 1 != 0 }),
            _ => Err(from.unknown()),
        }
    }
}
