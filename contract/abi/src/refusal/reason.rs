//! Every rule that can be broken: its name, its result code, its sentence and what to do.

use crate::TeeResult;

macro_rules! reasons {
    ($($variant:ident = $code:literal, $name:literal, $result:ident, $sentence:literal, $step:literal;)*) => {
        /// A rule of the service or the platform that was broken.
        ///
        /// Names and codes are stable: scripts match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $name, "`: ", $sentence, ".")] $variant,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its number on the wire.
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// From its number on the wire.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Its stable name, for scripts.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The result code that a TEE client sees, the same as upstream's TA gives where it has one.
            pub const fn result(self) -> TeeResult {
                match self { $(Self::$variant => TeeResult::$result,)* }
            }

            /// What is wrong.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }

            /// What a person can do about it.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$variant => $step,)* }
            }
        }
    };
}

reasons! {
    // The container.
    NotSigned = 1, "not-signed", BAD_PARAMETERS, "this is an ELF file, not a signed image", "sign it first: rproc sign app.elf -o app.signed --key dev.pem; or let Linux load it unsigned: make the processor Linux-owned in both device trees, its platform node okay and its secure-status disabled";
    BadMagic = 2, "bad-magic", BAD_PARAMETERS, "this is not a signed image", "give a file that rproc sign or OP-TEE's sign_rproc_fw.py wrote";
    BadVersion = 3, "bad-version", BAD_PARAMETERS, "the image has a format version that is not known", "sign the firmware again with this version of rproc";
    SizeMismatch = 4, "size-mismatch", BAD_PARAMETERS, "the file is not as long as its header says", "the file was cut or extended on its way: copy or sign it again";
    MetadataTooLarge = 5, "metadata-too-large", OUT_OF_MEMORY, "the image's metadata does not fit the service's memory", "firmware with fewer segments or sections fits; strip debug sections";
    BadTlv = 6, "bad-tlv", SIGNATURE_INVALID, "the image's TLV area is malformed", "the file was damaged: sign the firmware again";
    MissingTlv = 7, "missing-tlv", SIGNATURE_INVALID, "the image lacks a TLV that every image must have", "sign the firmware again";
    DuplicateTlv = 8, "duplicate-tlv", SIGNATURE_INVALID, "the image has the same TLV twice", "sign the firmware again, giving each --plat-tlv once";
    UnsupportedSignature = 9, "unsupported-signature", SIGNATURE_INVALID, "the signature's type is not supported", "sign with an RSA key of 2048 to 4096 bits or an ECDSA P-256 key";
    UnsupportedHash = 10, "unsupported-hash", SIGNATURE_INVALID, "the hash's type is not supported", "sign with SHA-256";
    UnsupportedImage = 11, "unsupported-image", NOT_SUPPORTED, "the image's type is not supported", "give plain ELF firmware; encrypted segments are not supported";
    SignatureSize = 12, "signature-size", SIGNATURE_INVALID, "the signature has a size that its type cannot have", "the file was damaged: sign the firmware again";
    KeyTooSmall = 13, "key-too-small", SIGNATURE_INVALID, "the key is too small to be trusted", "sign with an RSA key of at least 2048 bits or an ECDSA P-256 key";
    UntrustedKey = 14, "untrusted-key", SIGNATURE_INVALID, "the image was signed with a key that this platform does not trust", "sign with the key whose fingerprint is expected, or give the platform the key with --key";
    SignatureInvalid = 15, "signature-invalid", SIGNATURE_INVALID, "the signature does not match the image's header and TLVs", "the file was changed after signing, or signed with another key: sign it again with a trusted key";
    InconsistentTlv = 16, "inconsistent-tlv", SIGNATURE_INVALID, "the image's TLVs contradict each other", "sign the firmware again";
    // The ELF images and their segments.
    BadElf = 20, "bad-elf", BAD_FORMAT, "an image in the container is not an ELF file that can be loaded", "sign the ELF file that the linker wrote";
    ElfMetadataChanged = 21, "elf-metadata-changed", SECURITY, "the ELF header, program headers, section headers or section names were changed after signing", "sign the firmware again; do not strip or edit a signed file";
    SegmentTableChanged = 22, "segment-table-changed", SECURITY, "the program headers of the ELF file are not those that were signed", "sign the firmware again; do not strip or edit a signed file";
    NoLoadableSegment = 23, "no-loadable-segment", BAD_FORMAT, "the firmware has no segment to load", "check the linker script: at least one PT_LOAD segment is needed";
    SegmentOutsideFile = 24, "segment-outside-file", BAD_PARAMETERS, "a segment's bytes lie outside its ELF file", "the file was cut: sign the firmware again";
    SegmentSize = 25, "segment-size", BAD_PARAMETERS, "a segment's sizes are impossible", "check the linker script: the size in the file may not exceed the size in memory, and the end must be an address";
    SegmentTwice = 26, "segment-twice", BAD_PARAMETERS, "the signed table names the same segment twice", "sign the firmware again";
    SegmentOverlap = 27, "segment-overlap", BAD_PARAMETERS, "two segments are loaded to the same memory", "check the linker script: give each segment its own load address";
    SegmentOutsideRegions = 28, "segment-outside-regions", ACCESS_DENIED, "a segment lies outside the memory that this processor's firmware may use", "check the linker script against the processor's memory: docs/boards.md lists the regions";
    SegmentDigest = 29, "segment-digest", SECURITY, "a segment's bytes are not those that were signed", "the file was damaged or changed after signing: sign the firmware again";
    // What the image is bound to.
    WrongProcessor = 40, "wrong-processor", SECURITY, "the image was signed for another processor", "load it on the processor it was signed for, or sign with --target for this one";
    WrongSoc = 41, "wrong-soc", SECURITY, "the image was signed for another SoC", "load it on the SoC it was signed for, or sign with --target for this one";
    Rollback = 42, "rollback", SECURITY, "the image's security counter is lower than what this processor has already run", "load a newer image; the counter never goes down";
    NotBound = 43, "not-bound", SECURITY, "the strict policy wants the image to bind something that it does not", "sign with rproc sign and --target, without --plain";
    MissingBootAddress = 44, "missing-boot-address", BAD_PARAMETERS, "the image does not say where its vector table is", "sign with --boot-address, or without --plain from an ELF file whose vector table is section .isr_vectors";
    BootAddressOutside = 45, "boot-address-outside", ACCESS_DENIED, "the boot address is not where this processor's firmware may begin", "sign with the address of the vector table as --boot-address";
    BootAddressAlignment = 46, "boot-address-alignment", BAD_PARAMETERS, "the boot address is not aligned as the processor needs it", "align the vector table to 128 bytes in the linker script";
    SecureBootUnsupported = 47, "secure-boot-unsupported", NOT_SUPPORTED, "the image wants to start in the processor's secure state, which is not supported", "build the firmware for the non-secure state, without TrustZone";
    BadResourceTable = 48, "bad-resource-table", BAD_FORMAT, "the firmware's resource table is malformed", "check the table: version 1, every offset and entry inside it";
    AmbiguousResourceTable = 49, "ambiguous-resource-table", BAD_FORMAT, "the firmware's segments hold more than one resource table, and the image does not say which counts", "keep one table: leave section .resource_table in one ELF file only; rproc sign without --plain then binds which one counts";
    // Sessions, states and resources.
    NotKernel = 60, "not-kernel", ACCESS_DENIED, "only the normal world's kernel may open this service", "use the remoteproc driver; processes cannot load firmware themselves";
    NotService = 61, "not-service", ACCESS_DENIED, "only the remoteproc Trusted Application may open the platform service", "use the remoteproc service instead";
    UnknownProcessor = 62, "unknown-processor", NOT_SUPPORTED, "this platform does not drive a processor with this id", "check reg in the device tree: 0 is the M4, 1 the M33, 2 the M0+; docs/boards.md says which a board drives";
    AlreadyStarted = 63, "already-started", BAD_STATE, "the processor runs", "stop it first";
    NotLoaded = 64, "not-loaded", BAD_STATE, "no firmware is loaded", "load it first";
    NotStarted = 65, "not-started", BAD_STATE, "the processor does not run", "start it first";
    BadRequest = 66, "bad-request", BAD_PARAMETERS, "the command or its parameters are wrong", "check the caller against the command table in docs/protocol.md";
    BufferTooShort = 67, "buffer-too-short", SHORT_BUFFER, "the output buffer is too small", "ask again with a buffer of the size given";
    SharedMemory = 68, "shared-memory", BAD_PARAMETERS, "a shared buffer is smaller than the command needs", "share the whole image";
    PlatformFailed = 69, "platform-failed", GENERIC, "the platform service failed without saying why", "look at the secure world's log";
    StartedBefore = 70, "started-before", BAD_STATE, "the processor runs since before the service was restarted", "release it first: that stops it and wipes its memory";
    PlatformMissing = 71, "platform-missing", ITEM_NOT_FOUND, "this TEE has no platform service for remote processors, or that one found no hardware", "build OP-TEE with the platform service, 54af4a68-19be-40d7-bbe6-8950350a8744; a virtual machine needs the virtual board too";
    OwnedByLinux = 72, "owned-by-linux", NOT_SUPPORTED, "this processor is Linux's: the TEE gave it away when it booted, and loads nothing to it", "load it from Linux, unsigned; for signed firmware disable the processor in Linux's device tree and boot again";
    VectorsNotLoaded = 73, "vectors-not-loaded", BAD_PARAMETERS, "no segment holds the place at which this processor looks for its vector table", "link the vector table to the address that is expected: docs/boards.md lists the regions";
    RunsUnasked = 74, "runs-unasked", BAD_STATE, "the processor ran when the TEE started, and the secure device tree does not say that it may", "start it through the TEE; or, where an earlier boot stage that is trusted starts it, give its node in the secure device tree st,started-before-tee";
    // The hardware.
    AddressOutsideRegions = 80, "address-outside-regions", ACCESS_DENIED, "an address is not memory of this processor", "check it against the processor's regions";
    RegisterReadBack = 81, "register-read-back", SECURITY, "a register does not hold what was written to it", "the register is locked or owned by another compartment: check the secure boot chain";
    RegisterAccess = 82, "register-access", SECURITY, "a register could not be reached", "check the secure world's access rights and the device's clock";
    MemoryAccess = 83, "memory-access", SECURITY, "the processor's memory could not be reached from the secure world", "check the firewall's configuration by the secure boot chain";
    FirewallOpen = 84, "firewall-open", SECURITY, "the processor's memory is not closed to the normal world", "check the firewall's configuration by the secure boot chain";
    WrongState = 85, "wrong-state", BAD_STATE, "the processor's state does not allow this", "follow the order load, start, stop, release";
    ResetRefused = 86, "reset-refused", SECURITY, "whoever controls the processor's reset refused to hold, reset or release it", "check the secure world's rights at the SCMI server or the secure monitor";
    Unprotected = 87, "unprotected", SECURITY, "the processor ran when the TEE started, and what protects it from the normal world is not as the TEE would have set it", "let the boot stage that starts it protect it: docs/lifecycle.md says how";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_there_once_and_codes_lead_back() {
        for (i, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            for other in &Reason::ALL[i + 1..] {
                assert_ne!(reason.code(), other.code());
                assert_ne!(reason.name(), other.name());
            }
        }
    }

    #[test]
    fn no_reason_maps_to_success() {
        assert!(Reason::ALL.iter().all(|reason| !reason.result().is_success()));
    }
}
