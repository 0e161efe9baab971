//! An echo that fails on demand: announces `rproc-obey`, sends every message back, and then does what the message says.
//!
//! * `fault`: executes an undefined instruction; the default handler reports it in the trace buffer and spins.
//! * `hang`: spins with interrupts held back, so not even a shutdown request is seen.
//! * `reset`: asks the system to reset this processor.
//! * `starve`: starts the watchdog and never feeds it, while echoing goes on.
//! * `feed`: starts the watchdog, feeds it five times in four fifths of its period each, then echoes on, unfed.
//! * `deaf`: does not acknowledge the shutdown request that comes later.
//! * `late`: acknowledges it, 700 ms late: Linux waits 500 ms.
//!
//! Any other message is only sent back.
#![no_std]
#![no_main]

use rproc_echo::{Conduct, serve};
use rproc_runtime::{cortex_m, log, tick, watchdog};

rproc_runtime::entry!(main);

/// Milliseconds between a shutdown request and its acknowledgement.
const LATENESS: u32 = 700;

/// What the last message asks for.
#[derive(Clone, Copy)]
enum Order {
    Fault,
    Hang,
    Reset,
    Starve,
    Feed,
}

/// How it will take a shutdown request.
enum Hearing {
    Good,
    Late,
    Deaf,
}

struct Obedient {
    order: Option<Order>,
    hearing: Hearing,
}

impl Conduct for Obedient {
    const CHANNEL: &'static str = "rproc-obey";

    fn hear(&mut self, message: &[u8]) -> bool {
        match message {
            b"fault" => self.order = Some(Order::Fault),
            b"hang" => self.order = Some(Order::Hang),
            b"reset" => self.order = Some(Order::Reset),
            b"starve" => self.order = Some(Order::Starve),
            b"feed" => self.order = Some(Order::Feed),
            b"late" => self.hearing = Hearing::Late,
            b"deaf" => self.hearing = Hearing::Deaf,
            _ => {}
        }
        self.order.is_some()
    }

    fn settled(&mut self) {
        let Some(order) = self.order.take() else { return };
        match order {
            Order::Fault => {
                log!("obey: about to fault");
                cortex_m::undefined_instruction()
            }
            Order::Hang => {
                log!("obey: hangs");
                cortex_m::without_interrupts(|| {
                    loop {
                        core::hint::spin_loop();
                    }
                })
            }
            Order::Reset => {
                log!("obey: asks for a reset");
                cortex_m::request_reset()
            }
            Order::Starve => {
                log!("obey: the watchdog runs and is not fed");
                watchdog::start();
            }
            Order::Feed => {
                watchdog::start();
                for _ in 0..5 {
                    tick::wait(watchdog::PERIOD * 4 / 5);
                    watchdog::feed();
                }
                log!("obey: the watchdog is no longer fed");
            }
        }
    }

    fn shut_down(&mut self) -> bool {
        match self.hearing {
            Hearing::Good => true,
            Hearing::Late => {
                log!("obey: will shut down in {LATENESS} ms");
                tick::wait(LATENESS);
                true
            }
            Hearing::Deaf => {
                log!("obey: does not shut down");
                false
            }
        }
    }
}

fn main() -> ! {
    serve(Obedient { order: None, hearing: Hearing::Good })
}
