//! Attacks on the gate, each named by the invariant that must hold against it.

use serde_json::json;

use super::*;
use crate::domain::{
    checks::CheckResult,
    entry::Found,
    fixture::*,
    ids::AccountId,
    observation::{Commit, LiveReview, Permission, ReviewState::*},
};

/// Approved by alice of finance and bob of treasury.
fn approved() -> Story {
    Story::high().approve(ALICE).approve(BOB)
}

fn shut(story: Story) {
    assert_ne!(story.verdict(), Verdict::Open, "{:#?}", story.decide().because());
}

#[track_caller]
fn stands(story: &Story, rule: Rule, standing: Standing) {
    let decision = story.decide();
    let found = decision
        .because()
        .iter()
        .any(|one| one.rule == rule && one.standing == standing);
    assert!(found, "{:#?}", decision.because());
}

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
fn i04_an_agent_that_may_not_propose_the_action_is_blocked() {
    // A gate that lies can record a proposal of any agent; whoever decides looks for itself.
    let files = Files {
        agents: AGENTS.replace("[payments.create]", "[crm.note]"),
        ..Files::default()
    };
    let policy = files.policy();
    let story = approved().but(|s| {
        s.case.policy = policy.digest();
        s.seen.policy = Seen::Known(policy.digest());
        s.case.assessment = assess(&s.case.proposal, &policy);
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
fn i06_an_approval_that_was_not_recorded_when_it_was_given_does_not_count() {
    // Only live: found later, when GitHub may have re-pointed it.
    let story = approved().but(|s| s.case.reviews.truncate(1));
    stands(&story, Rule::NotRecorded, Standing::Noted);
    shut(story);
    // Made on another head and re-pointed by a force-push.
    shut(approved().but(|s| s.case.reviews[0].review.commit = Some(BASE)));
    shut(approved().but(|s| s.case.reviews[0].review.commit = None));
    shut(approved().but(|s| s.case.reviews[0].review.head = BASE));
    shut(approved().but(|s| s.live()[0].commit = Some(BASE)));
    shut(approved().but(|s| s.live()[0].commit = None));
    // Another account's, or of another moment.
    shut(approved().but(|s| s.case.reviews[0].review.account = Some(DAVE)));
    shut(approved().but(|s| s.case.reviews[0].review.account = None));
    shut(approved().but(|s| s.live()[0].submitted_at = at(12)));
    // On another text.
    shut(approved().but(|s| s.case.reviews[0].digests.presentation = None));
    shut(approved().but(|s| s.case.reviews[0].digests.presentation = Some(Digest::of(b"x"))));
    shut(approved().but(|s| s.case.reviews[0].digests.action = None));
    shut(approved().but(|s| s.case.reviews[0].digests.policy = None));
}

#[test]
fn i06_an_approval_found_by_the_sweep_counts_only_after_every_change_of_the_head() {
    let swept = |minutes| {
        approved().but(|s| {
            s.case.reviews[0].review.found = Found::Sweep {
                head_changed_at: at(minutes),
            };
        })
    };
    assert_eq!(swept(10).verdict(), Verdict::Open);
    shut(swept(11));
    shut(swept(12));
}

#[test]
fn i06_a_recorded_review_that_github_does_not_list_yet_hides_the_older_approval() {
    // The webhook of a later review came before the list of reviews shows it.
    let story = approved().but(|s| s.record(9, ALICE, ChangesRequested, 20));
    stands(&story, Rule::ChangesRequested, Standing::Blocks);
    for state in [Dismissed, Edited, Approved] {
        shut(approved().but(|s| s.record(9, ALICE, state, 20)));
    }
    assert_eq!(
        approved().but(|s| s.record(9, ALICE, Commented, 20)).verdict(),
        Verdict::Open
    );
    // Once GitHub shows that it was taken back, a newer approval counts.
    let story = approved().but(|s| {
        s.record(9, ALICE, ChangesRequested, 20);
        s.live().push(live(9, ALICE, Dismissed, 20));
    });
    shut(story.clone());
    assert_eq!(story.review(10, ALICE, Approved, 21).verdict(), Verdict::Open);
}

#[test]
fn i06_a_dismissal_between_merge_and_execution_shuts_it() {
    shut(approved().merged(ME, 40).but(|s| s.live()[0].state = Dismissed));
    shut(approved().merged(ME, 40).but(|s| s.live().truncate(1)));
}

#[test]
fn i07_an_edited_or_dismissed_approval_never_comes_back() {
    for state in [Edited, Dismissed] {
        // The interface shows edited reviews as they are; the ledger remembers. A sweep that records the approval
        // again must not revive it.
        let story = approved().but(|s| s.record(1, ALICE, state, 11));
        shut(story.clone());
        shut(story.but(|s| s.record(1, ALICE, Approved, 11)));
        // Nor does an older one.
        shut(approved().review(8, ALICE, state, 20));
    }
}

#[test]
fn i07_the_latest_review_counts_whatever_the_order_of_the_list() {
    let story = approved().review(8, ALICE, ChangesRequested, 20);
    stands(&story, Rule::ChangesRequested, Standing::Blocks);
    shut(story.but(|s| s.live().reverse()));
    let again = approved()
        .review(8, ALICE, ChangesRequested, 20)
        .review(9, ALICE, Approved, 21);
    assert_eq!(again.verdict(), Verdict::Open);
    // Of one moment: the later id.
    let same = approved().review(8, ALICE, ChangesRequested, 11);
    stands(&same, Rule::ChangesRequested, Standing::Blocks);
    let same = same.but(|s| s.live().reverse());
    stands(&same, Rule::ChangesRequested, Standing::Blocks);
}

#[test]
fn i07_one_review_listed_twice_counts_as_its_worst_reading() {
    // A page boundary that moved while the list was read.
    for change in [(|r| r.state = Dismissed) as fn(&mut LiveReview), |r| {
        r.commit = Some(MERGE)
    }] {
        for place in [0, 2] {
            shut(approved().but(|s| {
                let mut twice = s.live()[0].clone();
                change(&mut twice);
                s.live().insert(place, twice);
            }));
        }
    }
}

#[test]
fn i07_deleted_accounts_bots_and_strangers_never_count() {
    shut(approved().but(|s| s.live()[0].account = None));
    shut(approved().but(|s| s.live()[0].human = false));
    let stranger = AccountId(77);
    let story = Story::high().approve(ALICE).approve(stranger).but(|s| {
        s.seen
            .permissions
            .insert(stranger, Seen::Known(Permission::Admin));
        for members in s.seen.memberships.values_mut() {
            *members = Seen::Known(vec![ALICE, stranger]);
        }
    });
    stands(&story, Rule::NotAPerson, Standing::Noted);
    shut(story);
    // The agent's own account.
    shut(Story::high().approve(ALICE).approve(AccountId(2003)));
}

#[test]
fn i08_the_parties_never_count() {
    // The sponsor, from either account.
    shut(Story::high().approve(CAROL).approve(BOB));
    shut(Story::high().approve(CAROL_ON_CALL).approve(BOB));
    // Whoever pushed, from any account.
    shut(approved().but(|s| s.seen.pushers = Seen::Known(vec![ME, ALICE])));
    // Whoever merged.
    shut(approved().merged(BOB, 40));
    // And still the recorded releaser when GitHub names another now.
    shut(approved().merged(BOB, 40).but(|s| {
        s.pull().state = PullState::Merged {
            at: at(40),
            by: Some(ME),
            sha: Some(MERGE),
        };
    }));
    // A pusher with two accounts.
    let files = Files {
        owners: "/payments/ @acme/finance @acme/treasury\n".into(),
        agents: AGENTS.replace("sponsor: carol", "sponsor: dave"),
        ..Files::default()
    };
    let request = request("payments.create", "dave", payment());
    let story = Story::of(request, "payments-agent", files.policy())
        .approve(CAROL)
        .approve(BOB);
    assert_eq!(story.verdict(), Verdict::Open);
    shut(story.but(|s| s.seen.pushers = Seen::Known(vec![ME, CAROL_ON_CALL])));
}

#[test]
fn i08_a_releaser_who_can_not_be_named_or_is_nobody_of_the_policy_shuts_it() {
    let by = |by| {
        approved().merged(ME, 40).but(|s| {
            s.pull().state = PullState::Merged {
                at: at(40),
                by,
                sha: Some(MERGE),
            };
            if let Some(merged) = &mut s.case.merged {
                merged.by = by;
            }
        })
    };
    stands(&by(None), Rule::SeparationOfDuties, Standing::Errored);
    stands(&by(Some(AccountId(77))), Rule::NotAPerson, Standing::Blocks);
    stands(&by(Some(AccountId(2003))), Rule::NotAPerson, Standing::Blocks);
    assert_eq!(by(Some(DAVE)).verdict(), Verdict::Open);
}

#[test]
fn i09_one_person_with_two_accounts_is_one_person() {
    let files = Files {
        agents: AGENTS.replace("sponsor: carol", "sponsor: dave"),
        ..Files::default()
    };
    let request = request("payments.create", "dave", payment());
    let story = Story::of(request, "payments-agent", files.policy());
    shut(story.clone().approve(CAROL).approve(CAROL_ON_CALL));
    // And objects from either.
    let story = story
        .approve(CAROL)
        .approve(BOB)
        .review(9, CAROL_ON_CALL, ChangesRequested, 20);
    stands(&story, Rule::ChangesRequested, Standing::Blocks);
}

#[test]
fn i09_two_of_one_team_are_not_two_teams() {
    let files = Files {
        agents: AGENTS.replace("sponsor: carol", "sponsor: dave"),
        ..Files::default()
    };
    let request = request("payments.create", "dave", payment());
    let story = Story::of(request, "payments-agent", files.policy());
    let story = story.approve(ALICE).approve(CAROL);
    assert_eq!(story.against(), ["Approvals Missing"]);
}

#[test]
fn i09_owners_by_name_are_of_the_teams_that_github_says() {
    let files = Files {
        owners: "/payments/ @alice @bob @dave\n".into(),
        ..Files::default()
    };
    let story = Story::under(&files).approve(ALICE).approve(BOB);
    assert_eq!(story.verdict(), Verdict::Open);
    // bob left treasury for finance: the policy has not heard of it.
    let treasury = "treasury".parse().unwrap();
    shut(story.clone().but(|s| {
        s.seen.memberships.insert(treasury, Seen::Known(Vec::new()));
    }));
    let treasury = "treasury".parse().unwrap();
    let story = story.but(|s| {
        s.seen.memberships.remove(&treasury);
    });
    stands(&story, Rule::Approvals, Standing::Errored);
    // People of no team can't be shown to be of two.
    let files = Files {
        people: PEOPLE.replace("teams: [treasury]", "teams: []"),
        ..files
    };
    let files = Files {
        catalog: CATALOG.replace("informed: [treasury]", "informed: [finance]"),
        ..files
    };
    shut(Story::under(&files).approve(ALICE).approve(BOB));
}

#[test]
fn i09_permission_and_membership_are_those_of_now() {
    for permission in [Permission::None, Permission::Read, Permission::Triage] {
        let story = approved().but(|s| {
            s.seen.permissions.insert(BOB, Seen::Known(permission));
        });
        stands(&story, Rule::NotAnOwner, Standing::Noted);
        shut(story);
    }
    let story = approved().but(|s| {
        s.seen.permissions.remove(&BOB);
    });
    stands(&story, Rule::Approvals, Standing::Errored);
    let story = approved().but(|s| {
        let treasury = "treasury".parse().unwrap();
        s.seen.memberships.insert(treasury, Seen::unknown("truncated"));
    });
    stands(&story, Rule::Approvals, Standing::Errored);
    // On GitHub a member, but not of the policy's team.
    shut(Story::high().approve(ALICE).approve(DAVE).but(|s| {
        for members in s.seen.memberships.values_mut() {
            *members = Seen::Known(vec![ALICE, DAVE]);
        }
    }));
}

#[test]
fn i09_a_batch_of_different_owners_needs_each_of_them() {
    let owners =
        "/payments/suppliers/ACME @acme/finance\n/payments/suppliers/BETA @acme/finance @acme/treasury\n";
    let tiers = TIERS.replace("distinct_teams: true", "distinct_teams: false");
    let people = PEOPLE.replace("[marketing]", "[marketing, finance, treasury]");
    let files = Files {
        owners: owners.into(),
        tiers,
        people,
        ..Files::default()
    };
    let mut batch = request("payments.create", "carol", payment());
    let mut other = payment();
    other["supplier_id"] = json!("BETA");
    batch.parameters = None;
    batch.items = serde_json::from_value(json!([
        {"id": "1", "parameters": payment()}, {"id": "2", "parameters": other}
    ]))
    .unwrap();
    let story = Story::of(batch, "payments-agent", files.policy());
    // alice, dave and erin own both, bob the second alone: two for each, nobody twice.
    let three = story.clone().approve(ALICE).approve(DAVE).approve(ERIN);
    assert_eq!(three.against(), ["Approvals Missing"]);
    assert_eq!(three.approve(BOB).verdict(), Verdict::Open);
    // An item whose line clears the owners blocks the whole batch.
    let files = Files {
        owners: format!("{owners}/payments/suppliers/BETA\n"),
        ..files
    };
    let story = story.approve(ALICE).approve(DAVE).approve(ERIN).approve(BOB);
    let policy = files.policy();
    let story = story.but(|s| s.policy = policy);
    stands(&story, Rule::Owners, Standing::Blocks);
}

#[test]
fn i09_an_owner_set_without_anybody_who_can_approve_waits_for_ever() {
    let files = Files {
        owners: "/payments/ @carol\n".into(),
        ..Files::default()
    };
    let story = Story::under(&files).approve(ALICE).approve(BOB).approve(CAROL);
    stands(&story, Rule::NotAnOwner, Standing::Noted);
    stands(&story, Rule::Approvals, Standing::Missing);
    shut(story);
}

#[test]
fn i10_a_tier_or_check_that_is_not_what_was_recorded_blocks() {
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
fn i25_only_the_pull_request_that_was_opened_on_its_base_branch_counts() {
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
