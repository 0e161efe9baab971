//! The messages of vfio-user, read from and written to bytes: what a client says is untrusted.
//!
//! The layouts are those of QEMU's `docs/interop/vfio-user.rst` and of `linux/vfio.h`; numbers are little-endian as on every
//! host that QEMU supports as a client. The crate `vfio_user` 0.1 has a server for the same protocol; it is not used because
//! it panics on a version message without a final zero, believes every size it is told, and needs twice the system calls for
//! an access to a register, of which loading one firmware takes a thousand.

/// Bytes of a message before its body.
pub const HEADER_SIZE: usize = 16;
/// The longest message taken, header included. Register accesses have at most 8 bytes of data.
pub const LONGEST: usize = 16 * 1024;
/// The most bytes that one access to a region may move.
pub const LONGEST_ACCESS: usize = 4096;

/// Flags of a region (`VFIO_REGION_INFO_FLAG_*`).
pub mod region {
    /// It can be read.
    pub const READ: u32 = 1;
    /// It can be written.
    pub const WRITE: u32 = 2;
    /// It can be mapped through the file descriptor that comes with the reply.
    pub const MAP: u32 = 4;
}

/// Flags of an interrupt (`VFIO_IRQ_INFO_*`).
pub mod interrupt {
    /// It is signalled through an eventfd.
    pub const EVENTFD: u32 = 1;
    /// It can be masked.
    pub const MASKABLE: u32 = 2;
    /// It masks itself when it is signalled.
    pub const AUTOMASKED: u32 = 4;
}

/// Flags of the device: it can be reset, it is a PCI device (`VFIO_DEVICE_FLAGS_*`).
const DEVICE_FLAGS: u32 = 1 | 2;
const TYPE_MASK: u32 = 0xf;
const REPLY: u32 = 1;
const NO_REPLY: u32 = 1 << 4;
const ERROR: u32 = 1 << 5;

/// Why bytes are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The header's size is impossible.
    #[error("a message of {0} bytes, where {HEADER_SIZE} to {LONGEST} are possible")]
    Size(u32),
    /// The header is of no command.
    #[error("a message of type {0}, where a command has type 0")]
    Type(u32),
    /// A command that this server does not know.
    #[error("command {0}, which is not known")]
    Command(u16),
    /// The body is shorter than the command's parameters.
    #[error("a body of {found} bytes for command {command}, whose parameters do not fit into that")]
    Body {
        /// The command.
        command: u16,
        /// Bytes of the body.
        found: usize,
    },
    /// More data than may be moved at once.
    #[error("an access of {0} bytes, where {LONGEST_ACCESS} are possible")]
    Access(u32),
}

/// What precedes every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The client's number for it, which the reply repeats.
    pub id: u16,
    /// The command.
    pub command: u16,
    /// Bytes of the body.
    pub body: usize,
    /// The client does not want a reply.
    pub no_reply: bool,
}

impl Header {
    /// Reads a header.
    ///
    /// # Errors
    /// [`Malformed`] when it is no command's, or its size cannot be: the next message cannot be found then.
    pub fn decode(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Malformed> {
        let [id0, id1, command0, command1, s0, s1, s2, s3, f0, f1, f2, f3, _, _, _, _] = *bytes;
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        let flags = u32::from_le_bytes([f0, f1, f2, f3]);
        let body = usize::try_from(size).ok().and_then(|size| size.checked_sub(HEADER_SIZE));
        let body = body.filter(|body| *body <= LONGEST - HEADER_SIZE).ok_or(Malformed::Size(size))?;
        if flags & TYPE_MASK != 0 {
            return Err(Malformed::Type(flags & TYPE_MASK));
        }
        Ok(Header {
            id: u16::from_le_bytes([id0, id1]),
            command: u16::from_le_bytes([command0, command1]),
            body,
            no_reply: flags & NO_REPLY != 0,
        })
    }
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Which protocol it speaks.
    Version {
        /// Must agree.
        major: u16,
    },
    /// Its memory at these addresses of the bus; a file descriptor may come with it.
    Map(Span),
    /// That memory is gone.
    Unmap {
        /// Which; its flags and offset mean nothing.
        span: Span,
        /// All there is.
        all: bool,
    },
    /// What the device is.
    DeviceInfo,
    /// What a region is.
    RegionInfo {
        /// VFIO's number of it.
        index: u32,
    },
    /// What an interrupt is.
    InterruptInfo {
        /// VFIO's number of it.
        index: u32,
    },
    /// Sets up, masks, unmasks or fires interrupts; eventfds may come with it.
    SetInterrupts(SetInterrupts),
    /// Reads a region.
    Read(Access),
    /// Writes a region.
    Write(Access, &'a [u8]),
    /// Resets the device.
    Reset,
}

/// A range of the bus, and where its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First address.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Where in its file.
    pub offset: u64,
    /// The device may write it.
    pub writable: bool,
}

/// Which bytes of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// VFIO's number of the region.
    pub region: u32,
    /// First byte.
    pub offset: u64,
    /// Bytes, at most [`LONGEST_ACCESS`].
    pub count: usize,
}

/// The parameters of `VFIO_DEVICE_SET_IRQS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetInterrupts {
    /// VFIO's number of the kind of interrupt.
    pub index: u32,
    /// The first of them.
    pub start: u32,
    /// How many.
    pub count: u32,
    /// What comes with it.
    pub data: Data,
    /// What to do.
    pub action: Action,
}

/// What comes with [`SetInterrupts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// Nothing: the action is done at once.
    None,
    /// Eventfds: the action is done, or told of, through them.
    Eventfd,
    /// Something else.
    Other,
}

/// What [`SetInterrupts`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Mask.
    Mask,
    /// Unmask.
    Unmask,
    /// Fire, or how to fire.
    Trigger,
    /// None or several of these.
    Other,
}

/// Takes numbers from the front of a body.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

impl<'a> Request<'a> {
    /// Reads the body of a command.
    ///
    /// # Errors
    /// [`Malformed`]; the client can be told so and go on.
    pub fn decode(command: u16, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields(body);
        let short = Malformed::Body { command, found: body.len() };
        match command {
            1 => fields.u16().map(|major| Request::Version { major }).ok_or(short),
            2 => Self::map(&mut fields).ok_or(short),
            3 => Self::unmap(&mut fields).ok_or(short),
            4 => Ok(Request::DeviceInfo),
            5 => Self::index(&mut fields).map(|index| Request::RegionInfo { index }).ok_or(short),
            7 => Self::index(&mut fields).map(|index| Request::InterruptInfo { index }).ok_or(short),
            8 => Self::set_interrupts(&mut fields).ok_or(short),
            9 => Ok(Request::Read(Self::access(&mut fields).ok_or(short)??)),
            10 => {
                let access = Self::access(&mut fields).ok_or(short)??;
                Ok(Request::Write(access, fields.0.get(..access.count).ok_or(short)?))
            }
            13 => Ok(Request::Reset),
            _ => Err(Malformed::Command(command)),
        }
    }

    fn map(fields: &mut Fields<'_>) -> Option<Self> {
        let (_argument_size, flags, offset) = (fields.u32()?, fields.u32()?, fields.u64()?);
        let (address, size) = (fields.u64()?, fields.u64()?);
        Some(Request::Map(Span { address, size, offset, writable: flags & 2 != 0 }))
    }

    fn unmap(fields: &mut Fields<'_>) -> Option<Self> {
        let (_argument_size, flags) = (fields.u32()?, fields.u32()?);
        let (address, size) = (fields.u64()?, fields.u64()?);
        let span = Span { address, size, offset: 0, writable: false };
        Some(Request::Unmap { span, all: flags & 2 != 0 })
    }

    /// The index that follows argument size and flags.
    fn index(fields: &mut Fields<'_>) -> Option<u32> {
        let (_argument_size, _flags) = (fields.u32()?, fields.u32()?);
        fields.u32()
    }

    fn set_interrupts(fields: &mut Fields<'_>) -> Option<Self> {
        let (_argument_size, flags, index) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (start, count) = (fields.u32()?, fields.u32()?);
        let data = match flags & 0b111 {
            0b001 => Data::None,
            0b100 => Data::Eventfd,
            _ => Data::Other,
        };
        let action = match flags >> 3 & 0b111 {
            0b001 => Action::Mask,
            0b010 => Action::Unmask,
            0b100 => Action::Trigger,
            _ => Action::Other,
        };
        Some(Request::SetInterrupts(SetInterrupts { index, start, count, data, action }))
    }

    fn access(fields: &mut Fields<'_>) -> Option<Result<Access, Malformed>> {
        let (offset, region, count) = (fields.u64()?, fields.u32()?, fields.u32()?);
        let fits = usize::try_from(count).ok().filter(|count| *count <= LONGEST_ACCESS);
        Some(fits.map(|count| Access { region, offset, count }).ok_or(Malformed::Access(count)))
    }
}

/// What the device answers. A reply to a command without results is [`Reply::Done`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// Done.
    Done,
    /// Version 0.0, which QEMU 10.1 to 11.1 insist on, and this server's limits.
    Version,
    /// That memory is gone.
    Unmapped(Span),
    /// A PCI device that can be reset.
    Device {
        /// Regions it numbers.
        regions: u32,
        /// Kinds of interrupt it numbers.
        interrupts: u32,
    },
    /// A region.
    Region {
        /// VFIO's number of it.
        index: u32,
        /// [`region`] flags; 0 when there is nothing.
        flags: u32,
        /// Bytes.
        size: u64,
    },
    /// A kind of interrupt.
    Interrupt {
        /// VFIO's number of it.
        index: u32,
        /// [`interrupt`] flags.
        flags: u32,
        /// How many.
        count: u32,
    },
    /// What was read.
    Read(Access, &'a [u8]),
    /// What was written.
    Written(Access),
    /// An error number of Linux's.
    Error(u32),
}

impl Reply<'_> {
    /// Writes the whole message, which replaces what is in `out`.
    pub fn encode(&self, to: &Header, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; HEADER_SIZE]);
        let mut error = 0;
        match *self {
            Reply::Done => {}
            Reply::Version => {
                words16(out, [0, 0]);
                let limits = format!(
                    "{{\"capabilities\":{{\"max_msg_fds\":8,\"max_data_xfer_size\":{LONGEST_ACCESS}}}}}\0"
                );
                out.extend_from_slice(limits.as_bytes());
            }
            Reply::Unmapped(span) => {
                words(out, [24, 0]);
                longs(out, [span.address, span.size]);
            }
            Reply::Device { regions, interrupts } => words(out, [16, DEVICE_FLAGS, regions, interrupts]),
            Reply::Region { index, flags, size } => {
                words(out, [32, flags, index, 0]);
                longs(out, [size, 0]);
            }
            Reply::Interrupt { index, flags, count } => words(out, [16, flags, index, count]),
            Reply::Read(access, data) => {
                head_of(out, access);
                out.extend_from_slice(data);
            }
            Reply::Written(access) => head_of(out, access),
            Reply::Error(number) => error = number,
        }
        let flags = if error == 0 { REPLY } else { REPLY | ERROR };
        let size = out.len() as u32;
        let mut header = Vec::with_capacity(HEADER_SIZE);
        words16(&mut header, [to.id, to.command]);
        words(&mut header, [size, flags, error]);
        if let Some(front) = out.get_mut(..HEADER_SIZE) {
            front.copy_from_slice(&header);
        }
    }
}

fn words16<const N: usize>(out: &mut Vec<u8>, words: [u16; N]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

fn words<const N: usize>(out: &mut Vec<u8>, words: [u32; N]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

fn longs<const N: usize>(out: &mut Vec<u8>, longs: [u64; N]) {
    longs.iter().for_each(|long| out.extend_from_slice(&long.to_le_bytes()));
}

fn head_of(out: &mut Vec<u8>, access: Access) {
    longs(out, [access.offset]);
    words(out, [access.region, access.count as u32]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(size: u32, flags: u32) -> [u8; HEADER_SIZE] {
        let mut bytes = Vec::new();
        words16(&mut bytes, [7, 9]);
        words(&mut bytes, [size, flags, 0]);
        bytes.try_into().unwrap()
    }

    #[test]
    fn headers_with_impossible_sizes_are_refused() {
        assert_eq!(Header::decode(&header(15, 0)), Err(Malformed::Size(15)));
        assert_eq!(Header::decode(&header(0, 0)), Err(Malformed::Size(0)));
        assert_eq!(Header::decode(&header(u32::MAX, 0)), Err(Malformed::Size(u32::MAX)));
        assert_eq!(Header::decode(&header(LONGEST as u32 + 1, 0)), Err(Malformed::Size(LONGEST as u32 + 1)));
        assert_eq!(Header::decode(&header(16, 1)), Err(Malformed::Type(1)));
        let good = Header { id: 7, command: 9, body: LONGEST - HEADER_SIZE, no_reply: true };
        assert_eq!(Header::decode(&header(LONGEST as u32, 0x10)), Ok(good));
    }

    #[test]
    fn a_write_has_as_much_data_as_it_says() {
        let mut body = Vec::new();
        longs(&mut body, [0x40434]);
        words(&mut body, [2, 4, 0x1234_5678]);
        let access = Access { region: 2, offset: 0x40434, count: 4 };
        assert_eq!(Request::decode(10, &body), Ok(Request::Write(access, &[0x78, 0x56, 0x34, 0x12])));
        assert_eq!(Request::decode(10, &body[..19]), Err(Malformed::Body { command: 10, found: 19 }));
        body[12..16].copy_from_slice(&5000u32.to_le_bytes());
        assert_eq!(Request::decode(9, &body), Err(Malformed::Access(5000)));
    }

    #[test]
    fn a_reply_repeats_the_command_and_states_its_size() {
        let mut out = vec![0xFF; 3];
        let to = Header { id: 0x1234, command: 9, body: 0, no_reply: false };
        Reply::Read(Access { region: 0, offset: 8, count: 2 }, &[1, 2]).encode(&to, &mut out);
        let front = [0x34, 0x12, 9, 0, 34, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!((&out[..16], &out[32..]), (&front[..], &[1, 2][..]));
        Reply::Error(22).encode(&to, &mut out);
        assert_eq!(out, [0x34, 0x12, 9, 0, 16, 0, 0, 0, 0x21, 0, 0, 0, 22, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(front: [u8; HEADER_SIZE], command in 0u16..16, body: Vec<u8>) {
            let _ = Header::decode(&front);
            if let Ok(Request::Write(access, data)) = Request::decode(command, &body) {
                prop_assert!(data.len() == access.count && access.count <= LONGEST_ACCESS);
            }
        }
    }
}
