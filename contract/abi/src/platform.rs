//! The commands of the platform service (PTA), typed on both sides; only the remoteproc TA may call it.

use crate::param::Taker;
use crate::{BadRequest, Output, Outputs, Param, Params, ProcessorId, Value};

/// Capability bit of command 1, output 1: the platform loads ELF (`PTA_RPROC_HWCAP_FMT_ELF`).
pub const FORMAT_ELF: u32 = 1 << 0;
/// Capability bit of command 1, output 2: segments are protected by a hash table (`PTA_RPROC_HWCAP_PROT_HASH_TABLE`).
pub const PROTECTION_HASH_TABLE: u32 = 1 << 0;

/// A command of the platform service (`lib/libutee/include/remoteproc_pta.h`), with the processor it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<M> {
    /// For which processor.
    pub processor: ProcessorId,
    /// What is asked.
    pub command: Command<M>,
}

/// What is asked of the platform service. Device addresses are the coprocessor's, physical ones the Cortex-A's.
///
/// Commands from 0x80000001 are additions of this project, which upstream's service does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<M> {
    /// 1: which formats and protections the platform has.
    Capabilities,
    /// 2: load a whole image of a proprietary format.
    LoadImage {
        /// The image.
        image: M,
    },
    /// 3: copy a segment to its place, keep it only if its SHA-256 is the expected one.
    LoadSegment {
        /// The segment's file bytes.
        data: M,
        /// Device address of its first byte.
        address: u64,
        /// The expected digest, 32 bytes.
        digest: M,
    },
    /// 4: fill device memory.
    SetMemory {
        /// Device address of the first byte.
        address: u64,
        /// Bytes.
        size: u64,
        /// The value of each byte.
        byte: u8,
    },
    /// 5: start the processor.
    Start,
    /// 6: stop the processor.
    Stop,
    /// 7: the physical address of a range of device memory.
    Translate {
        /// Device address of the first byte.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// 8: check a signature over a SHA-256 digest with a key that the platform trusts.
    VerifyDigest {
        /// An encoded [`KeyInfo`].
        key: M,
        /// The digest, 32 bytes.
        digest: M,
        /// The signature.
        signature: M,
    },
    /// 9: stop, wipe the processor's memory, give it back to the normal world.
    Release,
    /// 0x80000001: copy device memory out, which only the firewall's owner can.
    ReadMemory {
        /// Device address of the first byte.
        address: u64,
        /// Where to write it; its size is the number of bytes.
        buffer: M,
    },
    /// 0x80000002: a platform TLV of the authenticated image.
    PlatformTlv {
        /// The TLV's type, 0x10000..=0x1ffff.
        kind: u32,
        /// Its value.
        value: M,
    },
    /// 0x80000003: the SoC's name, ASCII.
    SocName {
        /// Where to write it, at most 32 bytes.
        buffer: M,
    },
    /// 0x80000004: the processor's security counter.
    SecurityCounter,
    /// 0x80000005: raise the processor's security counter; it never goes down.
    RaiseSecurityCounter {
        /// The new value.
        value: u32,
    },
    /// 0x80000006: the n-th range of device memory that firmware may be loaded to.
    Region {
        /// Counted from 0; `TEE_ERROR_ITEM_NOT_FOUND` past the last.
        index: u32,
    },
    /// 0x80000007: why the platform's last command failed, as an encoded [`crate::Refusal`].
    GetRefusal {
        /// Where to write it.
        buffer: M,
    },
    /// 0x80000008: command 0x80000002 for several TLVs, then commands 3 and 4 for several segments, in their order, up to
    /// the first that fails.
    LoadSegments {
        /// The container, in memory of the normal world.
        container: M,
        /// Encoded [`crate::Placement`]s, one behind the other, in the TA's own memory.
        placements: M,
        /// Encoded [`crate::PlatformTlvs`], in the TA's own memory.
        tlvs: M,
    },
    /// 0x80000009: where the resource table is of a processor that ran when the platform service began and was left running;
    /// `TEE_ERROR_ITEM_NOT_FOUND` of any other, and once it was stopped.
    Inherited,
}

impl<M> Command<M> {
    /// The command's number.
    pub const fn number(&self) -> u32 {
        match self {
            Self::Capabilities => 1,
            Self::LoadImage { .. } => 2,
            Self::LoadSegment { .. } => 3,
            Self::SetMemory { .. } => 4,
            Self::Start => 5,
            Self::Stop => 6,
            Self::Translate { .. } => 7,
            Self::VerifyDigest { .. } => 8,
            Self::Release => 9,
            Self::ReadMemory { .. } => 0x8000_0001,
            Self::PlatformTlv { .. } => 0x8000_0002,
            Self::SocName { .. } => 0x8000_0003,
            Self::SecurityCounter => 0x8000_0004,
            Self::RaiseSecurityCounter { .. } => 0x8000_0005,
            Self::Region { .. } => 0x8000_0006,
            Self::GetRefusal { .. } => 0x8000_0007,
            Self::LoadSegments { .. } => 0x8000_0008,
            Self::Inherited => 0x8000_0009,
        }
    }
}

impl<M> Request<M> {
    /// The call as it goes on the wire: the command's number and its four parameters.
    pub fn into_params(self) -> (u32, Params<M>) {
        let number = self.command.number();
        let wide = |number: u64| Param::ValueInput(Value::from(number));
        let word = |a: u32| Param::ValueInput(Value { a, b: 0 });
        let rest = match self.command {
            Command::Capabilities => [Param::ValueOutput, Param::ValueOutput, Param::None],
            Command::LoadImage { image } => [Param::MemrefInput(image), Param::None, Param::None],
            Command::LoadSegment { data, address, digest } => {
                [Param::MemrefInput(data), wide(address), Param::MemrefInput(digest)]
            }
            Command::SetMemory { address, size, byte } => [wide(address), wide(size), word(u32::from(byte))],
            Command::Start | Command::Stop | Command::Release => [Param::None, Param::None, Param::None],
            Command::Translate { address, size } => [wide(address), wide(size), Param::ValueOutput],
            Command::VerifyDigest { key, digest, signature } => {
                [Param::MemrefInput(key), Param::MemrefInput(digest), Param::MemrefInput(signature)]
            }
            Command::ReadMemory { address, buffer } => {
                [wide(address), Param::MemrefOutput(buffer), Param::None]
            }
            Command::PlatformTlv { kind, value } => [word(kind), Param::MemrefInput(value), Param::None],
            Command::SocName { buffer } | Command::GetRefusal { buffer } => {
                [Param::MemrefOutput(buffer), Param::None, Param::None]
            }
            Command::SecurityCounter => [Param::ValueOutput, Param::None, Param::None],
            Command::RaiseSecurityCounter { value } => [word(value), Param::None, Param::None],
            Command::Region { index } => [word(index), Param::ValueOutput, Param::ValueOutput],
            Command::LoadSegments { container, placements, tlvs } => {
                [Param::MemrefInput(container), Param::MemrefInput(placements), Param::MemrefInput(tlvs)]
            }
            Command::Inherited => [Param::ValueOutput, Param::ValueOutput, Param::None],
        };
        let [first, second, third] = rest;
        (number, [word(self.processor.0), first, second, third])
    }

    /// The call as the platform service receives it.
    pub fn from_params(number: u32, params: Params<M>) -> Result<Self, BadRequest> {
        let mut taker = Taker::new(number, params);
        let processor = ProcessorId(taker.value()?.a);
        let command = match number {
            1 => {
                taker.value_output()?;
                taker.value_output()?;
                Command::Capabilities
            }
            2 => Command::LoadImage { image: taker.memref_input()? },
            3 => Command::LoadSegment {
                data: taker.memref_input()?,
                address: taker.value()?.into(),
                digest: taker.memref_input()?,
            },
            4 => Command::SetMemory {
                address: taker.value()?.into(),
                size: taker.value()?.into(),
                byte: taker.byte()?,
            },
            5 => Command::Start,
            6 => Command::Stop,
            7 => {
                let (address, size) = (taker.value()?.into(), taker.value()?.into());
                taker.value_output()?;
                Command::Translate { address, size }
            }
            8 => Command::VerifyDigest {
                key: taker.memref_input()?,
                digest: taker.memref_input()?,
                signature: taker.memref_input()?,
            },
            9 => Command::Release,
            0x8000_0001 => {
                Command::ReadMemory { address: taker.value()?.into(), buffer: taker.memref_output()? }
            }
            0x8000_0002 => Command::PlatformTlv { kind: taker.value()?.a, value: taker.memref_input()? },
            0x8000_0003 => Command::SocName { buffer: taker.memref_output()? },
            0x8000_0004 => {
                taker.value_output()?;
                Command::SecurityCounter
            }
            0x8000_0005 => Command::RaiseSecurityCounter { value: taker.value()?.a },
            0x8000_0006 => {
                let index = taker.value()?.a;
                taker.value_output()?;
                taker.value_output()?;
                Command::Region { index }
            }
            0x8000_0007 => Command::GetRefusal { buffer: taker.memref_output()? },
            0x8000_0008 => Command::LoadSegments {
                container: taker.memref_input()?,
                placements: taker.memref_input()?,
                tlvs: taker.memref_input()?,
            },
            0x8000_0009 => {
                taker.value_output()?;
                taker.value_output()?;
                Command::Inherited
            }
            _ => return Err(BadRequest::UnknownCommand(number)),
        };
        taker.end()?;
        Ok(Self { processor, command })
    }
}

/// The answer to a command of the platform service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, nothing to give back.
    Done,
    /// To [`Command::Capabilities`].
    Capabilities {
        /// `FORMAT_*` bits.
        formats: u32,
        /// `PROTECTION_*` bits.
        protections: u32,
    },
    /// To [`Command::Translate`]: the physical address.
    Physical(u64),
    /// To a command with an output buffer: bytes written, or needed.
    Size(usize),
    /// To [`Command::SecurityCounter`].
    Counter(u32),
    /// To [`Command::Region`]: device address and size.
    Region {
        /// Device address of the first byte.
        address: u64,
        /// Bytes.
        size: u64,
    },
    /// To [`Command::Inherited`]: the device address at which the resource table begins, and the bytes from there to the end
    /// of what is shared; both 0 for firmware without a table.
    Inherited {
        /// Device address of the first byte.
        address: u64,
        /// Bytes that there are for it.
        room: u64,
    },
}

impl Answer {
    /// As outputs on the wire.
    pub fn outputs(self, number: u32) -> Outputs {
        let none = Output::None;
        match self {
            Self::Done => [none; 4],
            Self::Capabilities { formats, protections } => [
                none,
                Output::Value(Value { a: formats, b: 0 }),
                Output::Value(Value { a: protections, b: 0 }),
                none,
            ],
            Self::Physical(address) => [none, none, none, Output::Value(address.into())],
            // ReadMemory has its buffer behind the address.
            Self::Size(size) if number == 0x8000_0001 => [none, none, Output::Size(size), none],
            Self::Size(size) => [none, Output::Size(size), none, none],
            Self::Counter(value) => [none, Output::Value(Value { a: value, b: 0 }), none, none],
            Self::Region { address, size } => {
                [none, none, Output::Value(address.into()), Output::Value(size.into())]
            }
            Self::Inherited { address, room } => {
                [none, Output::Value(address.into()), Output::Value(room.into()), none]
            }
        }
    }

    /// From the outputs of the command with this number; `None` when the service did not fill what it must.
    pub fn from_outputs(number: u32, outputs: &Outputs) -> Option<Self> {
        Some(match (number, outputs) {
            (1, [_, Output::Value(formats), Output::Value(protections), _]) => {
                Self::Capabilities { formats: formats.a, protections: protections.a }
            }
            (7, [_, _, _, Output::Value(address)]) => Self::Physical((*address).into()),
            (0x8000_0001, [_, _, Output::Size(size), _]) => Self::Size(*size),
            (0x8000_0003 | 0x8000_0007, [_, Output::Size(size), _, _]) => Self::Size(*size),
            (0x8000_0004, [_, Output::Value(counter), _, _]) => Self::Counter(counter.a),
            (0x8000_0006, [_, _, Output::Value(address), Output::Value(size)]) => {
                Self::Region { address: (*address).into(), size: (*size).into() }
            }
            (0x8000_0009, [_, Output::Value(address), Output::Value(room), _]) => {
                Self::Inherited { address: (*address).into(), room: (*room).into() }
            }
            (
                1 | 7 | 0x8000_0001 | 0x8000_0003 | 0x8000_0004 | 0x8000_0006 | 0x8000_0007 | 0x8000_0009,
                _,
            ) => {
                return None;
            }
            _ => Self::Done,
        })
    }
}

/// The head of the key information of command 8 (`struct rproc_pta_key_info`): algorithm, then the bytes of the
/// image's PKEYINFO TLV, if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyInfo<'a> {
    /// `TEE_ALG_RSASSA_PKCS1_V1_5_SHA256` or `TEE_ALG_ECDSA_P256`, OP-TEE's numbers.
    pub algorithm: u32,
    /// Which key, in the platform's own terms.
    pub info: &'a [u8],
}

impl<'a> KeyInfo<'a> {
    /// `TEE_ALG_RSASSA_PKCS1_V1_5_SHA256` (`tee_api_defines.h`).
    pub const RSASSA_PKCS1_V1_5_SHA256: u32 = 0x7000_4830;
    /// `TEE_ALG_ECDSA_SHA256` (`tee_api_defines.h`).
    pub const ECDSA_SHA256: u32 = 0x7000_3042;

    /// The eight bytes that precede [`KeyInfo::info`] on the wire.
    pub fn head(&self) -> [u8; 8] {
        let mut head = [0; 8];
        head[..4].copy_from_slice(&self.algorithm.to_le_bytes());
        head[4..].copy_from_slice(&(self.info.len() as u32).to_le_bytes());
        head
    }

    /// From the wire; `None` when the stated size is not the size that is there.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (algorithm, rest) = bytes.split_first_chunk::<4>()?;
        let (size, info) = rest.split_first_chunk::<4>()?;
        (usize::try_from(u32::from_le_bytes(*size)).ok()? == info.len())
            .then_some(Self { algorithm: u32::from_le_bytes(*algorithm), info })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_command() -> impl Strategy<Value = Command<u16>> {
        let (m, a) = (any::<u16>, any::<u64>);
        prop_oneof![
            Just(Command::Capabilities),
            m().prop_map(|image| Command::LoadImage { image }),
            (m(), a(), m()).prop_map(|(data, address, digest)| Command::LoadSegment {
                data,
                address,
                digest
            }),
            (a(), a(), any::<u8>()).prop_map(|(address, size, byte)| Command::SetMemory {
                address,
                size,
                byte
            }),
            Just(Command::Start),
            Just(Command::Stop),
            (a(), a()).prop_map(|(address, size)| Command::Translate { address, size }),
            (m(), m(), m()).prop_map(|(key, digest, signature)| Command::VerifyDigest {
                key,
                digest,
                signature
            }),
            Just(Command::Release),
            Just(Command::Inherited),
            (a(), m()).prop_map(|(address, buffer)| Command::ReadMemory { address, buffer }),
            (any::<u32>(), m()).prop_map(|(kind, value)| Command::PlatformTlv { kind, value }),
            m().prop_map(|buffer| Command::SocName { buffer }),
            Just(Command::SecurityCounter),
            any::<u32>().prop_map(|value| Command::RaiseSecurityCounter { value }),
            any::<u32>().prop_map(|index| Command::Region { index }),
            m().prop_map(|buffer| Command::GetRefusal { buffer }),
            (m(), m(), m()).prop_map(|(container, placements, tlvs)| Command::LoadSegments {
                container,
                placements,
                tlvs
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_request_survives_the_wire(id: u32, command in any_command()) {
            let request = Request { processor: ProcessorId(id), command };
            let (number, params) = request.into_params();
            prop_assert_eq!(Request::from_params(number, params), Ok(request));
        }

        #[test]
        fn key_information_survives_the_wire(algorithm: u32, info: std::vec::Vec<u8>) {
            let key = KeyInfo { algorithm, info: &info };
            let wire = [&key.head()[..], &info[..]].concat();
            prop_assert_eq!(KeyInfo::parse(&wire), Some(key));
            prop_assert_eq!(KeyInfo::parse(&wire[..wire.len() - 1]), None);
        }
    }

    #[test]
    fn an_answer_survives_the_wire() {
        for (number, answer) in [
            (1, Answer::Capabilities { formats: 1, protections: 2 }),
            (5, Answer::Done),
            (7, Answer::Physical(0x1_8000_0000)),
            (0x8000_0001, Answer::Size(7)),
            (0x8000_0003, Answer::Size(10)),
            (0x8000_0004, Answer::Counter(3)),
            (0x8000_0006, Answer::Region { address: 1, size: 2 }),
            (0x8000_0009, Answer::Inherited { address: 1, room: 2 }),
        ] {
            assert_eq!(Answer::from_outputs(number, &answer.outputs(number)), Some(answer));
        }
        assert_eq!(Answer::from_outputs(7, &Answer::Done.outputs(7)), None);
    }
}
