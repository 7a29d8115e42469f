//! What a delegation gives, to whom, when, and what it never gives.

use std::cell::RefCell;

use proptest::prelude::*;

use super::*;
use crate::domain::{
    audit::Authentic,
    book::{Book, Illegal, first_key, genesis_entry},
    entry::{Digests, Draft, Event, Genesis, Role},
    fixture::*,
    ids::{AccountId, CommentId, Digest, KeyId, Seq, Sha},
    keys::Keys,
};

fn name(text: &str) -> PersonName {
    text.parse().unwrap()
}

fn action(text: &str) -> ActionName {
    text.parse().unwrap()
}

/// Alice may be stood in for by bob and carol, bob by dave.
fn policy() -> Policy {
    let people = PEOPLE
        .replace("  alice:\n", "  alice:\n    stand_ins: [bob, carol]\n")
        .replace("  bob:\n", "  bob:\n    stand_ins: [dave]\n");
    Files {
        people,
        ..Files::default()
    }
    .policy()
}

/// From one minute to another.
fn said(owner: &str, stand_in: Option<&str>, from: i64, until: i64) -> Delegated {
    Delegated {
        owner: name(owner),
        stand_in: stand_in.map(name),
        from: at(from),
        until: at(until),
        actions: Vec::new(),
        reason: None,
        account: AccountId(1),
        comment: CommentId(1),
        delivery: "d-1".parse().unwrap(),
    }
}

fn given(all: &[(i64, Delegated)]) -> Delegations {
    let mut delegations = Delegations::default();
    for (minute, said) in all {
        delegations.record(at(*minute), said.clone());
    }
    delegations
}

fn for_whom(delegations: &Delegations, person: &str, minute: i64) -> Vec<String> {
    let (person, pay, policy) = (name(person), action("payments.create"), policy());
    let owners = delegations.stands_for(&person, &pay, at(minute), &policy);
    owners.map(ToString::to_string).collect()
}

#[test]
fn it_holds_from_its_beginning_until_its_end_and_never_before_it_was_recorded() {
    let late = given(&[(10, said("alice", Some("bob"), 0, 60))]);
    for (minute, holds) in [(5, false), (10, true), (59, true), (60, false)] {
        assert_eq!(!for_whom(&late, "bob", minute).is_empty(), holds, "{minute}");
    }
    let ahead = given(&[(10, said("alice", Some("bob"), 20, 60))]);
    assert!(for_whom(&ahead, "bob", 19).is_empty());
    assert_eq!(for_whom(&ahead, "bob", 20), ["alice"]);
    assert!(for_whom(&ahead, "carol", 20).is_empty());
}

#[test]
fn what_is_not_kept_gives_nothing_and_still_ends_what_was_said_before() {
    let all = given(&[
        (0, said("alice", Some("bob"), 0, 60)),
        (10, said("alice", Some("carol"), 10, 60)),
        (20, said("bob", Some("dave"), 20, 60)),
    ]);
    let only = all.only(|said| said.stand_in != Some(name("carol")));
    assert_eq!(for_whom(&only, "bob", 5), ["alice"]);
    assert_eq!(for_whom(&only, "dave", 30), ["bob"]);
    for person in ["bob", "carol"] {
        assert!(for_whom(&only, person, 30).is_empty(), "{person}");
    }
}

#[test]
fn i08_it_is_not_passed_on() {
    let chain = given(&[
        (0, said("alice", Some("bob"), 0, 60)),
        (1, said("bob", Some("dave"), 0, 60)),
    ]);
    assert_eq!(for_whom(&chain, "bob", 30), ["alice"]);
    assert_eq!(for_whom(&chain, "dave", 30), ["bob"]);
}

#[test]
fn the_last_word_counts_and_changes_nothing_that_was_before() {
    let replaced = given(&[
        (0, said("alice", Some("bob"), 0, 60)),
        (30, said("alice", Some("carol"), 0, 60)),
    ]);
    assert_eq!(for_whom(&replaced, "bob", 29), ["alice"]);
    assert!(for_whom(&replaced, "bob", 30).is_empty());
    assert_eq!(for_whom(&replaced, "carol", 30), ["alice"]);
    let taken_back = given(&[
        (0, said("alice", Some("bob"), 0, 60)),
        (30, said("alice", None, 30, 30)),
    ]);
    assert_eq!(for_whom(&taken_back, "bob", 29), ["alice"]);
    assert!(for_whom(&taken_back, "bob", 30).is_empty());
    assert_eq!(taken_back.holding(at(29)).count(), 1);
    assert_eq!(taken_back.holding(at(30)).count(), 0);
}

#[test]
fn it_holds_for_the_actions_it_names_and_whom_the_policy_still_lets_stand_in() {
    let mut notes = said("alice", Some("bob"), 0, 60);
    notes.actions = vec![action("crm.note")];
    assert!(for_whom(&given(&[(0, notes)]), "bob", 1).is_empty());
    let stranger = said("alice", Some("dave"), 0, 60);
    assert_eq!(stranger.permitted(&policy()), Err(NotDelegated::NotAStandIn));
    assert!(for_whom(&given(&[(0, stranger)]), "dave", 1).is_empty());
    // The starter set names no stand-ins, as if they had been struck out since.
    let (bob, pay) = (name("bob"), action("payments.create"));
    let held = given(&[(0, said("alice", Some("bob"), 0, 60))]);
    assert_eq!(held.stands_for(&bob, &pay, at(1), &starter()).count(), 0);
}

/// A ledger that began at minute 0.
fn book() -> (Book, KeyId) {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let public = ssh_key::public::Ed25519PublicKey(secret.verifying_key().to_bytes());
    let key = ssh_key::PublicKey::from(public).to_openssh().unwrap();
    let keys = vec![first_key(Role::Gate, key)];
    let id = {
        let known = Keys::of(&keys).unwrap();
        known.with_role(Role::Gate, Seq(0)).next().unwrap().id().clone()
    };
    let genesis = Genesis {
        repository: "acme/approvals".parse().unwrap(),
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
        policy: policy().digest(),
        keys,
        nonce: Digest::of(b"nonce"),
    };
    let (entry, digest) = genesis_entry(genesis, id.clone(), at(0)).unwrap();
    let first = Authentic {
        commit: Sha::from_bytes([1; 20]),
        digest,
        key: id.clone(),
        subject: None,
        entry,
    };
    (Book::begin(first, digest).unwrap().0, id)
}

fn draft(person: &str, said: Delegated) -> Draft {
    Draft {
        role: Role::Gate,
        person: Some(name(person)),
        agent: None,
        time: at(1),
        proposal: None,
        digests: Digests::default(),
        event: Event::Delegated(said),
        grouped: false,
    }
}

#[test]
fn only_the_owners_own_time_boxed_word_is_recorded() {
    let (book, _) = book();
    let month = 30 * 24 * 60;
    let verdict = |person, said| book.admits(&draft(person, said));
    let no = |why| Err(Illegal::Delegation(why));
    assert_eq!(verdict("alice", said("alice", Some("bob"), 1, month + 1)), Ok(()));
    assert_eq!(
        verdict("alice", said("alice", Some("bob"), 1, month + 2)),
        no(NotDelegated::TooLong)
    );
    assert_eq!(
        verdict("bob", said("alice", Some("bob"), 1, 2)),
        no(NotDelegated::NotTheirs)
    );
    assert_eq!(
        verdict("alice", said("alice", Some("alice"), 1, 2)),
        no(NotDelegated::Oneself)
    );
    assert_eq!(
        verdict("alice", said("alice", Some("bob"), 2, 2)),
        no(NotDelegated::Backwards)
    );
    assert_eq!(
        verdict("alice", said("alice", Some("bob"), -9, 0)),
        no(NotDelegated::Over)
    );
    assert_eq!(verdict("alice", said("alice", None, 0, 0)), Ok(()));
    let mut nobodys = draft("alice", said("alice", Some("bob"), 1, 2));
    nobodys.person = None;
    assert_eq!(book.admits(&nobodys), no(NotDelegated::NotTheirs));
    let mut about = draft("alice", said("alice", Some("bob"), 1, 2));
    about.proposal = Some(Story::high().case.proposal.id);
    assert_eq!(book.admits(&about), no(NotDelegated::AboutAProposal));
    let mut wrong_role = draft("alice", said("alice", Some("bob"), 1, 2));
    wrong_role.role = Role::Executor;
    assert!(matches!(book.admits(&wrong_role), Err(Illegal::Role { .. })));
}

#[test]
fn the_book_keeps_what_was_said_and_forgets_what_was_only_tried() {
    let (mut book, key) = book();
    let (staged, before) = book
        .stage(draft("alice", said("alice", Some("bob"), 1, 60)), key)
        .unwrap();
    assert_eq!(
        staged.subject,
        "delegated: alice to bob, until 2026-11-22 11:00 UTC"
    );
    let line = staged.lined.entry.line().unwrap();
    assert_eq!(
        crate::domain::entry::Entry::read(&line).unwrap(),
        staged.lined.entry
    );
    assert_eq!(for_whom(book.delegations(), "bob", 5), ["alice"]);
    book.unstage(before);
    assert_eq!(*book.delegations(), Delegations::default());
}

proptest! {
    /// A plain model: the owner's newest word until then, if it names this person and holds.
    #[test]
    fn stands_for_agrees_with_a_naive_model(
        words in prop::collection::vec((0usize..2, 0usize..3, 0i64..10, 0i64..10, 0i64..3), 0..8),
        minute in 0i64..20,
        person in 0usize..2,
    ) {
        let owners = ["alice", "bob"];
        let stand_ins = [Some("bob"), Some("dave"), None];
        let clock = RefCell::new(0);
        let all: Vec<(i64, Delegated)> = words
            .iter()
            .map(|(owner, stand_in, from, length, step)| {
                *clock.borrow_mut() += step;
                let now = *clock.borrow();
                (now, said(owners[*owner], stand_ins[*stand_in], *from, from + length))
            })
            .collect();
        let person = ["bob", "dave"][person];
        let expected: Vec<String> = owners
            .iter()
            .filter(|owner| {
                let heard = all.iter().rev().find(|(when, said)| *when <= minute && said.owner.as_str() == **owner);
                let allowed = matches!((**owner, person), ("alice", "bob") | ("bob", "dave"));
                allowed && heard.is_some_and(|(_, said)| {
                    said.stand_in == Some(name(person)) && said.from <= at(minute) && at(minute) < said.until
                })
            })
            .map(|owner| (*owner).to_owned())
            .collect();
        let mut found = for_whom(&given(&all), person, minute);
        found.sort();
        prop_assert_eq!(found, expected);
    }
}
