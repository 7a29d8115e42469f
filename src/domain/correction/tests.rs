//! What a comment asks for, and that nothing but its changes gets into what takes the old proposal's place.

use serde_json::json;

use super::{request as asked_again, *};
use crate::domain::{
    command::{self, Wish},
    comment::Comment,
    entry::{Digests, Event, Superseded},
    fixture::*,
    gate::{Rule, Standing, Verdict},
    ids::{ProposalId, Seq},
    proposal::{Attestation, ProposalParts},
    receive::{ProofError, check_proof, prove},
    request::Request,
};

const COMMENT: CommentId = CommentId(5);

fn id(n: u128) -> ProposalId {
    ProposalId::from_parts(at(0), n)
}

fn key() -> DataKey {
    DataKey::new([7; 32])
}

/// A payment with a sealed account number, signed by its agent.
fn story() -> Story {
    let mut parameters = payment();
    parameters["iban"] = json!("DE89370400440532013000");
    let mut asked = crate::domain::fixture::request("payments.create", "carol", parameters);
    asked.sign(&agent_key()).unwrap();
    of(asked)
}

fn of(asked: Request) -> Story {
    let policy = signing_policy();
    let agent = policy.agent(&"payments-agent".parse().unwrap()).unwrap();
    let proof = prove(&asked, agent, Attestation::Hmac).unwrap().proof;
    let mut story = Story::of(asked.clone(), "payments-agent", policy.clone());
    story.case.proposal = std::sync::Arc::new(propose(asked, "payments-agent", &policy, proof));
    story
}

fn heard_as(text: &str, story: &Story) -> Option<Result<Vec<Change>, String>> {
    let comment = Comment {
        text,
        by: story.policy.person(&"alice".parse().unwrap()).unwrap(),
        id: CommentId(1),
        account: ALICE,
        delivery: &"d-1".parse().unwrap(),
        at: at(20),
    };
    Some(
        command::asked(comment, &story.case, &story.policy)?.map(|wish| match wish {
            Wish::Correct(changes) => changes,
            other => panic!("{other:?}"),
        }),
    )
}

fn changes(text: &str, story: &Story) -> Vec<Change> {
    heard_as(text, story).unwrap().unwrap()
}

fn refused(text: &str, story: &Story) -> String {
    heard_as(text, story).unwrap().unwrap_err()
}

/// The proposal that takes an old one's place, as the gate makes it.
fn amended(old: &Proposal, n: u128, by: &str, account: AccountId, made: Vec<Change>) -> Proposal {
    let policy = signing_policy();
    let nonce = format!("amended-{n:032}").parse().unwrap();
    let asked = asked_again(old, &made, nonce, Some(&key())).unwrap();
    let proof = proof(old, &by.parse().unwrap(), (account, COMMENT), made);
    propose_as(id(n), asked, "payments-agent", &policy, proof)
}

/// The case as the ledger has it once another proposal took its place.
fn replaced(story: &Story, by: ProposalId) -> Case {
    let mut case = story.case.clone();
    case.follow(
        &Event::Superseded(Superseded { by }),
        &Digests::default(),
        at(20),
        Seq(9),
    );
    case
}

fn received(proposal: &Proposal, account: AccountId) -> Received {
    let policy = signing_policy();
    let assessment = crate::domain::assess::assess(&proposal.matter(), &Default::default(), &policy);
    let mut heard = heard(account, 20);
    heard.comment = COMMENT;
    Received {
        proposal: std::sync::Arc::new(proposal.clone()),
        assessment,
        via: Via::Comment(heard),
    }
}

/// What the record says of a proposal that alice's change made.
fn admitted(story: &Story, new: &Proposal) -> Result<(), NotCorrected> {
    let alice = "alice".parse().unwrap();
    admissible(
        &received(new, ALICE),
        Some(&replaced(story, new.id)),
        Some(&alice),
    )
}

fn forged(new: &Proposal, change: impl FnOnce(&mut ProposalParts)) -> Proposal {
    let mut parts: ProposalParts = new.clone().into();
    change(&mut parts);
    Proposal::new(parts).unwrap()
}

fn corrected(parts: &mut ProposalParts) -> &mut Corrected {
    match &mut parts.proof {
        AgentProof::Corrected(corrected) => corrected,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_line_is_a_change_and_values_are_as_the_schema_has_them() {
    let story = story();
    let text =
        "/amend amount.minor=900000\r\nHalf of the goods.\n/amend /reference = 0049\n/amend urgency=high";
    let made = changes(text, &story);
    let told: Vec<_> = made
        .iter()
        .map(|change| (change.name(), change.before.clone(), change.now.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("amount.minor".into(), Some(json!(1_250_000)), json!(900_000)),
            ("reference".into(), Some(json!("4711")), json!("0049")),
            // What a default filled in was not sent.
            ("urgency".into(), None, json!("high")),
        ]
    );
    for (text, now) in [
        ("/amend reference=\"two words\"", json!("two words")),
        (
            "/amend amount={\"minor\": 5, \"currency\": \"EUR\"}",
            json!({"minor": 5, "currency": "EUR"}),
        ),
        ("/amend reference=a=b", json!("a=b")),
        ("/amend reference=true", json!("true")),
    ] {
        assert_eq!(changes(text, &story)[0].now, now, "{text}");
    }
}

#[test]
fn what_can_not_be_changed_is_named_with_its_remedy() {
    let story = story();
    for (text, said) in [
        ("/amend", "write a line for each change"),
        ("/amend amount.minor 5", "write a line for each change"),
        (
            "/amend amount.minor=",
            "`amount.minor` has no value; write `amount.minor=\"\"`",
        ),
        (
            "/amend amount.minor=much",
            "`amount.minor`: the value is not of type `integer`",
        ),
        (
            "/amend amount.minor=0",
            "`amount.minor`: the value is less than the minimum of 1",
        ),
        ("/amend reference=as agreed", "holds blanks; write it in quotes"),
        (
            "/amend reference=\"as agreed\" by phone",
            "begins as JSON and is none",
        ),
        (
            "/amend referense=x",
            "unknown parameter `referense`; did you mean `reference`?",
        ),
        ("/amend a.b.c=1", "there is no place `a.b.c`"),
        ("/amend =1", "`` is no parameter"),
        ("/amend amount.minor=1250000", "says that already"),
        ("/amend urgency=normal", "says that already"),
        (
            "/amend reference=x\n/amend reference=y",
            "`reference` is changed twice",
        ),
        (
            "/amend amount.minor=1\n/amend amount={\"minor\":2,\"currency\":\"EUR\"}",
            "is changed twice",
        ),
        ("/amend reference=x\n/exclude 1 y", "one kind of command"),
        (
            "/amend supplier_id=GLOBEX",
            "`supplier_id` names what is acted on",
        ),
        ("/amend operation=crm.note", "unknown parameter `operation`"),
        ("/amend 2:reference=x", "unknown parameter `2:reference`"),
    ] {
        let why = refused(text, &story);
        assert!(why.contains(said), "{text}: {why}");
    }
}

#[test]
fn i29_what_is_sealed_is_not_changed_by_a_comment_nor_repeated() {
    let story = story();
    for text in [
        "/amend iban=DE02120300000000202051",
        "/amend /iban=\"DE02120300000000202051\"",
    ] {
        let why = refused(text, &story);
        assert!(
            why.contains("delete the comment and ask the agent to revise"),
            "{why}"
        );
        assert!(!why.contains("0202051"), "{why}");
    }
    // Nor by the record, whatever a gate takes.
    let new = amended(
        &story.case.proposal,
        8,
        "alice",
        ALICE,
        changes("/amend reference=x", &story),
    );
    let other = forged(&new, |parts| {
        corrected(parts).corrections[0].changes.push(Change {
            item: "1".parse().unwrap(),
            at: "/iban".into(),
            before: Some(json!("DE89370400440532013000")),
            now: json!("DE02120300000000202051"),
        });
    });
    assert_eq!(
        admitted(&story, &other),
        Err(NotCorrected::Sealed("1".parse().unwrap()))
    );
    let refused = check_proof(&other, &story.policy, Some(&key()));
    assert_eq!(refused, Err(ProofError::Changes("1".parse().unwrap())));
}

#[test]
fn i04_the_agents_signature_holds_once_the_changes_are_taken_back() {
    let story = story();
    let made = changes("/amend amount.minor=900000\n/amend urgency=high", &story);
    let new = amended(&story.case.proposal, 8, "alice", ALICE, made);
    assert_eq!(new.binding.items[0].parameters["amount"]["minor"], 900_000);
    assert_eq!(admitted(&story, &new), Ok(()));
    assert_eq!(check_proof(&new, &story.policy, Some(&key())), Ok(()));
    // Through the record and back.
    let read: Proposal = serde_json::from_str(&serde_json::to_string(&new).unwrap()).unwrap();
    assert_eq!(read, new);
    // Another person changes that again, and the chain still ends at what the agent signed.
    let mut next = story.clone();
    next.case.proposal = std::sync::Arc::new(new.clone());
    let made = changes("/amend urgency=normal\n/amend reference=4712", &next);
    let third = amended(&new, 9, "bob", BOB, made);
    assert_eq!(check_proof(&third, &story.policy, Some(&key())), Ok(()));
    let bob = "bob".parse().unwrap();
    let admit =
        |third: &Proposal| admissible(&received(third, BOB), Some(&replaced(&next, id(9))), Some(&bob));
    assert_eq!(admit(&third), Ok(()));
    // Nobody forgets who was first.
    let other = forged(&third, |parts| drop(corrected(parts).corrections.remove(0)));
    assert_eq!(
        admit(&other),
        Err(NotCorrected::Differs("what was changed before"))
    );
    assert!(check_proof(&other, &story.policy, Some(&key())).is_err());
}

#[test]
fn i04_content_that_no_change_gives_is_refused_by_record_and_executor() {
    let story = story();
    let made = changes("/amend amount.minor=900000", &story);
    let new = amended(&story.case.proposal, 8, "alice", ALICE, made);
    type Forgery = fn(&mut ProposalParts);
    let forgeries: [(Forgery, bool); 15] = [
        (
            |p| p.binding.items[0].parameters["amount"]["minor"] = json!(900_001),
            true,
        ),
        (
            |p| p.binding.items[0].parameters["amount"]["currency"] = json!("USD"),
            true,
        ),
        (
            |p| p.binding.items[0].parameters["reference"] = json!("mine"),
            true,
        ),
        (|p| p.binding.items[0].parameters["urgency"] = json!("high"), true),
        (
            |p| corrected(p).corrections[0].changes[0].before = Some(json!(1)),
            true,
        ),
        (|p| corrected(p).corrections[0].changes[0].now = json!(1), true),
        (
            |p| corrected(p).corrections[0].changes[0].at = "/reference".into(),
            true,
        ),
        (
            |p| corrected(p).corrections[0].changes[0].item = "2".parse().unwrap(),
            true,
        ),
        (|p| corrected(p).corrections[0].changes.clear(), true),
        (|p| corrected(p).corrections.clear(), true),
        (
            |p| corrected(p).nonce = "another-nonce-0123".parse().unwrap(),
            true,
        ),
        (|p| p.asked_expiry = Some(at(600)), true),
        (|p| p.binding.sponsor = "dave".parse().unwrap(), true),
        // What the agent says is not signed by it; the record alone keeps it.
        (|p| p.justification = "because".into(), false),
        (|p| p.rollback_plan = Some("none".into()), false),
    ];
    for ((forge, signed), number) in forgeries.into_iter().zip(1..) {
        let other = forged(&new, forge);
        assert!(admitted(&story, &other).is_err(), "forgery {number} is admitted");
        let proven = check_proof(&other, &story.policy, Some(&key()));
        assert_eq!(proven.is_err(), signed, "forgery {number}: {proven:?}");
    }
    // A proof of the gate's own making in place of the agent's signature.
    let other = forged(&new, |p| {
        corrected(p).asked = AgentProof::GateAttested {
            by: Attestation::Hmac,
        };
    });
    assert_eq!(
        admitted(&story, &other),
        Err(NotCorrected::Differs("the agent's proof"))
    );
    assert!(matches!(
        check_proof(&other, &story.policy, Some(&key())),
        Err(ProofError::Agent(_))
    ));
    let other = forged(&new, |p| {
        let asked = p.proof.clone();
        corrected(p).asked = asked;
    });
    assert!(admitted(&story, &other).is_err());
    assert!(matches!(
        check_proof(&other, &story.policy, Some(&key())),
        Err(ProofError::Agent(_))
    ));
}

#[test]
fn i05_only_the_open_proposal_that_ended_for_it_is_changed() {
    let story = story();
    let made = changes("/amend amount.minor=900000", &story);
    let new = amended(&story.case.proposal, 8, "alice", ALICE, made);
    let alice = "alice".parse().unwrap();
    let admit = |received: &Received, old: Option<&Case>| admissible(received, old, Some(&alice));
    let (entry, old) = (received(&new, ALICE), replaced(&story, new.id));
    assert_eq!(admit(&entry, Some(&old)), Ok(()));
    // Still open, replaced by another one, or never there.
    assert_eq!(admit(&entry, Some(&story.case)), Err(NotCorrected::Elsewhere));
    assert_eq!(
        admit(&entry, Some(&replaced(&story, id(77)))),
        Err(NotCorrected::Elsewhere)
    );
    assert_eq!(admit(&entry, None), Err(NotCorrected::Elsewhere));
    // `from` and `supersedes` name two proposals, or both name the agent's other one.
    for other in [
        forged(&new, |p| corrected(p).corrections[0].from = id(66)),
        forged(&new, |p| p.supersedes = Some(id(66))),
        forged(&new, |p| p.supersedes = None),
        forged(&new, |p| {
            p.supersedes = Some(id(66));
            corrected(p).corrections[0].from = id(66);
        }),
    ] {
        assert_eq!(
            admit(&received(&other, ALICE), Some(&old)),
            Err(NotCorrected::Elsewhere)
        );
    }
    for other in [
        forged(&new, |p| corrected(p).corrections[0].from = id(66)),
        forged(&new, |p| p.supersedes = None),
    ] {
        assert_eq!(
            check_proof(&other, &story.policy, Some(&key())),
            Err(ProofError::Replaces)
        );
    }
    // On a head that nobody reviewed.
    let mut elsewhere = entry.clone();
    let Via::Comment(heard) = &mut elsewhere.via else {
        panic!()
    };
    heard.head = BASE;
    assert_eq!(admit(&elsewhere, Some(&old)), Err(NotCorrected::Elsewhere));
}

#[test]
fn i08_a_change_is_a_persons_own_word_and_medium_at_least() {
    let story = story();
    let made = changes("/amend amount.minor=900000", &story);
    let new = amended(&story.case.proposal, 8, "alice", ALICE, made.clone());
    let old = replaced(&story, new.id);
    let bob = "bob".parse().unwrap();
    let admit = |received: &Received, person| admissible(received, Some(&old), person);
    let entry = received(&new, ALICE);
    for person in [None, Some(&bob)] {
        assert_eq!(admit(&entry, person), Err(NotCorrected::Nobody));
    }
    let alice = Some(&corrected(&mut new.clone().into()).corrections[0].by).cloned();
    let alice = alice.as_ref();
    assert_eq!(admit(&received(&new, BOB), alice), Err(NotCorrected::Nobody));
    let mut agents = entry.clone();
    agents.via = Via::Api;
    assert_eq!(admit(&agents, alice), Err(NotCorrected::Nobody));
    let mut low = entry.clone();
    low.assessment.tier = Tier::Low;
    assert_eq!(admit(&low, alice), Err(NotCorrected::Low));
    // An agent's own proposal did not come by a comment.
    let mut own = received(&story.case.proposal, ALICE);
    assert_eq!(admit(&own, None), Err(NotCorrected::Nobody));
    own.via = Via::Api;
    assert_eq!(admit(&own, None), Ok(()));
    // In the name of nobody of people.yaml, or of somebody else's account: the record can't know, and the executor does.
    for (by, account) in [
        ("mallory", AccountId(6666)),
        ("bob", ALICE),
        ("alice", AccountId(6666)),
    ] {
        let other = amended(&story.case.proposal, 8, by, account, made.clone());
        assert_eq!(
            check_proof(&other, &story.policy, Some(&key())),
            Err(ProofError::Nobody(by.parse().unwrap()))
        );
    }
}

#[test]
fn i08_whatever_people_changed_is_never_low() {
    let parameters = json!({"customer_id": "C-1", "text": "called back"});
    let asked = crate::domain::fixture::request("crm.note", "erin", parameters);
    let story = Story::of(asked, "support-agent", starter());
    let old = &story.case.proposal;
    let mut matter = old.matter();
    assert_eq!(story.case.tier(), Tier::Low);
    matter.corrected = true;
    let assessed = crate::domain::assess::assess(&matter, &Default::default(), &story.policy);
    assert_eq!((assessed.tier, assessed.known()), (Tier::Medium, true));
}

#[test]
fn i08_a_co_writer_approves_nothing_by_any_account() {
    let open = story().approve(ALICE).approve(BOB);
    assert_eq!(open.verdict(), Verdict::Open);
    let story = open.but(|story| story.case.co_writers = [ALICE].into());
    assert_eq!(story.verdict(), Verdict::Waiting);
    stands(&story, Rule::SeparationOfDuties, Standing::Noted);
    // A change by an account that is nobody's keeps it shut.
    let made = changes("/amend amount.minor=900000", &story);
    let story = story.but(|story| {
        let new = amended(&story.case.proposal, 7, "mallory", AccountId(6666), made);
        story.case.proposal = std::sync::Arc::new(new);
        story.case.co_writers = [AccountId(6666)].into();
    });
    assert!(
        story.against().contains(&"NotAPerson Blocks".to_owned()),
        "{:?}",
        story.against()
    );
}

#[test]
fn i09_people_who_may_write_change_it_and_agents_do_not() {
    let story = story();
    let may = |account, seen: &Observation| correctable(&story.case, seen, &story.policy, account);
    assert_eq!(may(DAVE, &story.seen), Ok(()));
    let mut seen = story.seen.clone();
    seen.permissions.insert(
        DAVE,
        crate::domain::observation::Seen::Known(crate::domain::observation::Permission::Read),
    );
    assert_eq!(may(DAVE, &seen), Err(NotCorrected::NotAWriter));
    seen.permissions.remove(&DAVE);
    assert_eq!(may(DAVE, &seen), Err(NotCorrected::Unread));
}
