//! A UART that is always ready to transmit and collects what firmware prints, line by line.

use super::RegisterWrite;

/// Interrupt and status register: transmit register empty, transmission complete, both enables acknowledged.
const ISR: u32 = 0x1C;
const ISR_IDLE: u32 = 0x0060_00C0;
/// Transmit data register.
const TDR: u32 = 0x28;
/// A line longer than this is cut, so that output without a newline is seen.
const MAX_LINE: usize = 512;

/// One UART.
#[derive(Debug, Default)]
pub struct Uart {
    registers: std::collections::BTreeMap<u32, u32>,
    line: Vec<u8>,
}

impl Uart {
    /// Register read: the status register says idle, the others read back.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            ISR => ISR_IDLE,
            _ => self.registers.get(&offset).copied().unwrap_or(0),
        }
    }

    /// Register write. Returns a line when this write has completed one.
    pub fn write(&mut self, offset: u32, write: RegisterWrite) -> Option<String> {
        if offset != TDR {
            let slot = self.registers.entry(offset).or_insert(0);
            *slot = write.merge(*slot);
            return None;
        }
        let byte = (write.value & 0xFF) as u8;
        if byte != b'\n' {
            self.line.push(byte);
        }
        (byte == b'\n' || self.line.len() >= MAX_LINE).then(|| self.take_line()).flatten()
    }

    /// The unfinished line, which begins anew.
    pub fn take_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        (!line.is_empty()).then(|| text.trim_end_matches('\r').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_lines() {
        let mut uart = Uart::default();
        let lines: Vec<String> = b"one\r\ntwo\nrest"
            .iter()
            .filter_map(|b| uart.write(TDR, RegisterWrite::word(u32::from(*b))))
            .collect();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(uart.take_line().as_deref(), Some("rest"));
        assert_eq!(uart.take_line(), None);
        assert_eq!(uart.read(ISR), ISR_IDLE);
    }
}
