//! What is no part of the record: by the wrong role or key, out of its place or time, or illegal. It changes nothing.

use super::*;
use crate::domain::entry::{Frozen, Incident, Kind, RoleKey, Said, Scope, Superseded, Unknown};

/// An entry as it comes from a commit that a key of the ledger signed.
fn authentic(entry: Entry) -> Authentic {
    Authentic {
        commit: Sha::from_bytes([1; 20]),
        key: key(),
        digest: Digest::of(entry.line().unwrap().as_bytes()),
        entry,
        subject: None,
    }
}

/// Applies an entry that is no part of the record, and the one that is after it.
fn inert(change: impl FnOnce(&mut Authentic)) -> Flaw {
    let mut book = book();
    let draft = received(&proposal(1));
    let entry = book.entry(draft, key());
    let mut bad = authentic(entry.clone());
    change(&mut bad);
    let before = (book.head(), book.size(), book.time());
    let flaw = book.apply(bad).unwrap_err().flaw;
    assert_eq!((book.head(), book.size(), book.time()), before);
    assert_eq!(book.cases().count(), 0);
    book.apply(authentic(entry)).unwrap();
    assert_eq!(book.cases().count(), 1);
    flaw
}

#[test]
fn i03_a_role_writes_its_own_kinds_only() {
    let flaw = inert(|bad| bad.entry.actor.role = Role::Executor);
    assert!(
        matches!(
            flaw,
            Flaw::Role {
                role: Role::Executor,
                ..
            }
        ),
        "{flaw:?}"
    );
    let mut draft = received(&proposal(1));
    draft.role = Role::Watch;
    let refused = book().admits(&draft).unwrap_err();
    assert!(
        matches!(
            refused,
            Illegal::Role {
                role: Role::Watch,
                ..
            }
        ),
        "{refused:?}"
    );
    let started = life(1)
        .into_iter()
        .find(|draft| draft.event.kind() == Kind::Started);
    let by_gate = Draft {
        role: Role::Gate,
        ..started.unwrap()
    };
    assert!(matches!(book().admits(&by_gate), Err(Illegal::Role { .. })));
    let entry = book().entry(by_gate, key());
    assert!(matches!(
        book().apply(authentic(entry)).unwrap_err().flaw,
        Flaw::Role {
            role: Role::Gate,
            kind: Kind::Started,
            ..
        }
    ));
}

#[test]
fn i03_a_key_signs_within_its_range_of_positions_and_for_its_role() {
    let keys = Keys::of(&[RoleKey {
        role: Role::Gate,
        key: KEY.to_owned(),
        from: Seq(5),
        until: Some(Seq(7)),
    }])
    .unwrap();
    let allowed: Vec<u64> = (0..10)
        .filter(|at| keys.allow(&key(), Role::Gate, Seq(*at)))
        .collect();
    assert_eq!(allowed, [5, 6]);
    assert!(!keys.allow(&key(), Role::Executor, Seq(5)));
}

#[test]
fn i03_an_entry_that_names_another_key_than_signed_it_is_inert() {
    let other: KeyId = format!("SHA256:{}", "a".repeat(43)).parse().unwrap();
    let flaw = inert(|bad| bad.entry.actor.key = other);
    assert!(matches!(flaw, Flaw::Role { .. }), "{flaw:?}");
}

#[test]
fn i03_an_illegal_entry_is_inert() {
    let flaw = inert(|bad| bad.entry.digests.policy = Some(Digest::of(b"other rules")));
    assert!(matches!(flaw, Flaw::Illegal(_)), "{flaw:?}");
}

#[test]
fn i28_an_entry_out_of_its_place_is_inert() {
    let flaw = inert(|bad| bad.entry.seq = Seq(2));
    assert!(matches!(flaw, Flaw::Sequence { .. }), "{flaw:?}");
    let flaw = inert(|bad| bad.entry.previous = Some(Digest::of(b"another")));
    assert!(matches!(flaw, Flaw::Previous), "{flaw:?}");
}

#[test]
fn i28_an_entry_of_later_semantics_is_not_judged_by_these() {
    let flaw = inert(|bad| bad.entry.semantics = SEMANTICS + 1);
    assert!(
        matches!(flaw, Flaw::Semantics(version) if version == SEMANTICS + 1),
        "{flaw:?}"
    );
}

#[test]
fn i28_a_subject_must_tell_of_its_entry() {
    let flaw = inert(|bad| bad.subject = Some("nothing happened".to_owned()));
    assert!(matches!(flaw, Flaw::Message("subject")), "{flaw:?}");
}

#[test]
fn i28_an_entry_of_earlier_semantics_is_not_called_tampered() {
    let mut book = book();
    let mut entry = book.entry(received(&proposal(1)), key());
    entry.semantics = SEMANTICS - 1;
    let mut told = authentic(entry);
    told.subject = Some("as it was told then".to_owned());
    book.apply(told).unwrap();
    assert_eq!(book.cases().count(), 1);
}

#[test]
fn i30_entry_times_never_decrease() {
    let mut book = book();
    let late = authentic(book.entry(
        Draft {
            time: at(10),
            ..received(&proposal(1))
        },
        key(),
    ));
    book.apply(late).unwrap();
    // What happened earlier is written down with the time of what stands before it.
    let incident = Draft {
        time: at(5),
        proposal: None,
        digests: Digests::default(),
        ..draft(
            &proposal(1),
            Role::Gate,
            Event::Incident(Incident {
                what: "odd".to_owned(),
                account: None,
                stray: None,
            }),
        )
    };
    let entry = book.entry(incident, key());
    assert_eq!(entry.time, at(10));
    let early = authentic(Entry {
        time: at(5),
        ..entry.clone()
    });
    assert!(matches!(book.apply(early).unwrap_err().flaw, Flaw::Time));
    book.apply(authentic(entry)).unwrap();
}

#[test]
fn i05_only_what_can_not_run_any_more_is_replaced() {
    let mut book = book();
    let old = proposal(1);
    let entry = book.entry(received(&old), key());
    book.apply(authentic(entry)).unwrap();
    let new = replacing((2, 2, 2), Some(old.id));
    assert_eq!(
        book.admits(&received(&new)),
        Err(Illegal::Replaces(old.id)),
        "it may still run"
    );
    let superseded = |by| draft(&old, Role::Gate, Event::Superseded(Superseded { by }));
    let entry = book.entry(superseded(new.id), key());
    book.apply(authentic(entry)).unwrap();
    assert_eq!(book.admits(&received(&new)), Ok(()));
    let third = replacing((3, 3, 3), Some(old.id));
    assert_eq!(
        book.admits(&received(&third)),
        Err(Illegal::Replaces(old.id)),
        "another one replaced it"
    );
}

#[test]
fn i17_only_what_a_life_allows_is_recorded() {
    let mut unopened = life(1);
    unopened.remove(1);
    assert!(matches!(
        refused(unopened),
        Some(Illegal::Life {
            kind: Kind::Merged,
            ..
        })
    ));
    let mut twice = life(1);
    twice.insert(4, twice[3].clone());
    assert!(matches!(
        refused(twice),
        Some(Illegal::Life {
            kind: Kind::Started,
            ..
        })
    ));
}

#[test]
fn i17_what_waits_for_approval_is_not_claimed_by_the_outbox() {
    let mut drafts = life(1);
    if let Event::Started(started) = &mut drafts[3].event {
        started.claim = ClaimedBy::Outbox;
    }
    assert_eq!(refused(drafts), Some(Illegal::Claim));
}

#[test]
fn i26_what_is_opened_names_what_approvers_read() {
    let mut drafts = life(1);
    drafts[1].digests.presentation = None;
    assert_eq!(refused(drafts), Some(Illegal::Digest("presentation")));
}

#[test]
fn i16_attempts_follow_each_other_with_the_plan_of_the_first() {
    let mut book = book();
    let mut drafts = life(1);
    drafts.truncate(4);
    let attempt = |attempt, resumable| {
        let mut draft = drafts[3].clone();
        if let Event::Started(started) = &mut draft.event {
            (started.attempt, started.resumable) = (attempt, resumable);
        }
        draft
    };
    record(&mut book, drafts[..3].to_vec());
    assert_eq!(book.admits(&attempt(2, true)), Err(Illegal::Attempt(2)));
    let unknown = Event::Unknown(Unknown {
        instance: "one".parse().unwrap(),
        reason: "it stopped in mid-call".into(),
        stopped: true,
        steps: Vec::new(),
        credentials: Vec::new(),
    });
    let lost = draft(&proposal(1), Role::Executor, unknown);
    record(&mut book, vec![attempt(1, true), lost]);
    for other in [1, 3] {
        assert_eq!(book.admits(&attempt(other, true)), Err(Illegal::Attempt(other)));
    }
    let mut another = attempt(2, true);
    another.digests.plan = Some(Digest::of(b"another"));
    assert_eq!(
        book.admits(&another),
        Err(Illegal::Digest("first attempt's plan"))
    );
    assert_eq!(book.admits(&attempt(2, true)), Ok(()));
}

/// Somebody's freeze.
fn frozen(what: Scope) -> Draft {
    let event = Event::Frozen(Frozen {
        what,
        reason: "the bank is down".into(),
        said: Said {
            account: fixture::DAVE,
            comment: CommentId(7),
            below: PullNumber(2),
            at: at(1),
            delivery: "d-1".parse().unwrap(),
        },
    });
    Draft {
        person: Some("dave".parse().unwrap()),
        proposal: None,
        digests: Digests::default(),
        ..draft(&proposal(1), Role::Gate, event)
    }
}

#[test]
fn i22_what_is_frozen_does_not_start_and_only_the_high_tier_thaws() {
    let mut book = book();
    let drafts = life(1);
    record(&mut book, drafts[..3].to_vec());
    let nobodys = Draft {
        person: None,
        ..frozen(Scope::All)
    };
    assert_eq!(book.admits(&nobodys), Err(Illegal::Nobody));
    let others = Scope::Agent("payments-agent".parse().unwrap());
    record(&mut book, vec![frozen(others)]);
    assert_eq!(book.admits(&drafts[3]), Ok(()), "it is not this agent's");
    for what in [Scope::Action("campaigns.send".parse().unwrap()), Scope::All] {
        let (seq, mut book) = (Seq(book.size()), book.clone());
        record(&mut book, vec![frozen(what)]);
        assert_eq!(book.admits(&drafts[3]), Err(Illegal::Frozen(seq)));
        // Whatever an executor says of a proposal that one person approved.
        let mut thaws = drafts[3].clone();
        if let Event::Started(started) = &mut thaws.event {
            started.thaws = Some(seq);
        }
        assert_eq!(book.admits(&thaws), Err(Illegal::NoFreeze(seq)));
    }
}
