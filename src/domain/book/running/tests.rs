#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop"
)]

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::{
    assess::assess,
    audit::Authentic,
    book::{Book, Illegal, first_key, genesis_entry},
    case::Life,
    entry::{
        ClaimedBy, Digests, Draft, Event, Finished, Genesis, Merged, Opened, Outcome, Received, Resolution,
        Resolved, Role, Said, Started, Unknown, Via,
    },
    fixture::{ALICE, BASE, Files, HEAD, MERGE, Story, at, request},
    ids::{CommentId, Digest, KeyId, PullNumber, Sha},
    keys::SigningIdentity,
    policy::{Policy, Tier},
    proposal::{AgentProof, Attestation, Observed, ObservedFacts, Proposal},
    receive::{Arrival, fit},
    sealed::DataKey,
};

const PER: Span = Span::seconds(3_600);

fn id(n: u64) -> ProposalId {
    ProposalId::from_parts(at(0), u128::from(n))
}

/// One limit of an hour over each counter.
fn totals(counters: &[(&str, i64)]) -> Totals {
    let counts = counters.iter().map(|(counter, adds)| {
        json!({
            "limit": "l", "counter": counter, "max": 100, "per": "1h", "over": "deny", "adds": adds,
            "ran": 0, "own": 0, "others": 0,
        })
    });
    serde_json::from_value(counts.collect()).unwrap()
}

fn holds(running: &Running, counter: &str, agent: &str, now: Timestamp) -> SoFar {
    let counts = totals(&[(counter, 0)]);
    running.so_far(counts.iter().next().unwrap(), &agent.parse().unwrap(), None, now)
}

/// A proposal in the naive model.
#[derive(Debug, Clone)]
struct Plain {
    agent: &'static str,
    counter: &'static str,
    adds: i64,
    stands: Stands,
}

fn naive(all: &[Plain], counter: &str, agent: &str, now: Timestamp) -> SoFar {
    let mut so_far = SoFar::default();
    for one in all.iter().filter(|one| one.counter == counter) {
        match one.stands {
            Stands::Nowhere => {}
            Stands::Waiting if one.agent == agent => so_far.own += one.adds,
            Stands::Waiting => so_far.others += one.adds,
            Stands::Ran(ran) if now.since(ran) < PER.millis() => so_far.ran += one.adds,
            Stands::Ran(_) => {}
        }
    }
    so_far
}

#[derive(Debug, Clone)]
enum Step {
    Receive(&'static str, &'static str, i64),
    Start(usize),
    Release(usize),
    Pass(i64),
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    let (agents, counters) = (vec!["one", "two"], vec!["x", "y"]);
    prop_oneof![
        4 => (prop::sample::select(agents), prop::sample::select(counters), 0_i64..50)
            .prop_map(|(agent, counter, adds)| Step::Receive(agent, counter, adds)),
        3 => (0_usize..20).prop_map(Step::Start),
        2 => (0_usize..20).prop_map(Step::Release),
        3 => (1_i64..40).prop_map(Step::Pass),
        1 => Just(Step::Undo),
    ]
}

proptest! {
    #[test]
    fn i20_running_totals_are_those_of_a_naive_model(steps in prop::collection::vec(step(), 0..60)) {
        let (mut running, mut all, mut now) = (Running::default(), Vec::<Plain>::new(), 0);
        let mut last: Option<(usize, Stands)> = None;
        for step in steps {
            let moved = match step {
                Step::Receive(agent, counter, adds) => {
                    all.push(Plain { agent, counter, adds, stands: Stands::Nowhere });
                    Some((all.len() - 1, Stands::Waiting))
                }
                Step::Start(n) if all.get(n).is_some_and(|one| one.stands == Stands::Waiting) => {
                    Some((n, Stands::Ran(at(now))))
                }
                Step::Release(n) if n < all.len() => Some((n, Stands::Nowhere)),
                Step::Start(_) | Step::Release(_) => None,
                Step::Pass(minutes) => {
                    now += minutes;
                    running.forget(at(now));
                    last = None;
                    None
                }
                Step::Undo => last.take(),
            };
            if let Some((n, stands)) = moved {
                last = Some((n, all[n].stands));
                all[n].stands = stands;
                let one = &all[n];
                running.put(id(n as u64), &one.agent.parse().unwrap(), &totals(&[(one.counter, one.adds)]), stands);
            }
            for counter in ["x", "y"] {
                for agent in ["one", "two", "three"] {
                    prop_assert_eq!(holds(&running, counter, agent, at(now)), naive(&all, counter, agent, at(now)));
                }
            }
        }
        // What no window reaches is let go; what waits stays.
        running.forget(at(now + 10_000));
        let waiting = all.iter().filter(|one| one.stands == Stands::Waiting).count();
        prop_assert_eq!(running.len(), 2 * waiting);
    }

    #[test]
    fn i20_totals_do_not_depend_on_the_order(mut order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let put = |order: &[usize]| {
            let mut running = Running::default();
            for n in order {
                let minutes = (*n as i64) * 7;
                let stands = if n % 3 == 0 { Stands::Waiting } else { Stands::Ran(at(minutes)) };
                running.put(id(*n as u64), &"one".parse().unwrap(), &totals(&[("x", *n as i64), ("y", 1)]), stands);
            }
            (holds(&running, "x", "one", at(80)), holds(&running, "y", "two", at(80)))
        };
        let shuffled = put(&order);
        order.sort_unstable();
        prop_assert_eq!(shuffled, put(&order));
    }
}

#[test]
fn i20_every_end_but_an_execution_releases() {
    let mut case = Story::high().case;
    case.assessment.totals = totals(&[("x", 7)]);
    for life in Life::ALL {
        let mut running = Running::default();
        for before in [Life::Received, Life::Started, life] {
            case.life = before;
            running.follow(case.proposal.id, &case, at(5));
        }
        let found = holds(&running, "x", "payments-agent", at(10));
        let (ran, own) = match life {
            Life::Started | Life::Unknown | Life::Executed | Life::Partial => (7, 0),
            Life::Received | Life::Open | Life::Merged => (0, 7),
            _ => (0, 0),
        };
        assert_eq!((found.ran, found.own, found.others), (ran, own, 0), "{life}");
    }
}

/// Public keys of the two roles.
const GATE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFSG+Jst6E0ZdI9ucv0LLNUCTnQLW9NeYo9ekDABD7Sl";
const EXECUTOR: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdpbpsZyYFJV8pHbU4vrgoBsXW5usCzrMhwlT7/n/kS";

fn key(role: Role) -> KeyId {
    let text = if role == Role::Gate { GATE } else { EXECUTOR };
    SigningIdentity::read(text).unwrap().id().clone()
}

/// Payments of at most two an hour and agent, and of 10,000.00 a day and supplier below the high gate.
fn rules() -> Policy {
    let mut files = Files::default();
    let limits = "    limits:\n      - { rate: 2, per: 1h, by: [params.supplier_id] }\n      - { budget: params.amount.minor, max: 1000000, \
                  currency: EUR, per: 1d, by: [params.supplier_id], over: high }\n";
    let place = files.catalog.rfind("    checks: [text]").unwrap();
    files.catalog.insert_str(place, limits);
    files.agents = files
        .agents
        .replacen("actions: [crm.note]", "actions: [crm.note, payments.create]", 1);
    files.policy()
}

fn book(policy: &Policy) -> Book {
    let genesis = Genesis {
        repository: "acme/approvals".parse().unwrap(),
        base: "main".parse().unwrap(),
        ledger: "ledger".parse().unwrap(),
        policy: policy.digest(),
        keys: vec![
            first_key(Role::Gate, GATE.to_owned()),
            first_key(Role::Executor, EXECUTOR.to_owned()),
        ],
        nonce: Digest::of(b"nonce"),
    };
    let (entry, digest) = genesis_entry(genesis, key(Role::Gate), at(0)).unwrap();
    let first = Authentic {
        commit: Sha::from_bytes([0; 20]),
        key: key(Role::Gate),
        digest,
        entry,
        subject: None,
    };
    Book::begin(first, digest).unwrap().0
}

fn pay(n: u64, minutes: i64, minor: i64, agent: &str, policy: &Policy) -> Proposal {
    let sponsor = policy.agent(&agent.parse().unwrap()).unwrap().sponsor().clone();
    let mut request = request(
        "payments.create",
        sponsor.as_str(),
        json!({"supplier_id": "ACME", "amount": {"minor": minor, "currency": "EUR"}, "reference": "4711"}),
    );
    request.nonce = format!("nonce-0123456789-{n}").parse().unwrap();
    let agent = policy.agent(&agent.parse().unwrap()).unwrap();
    let fitting = fit(request, agent, policy, at(minutes)).unwrap();
    let facts = || ObservedFacts {
        connector: "http".into(),
        before: json!({}),
        after: None,
        affected: Default::default(),
        precondition: None,
    };
    let observed = fitting.items().iter().map(|item| Observed {
        item: item.id.clone(),
        at: at(minutes),
        facts: facts(),
    });
    let observed = observed.collect();
    let arrival = Arrival {
        kept: Default::default(),
        replaced: None,
        id: ProposalId::from_parts(at(minutes), u128::from(n)),
        proof: AgentProof::GateAttested {
            by: Attestation::Hmac,
        },
        summary: "Pay".into(),
        observed,
        key: DataKey::new([7; 32]),
        salts: Vec::new(),
    };
    fitting.arrive(arrival).unwrap()
}

fn draft(proposal: &Proposal, policy: &Policy, role: Role, minutes: i64, event: Event) -> Draft {
    Draft {
        role,
        person: None,
        agent: None,
        time: at(minutes),
        proposal: Some(proposal.id),
        digests: Digests {
            action: Some(proposal.action_digest()),
            policy: Some(policy.digest()),
            presentation: Some(Digest::of(b"report")),
            plan: Some(Digest::of(b"plan")),
        },
        event,
        grouped: false,
    }
}

fn received(proposal: &Proposal, totals: &Totals, policy: &Policy, minutes: i64) -> Draft {
    let event = Event::Received(Received {
        proposal: Arc::new(proposal.clone()),
        assessment: assess(&proposal.matter(), totals, policy),
        via: Via::Api,
    });
    draft(proposal, policy, Role::Gate, minutes, event)
}

/// What follows the receipt, up to the act.
fn opened_and_merged(n: u64, proposal: &Proposal, policy: &Policy, minutes: i64) -> [Draft; 2] {
    let opened = Event::Opened(Opened {
        pull: PullNumber(n),
        head: HEAD,
        base: BASE,
        base_ref: "main".parse().unwrap(),
        branch: proposal.branch().parse().unwrap(),
        title: Digest::of(b"title"),
        file: Digest::of(b"file"),
    });
    let merged = Event::Merged(Merged {
        sha: MERGE,
        parents: vec![BASE, HEAD],
        at: at(minutes),
        by: None,
    });
    [opened, merged].map(|event| draft(proposal, policy, Role::Gate, minutes, event))
}

fn started(proposal: &Proposal, policy: &Policy, minutes: i64) -> Draft {
    let event = Event::Started(Started {
        instance: "one".parse().unwrap(),
        deadline: at(minutes + 5),
        attempt: 1,
        idempotency_key: proposal.id.to_string(),
        claim: ClaimedBy::Ledger,
        resumable: false,
        thaws: None,
        excluded: Vec::new(),
    });
    draft(proposal, policy, Role::Executor, minutes, event)
}

fn record(book: &mut Book, draft: Draft) -> Result<(), Illegal> {
    book.admits(&draft)?;
    let key = key(draft.role);
    let entry = book.entry(draft, key.clone());
    let next = Authentic {
        commit: Sha::from_bytes([0; 20]),
        key,
        digest: Digest::of(entry.line().unwrap().as_bytes()),
        entry,
        subject: None,
    };
    book.apply(next).unwrap();
    Ok(())
}

fn arrive(book: &mut Book, proposal: &Proposal, policy: &Policy, minutes: i64) -> Totals {
    let totals = book.totals(proposal, policy);
    record(book, received(proposal, &totals, policy, minutes)).unwrap();
    totals
}

fn of_rate(totals: &Totals) -> SoFar {
    totals.iter().next().unwrap().so_far()
}

#[test]
fn i17_what_was_counted_before_others_arrived_is_not_recorded() {
    let policy = rules();
    let mut book = book(&policy);
    let (one, two) = (
        pay(1, 1, 100, "payments-agent", &policy),
        pay(2, 2, 100, "payments-agent", &policy),
    );
    let stale = book.totals(&two, &policy);
    arrive(&mut book, &one, &policy, 1);
    let refused = record(&mut book, received(&two, &stale, &policy, 2)).unwrap_err();
    assert_eq!(refused, Illegal::Totals("rate_per_1h_by_supplier_id".into()));
    let fresh = arrive(&mut book, &two, &policy, 2);
    assert_eq!(of_rate(&fresh).own, 1);
    // Counting more than the ledger holds is safe: what runs from an outbox is not there yet.
    let three = pay(3, 3, 100, "support-agent", &policy);
    let more = book.totals(&three, &policy).counted(|_| SoFar {
        ran: 5,
        ..SoFar::default()
    });
    record(&mut book, received(&three, &more, &policy, 3)).unwrap();
}

#[test]
fn i20_others_waiting_raise_and_refuse_only_their_own() {
    let policy = rules();
    let mut book = book(&policy);
    for n in 1..=2 {
        arrive(&mut book, &pay(n, 1, 100, "payments-agent", &policy), &policy, 1);
    }
    let own = pay(3, 2, 100, "payments-agent", &policy);
    let own = book.totals(&own, &policy);
    assert!(own.iter().any(Count::refuses));
    let other = pay(4, 2, 100, "support-agent", &policy);
    let found = assess(&other.matter(), &book.totals(&other, &policy), &policy);
    assert_eq!((found.tier, found.checks_hold()), (Tier::High, true));
    assert!(found.totals.iter().all(|count| !count.refuses()));
}

#[test]
fn i20_a_limit_is_counted_again_at_the_act_and_moves_on() {
    let policy = rules();
    let mut book = book(&policy);
    let agents = ["payments-agent", "payments-agent", "support-agent"];
    let payments: Vec<Proposal> = (1..=3)
        .map(|n| pay(n, 1, 100, agents[n as usize - 1], &policy))
        .collect();
    for (payment, n) in payments.iter().zip(1..) {
        arrive(&mut book, payment, &policy, 1);
        for draft in opened_and_merged(n, payment, &policy, 2) {
            record(&mut book, draft).unwrap();
        }
    }
    for payment in &payments[..2] {
        record(&mut book, started(payment, &policy, 3)).unwrap();
    }
    // Two executors that both found room: the second to be recorded finds none. INVARIANT i17.
    let late = &payments[2];
    let over = Illegal::Limit("rate_per_1h_by_supplier_id".into());
    assert_eq!(record(&mut book, started(late, &policy, 4)), Err(over));
    let case = book.case(late.id).unwrap().clone();
    let full = book.room(&case, at(62), |_| 0).unwrap_err();
    assert_eq!((full.ran, full.max, full.adds), (2, 2, 1));
    assert_eq!(full.frees_at, Some(at(63)));
    let beside = book.room(&case, at(62), |_| 2).unwrap_err();
    assert_eq!(
        (beside.ran, beside.frees_at),
        (4, None),
        "what is not recorded has no end yet"
    );
    assert!(book.room(&case, at(63), |_| 0).is_ok(), "the window moved on");
    assert!(
        book.room(&case, at(63), |_| 2).is_err(),
        "what ran from an outbox counts"
    );
    // An execution that ended without effect makes room at once.
    let finished = Event::Finished(Finished {
        instance: "one".parse().unwrap(),
        outcome: Outcome::Refused,
        steps: Vec::new(),
        credentials: Vec::new(),
    });
    let ended = draft(&payments[0], &policy, Role::Executor, 5, finished);
    record(&mut book, ended).unwrap();
    record(&mut book, started(late, &policy, 6)).unwrap();
}

#[test]
fn i20_many_small_payments_count_as_one() {
    let policy = rules();
    let mut book = book(&policy);
    let mut raised = Vec::new();
    for n in 1..=6 {
        // One every two hours, so that the rate has room and the budget of the day fills.
        let (minutes, minor) = (n as i64 * 120, 190_000);
        let payment = pay(n, minutes, minor, "payments-agent", &policy);
        let totals = book.totals(&payment, &policy);
        let found = assess(&payment.matter(), &totals, &policy);
        let limit = |reason: &crate::domain::assess::TierReason| {
            matches!(reason.because, crate::domain::assess::TierRule::Limit(_))
        };
        raised.push(found.reasons.iter().any(limit));
        record(&mut book, received(&payment, &totals, &policy, minutes)).unwrap();
        for draft in opened_and_merged(n, &payment, &policy, minutes) {
            record(&mut book, draft).unwrap();
        }
        record(&mut book, started(&payment, &policy, minutes)).unwrap();
    }
    assert_eq!(raised, [false, false, false, false, false, true]);
}

#[test]
fn i20_what_is_found_long_afterwards_to_have_run_counts_from_its_start() {
    let policy = rules();
    let mut book = book(&policy);
    let one = pay(1, 1, 100, "payments-agent", &policy);
    arrive(&mut book, &one, &policy, 1);
    for draft in opened_and_merged(1, &one, &policy, 2) {
        record(&mut book, draft).unwrap();
    }
    record(&mut book, started(&one, &policy, 3)).unwrap();
    let unknown = Event::Unknown(Unknown {
        instance: "one".parse().unwrap(),
        reason: "no answer".into(),
        stopped: false,
        steps: Vec::new(),
        credentials: Vec::new(),
    });
    record(&mut book, draft(&one, &policy, Role::Executor, 4, unknown)).unwrap();
    // No window reaches its start any more.
    let late = 3 + 24 * 60 + 61;
    arrive(
        &mut book,
        &pay(2, late, 100, "payments-agent", &policy),
        &policy,
        late,
    );
    let resolved = Event::Resolved(Resolved {
        found: Resolution::Executed,
        reason: "the bank's statement".into(),
        said: Said {
            account: ALICE,
            comment: CommentId(7),
            below: PullNumber(1),
            at: at(late),
            delivery: "d-1".parse().unwrap(),
        },
    });
    let by_alice = Draft {
        person: Some("alice".parse().unwrap()),
        ..draft(&one, &policy, Role::Gate, late + 1, resolved)
    };
    record(&mut book, by_alice).unwrap();
    let next = pay(3, late + 2, 100, "payments-agent", &policy);
    let so_far = of_rate(&book.totals(&next, &policy));
    assert_eq!((so_far.ran, so_far.own), (0, 1));
}

#[test]
fn i17_what_was_only_tried_out_leaves_no_trace() {
    let policy = rules();
    let mut book = book(&policy);
    let (one, two) = (
        pay(1, 1, 100, "payments-agent", &policy),
        pay(2, 2, 100, "payments-agent", &policy),
    );
    arrive(&mut book, &one, &policy, 1);
    for draft in opened_and_merged(1, &one, &policy, 2) {
        record(&mut book, draft).unwrap();
    }
    let before = format!("{:?}", book.running);
    let totals = book.totals(&two, &policy);
    let finished = Event::Finished(Finished {
        instance: "one".parse().unwrap(),
        outcome: Outcome::Executed,
        steps: Vec::new(),
        credentials: Vec::new(),
    });
    let drafts = [
        received(&two, &totals, &policy, 2),
        started(&one, &policy, 3),
        draft(&one, &policy, Role::Executor, 4, finished),
    ];
    let mut staged = Vec::new();
    for draft in drafts {
        let key = key(draft.role);
        staged.push(book.stage(draft, key).unwrap().1);
    }
    assert_ne!(format!("{:?}", book.running), before);
    staged.into_iter().rev().for_each(|before| book.unstage(before));
    assert_eq!(format!("{:?}", book.running), before);
}
