//! Attacks on the gate, each named by the invariant that must hold against it.

use serde_json::json;

use super::*;
use crate::domain::{
    checks::{CheckResult, Level},
    fixture::*,
    observation::{Commit, ReviewState::*},
    totals::Totals,
};

#[test]
fn every_tier_opens_when_everything_holds() {
    assert_eq!(Story::low().verdict(), Verdict::Open);
    assert_eq!(Story::medium().verdict(), Verdict::Waiting);
    assert_eq!(Story::medium().approve(DAVE).verdict(), Verdict::Open);
    assert_eq!(Story::high().approve(ALICE).verdict(), Verdict::Waiting);
    let open = approved().decide().open().unwrap();
    assert_eq!(open.approvers(), ["alice", "bob"]);
    assert_eq!(open.head(), Some(HEAD));
    assert_eq!(approved().merged(ME, 40).verdict(), Verdict::Open);
}

#[test]
fn i02_another_policy_on_the_base_or_at_the_receipt_blocks() {
    let other = Digest::of(b"other");
    let story = approved().but(|s| s.seen.policy = Seen::Known(other));
    stands(&story, Rule::Policy, Standing::Blocks);
    let story = approved().but(|s| s.case.policy = other);
    stands(&story, Rule::Policy, Standing::Blocks);
    let story = approved().but(|s| s.seen.policy = Seen::unknown("timeout"));
    stands(&story, Rule::Policy, Standing::Errored);
}

#[test]
fn i02_a_policy_that_changed_after_the_receipt_blocks_even_where_it_asks_for_less() {
    let fewer = Files {
        owners: "* @acme/finance @acme/treasury\n".into(),
        ..Files::default()
    };
    shut(approved().but(|s| s.policy = fewer.policy()));
}

#[test]
fn i04_i10_an_agent_that_may_not_propose_the_action_is_blocked() {
    // A gate that lies can record a proposal of any agent; whoever decides looks for itself.
    let files = Files {
        agents: AGENTS.replace("[payments.create]", "[crm.note]"),
        ..Files::default()
    };
    let policy = files.policy();
    let story = approved().but(|s| {
        s.case.policy = policy.digest();
        s.seen.policy = Seen::Known(policy.digest());
        let totals = Totals::of(&s.case.proposal.matter(), &policy);
        s.case.assessment = assess(&s.case.proposal.matter(), &totals, &policy);
        for review in &mut s.case.reviews {
            review.digests.policy = Some(policy.digest());
        }
        s.policy = policy;
    });
    assert_eq!(story.against(), ["Action Blocks"]);
}

#[test]
fn i05_i08_commits_of_anybody_else_block() {
    let commit = |change: fn(&mut Commit)| {
        approved().but(|s| {
            if let Seen::Known(commits) = &mut s.seen.commits {
                commits.iter_mut().for_each(change);
            }
        })
    };
    for change in [
        (|c| c.author = Some(DAVE)) as fn(&mut Commit),
        |c| c.author = None,
        |c| c.committer = None,
        |c| c.co_authors = vec![None],
        |c| c.co_authors = vec![Some(DAVE)],
        |c| c.parents.push(MERGE),
        |c| c.parents.clear(),
        |c| c.sha = BASE,
    ] {
        shut(commit(change));
    }
    shut(approved().but(|s| s.seen.commits = Seen::Known(Vec::new())));
    shut(approved().but(|s| {
        let Seen::Known(commits) = &mut s.seen.commits else {
            return;
        };
        commits.push(commits[0].clone());
    }));
}

#[test]
fn i10_i14_a_tier_or_check_that_is_not_what_was_recorded_blocks() {
    let lowered = Story::high().but(|s| {
        s.case.assessment.tier = Tier::Low;
        s.case.life = Life::Received;
    });
    assert_eq!(lowered.against(), ["Assessment Blocks"]);
    let unchecked = approved().but(|s| s.case.assessment.checks.clear());
    assert_eq!(unchecked.against(), ["Assessment Blocks"]);
    let passed = CheckResult {
        check: "pii".parse().unwrap(),
        level: Level::Pass,
        problems: Vec::new(),
    };
    shut(approved().but(|s| s.case.assessment.checks.push(passed)));
}

#[test]
fn i10_hidden_text_is_denied_however_many_warnings_come_first() {
    let mut asked = request("payments.create", "carol", payment());
    let many = vec!["раypal"; 40].join(" ");
    let words: Vec<&str> = many.split(' ').collect();
    asked.claimed.insert("a".into(), json!(words));
    asked.claimed.insert("b".into(), json!("pay \u{202e}EMCA"));
    let story = Story::of(asked, "payments-agent", starter())
        .approve(ALICE)
        .approve(BOB);
    assert_eq!(story.against(), ["Checks Blocks"]);
}

#[test]
fn i11_a_passkey_is_missing_until_there_is_one() {
    let tiers = TIERS.replace(
        "distinct_teams: true",
        "distinct_teams: true\n    step_up: passkey",
    );
    let story = Story::under(&Files {
        tiers,
        ..Files::default()
    })
    .approve(ALICE)
    .approve(BOB);
    assert_eq!(story.against(), ["StepUp Missing"]);
}

#[test]
fn i12_approvals_age_and_proposals_expire_at_the_millisecond() {
    let expires = approved().case.proposal.expires_at;
    let long = TIERS.replace("approval_valid_for: 24h", "approval_valid_for: 30d");
    let lasting = Story::under(&Files {
        tiers: long,
        ..Files::default()
    })
    .approve(ALICE)
    .approve(BOB);
    let seen = |story: &Story, at| story.clone().but(|s| s.seen.at = at).verdict();
    assert_eq!(seen(&lasting, later(expires, -1)), Verdict::Open);
    assert_eq!(seen(&lasting, expires), Verdict::Blocked);
    let first = at(11).plus(hours(24));
    assert_eq!(seen(&approved(), first), Verdict::Open);
    assert_eq!(seen(&approved(), later(first, 1)), Verdict::Waiting);
    stands(
        &approved().but(|s| s.seen.at = later(first, 1)),
        Rule::TooOld,
        Standing::Noted,
    );
    // Judged at the merge: neither ages after it, an approval after it does not count.
    let merged = approved()
        .merged(ME, 24 * 60 + 11)
        .but(|s| s.seen.at = later(first, 3_600_000));
    assert_eq!(merged.verdict(), Verdict::Open);
    shut(
        Story::high()
            .approve(ALICE)
            .review(2, BOB, Approved, 41)
            .merged(ME, 40),
    );
    assert_eq!(
        Story::high()
            .approve(ALICE)
            .review(2, BOB, Approved, 40)
            .merged(ME, 40)
            .verdict(),
        Verdict::Open
    );
}

#[test]
fn i12_low_tier_takes_no_merge_for_its_clock() {
    let expires = Story::low().case.proposal.expires_at;
    let mut asked = request("crm.note", "erin", json!({"customer_id": "C-1", "text": "x"}));
    asked.expires_at = Some(at(10));
    let story = Story::of(asked, "support-agent", starter());
    let story = story.but(|s| {
        s.seen.at = at(20);
        s.pull().state = PullState::Merged {
            at: at(5),
            by: Some(ME),
            sha: None,
        };
    });
    stands(&story, Rule::Expiry, Standing::Blocks);
    shut(story);
    shut(Story::low().but(|s| s.seen.at = expires));
}

#[test]
fn i13_what_must_be_seen_before_was_seen() {
    let mut story = approved();
    let mut parts: crate::domain::proposal::ProposalParts = story.case.proposal.as_ref().clone().into();
    parts.observed.clear();
    parts.binding.items[0].observed_digest = None;
    let proposal = Arc::new(Proposal::new(parts).unwrap());
    for review in &mut story.case.reviews {
        review.digests.action = Some(proposal.action_digest());
    }
    story.case.proposal = proposal;
    assert_eq!(story.against(), ["Preview Blocks"]);
}

#[test]
fn i10_a_target_that_was_to_be_asked_what_it_would_do_was_asked_for_every_item() {
    let marked = "    dry_run: { http: { url: https://bank.example/payments?dry_run=true, keep: { fee: /fee } } }\n    execute:\n";
    let files = Files {
        catalog: CATALOG.replace("    execute:\n", marked),
        ..Files::default()
    };
    let story = |dry_runs: serde_json::Value| {
        let mut story = Story::under(&files).approve(ALICE).approve(BOB);
        let proposal = story.case.proposal.as_ref().clone();
        let dry_runs = serde_json::from_value(dry_runs).unwrap();
        story.case.proposal = Arc::new(proposal.with_dry_runs(dry_runs).unwrap());
        story.against()
    };
    let asked = |said| json!([{ "item": "1", "at": at(0), "status": 200, "said": said }]);
    assert_eq!(story(asked(json!({ "fee": 3 }))), [""; 0]);
    // A gate that lies may leave it out, or show people what the catalog does not keep.
    for lie in [
        json!([]),
        asked(json!({})),
        asked(json!({ "fee": 3, "safe": true })),
    ] {
        assert_eq!(story(lie), ["DryRun Blocks"]);
    }
    let proposal = Story::under(&files).case.proposal;
    for lie in [
        json!([{ "item": "1", "at": at(0), "status": 422 }]),
        json!([{ "item": "2", "at": at(0), "status": 200 }]),
        json!([{ "item": "1", "at": at(0), "status": 200 }, { "item": "1", "at": at(0), "status": 200 }]),
        json!([{ "item": "1", "at": at(0), "status": 200, "said": { "fee": 0.5 } }]),
    ] {
        let dry_runs = serde_json::from_value(lie).unwrap();
        assert!(proposal.as_ref().clone().with_dry_runs(dry_runs).is_err());
    }
    // Nobody asks about what is done at once.
    let note = json!({"customer_id": "C-1", "text": "called back"});
    let low = Story::of(request("crm.note", "erin", note), "support-agent", files.policy());
    assert_eq!(low.against(), [""; 0]);
}

#[test]
fn i15_it_runs_within_an_hour_of_its_merge_and_not_before_its_window() {
    let seen = |minutes| {
        approved()
            .merged(ME, 40)
            .but(|s| s.seen.at = at(minutes))
            .verdict()
    };
    assert_eq!(seen(100), Verdict::Open);
    let late = approved().merged(ME, 40).but(|s| s.seen.at = later(at(100), 1));
    assert_eq!(late.against(), ["ExecuteWithin Blocks"]);
    // A merge in the future is no merge.
    shut(approved().merged(ME, 40).but(|s| s.seen.at = at(39)));

    let mut asked = request("payments.create", "carol", payment());
    asked.not_before = Some(at(60));
    let story = Story::of(asked, "payments-agent", starter())
        .approve(ALICE)
        .approve(BOB);
    assert_eq!(story.against(), ["NotBefore Missing"]);
    assert_eq!(story.clone().but(|s| s.seen.at = at(60)).verdict(), Verdict::Open);
    // Merged long before its window: never, rather than on approvals of long ago.
    let early = story.merged(ME, 40).but(|s| s.seen.at = at(101));
    assert_eq!(early.against(), ["ExecuteWithin Blocks"]);
}

#[test]
fn i05_i25_i26_only_the_pull_request_that_was_opened_on_its_base_branch_counts() {
    for change in [
        (|p| p.number.0 = 43) as fn(&mut Pull),
        |p| p.base_ref = "release".parse().unwrap(),
        |p| p.author = Some(DAVE),
        |p| p.author = None,
        |p| p.draft = true,
        |p| p.state = PullState::Closed,
        |p| p.head = BASE,
        |p| p.title = Digest::of(b"x"),
        |p| p.body = Digest::of(b"x"),
    ] {
        let story = approved().but(|s| change(s.pull()));
        assert_eq!(story.verdict(), Verdict::Blocked, "{:?}", story.against());
    }
    shut(approved().but(|s| s.case.opened = None));
    shut(approved().but(|s| s.case.presentation = None));
}

#[test]
fn i14_a_merged_case_is_decided_on_its_merge_alone() {
    let merged = approved().merged(ME, 40);
    assert_eq!(merged.verdict(), Verdict::Open);
    shut(merged.clone().but(|s| s.pull().state = PullState::Open));
    shut(merged.clone().but(|s| s.pull().state = PullState::Closed));
    shut(merged.clone().but(|s| s.case.merged = None));
    shut(merged.but(|s| {
        s.pull().state = PullState::Merged {
            at: at(40),
            by: Some(ME),
            sha: Some(HEAD),
        }
    }));
}

#[test]
fn i31_protection_that_can_not_be_read_shuts_it() {
    let story = approved().but(|s| s.seen.protection = Seen::unknown("403"));
    assert_eq!(story.against(), ["Protection Errored"]);
}

#[test]
fn only_a_living_case_opens() {
    for life in Life::ALL {
        let story = approved().but(|s| s.case.life = life);
        assert_eq!(story.verdict() == Verdict::Open, life == Life::Open, "{life}");
        let story = approved().merged(ME, 40).but(|s| s.case.life = life);
        assert_eq!(
            story.verdict() == Verdict::Open,
            matches!(life, Life::Open | Life::Merged),
            "{life}"
        );
        let low = Story::low().but(|s| s.case.life = life);
        assert_eq!(low.verdict() == Verdict::Open, life == Life::Received, "{life}");
    }
}

#[test]
fn i05_movement_of_the_base_branch_touches_no_approval() {
    let moved = |story: Story| story.but(|s| s.pull().base = Sha::from_bytes([77; 20]));
    assert_eq!(moved(approved()).verdict(), Verdict::Open);
    assert_eq!(moved(approved().merged(ME, 40)).verdict(), Verdict::Open);
}

#[test]
fn i10_nothing_opens_without_proof() {
    let holds = [Because::new(Rule::Life, Standing::Holds)];
    assert_eq!(verdict(&holds, true), Verdict::Open);
    assert_eq!(verdict(&holds, false), Verdict::Errored);
    assert_eq!(verdict(&[], true), Verdict::Errored);
}
