//! Where `rproc-abi` and OP-TEE's headers state the same fact, the build fails unless they agree.

use rproc_abi::platform::{Command, FORMAT_ELF, KeyInfo, PROTECTION_HASH_TABLE};
use rproc_abi::{ParamKind, Params, TeeResult};

use crate::optee;

macro_rules! results {
    ($($name:ident: $theirs:ident,)*) => {
        $(const _: () = assert!(TeeResult::$name.0 == optee::$theirs, stringify!($name));)*
    };
}

results! {
    SUCCESS: TEE_SUCCESS,
    GENERIC: TEE_ERROR_GENERIC,
    ACCESS_DENIED: TEE_ERROR_ACCESS_DENIED,
    BAD_FORMAT: TEE_ERROR_BAD_FORMAT,
    BAD_PARAMETERS: TEE_ERROR_BAD_PARAMETERS,
    BAD_STATE: TEE_ERROR_BAD_STATE,
    ITEM_NOT_FOUND: TEE_ERROR_ITEM_NOT_FOUND,
    NOT_IMPLEMENTED: TEE_ERROR_NOT_IMPLEMENTED,
    NOT_SUPPORTED: TEE_ERROR_NOT_SUPPORTED,
    OUT_OF_MEMORY: TEE_ERROR_OUT_OF_MEMORY,
    BUSY: TEE_ERROR_BUSY,
    SECURITY: TEE_ERROR_SECURITY,
    SHORT_BUFFER: TEE_ERROR_SHORT_BUFFER,
    SIGNATURE_INVALID: TEE_ERROR_SIGNATURE_INVALID,
}

macro_rules! kinds {
    ($($name:ident: $theirs:ident,)*) => {
        $(const _: () = assert!(ParamKind::$name.code() == optee::$theirs, stringify!($name));)*
    };
}

kinds! {
    None: TEE_PARAM_TYPE_NONE,
    ValueInput: TEE_PARAM_TYPE_VALUE_INPUT,
    ValueOutput: TEE_PARAM_TYPE_VALUE_OUTPUT,
    ValueInout: TEE_PARAM_TYPE_VALUE_INOUT,
    MemrefInput: TEE_PARAM_TYPE_MEMREF_INPUT,
    MemrefOutput: TEE_PARAM_TYPE_MEMREF_OUTPUT,
    MemrefInout: TEE_PARAM_TYPE_MEMREF_INOUT,
}

const _: () =
    assert!(size_of::<Params<()>>() / size_of::<rproc_abi::Param<()>>() == optee::TEE_NUM_PARAMS as usize);

// What the commands carry is checked by rproc-abi's own tests; here, that their numbers are the header's.
const _: () = {
    assert!(Command::<()>::Capabilities.number() == optee::PTA_RPROC_HW_CAPABILITIES);
    assert!(Command::LoadImage { image: () }.number() == optee::PTA_RPROC_FIRMWARE_LOAD);
    let segment = Command::LoadSegment { data: (), address: 0, digest: () };
    assert!(segment.number() == optee::PTA_RPROC_LOAD_SEGMENT_SHA256);
    let fill = Command::<()>::SetMemory { address: 0, size: 0, byte: 0 };
    assert!(fill.number() == optee::PTA_RPROC_SET_MEMORY);
    assert!(Command::<()>::Start.number() == optee::PTA_RPROC_FIRMWARE_START);
    assert!(Command::<()>::Stop.number() == optee::PTA_RPROC_FIRMWARE_STOP);
    let translate = Command::<()>::Translate { address: 0, size: 0 };
    assert!(translate.number() == optee::PTA_RPROC_FIRMWARE_DA_TO_PA);
    let verify = Command::VerifyDigest { key: (), digest: (), signature: () };
    assert!(verify.number() == optee::PTA_RPROC_VERIFY_DIGEST);
    assert!(Command::<()>::Release.number() == optee::PTA_REMOTEPROC_RELEASE);
};

const _: () = {
    assert!(FORMAT_ELF == optee::format_elf && PROTECTION_HASH_TABLE == optee::protection_hash_table);
    assert!(KeyInfo::RSASSA_PKCS1_V1_5_SHA256 == optee::TEE_ALG_RSASSA_PKCS1_V1_5_SHA256);
    assert!(KeyInfo::ECDSA_SHA256 == optee::TEE_ALG_ECDSA_SHA256);
    assert!(size_of::<optee::rproc_pta_key_info>() == 8, "KeyInfo::head has eight bytes");
};

const _: () = {
    let ours = u128::from_be_bytes(rproc_abi::Uuid::REMOTEPROC_PTA.octets());
    let theirs = (optee::uuid_time_low as u128) << 96
        | (optee::uuid_time_mid as u128) << 80
        | (optee::uuid_time_high as u128) << 64
        | optee::uuid_node as u128;
    assert!(ours == theirs, "the platform service has another UUID");
};
