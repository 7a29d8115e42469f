//! The life of proposals: random acts of agents, people, executors and attackers on the real book and on a naive model of
//! the rules, compared after each. INVARIANT i13-i17, i20-i22, i29.
//!
//! `COUNTERSIGN_LIVES=5000 cargo test --lib lives_go` runs as many.

mod acts;
mod doing;
mod model;
mod words;
mod world;

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestCaseError};

use super::{
    snapshot::{Disk, OURS},
    *,
};
use crate::domain::{
    due::due,
    entry::Unknown,
    gate::{Decision, Verdict, decide},
    ids::{InstanceId, ItemId},
    observation::Observation,
    warrant::{ExecutionPlan, Warrant, plan},
};
use acts::Spoil;
use model::{Begins, Model, Plain};
use world::{What, beginning, id_of, key_of, merge, observe, rules};

type Compared<T = ()> = Result<T, TestCaseError>;

/// The real book beside the model.
struct Lives {
    book: Book,
    model: Model,
    disk: Disk,
    /// The lines that are recorded.
    lines: Vec<String>,
    /// Cases as they ended.
    ended: BTreeMap<u64, Case>,
    numbers: u64,
    pulls: u64,
    votes: u64,
}

/// An entry as it comes from a commit that a role's key signed.
fn authentic(entry: Entry, by: Role) -> Authentic {
    Authentic {
        commit: Sha::from_bytes([1; 20]),
        key: key_of(by).1,
        digest: Digest::of(entry.line().unwrap().as_bytes()),
        entry,
        subject: None,
    }
}

fn begun() -> Book {
    let (entry, digest) = beginning();
    Book::begin(authentic(entry, Role::Gate), digest).unwrap().0
}

const fn other(role: Role) -> Role {
    match role {
        Role::Gate => Role::Executor,
        Role::Executor | Role::StepUp | Role::Watch => Role::Gate,
    }
}

impl Lives {
    fn new() -> Self {
        let (book, mut disk) = (begun(), Disk::default());
        disk.write(&book);
        Self {
            book,
            model: Model::new(),
            disk,
            lines: Vec::new(),
            ended: BTreeMap::new(),
            numbers: 0,
            pulls: 0,
            votes: 0,
        }
    }

    fn now(&self) -> i64 {
        self.model.now
    }

    /// The case of a proposal, while it is known whole.
    fn case(&self, n: usize) -> Case {
        let id = id_of(self.model.all[n].number);
        let case = self.book.case(id).or_else(|| self.book.recent(id));
        case.unwrap().clone()
    }

    fn draft(&self, about: &Proposal, role: Role, event: Event) -> Draft {
        Draft {
            time: at(self.now()),
            digests: Digests {
                action: Some(about.action_digest()),
                policy: Some(rules().digest()),
                presentation: Some(Digest::of(b"report")),
                plan: Some(Digest::of(b"plan")),
            },
            ..draft(about, role, event)
        }
    }

    /// Offers an entry that the model takes or not; whether it is recorded, and as what.
    fn offer(&mut self, draft: Draft, taken: bool) -> Compared<Option<Recorded>> {
        let admitted = self.book.admits(&draft);
        let what = format!("{} of {:?}: {admitted:?}", draft.event.kind(), draft.proposal);
        prop_assert_eq!(admitted.is_ok(), taken, "{}", what);
        let (role, key) = (draft.role, key_of(draft.role).1);
        let entry = self.book.entry(draft.clone(), key.clone());
        if taken {
            // Tried out and taken back, it leaves no trace.
            let before = self.book.clone();
            let (_, undo) = self.book.stage(draft, key).unwrap();
            prop_assert_ne!(&self.book, &before, "{}", what);
            self.book.unstage(undo);
            prop_assert_eq!(&self.book, &before, "{}", what);
        }
        self.record(authentic(entry, role), taken)
    }

    fn record(&mut self, next: Authentic, taken: bool) -> Compared<Option<Recorded>> {
        let line = next.entry.line().unwrap();
        let before = self.book.clone();
        let recorded = self.book.apply(next);
        prop_assert_eq!(recorded.is_ok(), taken, "{}: {:?}", line, recorded);
        match recorded {
            Ok(recorded) => {
                self.lines.push(line);
                Ok(Some(recorded))
            }
            Err(_) => {
                prop_assert_eq!(&self.book, &before, "{}", line);
                Ok(None)
            }
        }
    }

    /// Offers what would be taken, after something about it was spoiled: it is inert.
    fn spoilt(&mut self, draft: Draft, spoil: Spoil) -> Compared {
        let (role, entry) = (draft.role, self.book.entry(draft.clone(), key_of(draft.role).1));
        match spoil {
            Spoil::Role if !draft.event.kind().written_by(other(role)) => {
                let draft = Draft {
                    role: other(role),
                    ..draft
                };
                self.offer(draft, false)?;
            }
            Spoil::Key => {
                self.record(authentic(entry, other(role)), false)?;
            }
            Spoil::Early => {
                let time = at(-1);
                self.record(authentic(Entry { time, ..entry }, role), false)?;
            }
            Spoil::Gap => {
                let seq = Seq(entry.seq.0 + 1);
                self.record(authentic(Entry { seq, ..entry }, role), false)?;
            }
            Spoil::Action if draft.proposal.is_some_and(|id| self.book.case(id).is_some()) => {
                let mut draft = draft;
                draft.digests.action = Some(Digest::of(b"another"));
                self.offer(draft, false)?;
            }
            Spoil::Role | Spoil::Action | Spoil::Nothing => {}
        }
        Ok(())
    }

    /// What the freezes of the book stop, as an observer puts it into what is seen.
    fn freeze(&self, case: &Case) -> Option<Seq> {
        let binding = &case.proposal.binding;
        let over = self.book.freezes().over(&binding.operation, &binding.agent);
        over.map(|(seq, _)| seq)
    }

    /// Decides on a proposal as things stand; whether its gate is open, with what was seen.
    fn look(&self, n: usize) -> Compared<(Decision, Observation)> {
        let (case, plain) = (self.case(n), &self.model.all[n]);
        let seen = observe(&case, plain, self.model.weather, self.now(), self.freeze(&case));
        let decision = decide(&case, &seen, rules());
        let open = self.model.open(plain);
        prop_assert_eq!(
            decision.verdict() == Verdict::Open,
            open,
            "{:#?}\n{:#?}",
            plain,
            decision.because()
        );
        Ok((decision, seen))
    }

    /// The plan that an open gate gives; `None` where it is shut.
    fn plan(&self, n: usize) -> Compared<Option<ExecutionPlan>> {
        let (decision, _) = self.look(n)?;
        let (case, plain) = (self.case(n), &self.model.all[n]);
        let Some(open) = decision.open() else {
            return Ok(None);
        };
        if !plain.low() && plain.merged.is_none() {
            // What is not merged gives no warrant, however open it is.
            let unmerged = Plain {
                merged: Some((self.now(), None)),
                ..plain.clone()
            };
            prop_assert!(Warrant::merged(open, merge(&case, &unmerged)).is_err());
            return Ok(None);
        }
        let warrant = match plain.low() {
            true => Warrant::unreviewed(open, Arc::clone(&case.proposal)).unwrap(),
            false => Warrant::merged(open, merge(&case, plain)).unwrap(),
        };
        Ok(Some(plan(warrant, rules()).unwrap()))
    }

    /// Two executors that both found the gate open: one of them begins, or none.
    fn race(&mut self, n: usize) -> Compared {
        let (Some(first), Some(second)) = (self.plan(n)?, self.plan(n)?) else {
            return Ok(());
        };
        let plain = self.model.all[n].clone();
        let attempt = plain.begun.as_ref().map_or(0, |begun| begun.attempt) + 1;
        let thaws = match plain.what {
            What::Thaw { freeze } => Some(freeze),
            _ => None,
        };
        // What is low is claimed by an outbox, or by the ledger where the executor is apart.
        let by_outbox = plain.low() && attempt == 1 && plain.number.is_multiple_of(2);
        let says = Begins {
            instance: "one",
            attempt,
            resumable: true,
            thaws,
            plan: Some(9),
            by_outbox,
            right_items: true,
        };
        let now = at(self.now());
        let draft = |plan: &ExecutionPlan, instance: &InstanceId| match by_outbox {
            true => plan.started(instance.clone(), now),
            false => plan.attempt(attempt, instance.clone(), now),
        };
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        let taken = self.model.begins(&plain, &says);
        let recorded = self.offer(draft(&first, &one), taken)?;
        if taken {
            self.model.all[n].begin(&says, self.model.now);
            self.offer(draft(&second, &two), false)?;
        }
        // A claim is one instance's, whatever the others hold in hand. INVARIANT i16.
        if let Some(recorded) = recorded.filter(|_| !by_outbox) {
            prop_assert!(second.claim(&recorded, &two).is_err());
            prop_assert!(first.claim(&recorded, &one).is_ok());
        }
        Ok(())
    }

    /// Everything that can be compared.
    fn compare(&mut self) -> Compared {
        for plain in &self.model.all {
            let id = id_of(plain.number);
            let (open, closed) = (self.book.case(id), self.book.closed(id));
            prop_assert_eq!(open.is_none(), plain.ended(), "{:?}", plain);
            prop_assert_eq!(closed.is_some(), plain.ended(), "{:?}", plain);
            let life = open
                .map(|case| case.life)
                .or(closed.as_ref().map(|closed| closed.life));
            prop_assert_eq!(life.unwrap().as_str(), plain.life, "{:?}", plain);
            prop_assert_eq!(closed.is_some_and(|closed| closed.erased.is_some()), plain.erased);
            match (open, self.book.recent(id)) {
                (Some(case), None) => {
                    let due = due(case, rules(), at(self.model.now));
                    let due: Vec<_> = due.iter().map(|draft| draft.event.kind().as_str()).collect();
                    prop_assert_eq!(due, self.model.due(plain), "{:?}", plain);
                    prop_assert_eq!(case.resumable(), plain.resumable());
                }
                (None, Some(case)) => {
                    // What ended is never anything else again, apart from what the acts themselves let go of here.
                    let was = self.ended.entry(plain.number).or_insert_with(|| case.clone());
                    prop_assert_eq!(&*was, case);
                }
                both => prop_assert!(false, "{:?} stands twice, or nowhere: {:?}", plain, both),
            }
        }
        prop_assert_eq!(
            self.book.cases().count(),
            self.model.all.iter().filter(|one| !one.ended()).count()
        );
        let frozen: Vec<u64> = self.book.freezes().iter().map(|(seq, _)| seq.0).collect();
        prop_assert_eq!(
            frozen,
            self.model.freezes.iter().map(|(seq, _)| *seq).collect::<Vec<_>>()
        );
        for supplier in acts::SUPPLIERS {
            let probe = words::probe(supplier);
            for agent in acts::PAYERS {
                let held = |count: &Count| {
                    let agent = agent.parse().unwrap();
                    let so_far = self.book.running.so_far(count, &agent, None, at(self.model.now));
                    [so_far.ran, so_far.own, so_far.others]
                };
                let held: Vec<[i64; 3]> = probe.iter().map(held).collect();
                prop_assert_eq!(
                    held,
                    self.model.so_far(supplier, agent, None),
                    "{} for {}",
                    supplier,
                    agent
                );
            }
        }
        Ok(())
    }

    /// Writes the book down, reads it, and goes on with what was read.
    fn restart(&mut self) -> Compared {
        self.disk.write(&self.book);
        let restored = self.disk.read_as(&OURS, self.book.genesis_digest()).unwrap();
        prop_assert_eq!(&restored.book, &self.book);
        (self.book, self.disk.written) = (restored.book, restored.written);
        Ok(())
    }

    /// An auditor folds the same lines to the same book, and finds that nothing ever ran twice at a time.
    fn audit(&self) -> Compared {
        let mut book = begun();
        let mut running: BTreeMap<ProposalId, InstanceId> = BTreeMap::new();
        for line in &self.lines {
            let entry = Entry::read(line).unwrap();
            let (role, about) = (entry.actor.role, entry.proposal);
            match (&entry.event, about) {
                (Event::Started(started), Some(id)) => {
                    prop_assert_eq!(
                        running.insert(id, started.instance.clone()),
                        None,
                        "begun twice: {}",
                        line
                    );
                }
                (
                    Event::Finished(Finished { instance, .. }) | Event::Unknown(Unknown { instance, .. }),
                    Some(id),
                ) => {
                    let was = running.remove(&id);
                    prop_assert_eq!(was.as_ref(), Some(instance), "{}", line);
                }
                _ => {}
            }
            prop_assert_eq!(&entry.line().unwrap(), line);
            book.apply(authentic(entry, role)).unwrap();
        }
        prop_assert_eq!(&book, &self.book);
        Ok(())
    }
}

fn lives() -> u32 {
    let said = std::env::var("COUNTERSIGN_LIVES").ok();
    said.map_or(128, |lives| lives.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: lives(), max_shrink_iters: 4_000, ..ProptestConfig::default() })]
    #[test]
    fn i16_i17_i20_i21_i22_lives_go_as_the_rules_say(acts in prop::collection::vec(acts::act(), 1..60)) {
        let mut lives = Lives::new();
        for act in &acts {
            lives.act(act)?;
            lives.compare()?;
        }
        lives.restart()?;
        lives.audit()?;
    }
}
