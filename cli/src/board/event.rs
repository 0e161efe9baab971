//! What `rproc board serve` reports: one value an event.

use rproc_board::Happening;
use rproc_board::serve::Notice;
use serde::Serialize;

/// One event. Field names are stable; `docs/board-serve.md` describes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ServeEvent {
    /// The socket can be connected to.
    Listening { socket: String, board: String },
    /// A machine has attached the board.
    Attached {},
    /// The board has power.
    PoweredOn { board: String, ddr_size: u64 },
    /// The board lost its power.
    PoweredOff {},
    /// The Cortex-M33 runs.
    Released { board_us: u64, vector_table: u32, secure: bool },
    /// The Cortex-M33 is held in reset.
    Held { board_us: u64 },
    /// The Cortex-M33 crashed.
    Crashed { board_us: u64, reason: String },
    /// The Cortex-M33 reset itself.
    ResetRequested { board_us: u64 },
    /// The firewall refused an access.
    IllegalAccess { board_us: u64, initiator: String, address: u64, text: String },
    /// A line on a UART.
    Uart { board_us: u64, uart: u64, line: String },
    /// Worth a look, ends nothing.
    Note { text: String },
    /// The machine has closed the connection.
    Detached {},
    /// The end, always last.
    Finished { exit_code: u8, reason: String },
}

impl ServeEvent {
    /// The event of a notice.
    pub fn of(notice: &Notice) -> Self {
        let Notice::Board(event) = notice else {
            return match notice {
                Notice::Attached => Self::Attached {},
                Notice::PoweredOn { board, shared } => {
                    Self::PoweredOn { board: board.clone(), ddr_size: *shared }
                }
                Notice::PoweredOff => Self::PoweredOff {},
                Notice::Detached => Self::Detached {},
                other => Self::Note { text: other.to_string() },
            };
        };
        let board_us = event.at.as_micros() as u64;
        match &event.what {
            Happening::Released { vector_table, secure, .. } => {
                Self::Released { board_us, vector_table: *vector_table, secure: *secure }
            }
            Happening::Held { .. } => Self::Held { board_us },
            Happening::Crashed(report) => Self::Crashed { board_us, reason: report.to_string() },
            Happening::ResetRequested { .. } => Self::ResetRequested { board_us },
            Happening::IllegalAccess(error) => Self::IllegalAccess {
                board_us,
                initiator: error.initiator.to_string(),
                address: error.address,
                text: error.to_string(),
            },
            Happening::UartLine { uart, line } => Self::Uart { board_us, uart: *uart, line: line.clone() },
            Happening::WatchdogReset { .. } | Happening::Unmodelled { .. } => {
                Self::Note { text: event.what.to_string() }
            }
        }
    }
}
