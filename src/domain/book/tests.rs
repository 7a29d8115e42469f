//! How the book grows, and that one value is used once.

use super::{
    super::{
        assess::assess,
        correction::NotCorrected,
        entry::{
            ClaimedBy, Denied, Destroyed, Digests, Draft, Erased, Event, Excluded, Finished, Opened, Outcome,
            Received, Started, StepResult, Superseded, Via,
        },
        erasure::NotErased,
        exclusion::NotExcluded,
        fixture::{self, BASE, HEAD, MERGE, at},
        ids::{AccountId, CommentId, Sha},
        proposal::{AgentProof, Attestation, Change, Proposal},
        request::RequestItem,
    },
    *,
};

mod life;
mod record;
mod snapshot;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn book() -> Book {
    let genesis = Genesis {
        repository: "acme/approvals".parse().unwrap(),
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
        policy: fixture::starter().digest(),
        keys: vec![first_key(Role::Gate, KEY.to_owned())],
        nonce: Digest::of(b"nonce"),
    };
    let (entry, digest) = genesis_entry(genesis, key(), at(0)).unwrap();
    let first = Authentic {
        commit: Sha::from_bytes([0; 20]),
        key: key(),
        digest,
        entry,
        subject: None,
    };
    Book::begin(first, digest).unwrap().0
}

fn key() -> KeyId {
    super::super::keys::SigningIdentity::read(KEY)
        .unwrap()
        .id()
        .clone()
}

/// The `n`th proposal of one agent.
fn proposal(n: u64) -> Proposal {
    with(n, n, n)
}

/// A proposal that brings the id, the idempotency key and the nonce of those numbers.
fn with(id: u64, key: u64, nonce: u64) -> Proposal {
    replacing((id, key, nonce), None)
}

/// The same in place of another.
fn replacing((id, key, nonce): (u64, u64, u64), old: Option<ProposalId>) -> Proposal {
    let mut request = fixture::request(
        "campaigns.send",
        "erin",
        serde_json::json!({"segment_id": format!("s{id}"), "subject": "Hello", "body": "Dear all"}),
    );
    request.idempotency_key = Some(format!("key-0123456789-{key}").parse().unwrap());
    request.nonce = format!("nonce-0123456789-{nonce}").parse().unwrap();
    request.supersedes = old;
    let proof = AgentProof::GateAttested {
        by: Attestation::Hmac,
    };
    let id = ProposalId::from_parts(at(0), u128::from(id));
    fixture::propose_as(id, request, "campaign-agent", &fixture::starter(), proof)
}

fn draft(proposal: &Proposal, role: Role, event: Event) -> Draft {
    Draft {
        role,
        person: None,
        agent: None,
        time: at(1),
        proposal: Some(proposal.id),
        digests: Digests {
            action: Some(proposal.action_digest()),
            policy: Some(fixture::starter().digest()),
            presentation: Some(Digest::of(b"report")),
            plan: Some(Digest::of(b"plan")),
        },
        event,
        grouped: false,
    }
}

fn received(proposal: &Proposal) -> Draft {
    let event = Event::Received(Received {
        proposal: Arc::new(proposal.clone()),
        assessment: assess(&proposal.matter(), &Totals::default(), &fixture::starter()),
        via: Via::Api,
    });
    draft(proposal, Role::Gate, event)
}

/// A life from its first entry to its last.
fn life(n: u64) -> Vec<Draft> {
    let proposal = proposal(n);
    let gate = |event| draft(&proposal, Role::Gate, event);
    let executor = |event| draft(&proposal, Role::Executor, event);
    vec![
        received(&proposal),
        gate(Event::Opened(Opened {
            pull: PullNumber(n + 1),
            head: HEAD,
            base: BASE,
            base_ref: "main".parse().unwrap(),
            branch: proposal.branch().parse().unwrap(),
            title: Digest::of(b"title"),
            file: Digest::of(b"file"),
        })),
        gate(Event::Merged(super::super::entry::Merged {
            sha: MERGE,
            parents: vec![BASE, HEAD],
            at: at(1),
            by: None,
        })),
        executor(Event::Started(Started {
            instance: "one".parse().unwrap(),
            deadline: at(2),
            attempt: 1,
            idempotency_key: proposal.id.to_string(),
            claim: ClaimedBy::Ledger,
            resumable: false,
            thaws: None,
            excluded: Vec::new(),
        })),
        executor(Event::Finished(Finished {
            instance: "one".parse().unwrap(),
            outcome: Outcome::Executed,
            steps: Vec::new(),
            credentials: Vec::new(),
        })),
    ]
}

/// A person's word that a proposal is to be erased.
fn erased(proposal: &Proposal, comment: u64) -> Draft {
    let said = Erased {
        account: fixture::ALICE,
        comment: CommentId(comment),
        pull: PullNumber(1),
        at: at(1),
        delivery: "d-1".parse().unwrap(),
        reason: "as its owner asks".into(),
        destroyed: Destroyed {
            key: true,
            answers: 1,
        },
    };
    Draft {
        person: Some("alice".parse().unwrap()),
        ..draft(proposal, Role::Gate, Event::Erased(said))
    }
}

#[test]
fn i29_only_what_ended_is_erased_once_and_by_a_person() {
    let mut book = book();
    let (one, mut drafts) = (proposal(1), life(1));
    let end = drafts.pop().unwrap();
    let unheard = book.admits(&erased(&one, 7)).unwrap_err();
    assert!(matches!(unheard, Illegal::NoCase(_)), "{unheard:?}");
    for draft in drafts {
        record(&mut book, vec![draft]);
        let refused = book.admits(&erased(&one, 7)).unwrap_err();
        assert!(matches!(refused, Illegal::Life { .. }), "{refused:?}");
    }
    record(&mut book, vec![end]);
    let nobody = Draft {
        person: None,
        ..erased(&one, 7)
    };
    assert_eq!(book.admits(&nobody), Err(NotErased::Nobody.into()));
    let executor = Draft {
        role: Role::Executor,
        ..erased(&one, 7)
    };
    assert!(matches!(book.admits(&executor), Err(Illegal::Role { .. })));
    let before = book.clone();
    let (_, undo) = book.stage(erased(&one, 7), key()).unwrap();
    assert_eq!(book.erased().collect::<Vec<_>>(), [(one.id, CommentId(7))]);
    assert_eq!(book.closed(one.id).unwrap().erased, Some(CommentId(7)));
    assert_eq!(
        book.recent(one.id).unwrap().erased.as_ref().unwrap().reason,
        "as its owner asks"
    );
    book.unstage(undo);
    assert_eq!(book, before);
    record(&mut book, vec![erased(&one, 7)]);
    assert_eq!(
        book.admits(&erased(&one, 8)),
        Err(NotErased::Already(one.id).into())
    );
    // How it ended stays as it was.
    assert_eq!(book.closed(one.id).unwrap().life, Life::Executed);
}

fn record(book: &mut Book, drafts: Vec<Draft>) {
    for draft in drafts {
        let (_staged, before) = book.stage(draft, key()).unwrap();
        // Recorded: there is nothing to take back.
        drop(before);
    }
}

#[test]
fn a_proposal_that_ended_leaves_a_small_row() {
    let mut book = book();
    let recent = u64::try_from(RECENT).unwrap();
    (0..recent).for_each(|n| record(&mut book, life(n)));
    let before = book.register.bytes();
    let more = 200;
    (recent..recent + more).for_each(|n| record(&mut book, life(n)));
    // Every room of the book is named: a new one is measured here, or does not grow with the ledger.
    let Book {
        genesis: _,
        genesis_digest: _,
        next: _,
        head: _,
        time: _,
        keys: _,
        policy: _,
        strong: _,
        cases,
        register,
        recent,
        whole,
        delegations,
        running,
        amendments,
        freezes,
    } = &book;
    assert_eq!(
        running.len(),
        0,
        "grows with what ran within the windows of limits"
    );
    assert_eq!((cases.len(), recent.len(), whole.len()), (0, RECENT, RECENT));
    assert_eq!(
        delegations.len(),
        0,
        "grows with what people say, not with what agents do"
    );
    assert_eq!(
        amendments.pending().count(),
        0,
        "grows with what people change of the rules"
    );
    assert!(freezes.is_empty(), "grows with what people stop");
    let each = (register.bytes() - before) / usize::try_from(more).unwrap();
    assert!(each <= 224, "{each} bytes for each proposal that ended");
}

#[test]
fn a_row_tells_how_a_proposal_ended() {
    let mut book = book();
    (0..300).for_each(|n| record(&mut book, life(n)));
    let third = proposal(3);
    assert!(book.recent(third.id).is_none());
    let closed = book.closed(third.id).unwrap();
    assert_eq!(
        (closed.life, closed.pull, closed.refused),
        (Life::Executed, Some(PullNumber(4)), None)
    );
    assert_eq!(
        (closed.agent, closed.operation),
        (&third.binding.agent, &third.binding.operation)
    );
    assert_eq!(
        (closed.summary, closed.action),
        (third.summary.as_str(), third.action_digest())
    );
    assert_eq!(book.by_pull(PullNumber(4)), Some(third.id));
    let open = proposal(300);
    record(&mut book, vec![received(&open)]);
    assert!(book.closed(open.id).is_none());
}

#[test]
fn i17_key_nonce_id_and_pull_request_are_used_once_however_long_ago() {
    let mut book = book();
    (0..300).for_each(|n| record(&mut book, life(n)));
    let old = proposal(3);
    let used = |what| Illegal::Used { what, by: old.id };
    let again = |id, key, nonce| book.admits(&received(&with(id, key, nonce))).unwrap_err();
    assert_eq!(again(900, 3, 900), used("idempotency_key"));
    assert_eq!(again(900, 900, 3), used("nonce"));
    assert_eq!(again(3, 900, 900), used("id"));
    assert_eq!(
        book.request(&old.binding.agent, &old.idempotency_key),
        Some(old.id)
    );
    // A key is no nonce, and another agent's is another.
    let other = "payments-agent".parse().unwrap();
    assert_eq!(book.request(&other, &old.idempotency_key), None);
    let as_key = old.nonce.as_str().parse().unwrap();
    assert_eq!(book.request(&old.binding.agent, &as_key), None);
    let mut opened = life(900);
    record(&mut book, opened.drain(..1).collect());
    if let Event::Opened(opened) = &mut opened[0].event {
        opened.pull = PullNumber(4);
    }
    assert_eq!(
        book.admits(&opened[0]).unwrap_err(),
        Illegal::Pull {
            pull: PullNumber(4),
            by: old.id
        }
    );
}

#[test]
fn ids_and_pull_requests_are_found_in_whatever_order_they_came() {
    let mut book = book();
    let order = [5, 1, 9, 3, 7, 0, 8, 2, 6, 4];
    for n in order {
        record(&mut book, life(n));
    }
    for n in order {
        assert_eq!(book.by_pull(PullNumber(n + 1)), Some(proposal(n).id));
        assert_eq!(book.closed(proposal(n).id).unwrap().pull, Some(PullNumber(n + 1)));
    }
    assert_eq!(book.by_pull(PullNumber(77)), None);
}

/// A life from its first entry to its last, of a proposal of two items of which dave took these out.
fn life_without(excluded: &[&str], started: &[&str], ran: &[&str]) -> Vec<Draft> {
    let mut request = fixture::request("campaigns.send", "erin", serde_json::Value::Null);
    request.parameters = None;
    request.items = ["1", "2"]
        .map(|id| RequestItem {
            id: id.parse().unwrap(),
            parameters: serde_json::json!({"segment_id": id, "subject": "Hello", "body": "Dear all"}),
        })
        .into();
    let proof = AgentProof::GateAttested {
        by: Attestation::Hmac,
    };
    let id = ProposalId::from_parts(at(0), 1);
    let proposal = fixture::propose_as(id, request, "campaign-agent", &fixture::starter(), proof);
    let ids = |items: &[&str]| items.iter().map(|item| item.parse().unwrap()).collect();
    let mut drafts = life(1);
    for one in &mut drafts {
        one.proposal = Some(proposal.id);
        one.digests.action = Some(proposal.action_digest());
        match &mut one.event {
            Event::Opened(opened) => opened.branch = proposal.branch().parse().unwrap(),
            Event::Started(body) => body.excluded = ids(started),
            Event::Finished(finished) => {
                let step = |item: &&str| StepResult {
                    item: item.parse().unwrap(),
                    step: None,
                    undo: false,
                    outcome: Outcome::Executed,
                    status: None,
                    request: Digest::of(b"request"),
                    response: None,
                    note: None,
                };
                finished.steps = ran.iter().map(step).collect();
            }
            _ => {}
        }
    }
    drafts[0] = received(&proposal);
    let exclusion = Event::Excluded(Excluded {
        items: ids(excluded),
        reason: "paid already".into(),
        heard: fixture::heard(fixture::DAVE, 1),
    });
    let by = Draft {
        person: Some("dave".parse().unwrap()),
        ..draft(&proposal, Role::Gate, exclusion)
    };
    drafts.insert(2, by);
    drafts
}

/// The first draft that the book does not take.
fn refused(drafts: Vec<Draft>) -> Option<Illegal> {
    let mut book = book();
    drafts
        .into_iter()
        .find_map(|draft| match book.stage(draft, key()) {
            Ok(_) => None,
            Err(StageError::Illegal(illegal)) => Some(illegal),
            Err(other) => panic!("{other}"),
        })
}

#[test]
fn i16_only_what_approvers_left_in_starts_and_ends() {
    assert_eq!(refused(life_without(&["2"], &["2"], &["1"])), None);
    for other in [&[][..], &["1"], &["1", "2"], &["2", "2"]] {
        assert_eq!(refused(life_without(&["2"], other, &["1"])), Some(Illegal::Items));
    }
    let ran = refused(life_without(&["2"], &["2"], &["1", "2"]));
    assert_eq!(ran, Some(Illegal::Excluded("2".parse().unwrap())));
    let no = |why| Some(Illegal::from(why));
    let (two, nine) = ("2".parse().unwrap(), "9".parse().unwrap());
    assert_eq!(refused(life_without(&["1", "2"], &[], &[])), no(NotExcluded::All));
    assert_eq!(
        refused(life_without(&["9"], &[], &[])),
        no(NotExcluded::Unknown(nine))
    );
    assert_eq!(
        refused(life_without(&["2", "2"], &[], &[])),
        no(NotExcluded::Already(two))
    );
    assert_eq!(refused(life_without(&[], &[], &[])), no(NotExcluded::None));
    let mut nobodys = life_without(&["2"], &["2"], &["1"]);
    nobodys[2].person = None;
    assert_eq!(refused(nobodys), no(NotExcluded::Nobody));
    // After the merge it changes nothing, since it is not recorded.
    let mut late = life_without(&["2"], &["2"], &["1"]);
    late.swap(2, 3);
    assert!(matches!(refused(late), Some(Illegal::Life { .. })));
}

/// A proposal that dave made of another one, with the entry that receives it.
fn amended(old: &Proposal, n: u64) -> (Proposal, Draft) {
    let change = Change {
        item: "1".parse().unwrap(),
        at: "/subject".into(),
        before: Some("Hello".into()),
        now: "Good bye".into(),
    };
    let changes = vec![change];
    let nonce = format!("nonce-0123456789-{n}").parse().unwrap();
    let asked = correction::request(old, &changes, nonce, None).unwrap();
    let spoken = (fixture::DAVE, CommentId(5));
    let proof = correction::proof(old, &"dave".parse().unwrap(), spoken, changes);
    let id = ProposalId::from_parts(at(0), u128::from(n));
    let new = fixture::propose_as(id, asked, "campaign-agent", &fixture::starter(), proof);
    let mut heard = fixture::heard(fixture::DAVE, 1);
    heard.comment = CommentId(5);
    let mut arrival = received(&new);
    arrival.person = Some("dave".parse().unwrap());
    if let Event::Received(received) = &mut arrival.event {
        received.via = Via::Comment(heard);
    }
    (new, arrival)
}

#[test]
fn i08_co_writers_pass_on_to_whatever_descends_however_long_ago() {
    let mut book = book();
    let old = proposal(1);
    record(&mut book, life(1).drain(..2).collect());
    let (new, arrival) = amended(&old, 2);
    let not_yet = Illegal::from(NotCorrected::Elsewhere);
    assert_eq!(book.admits(&arrival).unwrap_err(), not_yet);
    record(
        &mut book,
        vec![draft(
            &old,
            Role::Gate,
            Event::Superseded(Superseded { by: new.id }),
        )],
    );
    let mut nobodys = arrival.clone();
    nobodys.person = None;
    assert_eq!(book.admits(&nobodys).unwrap_err(), NotCorrected::Nobody.into());
    // What the agent makes of it.
    let mut revision: crate::domain::proposal::ProposalParts = proposal(3).into();
    revision.supersedes = Some(new.id);
    let revision = Proposal::new(revision).unwrap();
    let (_staged, before) = book.stage(arrival.clone(), key()).unwrap();
    let dave: BTreeSet<AccountId> = [fixture::DAVE].into();
    assert_eq!(book.case(new.id).unwrap().co_writers, dave);
    assert_eq!(book.co_writers(&revision), dave);
    book.unstage(before);
    assert_eq!(book.co_writers(&revision), BTreeSet::new());
    let denied = draft(&new, Role::Gate, Event::Denied(Denied { account: None }));
    record(&mut book, vec![arrival, denied]);
    (10..300).for_each(|n| record(&mut book, life(n)));
    assert!(book.recent(new.id).is_none());
    record(&mut book, vec![received(&revision)]);
    assert_eq!(book.case(revision.id).unwrap().co_writers, dave);
}

#[test]
fn i20_what_was_excluded_stays_out_of_what_a_person_makes_of_it() {
    let mut book = book();
    let mut drafts = life_without(&["2"], &["2"], &["1"]);
    let old = match &drafts[0].event {
        Event::Received(received) => received.proposal.as_ref().clone(),
        other => panic!("{other:?}"),
    };
    record(&mut book, drafts.drain(..3).collect());
    let (new, arrival) = amended(&old, 2);
    let superseded = draft(&old, Role::Gate, Event::Superseded(Superseded { by: new.id }));
    record(&mut book, vec![superseded, arrival]);
    let left: Vec<&str> = book
        .case(new.id)
        .unwrap()
        .left_in()
        .map(|item| item.id.as_str())
        .collect();
    assert_eq!(left, ["1"]);
}
