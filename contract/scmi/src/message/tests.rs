//! Every command and every reply survives the wire, and every size but its own is refused.

use super::*;
use crate::Name;
use crate::base::ProtocolList;
use crate::clock::{Rates, Rounding};
use crate::power::State;
use crate::reset::Action;
use proptest::prelude::*;

fn protocols() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![Protocol::Base, Protocol::Power, Protocol::Clock, Protocol::Reset])
}

fn requests() -> impl Strategy<Value = Request> {
    let n = any::<u32>;
    prop_oneof![
        protocols().prop_map(Request::Version),
        protocols().prop_map(Request::Attributes),
        (protocols(), n()).prop_map(|(protocol, message)| Request::MessageAttributes { protocol, message }),
        prop_oneof![
            Just(base::Request::Vendor),
            Just(base::Request::SubVendor),
            Just(base::Request::ImplementationVersion),
            n().prop_map(|skip| base::Request::Protocols { skip }),
            n().prop_map(|agent| base::Request::Agent { agent }),
        ]
        .prop_map(Request::Base),
        prop_oneof![
            n().prop_map(|domain| power::Request::DomainAttributes { domain }),
            (n(), n()).prop_map(|(domain, state)| power::Request::StateSet { domain, state: State(state) }),
            n().prop_map(|domain| power::Request::StateGet { domain }),
        ]
        .prop_map(Request::Power),
        prop_oneof![
            n().prop_map(|clock| clock::Request::ClockAttributes { clock }),
            (n(), n()).prop_map(|(clock, index)| clock::Request::DescribeRates { clock, index }),
            (n(), any::<u64>(), prop::sample::select(vec![Rounding::Down, Rounding::Up, Rounding::Auto]))
                .prop_map(|(clock, rate, rounding)| clock::Request::RateSet { clock, rate, rounding }),
            n().prop_map(|clock| clock::Request::RateGet { clock }),
            (n(), any::<bool>()).prop_map(|(clock, enable)| clock::Request::ConfigSet { clock, enable }),
            n().prop_map(|clock| clock::Request::ConfigGet { clock }),
        ]
        .prop_map(Request::Clock),
        prop_oneof![
            n().prop_map(|domain| reset::Request::DomainAttributes { domain }),
            (n(), prop::sample::select(vec![Action::Autonomous, Action::Assert, Action::Deassert]), n())
                .prop_map(|(domain, action, state)| reset::Request::Reset { domain, action, state }),
        ]
        .prop_map(Request::Reset),
    ]
}

/// A reply that fits the command, made from free numbers.
fn reply_to(request: &Request, words: [u32; 3], long: u64, name: Name, rates: &[u64]) -> Reply {
    let [a, b, c] = words;
    match request {
        Request::Version(_) => Reply::Version(a),
        Request::MessageAttributes { .. } => Reply::MessageAttributes(a),
        Request::Attributes(protocol) => Reply::Attributes(match protocol {
            Protocol::Base => Attributes::Base { protocols: a as u8, agents: b as u8 },
            Protocol::Power => Attributes::Power { domains: a as u16 },
            Protocol::Clock => Attributes::Clock { clocks: a as u16, pending: b as u8 },
            Protocol::Reset => Attributes::Reset { domains: a as u16 },
        }),
        Request::Base(request) => Reply::Base(match request {
            base::Request::Vendor => base::Reply::Vendor(name),
            base::Request::SubVendor => base::Reply::SubVendor(name),
            base::Request::ImplementationVersion => base::Reply::ImplementationVersion(a),
            base::Request::Protocols { .. } => {
                base::Reply::Protocols(ProtocolList::new(rates.iter().map(|rate| *rate as u8)))
            }
            base::Request::Agent { .. } => base::Reply::Agent { agent: a, name },
        }),
        Request::Power(request) => Reply::Power(match request {
            power::Request::DomainAttributes { .. } => power::Reply::DomainAttributes { flags: a, name },
            power::Request::StateSet { .. } => power::Reply::StateSet,
            power::Request::StateGet { .. } => power::Reply::StateGet(State(a)),
        }),
        Request::Clock(request) => Reply::Clock(match request {
            clock::Request::ClockAttributes { .. } => clock::Reply::ClockAttributes {
                enabled: a & 1 == 0,
                name,
                latency: (b & 1 == 0).then_some(c),
            },
            clock::Request::DescribeRates { .. } if a & 1 == 0 => {
                clock::Reply::DescribeRates(Rates::list(rates))
            }
            clock::Request::DescribeRates { .. } => {
                clock::Reply::DescribeRates(Rates::Range { lowest: long, highest: a.into(), step: b.into() })
            }
            clock::Request::RateSet { .. } => clock::Reply::RateSet,
            clock::Request::RateGet { .. } => clock::Reply::RateGet(long),
            clock::Request::ConfigSet { .. } => clock::Reply::ConfigSet,
            clock::Request::ConfigGet { .. } => clock::Reply::ConfigGet { enabled: a & 1 == 0 },
        }),
        Request::Reset(request) => Reply::Reset(match request {
            reset::Request::DomainAttributes { .. } => {
                reset::Reply::DomainAttributes { attributes: a, latency: b, name }
            }
            reset::Request::Reset { .. } => reset::Reply::Reset,
        }),
    }
}

proptest! {
    #[test]
    fn every_request_survives_the_wire(token in 0..=Header::MAX_TOKEN, request in requests()) {
        let message = encode_request(token, &request);
        let (header, payload) = Header::split(message.as_bytes()).unwrap();
        prop_assert_eq!(header, request.header(token));
        prop_assert!(request.protocol().implements(header.message.into()));
        prop_assert_eq!(Request::decode(header, payload), Ok(request));
    }

    #[test]
    fn a_request_of_another_size_is_refused(request in requests(), more in 1usize..4) {
        let message = encode_request(0, &request);
        let (header, payload) = Header::split(message.as_bytes()).unwrap();
        let longer = [payload, &[0; 4][..more]].concat();
        let longer = Request::decode(header, &longer);
        prop_assert!(matches!(longer, Err(BadMessage::Size { .. })), "{:?}", longer);
        if let Some(cut) = payload.len().checked_sub(more) {
            let cut = Request::decode(header, &payload[..cut]);
            prop_assert!(matches!(cut, Err(BadMessage::Size { .. })), "{:?}", cut);
        }
    }

    #[test]
    fn every_reply_survives_the_wire(
        request in requests(), token in 0..=Header::MAX_TOKEN, words: [u32; 3], long: u64, name: [u8; 16],
        rates in prop::collection::vec(any::<u64>(), 0..40),
    ) {
        let reply = reply_to(&request, words, long, Name::from_wire(&name), &rates);
        let message = encode_reply(request.header(token), Ok(reply));
        prop_assert_eq!(parse_reply(token, &request, message.as_bytes()), Ok(Ok(reply)));
        let other = parse_reply(token ^ 1, &request, message.as_bytes());
        prop_assert!(matches!(other, Err(BadMessage::Header { .. })), "{:?}", other);
        let cut = parse_reply(token, &request, &message.as_bytes()[..message.as_bytes().len() - 1]);
        prop_assert!(matches!(cut, Err(BadMessage::Size { .. })), "{:?}", cut);
    }

    #[test]
    fn every_refusal_survives_the_wire(request in requests(), status in prop::sample::select(Status::ALL)) {
        let message = encode_reply(request.header(3), Err(status));
        prop_assert_eq!(parse_reply(3, &request, message.as_bytes()), Ok(Err(status)));
    }

    #[test]
    fn no_bytes_do_harm(request in requests(), bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok((header, payload)) = Header::split(&bytes)
            && let Ok(understood) = Request::decode(header, payload)
        {
            let again = encode_request(header.token, &understood);
            let (header, payload) = Header::split(again.as_bytes()).unwrap();
            prop_assert_eq!(Request::decode(header, payload), Ok(understood));
        }
        let _ = parse_reply(0, &request, &bytes);
        let header = request.header(0).word().to_le_bytes();
        let _ = parse_reply(0, &request, &[&header[..], &[0; 4], &bytes].concat());
    }
}

#[test]
fn wire_images_are_those_of_the_specification() {
    let request = Request::Clock(clock::Request::ConfigSet { clock: 106, enable: true });
    let header = 7u32 | 0x14 << 10 | 9 << 18;
    let words = [header, 106, 1, 0].map(u32::to_le_bytes);
    assert_eq!(encode_request(9, &request).as_bytes(), words.concat());
    let request = Request::Reset(reset::Request::Reset {
        domain: 3,
        action: Action::Assert,
        state: reset::Request::COLD,
    });
    let words = [4 | 0x16 << 10, 3, 2, 0x8000_0001].map(u32::to_le_bytes);
    assert_eq!(encode_request(0, &request).as_bytes(), words.concat());
    let request = Request::Power(power::Request::StateSet { domain: 1, state: State::OFF });
    let words = [4 | 0x11 << 10, 0, 1, 1 << 30].map(u32::to_le_bytes);
    assert_eq!(encode_request(0, &request).as_bytes(), words.concat());
}

#[test]
fn what_means_nothing_here_is_refused_with_the_right_status() {
    let decode = |protocol, message, words: &[u32]| {
        let header = Header { message, kind: MessageType::Command, protocol, token: 0 };
        let payload: std::vec::Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Request::decode(header, &payload).map_err(|error| error.status())
    };
    assert_eq!(decode(0x13, 0, &[]), Err(Status::NOT_SUPPORTED));
    assert_eq!(decode(0x14, 9, &[0, 0]), Err(Status::NOT_SUPPORTED));
    assert_eq!(decode(0x14, 7, &[1]), Err(Status::PROTOCOL_ERROR));
    assert_eq!(decode(0x14, 5, &[1, 0, 0, 0]), Err(Status::INVALID_PARAMETERS), "asynchronous");
    assert_eq!(decode(0x14, 7, &[1, 2, 0]), Err(Status::INVALID_PARAMETERS));
    assert_eq!(decode(0x16, 4, &[1, 4, 0]), Err(Status::INVALID_PARAMETERS), "asynchronous");
    assert_eq!(decode(0x11, 4, &[1, 0, 0]), Err(Status::INVALID_PARAMETERS), "asynchronous");
    // Linux before 6.8 leaves the last word of CLOCK_CONFIG_SET out.
    let enable = Request::Clock(clock::Request::ConfigSet { clock: 5, enable: true });
    assert_eq!(decode(0x14, 7, &[5, 1]), Ok(enable));
    let notification = Header { message: 0, kind: MessageType::Notification, protocol: 0x10, token: 0 };
    assert!(matches!(Request::decode(notification, &[]), Err(BadMessage::Header { .. })));
}

#[test]
fn a_whole_reply_never_outgrows_a_message() {
    let all: std::vec::Vec<u64> = (0..100).collect();
    let reply = clock::Reply::DescribeRates(Rates::list(&all));
    let request = Request::Clock(clock::Request::DescribeRates { clock: 0, index: 0 });
    let message = encode_reply(request.header(0), Ok(Reply::Clock(reply)));
    assert_eq!(message.as_bytes().len(), 12 + 8 * Rates::MAX);
    assert!(message.as_bytes().len() <= MAX_MESSAGE);
    let long = [message.as_bytes(), &[0; 8]].concat();
    assert!(matches!(parse_reply(0, &request, &long), Err(BadMessage::TooLong { .. })));
}
