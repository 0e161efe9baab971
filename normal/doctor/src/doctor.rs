//! Remembers since when something is missing, and says how it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::observation::Observation;
use crate::problem::Problem;

/// How it stands with a processor. `Ready` and `Never` stay until something is changed from outside; `Waits` does not last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing keeps it from being booted.
    Ready,
    /// What is missing may still come, and is waited for until the limit.
    Waits,
    /// What is missing cannot come, or has not come within the limit.
    Never,
}

/// One thing that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub problem: Problem,
    /// The moment at which it was first seen missing.
    pub since: Duration,
    /// It may pass, but was waited for until the limit: it is no longer waited for.
    pub given_up: bool,
}

impl Finding {
    fn verdict(&self) -> Verdict {
        if self.problem.may_pass() && !self.given_up { Verdict::Waits } else { Verdict::Never }
    }
}

/// How it stands with one processor, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The processor's name.
    pub processor: String,
    /// Path of its node.
    pub path: String,
    /// How it stands.
    pub verdict: Verdict,
    /// What is missing, what the rest depends on first; none when it is ready.
    pub findings: Vec<Finding>,
}

/// The doctor of one machine's processors.
#[derive(Debug, Clone)]
pub struct Doctor {
    limit: Duration,
    /// By the path of the processor's node: what was missing when it was seen last, and since when.
    missing: BTreeMap<String, Vec<(Problem, Duration)>>,
}

impl Doctor {
    /// One that waits for each missing thing as long as `limit`. Linux's own limit for drivers that wait for others is ten
    /// seconds (`deferred_probe_timeout`).
    #[must_use]
    pub fn new(limit: Duration) -> Doctor {
        Doctor { limit, missing: BTreeMap::new() }
    }

    /// Judges what was seen of a processor at the moment `now`, which does not go back.
    pub fn observe(&mut self, now: Duration, seen: &Observation) -> Diagnosis {
        let before = self.missing.remove(&seen.path).unwrap_or_default();
        let missing: Vec<(Problem, Duration)> = Problem::all(seen)
            .into_iter()
            .map(|problem| {
                let known = before.iter().find(|(known, _)| *known == problem);
                let since = known.map_or(now, |(_, since)| *since);
                (problem, since)
            })
            .collect();
        let findings: Vec<Finding> = missing
            .iter()
            .map(|(problem, since)| Finding {
                problem: problem.clone(),
                since: *since,
                given_up: problem.may_pass() && now.saturating_sub(*since) >= self.limit,
            })
            .collect();
        self.missing.insert(seen.path.clone(), missing);
        let verdicts = || findings.iter().map(Finding::verdict);
        let verdict = if verdicts().any(|verdict| verdict == Verdict::Never) {
            Verdict::Never
        } else if findings.is_empty() {
            Verdict::Ready
        } else {
            Verdict::Waits
        };
        Diagnosis { processor: seen.name.clone(), path: seen.path.clone(), verdict, findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::{Firmware, Known, Need, NeedKind, Owner, Presence, Service};
    use proptest::prelude::*;
    use rproc_abi::ProcessorId;
    use rproc_tee::Outcome;

    const LIMIT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn file(name: &str, there: bool) -> Firmware {
        Firmware { name: name.to_owned(), folder: "/lib/firmware".to_owned(), there }
    }

    fn need(kind: NeedKind, name: &str, provider: &str, presence: Presence) -> Need {
        Need { kind, name: name.to_owned(), provider: provider.to_owned(), presence }
    }

    /// A TEE-owned Cortex-M33 to which nothing is missing.
    fn healthy() -> Observation {
        Observation {
            name: "m33".to_owned(),
            path: "/firmware/optee/rproc-service@0/m33@1".to_owned(),
            id: ProcessorId::CORTEX_M33,
            owner: Owner::Tee,
            secure_owner: Some(Owner::Tee),
            off: vec!["/ahb/m33".to_owned()],
            flaws: vec![],
            service: Service::Present,
            known: Known::Yes,
            needs: vec![
                need(NeedKind::Mailbox, "vq0", "/soc/mailbox@40490000", Presence::There),
                need(NeedKind::MemoryRegion, "vdev0buffer", "/reserved-memory", Presence::There),
                need(NeedKind::Clock, "ipcc2", "/firmware/scmi", Presence::There),
            ],
            firmware: Some(file("m33.signed", true)),
        }
    }

    fn once(seen: &Observation) -> Diagnosis {
        Doctor::new(LIMIT).observe(at(0), seen)
    }

    #[test]
    fn a_processor_with_everything_is_ready() {
        let diagnosis = once(&healthy());
        assert_eq!((diagnosis.verdict, diagnosis.findings), (Verdict::Ready, vec![]));
    }

    /// Each thing that can be missing, alone: name, verdict, and words of the sentence and of the next step.
    #[test]
    fn each_missing_thing_has_its_verdict_its_sentence_and_its_next_step() {
        let with_service = |service| Observation { service, known: Known::NotAsked, ..healthy() };
        let with_need = |kind, presence| {
            let missing = need(kind, "x", "/soc/x@1", presence);
            Observation { needs: vec![missing], ..healthy() }
        };
        let owned =
            |owner, secure_owner| Observation { owner, secure_owner: Some(secure_owner), ..healthy() };
        use Verdict::{Never, Waits};
        for (seen, name, verdict, sentence, step) in [
            (
                Observation { flaws: vec!["/m33: wrong".to_owned()], ..healthy() },
                "tree-error",
                Never,
                "/m33: wrong",
                "dtc",
            ),
            (with_service(Service::NoTee), "no-tee", Never, "no TEE", "CONFIG_OPTEE"),
            (
                with_service(Service::of(Outcome::WaitsForSupplicant, None)),
                "service-waits-for-supplicant",
                Waits,
                "80a4c275-0a47-4905-8285-1486a9771a08",
                "start tee-supplicant",
            ),
            (
                with_service(Service::of(Outcome::Absent, None)),
                "service-absent",
                Never,
                "neither at once nor",
                "early",
            ),
            (
                with_service(Service::of(Outcome::ProbeFailed, Some("login refused"))),
                "service-refused",
                Never,
                "login refused",
                "log",
            ),
            (
                Observation { known: Known::No, id: ProcessorId(7), ..healthy() },
                "processor-unknown",
                Never,
                "processor 7 (id 7)",
                "check reg",
            ),
            (
                owned(Owner::Nobody, Owner::Nobody),
                "no-owner",
                Never,
                "switched off (/ahb/m33), and so has the secure tree",
                "status = \"okay\"",
            ),
            (
                Observation { secure_owner: None, off: vec![], ..owned(Owner::Nobody, Owner::Tee) },
                "no-owner",
                Never,
                "nobody owns the processor: Linux's device tree has no node of it that belongs to",
                "below /firmware/optee",
            ),
            (
                Observation { id: ProcessorId::CORTEX_M0_PLUS, ..owned(Owner::Linux, Owner::Tee) },
                "linux-cannot-start",
                Never,
                "RCC_C3CFGR",
                "make it the TEE's",
            ),
            (
                owned(Owner::Tee, Owner::Linux),
                "owner-is-linux",
                Never,
                "leaves it to Linux",
                "secure-status = \"okay\"",
            ),
            (
                owned(Owner::Linux, Owner::Tee),
                "owner-is-tee",
                Never,
                "keeps it for the TEE",
                "sign its firmware",
            ),
            (
                with_need(NeedKind::Mailbox, Presence::NotYet),
                "provider-not-yet",
                Waits,
                "mailbox `x`",
                "driver of /soc/x@1",
            ),
            (
                with_need(NeedKind::Clock, Presence::NotYet),
                "provider-not-yet",
                Waits,
                "clock `x`",
                "driver of /soc/x@1",
            ),
            (
                with_need(NeedKind::Reset, Presence::NoSuch),
                "provider-has-no-such",
                Never,
                "reset `x`",
                "numbers",
            ),
            (
                with_need(NeedKind::PowerDomain, Presence::Never),
                "provider-missing",
                Never,
                "power domain `x`",
                "switch /soc/x@1 on",
            ),
            (
                with_need(NeedKind::MemoryRegion, Presence::Never),
                "provider-missing",
                Never,
                "memory region `x`",
                "/reserved-memory",
            ),
            (
                Observation { firmware: Some(file("f", false)), ..healthy() },
                "firmware-missing",
                Waits,
                "file `f`",
                "/lib/firmware/f",
            ),
        ] {
            let diagnosis = once(&seen);
            let [finding] = &diagnosis.findings[..] else { panic!("{name}: {:?}", diagnosis.findings) };
            assert_eq!((finding.problem.name(), diagnosis.verdict), (name, verdict));
            assert_eq!((finding.since, finding.given_up), (at(0), false));
            assert!(finding.problem.sentence().contains(sentence), "{name}: {}", finding.problem.sentence());
            assert!(finding.problem.next_step().contains(step), "{name}: {}", finding.problem.next_step());
        }
    }

    #[test]
    fn a_linux_owned_processor_does_not_need_the_service() {
        for owner in [Owner::Linux, Owner::Both] {
            let seen = Observation {
                owner,
                secure_owner: Some(owner),
                service: Service::NoTee,
                known: Known::NotAsked,
                ..healthy()
            };
            assert_eq!(once(&seen).verdict, Verdict::Ready);
        }
    }

    #[test]
    fn a_wait_ends_when_it_is_satisfied() {
        let mut doctor = Doctor::new(LIMIT);
        let late = Observation { service: Service::WaitsForSupplicant, known: Known::NotAsked, ..healthy() };
        for second in 3..9 {
            let diagnosis = doctor.observe(at(second), &late);
            assert_eq!((diagnosis.verdict, diagnosis.findings[0].since), (Verdict::Waits, at(3)));
        }
        assert_eq!(doctor.observe(at(9), &healthy()).verdict, Verdict::Ready);
        // Missing anew is missing since then.
        assert_eq!(doctor.observe(at(12), &late).findings[0].since, at(12));
    }

    #[test]
    fn a_wait_ends_when_it_is_known_to_be_in_vain_or_at_the_limit() {
        let mut doctor = Doctor::new(LIMIT);
        let late = Observation { service: Service::WaitsForSupplicant, known: Known::NotAsked, ..healthy() };
        let absent = Observation { service: Service::Absent, ..late.clone() };
        assert_eq!(doctor.observe(at(0), &late).verdict, Verdict::Waits);
        assert_eq!(doctor.observe(at(1), &absent).verdict, Verdict::Never);
        assert_eq!(doctor.observe(at(2), &late).verdict, Verdict::Waits);
        assert_eq!(doctor.observe(at(11), &late).verdict, Verdict::Waits);
        let diagnosis = doctor.observe(at(12), &late);
        assert_eq!((diagnosis.verdict, diagnosis.findings[0].given_up), (Verdict::Never, true));
        // What was given up is taken all the same when it comes.
        assert_eq!(doctor.observe(at(99), &healthy()).verdict, Verdict::Ready);
    }

    #[test]
    fn processors_are_told_apart_and_what_others_depend_on_comes_first() {
        let mut doctor = Doctor::new(LIMIT);
        let m33 = Observation {
            service: Service::WaitsForSupplicant,
            needs: vec![need(NeedKind::Clock, "x", "/soc/x@1", Presence::NotYet)],
            firmware: Some(file("f", false)),
            ..healthy()
        };
        let m0 = Observation { name: "m0".to_owned(), path: "/m0".to_owned(), ..healthy() };
        doctor.observe(at(0), &m33);
        assert_eq!(doctor.observe(at(5), &m0).verdict, Verdict::Ready);
        let names: Vec<&str> =
            doctor.observe(at(6), &m33).findings.iter().map(|finding| finding.problem.name()).collect();
        assert_eq!(names, ["service-waits-for-supplicant", "provider-not-yet", "firmware-missing"]);
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        let owner = prop::sample::select(vec![Owner::Tee, Owner::Linux, Owner::Both, Owner::Nobody]);
        let service = prop::sample::select(vec![
            Service::NoTee,
            Service::WaitsForSupplicant,
            Service::Absent,
            Service::Refused { reason: "no".to_owned() },
            Service::Present,
        ]);
        let known = prop::sample::select(vec![Known::NotAsked, Known::Yes, Known::No]);
        let presence =
            prop::sample::select(vec![Presence::There, Presence::NotYet, Presence::NoSuch, Presence::Never]);
        (owner.clone(), prop::option::of(owner), service, known, presence, any::<bool>()).prop_map(
            |(owner, secure_owner, service, known, presence, there)| Observation {
                owner,
                secure_owner,
                service,
                known,
                needs: vec![need(NeedKind::Mailbox, "vq0", "/soc/mailbox", presence)],
                firmware: Some(file("f", there)),
                ..healthy()
            },
        )
    }

    proptest! {
        /// Whatever is seen, once it no longer changes it is decided within the limit, and every verdict has its reasons.
        #[test]
        fn nothing_is_deferred_for_ever(before in prop::collection::vec(any_observation(), 0..6), last in any_observation()) {
            let mut doctor = Doctor::new(LIMIT);
            let mut now = at(0);
            for seen in before.iter().chain([&last]) {
                let diagnosis = doctor.observe(now, seen);
                prop_assert_eq!(diagnosis.verdict == Verdict::Ready, diagnosis.findings.is_empty());
                now += at(1);
            }
            prop_assert_ne!(doctor.observe(now + LIMIT, &last).verdict, Verdict::Waits);
        }
    }
}
