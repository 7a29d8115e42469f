//! Doing an act: to the real book through entries and decisions, and to the model.

use super::{
    acts::{Act, Reused, Spoil, Word},
    model::{Plain, Vote, Weather},
    world::{PEOPLE, Person, What, id_of, propose, rules, told},
    *,
};
use crate::domain::entry::{Frozen, Observed, Said, Scope, When};

/// From here on the model's keys are of what people amended: the bot gave that a key which no agent's request names.
const AMENDED: u64 = 1_000_000;

pub(super) fn said() -> Said {
    Said {
        account: fixture::ALICE,
        comment: CommentId(7),
        below: PullNumber(1),
        at: at(1),
        delivery: "d-1".parse().unwrap(),
    }
}

impl Lives {
    /// Does it to both, where it is about anything.
    pub(super) fn act(&mut self, act: &Act) -> Compared {
        let count = self.model.all.len();
        let about = |n: &usize| (count > 0).then(|| n % count);
        match act {
            Act::Propose {
                what,
                reused,
                of,
                counted,
                rules,
                replaces,
            } => {
                let (of, replaces) = (about(of), replaces.as_ref().and_then(about));
                self.arrive(*what, reused_of(*reused, of), *counted, *rules, replaces)
            }
            Act::Freeze { over, person } => self.freeze_over(*over, *person),
            Act::Weather {
                protected,
                same_rules,
                clock_right,
            } => {
                self.model.weather = Weather {
                    protected: *protected,
                    same_rules: *same_rules,
                    clock_right: *clock_right,
                };
                Ok(())
            }
            Act::Pass(minutes) => {
                self.model.now += minutes;
                Ok(())
            }
            Act::Restart => self.restart(),
            Act::Again => match self.lines.last().map(|line| Entry::read(line).unwrap()) {
                Some(last) => {
                    let role = last.actor.role;
                    self.record(authentic(last, role), false).map(|_| ())
                }
                None => Ok(()),
            },
            Act::Revise(n) => about(n).map_or(Ok(()), |n| {
                self.record_of(n, &Word::Superseded, Spoil::Nothing)?;
                let what = self.model.all[n].what;
                self.arrive(what, (Reused::Nothing, None), true, true, Some(n))
            }),
            Act::Amend { n, who } => about(n).map_or(Ok(()), |n| self.amend(n, &PEOPLE[*who])),
            Act::Onward(n) => about(n).map_or(Ok(()), |n| self.onward(n)),
            Act::Record { n, event, spoil } => about(n).map_or(Ok(()), |n| self.record_of(n, event, *spoil)),
            Act::Vote { n, who, says, heard } => {
                about(n).map_or(Ok(()), |n| self.vote(n, &PEOPLE[*who], says, *heard))
            }
            Act::Retract {
                n,
                vote,
                edited,
                heard,
            } => about(n).map_or(Ok(()), |n| self.retract(n, *vote, *edited, *heard)),
            Act::Race(n) => about(n).map_or(Ok(()), |n| self.race(n)),
            Act::Look(n) => about(n).map_or(Ok(()), |n| self.observe(n)),
            Act::Due(n) => about(n).map_or(Ok(()), |n| self.due(n)),
            Act::Head { n, .. } | Act::Text { n, .. } | Act::Close { n, .. } | Act::Merge { n, .. } => {
                if let Some(n) = about(n) {
                    self.github(n, act);
                }
                Ok(())
            }
        }
    }

    fn github(&mut self, n: usize, act: &Act) {
        let (now, one) = (self.model.now, &mut self.model.all[n]);
        if one.pull.is_none() {
            return;
        }
        match act {
            Act::Head { foreign, .. } => one.foreign_head = *foreign,
            Act::Text { foreign, .. } => one.foreign_text = *foreign,
            Act::Close { closed, .. } if one.merged.is_none() => one.closed = *closed,
            Act::Merge { by, .. } if one.merged.is_none() && !one.closed => {
                one.merged = Some((now, by.map(|by| &PEOPLE[by])));
            }
            _ => {}
        }
    }

    fn arrive(
        &mut self,
        what: What,
        (reused, of): (Reused, Option<usize>),
        counted: bool,
        right_rules: bool,
        replaces: Option<usize>,
    ) -> Compared {
        self.numbers += 1;
        let what = match what {
            What::Thaw { freeze } => What::Thaw {
                freeze: self.a_freeze(freeze as usize),
            },
            other => other,
        };
        let fresh = self.numbers;
        let old = of.map(|of| &self.model.all[of]);
        let again = |kind, of: fn(&Plain) -> u64| old.filter(|_| reused == kind).map_or(fresh, of);
        let mut new = Plain::new(
            again(Reused::Id, |old| old.number),
            what,
            old.filter(|old| reused == Reused::Key && old.key < AMENDED)
                .map_or(fresh, |old| old.key),
            again(Reused::Nonce, |old| old.nonce),
            self.model.now,
        );
        let replaced = replaces.map(|n| self.model.all[n].clone());
        new.replaces = replaced.as_ref().map(|old| old.number);
        new.co_writers = replaced.map(|old| old.co_writers).unwrap_or_default();
        new.over = self.model.over(&what);
        let request = what.request(new.key, new.nonce, new.replaces.map(id_of));
        let by = Attestation::Hmac;
        let proof = AgentProof::GateAttested { by };
        let proposal = propose(new.number, &what, request, proof, self.model.now);
        let totals = match counted {
            true => self.book.totals(&proposal, rules()),
            false => Totals::of(&proposal.matter(), rules()),
        };
        let mut draft = self.receipt(&proposal, &totals, Via::Api);
        if !right_rules {
            draft.digests.policy = Some(Digest::of(b"other rules"));
        }
        let taken = self.model.receives(&new, counted, right_rules);
        self.offer(draft, taken)?;
        self.model.all.extend(taken.then_some(new));
        Ok(())
    }

    fn receipt(&self, proposal: &Proposal, totals: &Totals, via: Via) -> Draft {
        let event = Event::Received(Received {
            proposal: Arc::new(proposal.clone()),
            assessment: assess(&proposal.matter(), totals, rules()),
            via,
        });
        self.draft(proposal, Role::Gate, event)
    }

    /// A person changes a word of what waits for approval.
    fn amend(&mut self, n: usize, who: &'static Person) -> Compared {
        let (old, case) = (self.model.all[n].clone(), self.case(n));
        let mail = matches!(old.what, What::Mail { .. });
        if !mail || old.life != "open" || who.name == "nobody" {
            return Ok(());
        }
        self.numbers += 1;
        let number = self.numbers;
        let item = &case.proposal.binding.items[0];
        let was = item.parameters["subject"].as_str().unwrap().to_owned();
        let change = Change {
            item: item.id.clone(),
            at: "/subject".into(),
            now: format!("{was}!").into(),
            before: Some(was.into()),
        };
        let nonce = format!("nonce-0123456789-{number}").parse().unwrap();
        let asked = correction::request(&case.proposal, std::slice::from_ref(&change), nonce, None).unwrap();
        let (by, spoken) = (who.name.parse().unwrap(), (who.account, CommentId(5)));
        let proof = correction::proof(&case.proposal, &by, spoken, vec![change]);
        let proposal = propose(number, &old.what, asked, proof, self.model.now);
        let mut heard = fixture::heard(who.account, self.model.now);
        heard.comment = spoken.1;
        let totals = self.book.totals(&proposal, rules());
        let mut arrival = self.receipt(&proposal, &totals, Via::Comment(heard));
        arrival.person = Some(by);
        self.offer(arrival.clone(), false)?;
        let superseded = Event::Superseded(Superseded { by: proposal.id });
        self.offer(self.draft(&case.proposal, Role::Gate, superseded), true)?;
        self.model.all[n].life = "superseded";
        self.model.all[n].replaced_by = Some(number);
        let nobodys = Draft {
            person: None,
            ..arrival.clone()
        };
        self.offer(nobodys, false)?;
        self.offer(arrival, true)?;
        let mut new = Plain::new(number, old.what, AMENDED + number, number, self.model.now);
        new.replaces = Some(old.number);
        new.excluded = old.excluded;
        new.co_writers = old.co_writers;
        new.co_writers.push(who.name);
        self.model.all.push(new);
        Ok(())
    }

    fn onward(&mut self, n: usize) -> Compared {
        let one = self.model.all[n].clone();
        let instance = one
            .begun
            .as_ref()
            .map_or(0, |begun| usize::from(begun.instance == "two"));
        let word = match one.life {
            "received" if one.low() => return self.race(n),
            "received" => Word::Open {
                pull_of: None,
                base: true,
                text: true,
            },
            "open" if one.merged.is_none() && self.model.open(&one) => {
                self.model.all[n].merged = Some((self.model.now, None));
                Word::Merge { by: None }
            }
            "open" => {
                for who in [0, 1, 4] {
                    self.vote(n, &PEOPLE[who], "approved", true)?;
                }
                return Ok(());
            }
            "merged" => return self.race(n),
            "started" => {
                if let Some(freeze) = one.begun.and_then(|begun| begun.thaws) {
                    let place = self.model.freezes.iter().position(|(seq, _)| *seq == freeze);
                    let freeze = place.unwrap_or(usize::MAX);
                    self.record_of(n, &Word::Thaw { freeze }, Spoil::Nothing)?;
                }
                let outcome = Outcome::Executed;
                Word::Finish { instance, outcome }
            }
            "unknown" if one.resumable() => return self.race(n),
            "unknown" => Word::Resolve {
                person: true,
                ran: true,
            },
            _ => Word::Erase { person: true },
        };
        self.record_of(n, &word, Spoil::Nothing)
    }

    fn vote(&mut self, n: usize, who: &'static Person, says: &'static str, heard: bool) -> Compared {
        let one = &self.model.all[n];
        if one.pull.is_none() {
            return Ok(());
        }
        self.votes += 1;
        let mut vote = Vote {
            id: self.votes,
            who,
            says,
            at: self.model.now,
            recorded: false,
            on_our_head: !one.foreign_head,
        };
        if heard {
            vote.recorded = self.heard(n, &vote)?;
        }
        self.model.all[n].votes.push(vote);
        Ok(())
    }

    /// Records a review as its event tells of it, where reviews are still recorded.
    fn heard(&mut self, n: usize, vote: &Vote) -> Compared<bool> {
        let taken = self.model.all[n].life == "open";
        let draft = self.draft(&self.case(n).proposal, Role::Gate, told(vote));
        self.offer(draft, taken)?;
        Ok(taken)
    }

    fn retract(&mut self, n: usize, vote: usize, edited: bool, heard: bool) -> Compared {
        let votes = &mut self.model.all[n].votes;
        if votes.is_empty() {
            return Ok(());
        }
        let place = vote % votes.len();
        votes[place].says = if edited { "edited" } else { "dismissed" };
        let vote = votes[place].clone();
        if heard {
            self.heard(n, &vote)?;
        }
        Ok(())
    }

    fn observe(&mut self, n: usize) -> Compared {
        let (decision, seen) = self.look(n)?;
        let one = &self.model.all[n];
        let taken =
            ["open", "merged"].contains(&one.life) || one.low() && one.life == "received" || one.resumable();
        let event = Event::Observed(Observed {
            when: When::Verdict,
            observation: Box::new(seen),
            gate: decision.verdict(),
            because: decision.because().to_vec(),
        });
        let draft = self.draft(&self.case(n).proposal, Role::Gate, event);
        self.offer(draft, taken).map(|_| ())
    }

    fn due(&mut self, n: usize) -> Compared {
        for draft in due(&self.case(n), rules(), at(self.model.now)) {
            let kind = draft.event.kind().as_str();
            self.offer(draft, true)?;
            let one = &mut self.model.all[n];
            match kind {
                "reminded" => one.reminded = true,
                "escalated" => one.escalated = true,
                _ => one.life = "expired",
            }
        }
        Ok(())
    }

    fn freeze_over(&mut self, over: Option<&'static str>, person: bool) -> Compared {
        let what = match over {
            None => Scope::All,
            Some(agent) if agent.ends_with("-agent") => Scope::Agent(agent.parse().unwrap()),
            Some(action) => Scope::Action(action.parse().unwrap()),
        };
        let event = Event::Frozen(Frozen {
            what,
            reason: "the bank is down".into(),
            said: said(),
        });
        let draft = Draft {
            role: Role::Gate,
            person: person.then(|| "dave".parse().unwrap()),
            agent: None,
            time: at(self.model.now),
            proposal: None,
            digests: Digests::default(),
            event,
            grouped: false,
        };
        let seq = self.book.size();
        self.offer(draft, person)?;
        self.model.freezes.extend(person.then_some((seq, over)));
        Ok(())
    }

    /// The place of a freeze that holds, or of something else.
    pub(super) fn a_freeze(&self, n: usize) -> u64 {
        let freezes = &self.model.freezes;
        let place = n.checked_rem(freezes.len()).filter(|_| n < usize::MAX);
        place.map_or(3, |place| freezes[place].0)
    }
}

fn reused_of(reused: Reused, of: Option<usize>) -> (Reused, Option<usize>) {
    (of.map_or(Reused::Nothing, |_| reused), of)
}
