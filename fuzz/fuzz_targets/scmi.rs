//! SCMI messages from a hostile agent, and replies from a hostile platform: an answer to everything, and no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rproc_scmi::clock::Rounding;
use rproc_scmi::{Header, MAX_MESSAGE, Request, Status, encode_request, parse_reply};
use rproc_scmi_server::{Agent, Clocks, PowerDomains, Resets, Resource, Server};

/// A SoC with a few of everything, where every second thing fails.
struct Soc;

const RATES: [u64; 30] = [24_000_000; 30];

fn name(id: u32) -> Option<&'static str> {
    (id < 4).then_some("thing")
}

fn odd(id: u32) -> Result<(), Status> {
    if id % 2 == 0 { Ok(()) } else { Err(Status::HARDWARE_ERROR) }
}

impl Clocks for Soc {
    fn count(&self) -> u16 {
        4
    }
    fn name(&self, clock: u32) -> Option<&str> {
        name(clock)
    }
    fn enabled(&mut self, clock: u32) -> Result<bool, Status> {
        odd(clock).map(|()| clock == 0)
    }
    fn set_enabled(&mut self, clock: u32, _: bool) -> Result<(), Status> {
        odd(clock)
    }
    fn rates(&self, _: u32) -> &[u64] {
        &RATES
    }
    fn rate(&mut self, clock: u32) -> Result<u64, Status> {
        odd(clock).map(|()| RATES[0])
    }
    fn set_rate(&mut self, clock: u32, _: u64, _: Rounding) -> Result<(), Status> {
        odd(clock)
    }
}

impl Resets for Soc {
    fn count(&self) -> u16 {
        4
    }
    fn name(&self, domain: u32) -> Option<&str> {
        name(domain)
    }
    fn assert(&mut self, domain: u32) -> Result<(), Status> {
        assert!(domain != 2, "a forbidden reset was pulled");
        odd(domain)
    }
    fn deassert(&mut self, domain: u32) -> Result<(), Status> {
        assert!(domain != 2, "a forbidden reset was let go");
        odd(domain)
    }
}

impl PowerDomains for Soc {
    fn count(&self) -> u16 {
        4
    }
    fn name(&self, domain: u32) -> Option<&str> {
        name(domain)
    }
    fn is_on(&mut self, domain: u32) -> Result<bool, Status> {
        odd(domain).map(|()| true)
    }
    fn set_on(&mut self, domain: u32, _: bool) -> Result<(), Status> {
        odd(domain)
    }
}

static AGENTS: [Agent; 1] = [Agent { name: "fuzzer" }];

fuzz_target!(|bytes: &[u8]| {
    let mut server = Server::new(Soc, &AGENTS, |_, resource| resource != Resource::Reset(2));
    let Ok(answer) = server.handle(0, bytes) else {
        assert!(bytes.len() < 4);
        return;
    };
    assert!((8..=MAX_MESSAGE).contains(&answer.as_bytes().len()));
    let Ok((header, payload)) = Header::split(bytes) else { return };
    if let Ok(request) = Request::decode(header, payload) {
        assert!(parse_reply(header.token, &request, answer.as_bytes()).is_ok());
        let again = encode_request(header.token, &request);
        let split = Header::split(again.as_bytes()).expect("a header");
        assert_eq!(Request::decode(split.0, split.1), Ok(request));
        // The rest of the input as a reply to that very command.
        let _ = parse_reply(header.token, &request, &[&bytes[..4], &[0; 4], payload].concat());
    }
});
