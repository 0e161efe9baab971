//! Claims, failures and the pass over unused clocks, on registers in memory.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Default)]
struct Memory {
    words: Rc<RefCell<BTreeMap<u32, u32>>>,
    closed: Rc<RefCell<BTreeSet<u32>>>,
    locked: Rc<RefCell<BTreeSet<u32>>>,
}

impl Memory {
    fn bit(&self, offset: u32, bit: u8) -> bool {
        self.words.borrow().get(&offset).is_some_and(|word| word >> bit & 1 != 0)
    }

    /// As a boot loader leaves the chip that has started a processor already: every gate open.
    fn all_on(self) -> Self {
        for clock in &stm32mp25::TABLE {
            *self.words.borrow_mut().entry(clock.offset).or_default() |= 1 << clock.bit;
        }
        self
    }

    fn on(&self) -> BTreeSet<u32> {
        let open = |clock: &&RccClock| self.bit(clock.offset, clock.bit);
        stm32mp25::TABLE.iter().filter(open).map(|clock| clock.number).collect()
    }
}

impl Registers for Memory {
    fn read(&mut self, offset: u32) -> Result<u32, RegisterError> {
        Ok(self.words.borrow().get(&offset).copied().unwrap_or(0))
    }

    fn write(&mut self, offset: u32, value: u32) -> Result<(), RegisterError> {
        if self.closed.borrow().contains(&offset) {
            return Err(RegisterError { offset });
        }
        if !self.locked.borrow().contains(&offset) {
            self.words.borrow_mut().insert(offset, value);
        }
        Ok(())
    }
}

fn rcc(memory: &Memory) -> (Clocks, ProviderId) {
    let clocks = Clocks::new();
    let id = clocks.register(Box::new(RccClocks::new(memory.clone(), &stm32mp25::TABLE)));
    (clocks, id)
}

fn refs(provider: ProviderId, numbers: &[u32]) -> Vec<ClockRef> {
    numbers.iter().map(|number| ClockRef { provider, number: *number }).collect()
}

/// The clocks of the proposal's Cortex-M0+ node that are the RCC's and Linux's to switch.
const M0: [u32; 6] = [stm32mp25::LPTIM3_AM, stm32mp25::LPUART1_AM, 300, 301, 135, 137];

#[test]
fn unclaimed_clocks_of_a_running_processor_go_off_and_claimed_ones_stay_on() {
    let memory = Memory::default().all_on();
    let (clocks, id) = rcc(&memory);
    let unused = clocks.disable_unused();
    assert!(unused.errors.is_empty());
    assert!(memory.on().is_empty(), "without a claim the processor stands still");
    assert!(unused.off.iter().any(|(_, name)| name == "ck_ker_lpuart1" || name == "ck_icn_p_lpuart1"));

    let memory = Memory::default().all_on();
    let (clocks, id_again) = rcc(&memory);
    assert_eq!(id, id_again);
    let claim = clocks.claim("m0", &refs(id_again, &M0)).unwrap();
    clocks.disable_unused();
    assert_eq!(memory.on(), BTreeSet::from(M0));
    assert_eq!((claim.consumer(), claim.clocks().len()), ("m0", 6));
    drop(claim);
    assert!(memory.on().is_empty());
    assert!(clocks.take_faults().is_empty());
}

#[test]
fn a_gate_that_two_clocks_share_stays_open_for_the_one_that_is_claimed() {
    let memory = Memory::default();
    let (clocks, id) = rcc(&memory);
    let bus = clocks.claim("uart", &refs(id, &[135])).unwrap();
    assert!(clocks.disable_unused().off.is_empty(), "the kernel clock has no claim, but its gate has");
    let kernel = clocks.claim("m0", &refs(id, &[300])).unwrap();
    drop(bus);
    assert!(memory.bit(0x7a0, 1));
    drop(kernel);
    assert!(!memory.bit(0x7a0, 1));
}

#[test]
fn a_clock_listed_twice_is_claimed_twice_and_goes_off_once() {
    let memory = Memory::default();
    let (clocks, id) = rcc(&memory);
    let claim = clocks.claim("m0", &refs(id, &[135, 137, 135])).unwrap();
    let other = clocks.claim("uart", &refs(id, &[135])).unwrap();
    let state = clocks.summary().into_iter().find(|state| state.clock.number == 135).unwrap();
    assert_eq!((state.name.as_str(), state.enabled), ("ck_icn_p_lpuart1", Some(true)));
    assert_eq!(state.consumers, ["m0", "m0", "uart"]);
    drop(claim);
    assert_eq!(memory.on(), BTreeSet::from([135, 300]), "one gate, two names");
    drop(other);
    assert!(memory.on().is_empty());
}

#[test]
fn a_claim_that_fails_anywhere_leaves_nothing_on() {
    for (index, number) in M0.iter().enumerate() {
        let memory = Memory::default();
        let (clocks, id) = rcc(&memory);
        let clock = stm32mp25::TABLE.iter().find(|clock| clock.number == *number).unwrap();
        // Only the first entry that wants the register meets the failure.
        let first = M0.iter().position(|number| {
            stm32mp25::TABLE.iter().any(|other| other.number == *number && other.offset == clock.offset)
        });
        memory.closed.borrow_mut().insert(clock.offset);
        match clocks.claim("m0", &refs(id, &M0)).err().unwrap() {
            ClaimError::Enable { consumer, index: found, source } => {
                assert_eq!((consumer.as_str(), Some(found)), ("m0", first), "{index}");
                assert!(
                    source.to_string().contains("the bus refuses Linux the register at offset"),
                    "{source}"
                );
            }
            other => panic!("{other}"),
        }
        assert!(memory.on().is_empty());
        assert!(clocks.summary().iter().all(|state| state.consumers.is_empty()));
    }
}

#[test]
fn a_register_that_only_the_secure_world_may_change_is_named() {
    let memory = Memory::default();
    memory.locked.borrow_mut().insert(0x490);
    let (clocks, id) = rcc(&memory);
    let error = clocks.claim("m0", &refs(id, &[135, stm32mp25::CPU3])).err().unwrap();
    assert_eq!(
        error.to_string(),
        "m0 cannot have its clocks, entry 1: rcc could not switch ck_cpu3 on: bit 1 of the register at offset 0x490 was \
         set to 1 and reads 0: only the secure world may change it, or the controller is locked"
    );
    assert!(memory.on().is_empty());
}

#[test]
fn an_unknown_clock_is_named_before_anything_is_switched() {
    let memory = Memory::default();
    let (clocks, id) = rcc(&memory);
    let error = clocks.claim("m0", &refs(id, &[135, 9999])).err().unwrap();
    assert_eq!(
        error.to_string(),
        "m0 wants clock 9999 of rcc, which has none with that number; it is entry 1 of its clocks"
    );
    assert!(memory.words.borrow().is_empty());
}

#[test]
fn a_clock_that_does_not_go_off_keeps_no_other_on_and_is_reported() {
    let memory = Memory::default();
    let (clocks, id) = rcc(&memory);
    let claim = clocks.claim("m0", &refs(id, &[135, 137, 134])).unwrap();
    memory.closed.borrow_mut().insert(0x74c);
    drop(claim);
    assert_eq!(memory.on(), BTreeSet::from([137, 301]));
    let faults = clocks.take_faults();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].to_string().starts_with("rcc could not switch ck_icn_p_lptim3 off"));
    let unused = clocks.disable_unused();
    assert_eq!((unused.off.len(), unused.errors.len()), (0, 2), "the pass meets it under both names");
}

#[test]
fn the_pass_leaves_alone_what_is_not_linuxs() {
    let memory = Memory::default().all_on();
    let (clocks, _) = rcc(&memory);
    let unused = clocks.disable_unused_except(|clock| stm32mp25::is_of_the_m0(clock.number));
    assert!(unused.errors.is_empty());
    let kept = [349, 351, 355, 358, 362];
    assert_eq!(memory.on(), BTreeSet::from(kept));
    assert!(unused.off.iter().all(|(clock, _)| !kept.contains(&clock.number)));
}

#[test]
fn a_kernel_that_is_gone_switches_nothing() {
    let memory = Memory::default();
    let (clocks, id) = rcc(&memory);
    let claim = clocks.claim("m0", &refs(id, &[135])).unwrap();
    let before = memory.on();
    clocks.abandon();
    drop(claim);
    assert!(clocks.disable_unused().off.is_empty() && clocks.take_faults().is_empty());
    assert_eq!((memory.on(), before.is_empty()), (before, false));
}

#[test]
fn the_table_ascends() {
    assert!(stm32mp25::TABLE.is_sorted_by(|a, b| a.number < b.number));
}

proptest! {
    /// Whatever is claimed and dropped in whatever order: a gate is open exactly while a claim needs it.
    #[test]
    fn a_gate_is_open_exactly_while_somebody_needs_it(
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), prop::collection::vec(0usize..26, 0..5)), 0..40),
    ) {
        let memory = Memory::default();
        let (clocks, id) = rcc(&memory);
        let mut claims: Vec<Claim> = Vec::new();
        for (drops, which, wanted) in steps {
            if drops && !claims.is_empty() {
                drop(claims.swap_remove(which.index(claims.len())));
            } else {
                let numbers: Vec<u32> = wanted.iter().map(|at| stm32mp25::TABLE[*at].number).collect();
                claims.push(clocks.claim("somebody", &refs(id, &numbers)).unwrap());
            }
            clocks.disable_unused();
            let needed: BTreeSet<(u32, u8)> = claims
                .iter()
                .flat_map(|claim| claim.clocks())
                .filter_map(|clock| stm32mp25::TABLE.iter().find(|entry| entry.number == clock.number))
                .map(|entry| (entry.offset, entry.bit))
                .collect();
            for entry in &stm32mp25::TABLE {
                let open = memory.bit(entry.offset, entry.bit);
                prop_assert_eq!(open, needed.contains(&(entry.offset, entry.bit)), "{}", entry.name);
            }
        }
    }
}
