//! What an entry about a proposal says, whether the rules take it, and what it changes in the model.

use super::{
    acts::{Spoil, Word},
    model::{Begins, Plain},
    world::{PEOPLE, What, id_of, rules},
    *,
};
use crate::domain::entry::{
    Cancelled, Edited, EditedPart, Expired, Incident, Merged, Refusal, Resolution, Resolved, Thawed, Took,
    Unknown, VoidReason, Voided,
};

const INSTANCES: [&str; 2] = ["one", "two"];

fn ids(items: &[u8]) -> Vec<ItemId> {
    items
        .iter()
        .map(|item| item.to_string().parse().unwrap())
        .collect()
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Executed => "executed",
        Outcome::Refused => "refused",
        Outcome::Errored => "errored",
        Outcome::Undone => "undone",
        Outcome::Partial => "partial",
    }
}

fn refusal() -> Refusal {
    Refusal {
        sha: Some(MERGE),
        by: None,
        reason: "not as it was approved".into(),
        because: Vec::new(),
    }
}

/// What ends a proposal that was not begun, and from where.
fn end(kind: &str, plain: &Plain) -> (Event, bool) {
    let waits = ["received", "open"].contains(&plain.life);
    let merged = plain.life == "merged";
    let around = waits || ["voided", "denied", "expired", "cancelled", "superseded"].contains(&plain.life);
    match kind {
        "voided" => {
            let (because, head) = (VoidReason::ForeignHead, None);
            (Event::Voided(Voided { because, head }), waits)
        }
        "denied" => (Event::Denied(Denied { account: None }), waits),
        "expired" => (Event::Expired(Expired { at: at(0) }), waits),
        "cancelled" => (Event::Cancelled(Cancelled { reason: None }), waits),
        "bypassed" => (Event::Bypassed(refusal()), around),
        "policy_changed" => (Event::PolicyChanged(refusal()), merged),
        _ => (Event::RefusedAfterMerge(refusal()), merged),
    }
}

impl Lives {
    /// Records an entry about a proposal, spoilt or not, where the rules take it; else sees it refused.
    pub(super) fn record_of(&mut self, n: usize, word: &Word, spoil: Spoil) -> Compared {
        let (draft, taken) = self.spoken(n, word);
        if spoil != Spoil::Nothing {
            return if taken { self.spoilt(draft, spoil) } else { Ok(()) };
        }
        self.offer(draft, taken)?;
        if taken {
            self.took(n, word);
        }
        Ok(())
    }

    /// The entry, and whether the rules take it.
    fn spoken(&self, n: usize, word: &Word) -> (Draft, bool) {
        let (case, plain, now) = (self.case(n), &self.model.all[n], self.model.now);
        let about = |role, event| self.draft(&case.proposal, role, event);
        let gate = |event| about(Role::Gate, event);
        let executor = |event| about(Role::Executor, event);
        let by = |person: bool, draft: Draft| Draft {
            person: person.then(|| "alice".parse().unwrap()),
            ..draft
        };
        let instance = |place: usize| INSTANCES[place].parse().unwrap();
        match *word {
            Word::Open { pull_of, base, text } => {
                let (pull, used) = self.a_pull(pull_of);
                let opened = Event::Opened(Opened {
                    pull: PullNumber(pull),
                    head: HEAD,
                    base: BASE,
                    base_ref: if base { "main" } else { "other" }.parse().unwrap(),
                    branch: case.proposal.branch().parse().unwrap(),
                    title: Digest::of(b"title"),
                    file: Digest::of(b"file"),
                });
                let mut draft = gate(opened);
                draft.digests.presentation = draft.digests.presentation.filter(|_| text);
                let taken = plain.life == "received" && !plain.low() && base && text && !used;
                (draft, taken)
            }
            Word::Edit(who) => {
                let edited = Event::Edited(Edited {
                    account: PEOPLE[who].account,
                    parts: [EditedPart::Title].into(),
                    delivery: "d-1".parse().unwrap(),
                });
                (gate(edited), ["open", "merged"].contains(&plain.life))
            }
            Word::Exclude { items, person } => {
                let excluded = Event::Excluded(Excluded {
                    items: ids(items),
                    reason: "paid already".into(),
                    heard: fixture::heard(fixture::DAVE, now),
                });
                let taken = person && self.model.excludes(plain, items);
                (by(person, gate(excluded)), taken)
            }
            Word::Merge { by } => {
                let merged = Event::Merged(Merged {
                    sha: MERGE,
                    parents: vec![BASE, HEAD],
                    at: at(now),
                    by: by.map(|by| PEOPLE[by].account),
                });
                (gate(merged), plain.life == "open")
            }
            Word::End(kind) => {
                let (event, taken) = end(kind, plain);
                (gate(event), taken)
            }
            Word::Superseded => {
                let by = id_of(self.numbers + 1);
                let taken = ["received", "open"].contains(&plain.life);
                (gate(Event::Superseded(Superseded { by })), taken)
            }
            Word::Begin { .. } => self.begins(n, &case, word),
            Word::Step {
                instance: place,
                item,
                undo,
            } => {
                let took = Took {
                    instance: instance(place),
                    result: StepResult {
                        item: item.to_string().parse().unwrap(),
                        step: None,
                        undo,
                        outcome: Outcome::Executed,
                        status: None,
                        request: Digest::of(b"request"),
                        response: None,
                        note: None,
                    },
                    progress: (1, 1),
                };
                let event = if undo {
                    Event::Undone(took)
                } else {
                    Event::Step(took)
                };
                (executor(event), self.model.tells(plain, INSTANCES[place], item))
            }
            Word::Finish {
                instance: place,
                outcome,
            } => {
                let finished = Event::Finished(Finished {
                    instance: instance(place),
                    outcome,
                    steps: Vec::new(),
                    credentials: Vec::new(),
                });
                (executor(finished), self.model.tells(plain, INSTANCES[place], 0))
            }
            Word::Lose {
                instance: place,
                stopped,
            } => {
                let unknown = Event::Unknown(Unknown {
                    instance: instance(place),
                    reason: "it stopped in mid-call".into(),
                    stopped,
                    steps: Vec::new(),
                    credentials: Vec::new(),
                });
                (executor(unknown), self.model.tells(plain, INSTANCES[place], 0))
            }
            Word::Thaw { freeze } => {
                let freeze = self.a_freeze(freeze);
                let thawed = Event::Thawed(Thawed { freeze: Seq(freeze) });
                (executor(thawed), self.model.thaws(plain, freeze))
            }
            Word::Resolve { person, ran } => {
                let found = if ran {
                    Resolution::Executed
                } else {
                    Resolution::NotExecuted
                };
                let resolved = Event::Resolved(Resolved {
                    found,
                    reason: "the bank's statement".into(),
                    said: doing::said(),
                });
                (by(person, gate(resolved)), person && plain.life == "unknown")
            }
            Word::Erase { person } => {
                let draft = Draft {
                    time: at(now),
                    ..erased(&case.proposal, 7)
                };
                (by(person, draft), person && plain.ended() && !plain.erased)
            }
            Word::Incident => {
                let incident = Event::Incident(Incident {
                    what: "odd".into(),
                    account: None,
                    stray: None,
                });
                (gate(incident), true)
            }
        }
    }

    /// A pull request, and whether a proposal has it.
    fn a_pull(&self, of: Option<usize>) -> (u64, bool) {
        let all = &self.model.all;
        let used = of.and_then(|of| all[of % all.len()].pull);
        (used.unwrap_or(self.pulls + 1), used.is_some())
    }

    fn said_of(&self, n: usize, word: &Word) -> Option<Begins> {
        let Word::Begin {
            instance,
            ahead,
            resumable,
            thaws,
            plan,
            claim,
            items,
        } = *word
        else {
            return None;
        };
        let attempts = self.model.all[n].begun.as_ref().map_or(0, |begun| begun.attempt);
        Some(Begins {
            instance: INSTANCES[instance],
            attempt: attempts + if ahead { 2 } else { 1 },
            resumable,
            thaws: thaws.then(|| self.a_freeze(0)),
            plan,
            by_outbox: self.model.all[n].low() == claim,
            right_items: items,
        })
    }

    /// What an executor's key may say of a begin, whether or not the gate is open.
    fn begins(&self, n: usize, case: &Case, word: &Word) -> (Draft, bool) {
        let plain = &self.model.all[n];
        let says = self.said_of(n, word).unwrap();
        let claims = [ClaimedBy::Ledger, ClaimedBy::Outbox];
        let mut excluded = plain.excluded.clone();
        excluded.sort_unstable();
        if !says.right_items {
            excluded = if excluded.is_empty() { vec![1] } else { Vec::new() };
        }
        let started = Event::Started(Started {
            instance: says.instance.parse().unwrap(),
            deadline: at(self.model.now + 5),
            attempt: says.attempt,
            idempotency_key: case.proposal.id.to_string(),
            claim: claims[usize::from(says.by_outbox)],
            resumable: says.resumable,
            thaws: says.thaws.map(Seq),
            excluded: ids(&excluded),
        });
        let mut draft = self.draft(&case.proposal, Role::Executor, started);
        draft.digests.plan = says.plan.map(|plan| Digest::of(&[plan]));
        (draft, self.model.begins(plain, &says))
    }

    /// What an entry that was taken changes.
    fn took(&mut self, n: usize, word: &Word) {
        let now = self.model.now;
        let says = self.said_of(n, word);
        let (pull, _) = match word {
            Word::Open { pull_of, .. } => self.a_pull(*pull_of),
            _ => (0, false),
        };
        let next = self.numbers + 1;
        let plain = &mut self.model.all[n];
        if plain.ended() {
            // What is told of it after its end is added to it.
            self.ended.remove(&plain.number);
        }
        match *word {
            Word::Open { .. } => {
                (plain.life, plain.opened, plain.pull) = ("open", now, Some(pull));
                self.pulls = self.pulls.max(pull);
            }
            Word::Edit(who) => plain.editors.push(PEOPLE[who].name),
            Word::Exclude { items, .. } => plain.excluded.extend(items),
            Word::Merge { by } => {
                plain.life = "merged";
                plain.merge_recorded_by = by.map(|by| PEOPLE[by].name);
            }
            Word::End(kind) => plain.life = kind,
            Word::Superseded => (plain.life, plain.replaced_by) = ("superseded", Some(next)),
            Word::Begin { .. } => says.iter().for_each(|says| plain.begin(says, now)),
            Word::Finish { outcome: how, .. } => plain.life = outcome(how),
            Word::Lose { stopped, .. } => (plain.life, plain.stopped) = ("unknown", stopped),
            Word::Thaw { freeze } => {
                let seq = self.a_freeze(freeze);
                self.model.freezes.retain(|(known, _)| *known != seq);
            }
            Word::Resolve { ran, .. } => plain.life = if ran { "executed" } else { "errored" },
            Word::Erase { .. } => plain.erased = true,
            Word::Step { .. } | Word::Incident => {}
        }
    }
}

/// The limits on payments to a supplier, with nothing counted.
pub(super) fn probe(supplier: &'static str) -> Totals {
    use std::sync::Mutex;
    static KNOWN: Mutex<BTreeMap<&str, Totals>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap();
    let made = known.entry(supplier).or_insert_with(|| {
        let what = What::Pay {
            agent: "payments-agent",
            supplier,
            minor: 1,
        };
        let by = Attestation::Hmac;
        let proposal = world::propose(
            0,
            &what,
            what.request(0, 0, None),
            AgentProof::GateAttested { by },
            0,
        );
        Totals::of(&proposal.matter(), rules())
    });
    made.clone()
}
