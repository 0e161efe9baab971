//! Names of services that are found on TEE buses.

use rproc_abi::Uuid;

/// UUID, a short name, what it is. From OP-TEE's headers (`lib/libutee/include/pta_*.h`) and the drivers in Linux that
/// match them.
const KNOWN: [(u128, &str, &str); 10] = [
    (0x80a4c275_0a47_4905_8285_1486a9771a08, "remoteproc", "firmware of remote processors"),
    (0xab7a617c_b8e7_4d8f_8301_d09b61036b64, "hwrng", "random numbers"),
    (0xa8cfe406_d4f5_4a2e_9f8d_a25dc754c099, "scmi", "clocks, resets and regulators"),
    (0xf389f8c8_845f_496c_8bbe_d64bd24c92fd, "rtc", "the real-time clock"),
    (0x94cf71ad_80e6_40b5_a7c6_3dc501eb2803, "bsec", "one-time-programmable memory of STM32MP SoCs"),
    (0xbc50d971_d4c9_42c4_82cb_343fb7f37896, "ftpm", "a TPM 2.0 in firmware"),
    (0xed32d533_99e6_4209_9cc0_2d72cdd998a7, "stmm", "variables of UEFI"),
    (0xf04a0fe7_1f5d_4b9b_abf7_619b85b4ce8c, "trusted-keys", "sealing of Linux's trusted keys"),
    (0x3f3eb880_3639_11ec_9b9d_0f3fc9468f50, "apdu", "raw commands to a secure element"),
    (0xcff7d191_7ca0_4784_af13_48223b9a4fbe, "qcom-pas", "firmware of Qualcomm's remote processors"),
];

/// The short name of a service and what it is, where they are known.
pub fn name(uuid: Uuid) -> Option<(&'static str, &'static str)> {
    let number = u128::from_be_bytes(uuid.octets());
    KNOWN.iter().find(|(known, ..)| *known == number).map(|(_, name, what)| (*name, *what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remoteproc_service_is_named() {
        assert_eq!(name(Uuid::REMOTEPROC_TA).unwrap().0, "remoteproc");
        assert_eq!(name(Uuid::from_octets([0; 16])), None);
    }
}
