//! Values of `rproc sign`'s options as people type them.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use rproc_abi::ProcessorId;
use rproc_image::{Target, TlvKind};

/// A 32-bit number, decimal or hexadecimal with `0x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u32);

impl FromStr for Number {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            // `from_str_radix` takes a sign, which a person would not expect after 0x.
            Some(digits) if digits.starts_with('+') => None,
            Some(digits) => u32::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        parsed.map(Self).ok_or_else(|| "expected a 32-bit number such as 0x80100000 or 42".to_owned())
    }
}

/// `SOC:PROCESSOR`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetName {
    /// The processor.
    pub processor: ProcessorId,
    /// The SoC, as the platform calls itself.
    pub soc: String,
}

impl FromStr for TargetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (soc, processor) =
            text.split_once(':').ok_or("expected SOC:PROCESSOR, for example stm32mp257:m33")?;
        let processor = ProcessorId::from_name(processor)
            .ok_or_else(|| format!("there is no processor {processor:?}: use m4, m33 or m0"))?;
        Target::new(processor.0, soc).map_err(|error| error.to_string())?;
        Ok(Self { processor, soc: soc.to_owned() })
    }
}

impl Display for TargetName {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.soc, self.processor)
    }
}

/// `ID=VALUE`: a TLV of the platform's range, with the value that OP-TEE's script makes of the same text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformTlv {
    /// Its type.
    pub kind: TlvKind,
    /// Its value.
    pub value: Vec<u8>,
}

impl FromStr for PlatformTlv {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text.split_once('=').ok_or("expected ID=VALUE, for example 0x10042=0x1")?;
        let Number(kind) = kind.parse()?;
        if !TlvKind(kind).is_platform() {
            return Err(format!("TLV {kind:#x} is not a platform TLV: their ids are 0x10000 to 0x1ffff"));
        }
        if value.is_empty() {
            return Err(format!("TLV {kind:#x} has no value: write {kind:#x}=VALUE"));
        }
        let value = if value.starts_with("0x") {
            let Number(value) = value.parse()?;
            value.to_le_bytes().to_vec()
        } else {
            value.as_bytes().to_vec()
        };
        Ok(Self { kind: TlvKind(kind), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        for (text, number) in [("42", 42), ("0x2A", 42), ("0X2a", 42), ("0xffffffff", u32::MAX)] {
            assert_eq!(text.parse(), Ok(Number(number)), "{text}");
        }
        for text in ["", "0x", "0x+1", "-1", "0x100000000", "4294967296", "1e3", "2a"] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }

    #[test]
    fn targets_name_a_soc_and_a_processor() {
        let target: TargetName = "stm32mp257:m33".parse().unwrap();
        assert_eq!((target.processor, target.soc.as_str()), (ProcessorId::CORTEX_M33, "stm32mp257"));
        for text in ["stm32mp257", "stm32mp257:", ":m33", "a b:m33", "stm32mp257:m7"] {
            assert!(text.parse::<TargetName>().is_err(), "{text}");
        }
    }

    #[test]
    fn platform_tlvs_are_words_or_text() {
        let value = |text: &str| text.parse::<PlatformTlv>().map(|tlv| tlv.value);
        assert_eq!(value("0x10042=0x1"), Ok(vec![1, 0, 0, 0]));
        assert_eq!(value("65602=12"), Ok(b"12".to_vec()), "text without 0x, as the script takes it");
        assert_eq!(value("0x10042=a=b"), Ok(b"a=b".to_vec()));
        for text in
            ["0x10042", "0x10042=", "0xffff=1", "0x20000=1", "x=1", "0x10042=0x", "0x10042=0x1ffffffff"]
        {
            assert!(text.parse::<PlatformTlv>().is_err(), "{text}");
        }
    }
}
