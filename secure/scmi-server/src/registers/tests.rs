//! Messages against registers: what changes, what is refused, and what an agent without the right gets.

use super::*;
use crate::{Agent, Resource, ScmiService, Server, stm32mp15, stm32mp25};
use rproc_abi::scmi::{Answer, Command, capability};
use rproc_abi::{Client, Login, OutOfRange, ProcessorId, SharedMemory, TeeResult, Uuid};
use rproc_platform::AccessError;
use rproc_scmi::{
    Attributes, MAX_MESSAGE, Name, Protocol, Reply, Request, base, clock, encode_request, parse_reply, power,
    reset,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::vec::Vec;

/// Registers that keep what is written, but for those that are said to be stuck, out of reach, or to clear themselves.
#[derive(Clone, Default)]
pub(crate) struct Registers {
    words: Rc<RefCell<BTreeMap<u64, u32>>>,
    stuck: Rc<RefCell<Vec<u64>>>,
    closed: Rc<RefCell<Vec<u64>>>,
    pulses: Rc<RefCell<Vec<u64>>>,
    /// Resets that clear themselves and do not happen.
    lost: Rc<RefCell<Vec<u64>>>,
}

impl Registers {
    fn get(&self, address: u64) -> u32 {
        self.words.borrow().get(&address).copied().unwrap_or(0)
    }
}

impl Hardware for Registers {
    fn read32(&mut self, address: u64) -> Result<u32, AccessError> {
        if self.closed.borrow().contains(&address) {
            return Err(AccessError { address, size: 4 });
        }
        Ok(self.get(address))
    }

    fn write32(&mut self, address: u64, value: u32) -> Result<(), AccessError> {
        if self.closed.borrow().contains(&address) {
            return Err(AccessError { address, size: 4 });
        }
        // Resets clear themselves; the STM32MP15's AHB5 gates are set in one register and cleared in the next.
        match address {
            0x4420_0404 | 0x4420_040c | 0x5000_0404 if !self.stuck.borrow().contains(&address) => {
                self.pulses.borrow_mut().push(address);
                let cause = match address {
                    0x4420_040c => Some((0x4420_0424, 1 << 14)),
                    0x5000_0404 => Some((0x5000_0c00, 1 << 5)),
                    _ => None,
                };
                if let Some((register, bit)) = cause.filter(|_| !self.lost.borrow().contains(&address)) {
                    *self.words.borrow_mut().entry(register).or_default() |= bit;
                }
            }
            _ if self.stuck.borrow().contains(&address) => {
                // A pulse that never ends, or a register that keeps its old value.
                if matches!(address, 0x4420_0404 | 0x4420_040c | 0x5000_0404) {
                    self.words.borrow_mut().insert(address, value);
                }
            }
            0x4420_0428 => *self.words.borrow_mut().entry(0x4420_0424).or_default() &= !value,
            0x5000_0c00 => *self.words.borrow_mut().entry(address).or_default() &= !value,
            0x5000_0210 => *self.words.borrow_mut().entry(address).or_default() |= value,
            0x5000_0214 => *self.words.borrow_mut().entry(0x5000_0210).or_default() &= !value,
            _ => drop(self.words.borrow_mut().insert(address, value)),
        }
        Ok(())
    }

    fn read_memory(&mut self, address: u64, into: &mut [u8]) -> Result<(), AccessError> {
        Err(AccessError { address, size: into.len() as u64 })
    }

    fn write_memory(&mut self, address: u64, from: &[u8]) -> Result<(), AccessError> {
        Err(AccessError { address, size: from.len() as u64 })
    }

    fn fill_memory(&mut self, address: u64, size: u64, _: u8) -> Result<(), AccessError> {
        Err(AccessError { address, size })
    }
}

static AGENTS: [Agent; 2] = [Agent { name: "linux" }, Agent { name: "other" }];

/// Linux may not touch the resets of the M33 and M4; the other agent may touch everything.
fn rights(channel: u32, resource: Resource) -> bool {
    let owned = [stm32mp25::resets_of(ProcessorId::CORTEX_M33), stm32mp15::resets_of(ProcessorId::CORTEX_M4)]
        .concat();
    channel != 0 || !owned.iter().any(|id| resource == Resource::Reset(*id))
}

type Rule = fn(u32, Resource) -> bool;

fn server(tables: &'static Tables) -> (Server<RegisterSoc<Registers>, Rule>, Registers) {
    let registers = Registers::default();
    (Server::new(RegisterSoc::new(registers.clone(), tables), &AGENTS, rights), registers)
}

fn ask<R: crate::Rights>(
    server: &mut Server<RegisterSoc<Registers>, R>,
    channel: u32,
    request: Request,
) -> Result<Reply, Status> {
    let message = encode_request(5, &request);
    let reply = server.handle(channel, message.as_bytes()).unwrap();
    parse_reply(5, &request, reply.as_bytes()).unwrap()
}

fn enable(clock: u32, enable: bool) -> Request {
    Request::Clock(clock::Request::ConfigSet { clock, enable })
}

fn pull(domain: u32, action: reset::Action) -> Request {
    Request::Reset(reset::Request::Reset { domain, action, state: reset::Request::COLD })
}

#[test]
fn a_platform_says_what_it_is() {
    let (mut server, _) = server(&stm32mp25::TABLES);
    let attributes = ask(&mut server, 0, Request::Attributes(Protocol::Base));
    assert_eq!(attributes, Ok(Reply::Attributes(Attributes::Base { protocols: 3, agents: 2 })));
    let clocks = ask(&mut server, 0, Request::Attributes(Protocol::Clock));
    assert_eq!(clocks, Ok(Reply::Attributes(Attributes::Clock { clocks: 130, pending: 0 })));
    let Ok(Reply::Base(base::Reply::Protocols(list))) =
        ask(&mut server, 0, Request::Base(base::Request::Protocols { skip: 1 }))
    else {
        panic!("no list")
    };
    assert_eq!(list.ids(), [0x14, 0x16]);
    for (agent, expected) in
        [(0, Ok("platform")), (1, Ok("linux")), (2, Ok("other")), (3, Err(Status::NOT_FOUND))]
    {
        let reply = ask(&mut server, 1, Request::Base(base::Request::Agent { agent }));
        let expected = expected.map(|name| Reply::Base(base::Reply::Agent { agent, name: Name::new(name) }));
        assert_eq!(reply, expected);
    }
    let own = ask(&mut server, 1, Request::Base(base::Request::Agent { agent: base::Request::ASKING_AGENT }));
    assert_eq!(own, Ok(Reply::Base(base::Reply::Agent { agent: 2, name: Name::new("other") })));
    let asked = |message| Request::MessageAttributes { protocol: Protocol::Clock, message };
    assert_eq!(ask(&mut server, 0, asked(11)), Ok(Reply::MessageAttributes(0)));
    assert_eq!(ask(&mut server, 0, asked(9)), Err(Status::NOT_FOUND));
}

#[test]
fn a_clock_is_its_bit_and_leaves_the_other_bits_alone() {
    let (mut server, registers) = server(&stm32mp25::TABLES);
    registers.words.borrow_mut().insert(0x4420_0574, 0x8);
    assert_eq!(
        ask(&mut server, 0, enable(stm32mp25::IPCC2, true)),
        Ok(Reply::Clock(clock::Reply::ConfigSet))
    );
    assert_eq!(registers.get(0x4420_0574), 0xa);
    let state = Request::Clock(clock::Request::ConfigGet { clock: stm32mp25::IPCC2 });
    assert_eq!(ask(&mut server, 0, state), Ok(Reply::Clock(clock::Reply::ConfigGet { enabled: true })));
    assert!(ask(&mut server, 0, enable(stm32mp25::IPCC2_AM, false)).is_ok());
    assert!(ask(&mut server, 0, enable(stm32mp25::IPCC2, false)).is_ok());
    assert_eq!(registers.get(0x4420_0574), 0);
    assert_eq!(ask(&mut server, 0, enable(1, true)), Err(Status::NOT_FOUND));
    assert_eq!(ask(&mut server, 0, enable(999, true)), Err(Status::NOT_FOUND));
    // The bus of everything goes on.
    assert!(ask(&mut server, 0, enable(0, false)).is_ok());
    let state = Request::Clock(clock::Request::ConfigGet { clock: 0 });
    assert_eq!(ask(&mut server, 0, state), Ok(Reply::Clock(clock::Reply::ConfigGet { enabled: true })));
}

#[test]
fn set_and_clear_registers_are_used_as_such() {
    let (mut server, registers) = server(&stm32mp15::TABLES);
    assert!(ask(&mut server, 0, enable(16, true)).is_ok());
    assert!(ask(&mut server, 0, enable(11, true)).is_ok());
    assert_eq!(registers.get(0x5000_0210), 0x41);
    assert!(ask(&mut server, 0, enable(16, false)).is_ok());
    assert_eq!(registers.get(0x5000_0210), 1);
}

#[test]
fn linux_may_not_touch_the_resets_of_a_processor_that_the_tee_owns() {
    use reset::Action;
    for (tables, reset, hold, boot) in
        [(&stm32mp25::TABLES, 1, 3, 0x4420_0434), (&stm32mp15::TABLES, 10, 11, 0x5000_010c)]
    {
        let (mut server, registers) = server(tables);
        registers.words.borrow_mut().insert(boot, 2);
        for domain in [reset, hold] {
            for action in [Action::Assert, Action::Deassert, Action::Autonomous] {
                assert_eq!(ask(&mut server, 0, pull(domain, action)), Err(Status::DENIED));
            }
        }
        assert_eq!((registers.get(boot), registers.pulses.borrow().len()), (2, 0));
        assert!(ask(&mut server, 1, pull(hold, Action::Deassert)).is_ok());
        assert_eq!(registers.get(boot), 3);
        assert!(ask(&mut server, 1, pull(hold, Action::Assert)).is_ok());
        assert_eq!(registers.get(boot), 2);
        assert!(ask(&mut server, 1, pull(reset, Action::Autonomous)).is_ok());
        assert_eq!(registers.pulses.borrow().len(), 1);
        // Looking is free.
        let look = Request::Reset(reset::Request::DomainAttributes { domain: reset });
        assert!(ask(&mut server, 0, look).is_ok());
        assert_eq!(ask(&mut server, 0, pull(77, Action::Assert)), Err(Status::NOT_FOUND));
    }
}

#[test]
fn hardware_that_does_not_obey_is_an_error_with_its_register() {
    let (mut server, registers) = server(&stm32mp25::TABLES);
    registers.stuck.borrow_mut().extend([0x4420_0574, 0x4420_040c]);
    registers.closed.borrow_mut().push(0x4420_0558);
    for (request, register, reason) in [
        (enable(stm32mp25::IPCC2, true), 0x4420_0574, Reason::RegisterReadBack),
        (enable(stm32mp25::GPIOZ, true), 0x4420_0558, Reason::RegisterAccess),
        (pull(stm32mp25::C2_R, reset::Action::Assert), 0x4420_040c, Reason::RegisterReadBack),
    ] {
        assert_eq!(ask(&mut server, 1, request), Err(Status::HARDWARE_ERROR));
        let refusal = server.soc().refusal().unwrap();
        assert_eq!((refusal.reason, refusal.place), (reason, Place::Register { address: register }));
    }
}

#[test]
fn a_reset_that_does_not_happen_is_found_out() {
    for (tables, domain, register) in [
        (&stm32mp25::TABLES, stm32mp25::C2_R, 0x4420_040c),
        (&stm32mp15::TABLES, stm32mp15::MCU, 0x5000_0404),
    ] {
        let (mut server, registers) = server(tables);
        // The cause of the one before is no proof of the next.
        for lost in [false, true] {
            if lost {
                registers.lost.borrow_mut().push(register);
            }
            let expected = if lost { Some(Status::HARDWARE_ERROR) } else { None };
            assert_eq!(ask(&mut server, 1, pull(domain, reset::Action::Autonomous)).err(), expected);
        }
        assert_eq!(server.soc().refusal().unwrap().place, Place::Register { address: register });
    }
}

#[test]
fn power_domains_keep_what_was_asked() {
    let (mut server, _) = server(&stm32mp25::TABLES);
    let set = |domain, state| Request::Power(power::Request::StateSet { domain, state });
    let get = |domain| Request::Power(power::Request::StateGet { domain });
    assert!(ask(&mut server, 0, set(1, power::State::OFF)).is_ok());
    for (domain, state) in [(0, power::State::ON), (1, power::State::OFF)] {
        assert_eq!(ask(&mut server, 0, get(domain)), Ok(Reply::Power(power::Reply::StateGet(state))));
    }
    assert!(ask(&mut server, 0, set(1, power::State::ON)).is_ok());
    assert_eq!(ask(&mut server, 0, get(1)), Ok(Reply::Power(power::Reply::StateGet(power::State::ON))));
    assert_eq!(ask(&mut server, 0, set(1, power::State(7))), Err(Status::INVALID_PARAMETERS));
    assert_eq!(ask(&mut server, 0, get(2)), Err(Status::NOT_FOUND));
}

#[test]
fn rates_are_described_and_rounded() {
    let (mut server, _) = server(&stm32mp25::TABLES);
    let describe = |index| Request::Clock(clock::Request::DescribeRates { clock: 0, index });
    let expected = clock::Rates::list(&[400_000_000]);
    assert_eq!(ask(&mut server, 0, describe(0)), Ok(Reply::Clock(clock::Reply::DescribeRates(expected))));
    assert_eq!(ask(&mut server, 0, describe(2)), Err(Status::OUT_OF_RANGE));
    for (rate, rounding, reached) in [
        (500_000_000, Rounding::Down, true),
        (500_000_000, Rounding::Up, false),
        (300_000_000, Rounding::Up, true),
        (300_000_000, Rounding::Down, false),
        (1, Rounding::Auto, true),
    ] {
        let request = Request::Clock(clock::Request::RateSet { clock: 0, rate, rounding });
        assert_eq!(ask(&mut server, 0, request).is_ok(), reached, "{rate} {rounding:?}");
    }
    let get = Request::Clock(clock::Request::RateGet { clock: 106 });
    assert_eq!(ask(&mut server, 0, get), Ok(Reply::Clock(clock::Reply::RateGet(200_000_000))));
}

#[test]
fn names_fit_and_numbers_ascend() {
    for tables in [&stm32mp15::TABLES, &stm32mp25::TABLES] {
        let names =
            tables.clocks.iter().map(|clock| clock.name).chain(tables.resets.iter().map(|reset| reset.name));
        for name in names.chain(tables.powers.iter().map(|power| power.name)) {
            assert_eq!(Name::new(name).as_str(), name);
        }
        assert!(tables.clocks.is_sorted_by(|a, b| a.id < b.id));
        assert!(tables.resets.is_sorted_by(|a, b| a.id < b.id));
        assert!(tables.powers.is_sorted_by(|a, b| a.id < b.id && b.id < 32));
    }
}

#[derive(Clone)]
struct Memory(Rc<RefCell<Vec<u8>>>, Rc<RefCell<usize>>);

impl SharedMemory for Memory {
    fn size(&self) -> usize {
        self.0.borrow().len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), OutOfRange> {
        *self.1.borrow_mut() += into.len();
        into.copy_from_slice(&self.0.borrow()[offset..offset + into.len()]);
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result<(), OutOfRange> {
        self.0.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn part(&self, _: usize, _: usize) -> Result<Self, OutOfRange> {
        panic!("nothing here splits a buffer")
    }
}

fn memory(bytes: &[u8]) -> Memory {
    Memory(Rc::new(RefCell::new(bytes.to_vec())), Rc::default())
}

#[test]
fn the_service_copies_a_message_once_and_answers_into_the_buffer() {
    let (server, _) = server(&stm32mp25::TABLES);
    let mut service = ScmiService::new(server);
    let mut call = |command: Command<Memory>| {
        let (number, params) = command.into_params();
        let completion = service.invoke(number, params);
        (completion.result, Answer::from_outputs(number, &completion.outputs))
    };
    let capabilities = Answer::Capabilities { capabilities: capability::MSG, extensions: 0 };
    assert_eq!(call(Command::Capabilities), (TeeResult::SUCCESS, Some(capabilities)));
    let handle = |channel, capabilities| Command::GetChannelHandle { channel, capabilities };
    assert_eq!(call(handle(1, capability::MSG)), (TeeResult::SUCCESS, Some(Answer::Handle(1))));
    assert_eq!(call(handle(2, capability::MSG)).0, TeeResult::BAD_PARAMETERS);
    assert_eq!(call(handle(0, capability::SMT)).0, TeeResult::NOT_SUPPORTED);
    assert_eq!(call(Command::ProcessSmtChannel { handle: 0 }).0, TeeResult::NOT_SUPPORTED);

    let request = Request::Version(Protocol::Reset);
    let sent = encode_request(1, &request);
    let (message, reply) = (memory(sent.as_bytes()), memory(&[0; MAX_MESSAGE]));
    let process = |handle, message: &Memory, reply: &Memory| Command::ProcessMessage {
        handle,
        message: message.clone(),
        reply: reply.clone(),
    };
    assert_eq!(call(process(0, &message, &reply)), (TeeResult::SUCCESS, Some(Answer::Size(12))));
    assert_eq!(*message.1.borrow(), 4, "each byte of the message is read once");
    assert_eq!(parse_reply(1, &request, &reply.0.borrow()[..12]), Ok(Ok(Reply::Version(0x1_0000))));

    let short = memory(&[0; MAX_MESSAGE - 1]);
    assert_eq!(
        call(process(0, &message, &short)),
        (TeeResult::SHORT_BUFFER, Some(Answer::Size(MAX_MESSAGE)))
    );
    assert_eq!(call(process(2, &message, &reply)).0, TeeResult::BAD_PARAMETERS);
    assert_eq!(call(process(0, &memory(&[1, 2, 3]), &reply)).0, TeeResult::BAD_PARAMETERS);
    assert_eq!(call(process(0, &memory(&[0; MAX_MESSAGE + 1]), &reply)).0, TeeResult::BAD_PARAMETERS);
}

#[test]
fn the_service_is_the_kernels() {
    let (server, _) = server(&stm32mp25::TABLES);
    let service = ScmiService::new(server);
    assert_eq!(service.open_session(Client::KERNEL), Ok(()));
    let public = Client { login: Login::Public, uuid: Uuid::NIL };
    assert_eq!(service.open_session(public), Err(TeeResult::ACCESS_DENIED));
}

proptest::proptest! {
    #[test]
    fn any_bytes_get_an_answer_with_their_own_header(
        channel in 0u32..4,
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 4..MAX_MESSAGE),
    ) {
        let (mut server, _) = server(&stm32mp25::TABLES);
        let reply = server.handle(channel, &bytes).unwrap();
        proptest::prop_assert_eq!(&reply.as_bytes()[..3], &bytes[..3]);
        proptest::prop_assert!(reply.as_bytes().len() >= 8);
    }
}
