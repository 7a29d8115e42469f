//! The table of a proposal's life, written a second time.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::domain::{
    entry::*,
    fixture::*,
    gate::Verdict,
    ids::{AccountId, BranchName, CommentId, ProposalId, PullNumber, Sha, Span},
    observation::ReviewState,
};

/// One event of every kind that has a body.
fn events(story: &Story) -> Vec<Event> {
    let refusal = || Refusal {
        sha: None,
        by: None,
        reason: "x".into(),
        because: Vec::new(),
    };
    let finished = |outcome| {
        Event::Finished(Finished {
            instance: "me".parse().unwrap(),
            outcome,
            steps: Vec::new(),
            credentials: Vec::new(),
        })
    };
    let base: BranchName = "main".parse().unwrap();
    let id: ProposalId = story.case.proposal.id;
    let reviewed = story.clone().approve(ALICE).case.reviews[0].review.clone();
    assert_eq!(reviewed.decision, ReviewState::Approved);
    let genesis = Genesis {
        repository: "acme/approvals".parse().unwrap(),
        base: base.clone(),
        ledger: "ledger".parse().unwrap(),
        policy: Digest::of(b"p"),
        keys: Vec::new(),
        nonce: Digest::of(b"n"),
    };
    let received = Received {
        proposal: Arc::clone(&story.case.proposal),
        assessment: story.case.assessment.clone(),
        via: Via::Api,
    };
    let opened = Opened {
        pull: PullNumber(42),
        head: HEAD,
        base_ref: base,
        base: BASE,
        branch: story.case.proposal.branch().parse().unwrap(),
        title: Digest::of(b"t"),
        file: Digest::of(b"f"),
    };
    let observed = Observed {
        when: When::Verdict,
        observation: Box::new(story.seen.clone()),
        gate: Verdict::Waiting,
        because: Vec::new(),
    };
    let started = Started {
        instance: "me".parse().unwrap(),
        deadline: at(100),
        attempt: 1,
        idempotency_key: id.to_string(),
        claim: ClaimedBy::Ledger,
        resumable: false,
        thaws: None,
        excluded: Vec::new(),
    };
    let open_for = Span::seconds(60);
    vec![
        Event::Genesis(genesis),
        Event::Received(received),
        Event::Opened(opened),
        Event::Reviewed(reviewed),
        Event::Exception(Exception {
            check: "text".parse().unwrap(),
            reason: None,
            heard: heard(),
        }),
        Event::Withdrawn(Withdrawn {
            check: "text".parse().unwrap(),
            granted: vec![heard().comment],
            reason: None,
            heard: heard(),
        }),
        Event::Excluded(Excluded {
            items: vec!["1".parse().unwrap()],
            reason: "x".into(),
            heard: heard(),
        }),
        Event::Edited(Edited {
            account: AccountId(1),
            parts: [EditedPart::Title].into(),
            delivery: "d-1".parse().unwrap(),
        }),
        Event::Observed(observed),
        Event::Delegated(Delegated {
            owner: "alice".parse().unwrap(),
            stand_in: None,
            from: at(1),
            until: at(2),
            actions: Vec::new(),
            reason: None,
            account: AccountId(1),
            comment: CommentId(1),
            delivery: "d-1".parse().unwrap(),
        }),
        Event::Reminded(Reminded { open_for }),
        Event::Escalated(Reminded { open_for }),
        Event::Voided(Voided {
            because: VoidReason::ForeignHead,
            head: Some(Sha::from_bytes([8; 20])),
        }),
        Event::Denied(Denied {
            account: Some(AccountId(1)),
        }),
        Event::Expired(Expired { at: at(1) }),
        Event::Cancelled(Cancelled { reason: None }),
        Event::Superseded(Superseded { by: id }),
        Event::Merged(Merged {
            sha: MERGE,
            parents: vec![BASE, HEAD],
            at: at(40),
            by: None,
        }),
        Event::Bypassed(refusal()),
        Event::PolicyChanged(refusal()),
        Event::RefusedAfterMerge(refusal()),
        Event::Started(started),
        finished(Outcome::Executed),
        finished(Outcome::Refused),
        finished(Outcome::Errored),
        finished(Outcome::Undone),
        finished(Outcome::Partial),
        Event::Unknown(Unknown {
            instance: "me".parse().unwrap(),
            reason: "x".into(),
            stopped: false,
            steps: Vec::new(),
            credentials: Vec::new(),
        }),
        Event::Step(took()),
        Event::Undone(took()),
        Event::Resolved(Resolved {
            found: Resolution::Executed,
            reason: "x".into(),
            said: said(),
        }),
        Event::Frozen(Frozen {
            what: Scope::All,
            reason: "x".into(),
            said: said(),
        }),
        Event::Thawed(Thawed { freeze: Seq(1) }),
        Event::Incident(Incident {
            what: "x".into(),
            account: None,
            stray: None,
        }),
    ]
}

fn took() -> Took {
    Took {
        instance: "me".parse().unwrap(),
        result: StepResult {
            item: ItemId::only(),
            step: Some("pay".parse().unwrap()),
            undo: false,
            outcome: Outcome::Executed,
            status: None,
            request: Digest::of(b"x"),
            response: None,
            note: None,
        },
        progress: (1, 2),
    }
}

fn said() -> Said {
    Said {
        account: AccountId(1),
        comment: CommentId(1),
        below: PullNumber(1),
        at: at(1),
        delivery: "d-1".parse().unwrap(),
    }
}

fn heard() -> Heard {
    Heard {
        account: AccountId(1),
        comment: CommentId(1),
        at: at(1),
        delivery: "d-1".parse().unwrap(),
        head: HEAD,
    }
}

/// What may follow, by name; the same for medium and high tier.
fn may_follow(life: Life, low: bool) -> &'static [&'static str] {
    match (life, low) {
        (Life::Received, true) => &[
            "observed",
            "voided",
            "denied",
            "expired",
            "cancelled",
            "superseded",
            "bypassed",
            "started",
            "incident",
        ],
        (Life::Received, false) => &[
            "opened",
            "voided",
            "denied",
            "expired",
            "cancelled",
            "superseded",
            "bypassed",
            "incident",
        ],
        (Life::Open, _) => &[
            "reviewed",
            "exception",
            "withdrawn",
            "excluded",
            "edited",
            "observed",
            "reminded",
            "escalated",
            "voided",
            "denied",
            "expired",
            "cancelled",
            "superseded",
            "merged",
            "bypassed",
            "incident",
        ],
        (Life::Merged, false) => &[
            "edited",
            "observed",
            "policy_changed",
            "refused_after_merge",
            "started",
            "incident",
        ],
        (Life::Merged, true) => &[
            "edited",
            "observed",
            "policy_changed",
            "refused_after_merge",
            "incident",
        ],
        (Life::Started, _) => &["step", "undone", "thawed", "finished", "unknown", "incident"],
        (Life::Unknown, _) => &["resolved", "incident"],
        (Life::Voided | Life::Denied | Life::Expired | Life::Cancelled | Life::Superseded, _) => {
            &["bypassed", "incident"]
        }
        (
            Life::Executed
            | Life::Refused
            | Life::Errored
            | Life::Undone
            | Life::Partial
            | Life::Bypassed
            | Life::PolicyChanged
            | Life::RefusedAfterMerge,
            _,
        ) => &["incident"],
    }
}

#[test]
fn i17_only_what_the_table_lists_may_follow() {
    for story in [Story::high(), Story::medium(), Story::low()] {
        let low = story.case.tier() == Tier::Low;
        for life in Life::ALL {
            let mut case = story.case.clone();
            case.life = life;
            for event in events(&story) {
                let listed = may_follow(life, low).contains(&event.kind().as_str());
                assert_eq!(
                    case.allows(&event),
                    listed,
                    "{} after {life}, low: {low}",
                    event.kind()
                );
            }
        }
    }
}

#[test]
fn every_life_is_reached_and_nothing_is_after_an_end() {
    let mut reached = BTreeSet::new();
    for story in [Story::high(), Story::low()] {
        let events = events(&story);
        let mut case = story.case.clone();
        case.life = Life::Received;
        let mut next = VecDeque::from([case]);
        while let Some(case) = next.pop_front() {
            if !reached.insert((case.tier(), case.life)) {
                continue;
            }
            for event in events.iter().filter(|event| case.allows(event)) {
                let mut after = case.clone();
                after.follow(event, &digests(&case), at(50), Seq(9));
                if case.life.ended() {
                    assert!(
                        after.life == case.life || after.life == Life::Bypassed,
                        "{} after {}",
                        after.life,
                        case.life
                    );
                }
                next.push_back(after);
            }
        }
    }
    let lives: BTreeSet<Life> = reached.iter().map(|(_, life)| *life).collect();
    assert_eq!(lives.into_iter().collect::<Vec<_>>(), Life::ALL);
    assert!(!reached.contains(&(Tier::Low, Life::Open)) && !reached.contains(&(Tier::Low, Life::Merged)));
}
