//! Names of services that are found on TEE buses.

use rproc_abi::Uuid;

/// UUID and a short name. From OP-TEE's headers (`lib/libutee/include/pta_*.h`) and the drivers in Linux that
/// match them.
const KNOWN: [(u128, &str); 11] = [
    // Firmware of remote processors.
    (0x80a4c275_0a47_4905_8285_1486a9771a08, "remoteproc"),
    // Random numbers.
    (0xab7a617c_b8e7_4d8f_8301_d09b61036b64, "hwrng"),
    // Clocks, resets and regulators.
    (0xa8cfe406_d4f5_4a2e_9f8d_a25dc754c099, "scmi"),
    // The real-time clock.
    (0xf389f8c8_845f_496c_8bbe_d64bd24c92fd, "rtc"),
    // One-time-programmable memory of STM32MP SoCs.
    (0x94cf71ad_80e6_40b5_a7c6_3dc501eb2803, "bsec"),
    // A TPM 2.0 in firmware.
    (0xbc50d971_d4c9_42c4_82cb_343fb7f37896, "ftpm"),
    // Variables of UEFI.
    (0xed32d533_99e6_4209_9cc0_2d72cdd998a7, "stmm"),
    // Sealing of Linux's trusted keys.
    (0xf04a0fe7_1f5d_4b9b_abf7_619b85b4ce8c, "trusted-keys"),
    // Raw commands to a secure element.
    (0x3f3eb880_3639_11ec_9b9d_0f3fc9468f50, "apdu"),
    // Firmware of Qualcomm's remote processors.
    (0xcff7d191_7ca0_4784_af13_48223b9a4fbe, "qcom-pas"),
    // The self-tests of OP-TEE's core.
    (0xd96a5b40_c3e5_21e3_8794_1002a5d5c61b, "invoke-tests"),
];

/// The short name of a service, where it is known.
pub fn name(uuid: Uuid) -> Option<&'static str> {
    let number = u128::from_be_bytes(uuid.octets());
    KNOWN.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remoteproc_service_is_named() {
        assert_eq!(name(Uuid::REMOTEPROC_TA), Some("remoteproc"));
        assert_eq!(name(Uuid::from_octets([0; 16])), None);
    }
}
