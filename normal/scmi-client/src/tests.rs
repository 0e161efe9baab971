//! The agent against a TEE that is told what to answer.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use rproc_abi::scmi::{Answer, Command, capability};
use rproc_abi::{Login, Origin, Output, Outputs, Params, TeeResult, Uuid};
use rproc_scmi::base::ProtocolList;
use rproc_scmi::{Header, Message, Name, Reply, Request, Status, base, encode_reply};
use rproc_tee::{MemRef, SessionId, SharedBuffer, TeeClient, TeeError};

use crate::{ScmiClient, ScmiError};

type Script = dyn Fn(Header, Request) -> Message;

/// A TEE with one SCMI channel, number 0; what it answers is the test's.
struct Tee {
    script: Box<Script>,
    capabilities: u32,
    present: bool,
    memory: RefCell<Vec<u8>>,
    open: RefCell<BTreeSet<u32>>,
    shared: RefCell<u32>,
}

#[derive(Clone)]
struct Handle(Rc<Tee>);

impl std::ops::Deref for Handle {
    type Target = Tee;

    fn deref(&self) -> &Tee {
        &self.0
    }
}

fn error(result: TeeResult) -> TeeError {
    TeeError { result, origin: Origin::TrustedApp, outputs: [Output::None; 4] }
}

impl TeeClient for Handle {
    fn open_session(&self, service: Uuid, login: Login, _: Params<MemRef>) -> Result<SessionId, TeeError> {
        assert_eq!((service, login), (Uuid::SCMI_PTA, Login::ReeKernel));
        if !self.present {
            return Err(error(TeeResult::ITEM_NOT_FOUND));
        }
        self.open.borrow_mut().insert(7);
        Ok(SessionId(7))
    }

    fn invoke(&self, session: SessionId, command: u32, params: Params<MemRef>) -> Result<Outputs, TeeError> {
        assert!(self.open.borrow().contains(&session.0));
        let command = Command::from_params(command, params).map_err(|bad| error(bad.into()))?;
        Ok(match command {
            Command::Capabilities => {
                Answer::Capabilities { capabilities: self.capabilities, extensions: 0 }.outputs()
            }
            Command::GetChannelHandle { channel: 0, capabilities: capability::MSG } => {
                Answer::Handle(40).outputs()
            }
            Command::ProcessMessage { handle: 40, message, reply } => {
                let mut memory = self.memory.borrow_mut();
                let bytes = memory[message.offset..message.offset + message.size].to_vec();
                let (header, payload) = Header::split(&bytes).unwrap();
                let answer = (self.script)(header, Request::decode(header, payload).unwrap());
                let answer = answer.as_bytes();
                memory[reply.offset..reply.offset + answer.len()].copy_from_slice(answer);
                Answer::Size(answer.len()).outputs()
            }
            _ => return Err(error(TeeResult::BAD_PARAMETERS)),
        })
    }

    fn close_session(&self, session: SessionId) {
        assert!(self.open.borrow_mut().remove(&session.0));
    }

    fn share(&self, size: usize) -> Result<SharedBuffer, TeeError> {
        *self.memory.borrow_mut() = vec![0; size];
        *self.shared.borrow_mut() += 1;
        Ok(SharedBuffer { id: 1, size })
    }

    fn unshare(&self, _: SharedBuffer) {
        *self.shared.borrow_mut() -= 1;
    }

    fn write_shared(&self, _: SharedBuffer, offset: usize, from: &[u8]) -> Result<(), TeeError> {
        self.memory.borrow_mut()[offset..offset + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn read_shared(&self, _: SharedBuffer, offset: usize, into: &mut [u8]) -> Result<(), TeeError> {
        into.copy_from_slice(&self.memory.borrow()[offset..offset + into.len()]);
        Ok(())
    }
}

fn tee(script: impl Fn(Header, Request) -> Message + 'static) -> Handle {
    Handle(Rc::new(Tee {
        script: Box::new(script),
        capabilities: capability::MSG | capability::SMT,
        present: true,
        memory: RefCell::default(),
        open: RefCell::default(),
        shared: RefCell::default(),
    }))
}

fn refuses(status: Status) -> Handle {
    tee(move |header, _| encode_reply(header, Err(status)))
}

#[test]
fn discovery_asks_until_the_list_ends() {
    let tee = tee(|header, request| {
        let Request::Base(request) = request else { panic!("{request:?}") };
        encode_reply(
            header,
            Ok(Reply::Base(match request {
                base::Request::Vendor => base::Reply::Vendor(Name::new("someone")),
                base::Request::ImplementationVersion => base::Reply::ImplementationVersion(3),
                base::Request::Protocols { skip } => base::Reply::Protocols(ProtocolList::new(
                    [0x11, 0x14, 0x16].into_iter().skip(skip as usize).take(2),
                )),
                base::Request::Agent { agent } => base::Reply::Agent { agent, name: Name::new("linux") },
                base::Request::SubVendor => panic!("nobody wants it"),
            })),
        )
    });
    let agent = ScmiClient::open(tee.clone(), 0).unwrap();
    let platform = agent.discover().unwrap();
    assert_eq!(
        (platform.vendor.as_str(), platform.version, platform.agent.as_str()),
        ("someone", 3, "linux")
    );
    assert_eq!(platform.protocols, [0x11, 0x14, 0x16]);
    drop(agent);
    assert!(tee.open.borrow().is_empty());
    assert_eq!(*tee.shared.borrow(), 0);
}

#[test]
fn a_refusal_says_what_was_asked_and_what_to_do() {
    let agent = ScmiClient::open(refuses(Status::DENIED), 0).unwrap();
    let error = agent.deassert_reset(3).unwrap_err();
    assert_eq!(error.status(), Some(Status::DENIED));
    assert_eq!(
        error.to_string(),
        "the TEE would not release reset 3: DENIED (-3): this agent may not do this; the TEE keeps it to itself, as it \
         does the resets of a processor that it owns: ask the remoteproc service"
    );
    let agent = ScmiClient::open(refuses(Status::NOT_FOUND), 0).unwrap();
    assert!(matches!(agent.clock(5), Ok(None)));
    assert!(
        agent
            .enable_clock(5)
            .unwrap_err()
            .to_string()
            .starts_with("the TEE would not switch clock 5 on: NOT_FOUND")
    );
}

#[test]
fn a_service_that_is_absent_or_speaks_otherwise_is_told_apart() {
    let mut absent = refuses(Status::BUSY);
    Rc::get_mut(&mut absent.0).unwrap().present = false;
    assert!(matches!(ScmiClient::open_if_present(absent.clone(), 0), Ok(None)));
    assert!(matches!(ScmiClient::open(absent, 0), Err(ScmiError::Open(_))));

    let mut other = refuses(Status::BUSY);
    Rc::get_mut(&mut other.0).unwrap().capabilities = capability::SMT;
    assert!(matches!(ScmiClient::open(other.clone(), 0), Err(ScmiError::Capabilities { found: 1 })));
    assert!(other.open.borrow().is_empty(), "the session is closed again");

    let wrong = refuses(Status::BUSY);
    let error = ScmiClient::open(wrong.clone(), 9).err().unwrap();
    assert!(matches!(error, ScmiError::Channel { channel: 9, .. }));
    assert!(wrong.open.borrow().is_empty());
}

#[test]
fn an_answer_to_another_command_is_no_answer() {
    let agent = ScmiClient::open(
        tee(|header, _| encode_reply(Header { token: header.token ^ 1, ..header }, Err(Status::BUSY))),
        0,
    )
    .unwrap();
    assert!(matches!(agent.clocks(), Err(ScmiError::Answer { .. })));
    // Tokens wrap and go on being told apart.
    let agent = ScmiClient::open(refuses(Status::BUSY), 0).unwrap();
    for _ in 0..2050 {
        assert_eq!(agent.set_power(1, false).unwrap_err().status(), Some(Status::BUSY));
    }
}
