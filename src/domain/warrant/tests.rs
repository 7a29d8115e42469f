//! From an open gate to a claim: what must be proved on the way.

use super::*;
use crate::domain::{
    audit::Recorded,
    entry::{ClaimedBy, Draft, Event, Started},
    fixture::*,
    gate::OpenGate,
    ids::InstanceId,
    policy::Tier,
};

fn approved() -> Story {
    Story::high().approve(ALICE).approve(BOB).merged(ME, 40)
}

fn open(story: &Story) -> OpenGate {
    story.decide().open().unwrap()
}

fn violation(change: impl FnOnce(&mut Merge)) -> Option<MergeViolation> {
    let story = approved();
    let mut merge = story.merge();
    change(&mut merge);
    Warrant::merged(open(&story), merge).err()
}

#[test]
fn i14_the_merge_of_the_approved_commit_gives_a_warrant() {
    assert_eq!(violation(|_| {}), None);
    // A proposal without before or after has no diff.
    assert_eq!(
        violation(|merge| merge.changed.retain(|path| !path.ends_with(".diff"))),
        None
    );
}

#[test]
fn i14_no_other_merge_gives_a_warrant() {
    use MergeViolation::*;
    assert_eq!(violation(|m| m.parents = vec![HEAD]), Some(Parents));
    assert_eq!(violation(|m| m.parents = vec![HEAD, BASE]), Some(Parents));
    assert_eq!(violation(|m| m.parents = vec![BASE, HEAD, HEAD]), Some(Parents));
    assert_eq!(violation(|m| m.reachable = false), Some(Unreachable));
    assert_eq!(
        violation(|m| m.file = Digest::of(b"x")),
        Some(Content("proposal.yaml"))
    );
    assert_eq!(
        violation(|m| m.presentation = Digest::of(b"x")),
        Some(Content("report.md"))
    );
    assert_eq!(violation(|m| m.policy_before = Digest::of(b"x")), Some(Policy));
    assert_eq!(violation(|m| m.policy_after = Digest::of(b"x")), Some(Policy));
    // Another commit with the right parents, pushed beside the merge that GitHub made.
    assert_eq!(violation(|m| m.sha = BASE), Some(Commit));
}

#[test]
fn i14_nothing_rides_along_with_a_merge() {
    let directory = approved().case.proposal.directory();
    for path in [
        "policies/tiers.yaml".to_owned(),
        format!("{directory}/../../../../../../../policies/tiers.yaml"),
        format!("{directory}/extra.yaml"),
        format!("{directory}/proposal.yaml/x"),
        format!("{directory}x/proposal.yaml"),
        format!("{}/proposal.yaml", directory.to_uppercase()),
        format!("/{directory}/proposal.yaml"),
        directory.clone(),
        String::new(),
    ] {
        let found = violation(|merge| merge.changed.push(path.clone()));
        assert_eq!(found, Some(MergeViolation::Changed(path)));
    }
}

#[test]
fn i14_a_merge_that_changes_nothing_was_merged_before() {
    assert_eq!(
        violation(|m| m.changed.clear()),
        Some(MergeViolation::NotAdded("proposal.yaml"))
    );
    let report = |path: &String| !path.ends_with("report.md");
    assert_eq!(
        violation(|m| m.changed.retain(report)),
        Some(MergeViolation::NotAdded("report.md"))
    );
}

#[test]
fn i14_what_the_merge_holds_is_the_proposal_that_the_ledger_received() {
    // The same action digest, another deadline to approve it: what is authorised is the same, the proposal is not.
    let other = |merge: &mut Merge| {
        let mut parts: crate::domain::proposal::ProposalParts = merge.proposal.clone().into();
        parts.expires_at = at(9_000);
        merge.proposal = Proposal::new(parts).unwrap();
    };
    assert_eq!(violation(other), Some(MergeViolation::Content("the proposal")));
}

#[test]
fn i08_a_gate_that_was_open_before_the_merge_gives_no_warrant() {
    // The releaser's approval still counted then.
    let before = Story::high().approve(ALICE).approve(BOB);
    let merge = before.merge();
    assert_eq!(
        Warrant::merged(open(&before), merge).unwrap_err(),
        MergeViolation::Before
    );
}

#[test]
fn low_tier_has_no_merge_and_nothing_else_goes_unreviewed() {
    let low = Story::low();
    assert_eq!(
        Warrant::merged(open(&low), low.merge()).unwrap_err(),
        MergeViolation::Unreviewed
    );
    assert!(Warrant::unreviewed(open(&low), low.case.proposal.clone()).is_ok());
    let high = approved();
    let refused = Warrant::unreviewed(open(&high), high.case.proposal.clone()).unwrap_err();
    assert_eq!(refused, NotLow(Tier::High));
    // A low gate does not carry another proposal through.
    assert!(Warrant::unreviewed(open(&low), high.case.proposal.clone()).is_err());
}

fn planned(story: &Story) -> ExecutionPlan {
    let warrant = Warrant::merged(open(story), story.merge()).unwrap();
    plan(warrant, &story.policy).unwrap()
}

#[test]
fn i14_a_plan_is_made_under_the_policy_of_its_warrant_only() {
    let story = approved();
    let warrant = Warrant::merged(open(&story), story.merge()).unwrap();
    let other = Files {
        owners: format!("{OWNERS}\n#\n"),
        ..Files::default()
    };
    assert_eq!(plan(warrant, &other.policy()).unwrap_err(), PlanError::Policy);
    assert_eq!(planned(&story).digest(), planned(&story).digest());
}

/// The draft as an entry that was recorded.
fn recorded(draft: Draft) -> Recorded {
    use crate::domain::{
        entry::{Actor, Entry, SEMANTICS},
        ids::Seq,
    };
    let key = format!("SHA256:{}", "A".repeat(43)).parse().unwrap();
    let entry = Entry {
        seq: Seq(9),
        previous: None,
        time: draft.time,
        semantics: SEMANTICS,
        actor: Actor {
            role: draft.role,
            key,
            person: None,
            agent: None,
        },
        proposal: draft.proposal,
        digests: draft.digests,
        event: draft.event,
    };
    Recorded {
        commit: HEAD,
        digest: Digest::of(b"entry"),
        entry,
    }
}

#[test]
fn i14_i16_only_the_recorded_claim_of_this_plan_by_this_instance_claims() {
    let story = approved();
    let me: InstanceId = "me".parse().unwrap();
    let claim = |change: fn(&mut Draft)| {
        let plan = planned(&story);
        let mut draft = plan.attempt(1, "me".parse().unwrap(), at(42));
        change(&mut draft);
        plan.claim(&recorded(draft), &me)
    };
    let claimed = claim(|_| {}).unwrap();
    assert_eq!(claimed.items().len(), 1);
    assert!(claimed.deadline() <= story.case.proposal.binding.valid.until);
    let started = |draft: &mut Draft, change: fn(&mut Started)| {
        if let Event::Started(started) = &mut draft.event {
            change(started);
        }
    };
    assert!(claim(|d| d.proposal = None).is_err());
    assert!(claim(|d| d.digests.plan = None).is_err());
    assert!(claim(|d| d.digests.plan = Some(Digest::of(b"x"))).is_err());
    assert!(claim(|d| d.digests.action = None).is_err());
    assert!(claim(|d| d.digests.policy = None).is_err());
    let plan = planned(&story);
    let mut draft = plan.attempt(1, me.clone(), at(42));
    started(&mut draft, |s| s.instance = "other".parse().unwrap());
    assert_eq!(
        plan.claim(&recorded(draft), &me).unwrap_err(),
        NotMine("another instance")
    );
    let plan = planned(&story);
    let mut draft = plan.attempt(1, me.clone(), at(42));
    started(&mut draft, |s| s.excluded = vec![ItemId::only()]);
    assert_eq!(
        plan.claim(&recorded(draft), &me).unwrap_err(),
        NotMine("other items")
    );
    let plan = planned(&story);
    let mut draft = plan.attempt(1, me.clone(), at(42));
    started(&mut draft, |s| s.claim = ClaimedBy::Outbox);
    assert!(plan.claim(&recorded(draft), &me).is_err());
    // A deadline beyond what was approved is cut.
    let plan = planned(&story);
    let mut draft = plan.attempt(1, me.clone(), at(42));
    started(&mut draft, |s| s.deadline = at(1_000_000));
    let claimed = plan.claim(&recorded(draft), &me).unwrap();
    assert_eq!(claimed.deadline(), story.case.proposal.binding.valid.until);
}

#[test]
fn i16_a_low_plan_is_claimed_by_its_outbox_row_or_on_the_ledger() {
    let me: InstanceId = "me".parse().unwrap();
    let planned = || {
        let story = Story::low();
        let warrant = Warrant::unreviewed(open(&story), story.case.proposal.clone()).unwrap();
        plan(warrant, &story.policy).unwrap()
    };
    let row = |plan: &ExecutionPlan| OutboxRow {
        proposal: plan.proposal().id,
        plan: plan.digest(),
        instance: "me".parse().unwrap(),
    };
    let low = planned();
    let mine = row(&low);
    assert!(low.claim_low(&mine, &me, at(1)).is_ok());
    let low = planned();
    let theirs = OutboxRow {
        instance: "other".parse().unwrap(),
        ..row(&low)
    };
    assert!(low.claim_low(&theirs, &me, at(1)).is_err());
    let low = planned();
    let other = OutboxRow {
        plan: Digest::of(b"x"),
        ..row(&low)
    };
    assert!(low.claim_low(&other, &me, at(1)).is_err());
    let low = planned();
    let draft = low.started(me.clone(), at(1));
    assert!(low.claim(&recorded(draft), &me).is_err());
    let low = planned();
    let draft = low.attempt(1, me.clone(), at(1));
    assert!(low.claim(&recorded(draft), &me).is_ok());
    let story = approved();
    let high = self::planned(&story);
    let row = row(&high);
    assert!(high.claim_low(&row, &me, at(42)).is_err());
}
