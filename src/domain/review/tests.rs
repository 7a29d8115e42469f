//! Attacks on the counting of approvals, each named by the invariant that must hold against it.

use serde_json::json;

use crate::domain::{
    entry::{Delegated, EditedPart, Found},
    fixture::*,
    gate::{Rule, Standing, Verdict},
    ids::{AccountId, CommentId, Digest},
    observation::{LiveReview, Permission, PullState, ReviewState::*, Seen},
};

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
    // Whoever edited its pull request.
    let edited = approved().but(|s| s.case.edited = [(ALICE, [EditedPart::Body].into())].into());
    stands(&edited, Rule::SeparationOfDuties, Standing::Noted);
    shut(edited);
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
fn i07_i08_a_releaser_who_can_not_be_named_or_is_nobody_of_the_policy_shuts_it() {
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
    stands(&by(None), Rule::SeparationOfDuties, Standing::Blocks);
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

/// Alice is absent, and an owner named in `owner` let dave of marketing stand in from the second minute on.
fn stood_in(owner: &str) -> Story {
    let stand_in = format!("accounts: [{{ login: {owner}, id: ");
    let people = match owner {
        "carol" => PEOPLE.replace(
            "teams: [finance]\n  dave",
            "teams: [finance]\n    stand_ins: [dave]\n  dave",
        ),
        _ => PEOPLE.replace(&stand_in, &format!("stand_ins: [dave]\n    {stand_in}")),
    };
    assert_ne!(people, PEOPLE);
    let files = Files {
        people,
        ..Files::default()
    };
    Story::under(&files).but(|s| {
        let said = Delegated {
            owner: owner.parse().unwrap(),
            stand_in: Some("dave".parse().unwrap()),
            from: at(2),
            until: at(20),
            actions: Vec::new(),
            reason: None,
            account: ALICE,
            comment: CommentId(9),
            delivery: "d-9".parse().unwrap(),
        };
        s.case.delegations.record(at(2), said);
    })
}

#[test]
fn i09_a_stand_in_approves_in_an_absent_owner_s_place() {
    let approved = stood_in("alice").approve(BOB).approve(DAVE);
    assert_eq!(approved.verdict(), Verdict::Open, "{:#?}", approved.against());
    // Nobody stands in unless it was recorded.
    shut(approved.clone().but(|s| s.case.delegations = Default::default()));
    // It is judged at the moment of the approval: neither before nor after.
    shut(stood_in("alice").approve(BOB).review(2, DAVE, Approved, 20));
    shut(stood_in("alice").approve(BOB).review(2, DAVE, Approved, 1));
    // One share counts once, whoever gives it.
    let twice = stood_in("alice").approve(ALICE).approve(DAVE);
    shut(twice);
}

#[test]
fn i08_nobody_stands_in_for_a_party() {
    let story = stood_in("carol").approve(BOB).approve(DAVE);
    stands(&story, Rule::NotAnOwner, Standing::Noted);
    shut(story);
    // A party that stands in for somebody else is a party still.
    shut(stood_in("alice").approve(BOB).approve(DAVE).but(|s| {
        s.seen.pushers = Seen::Known(vec![ME, DAVE]);
    }));
}

/// Who is told to be asked for what is still missing.
fn could(story: &Story) -> Vec<String> {
    let decision = story.decide();
    let approvals = decision.because().iter().find(|one| one.rule == Rule::Approvals);
    approvals.unwrap().could.clone()
}

#[test]
fn whose_every_team_approved_already_is_not_asked_where_teams_must_differ() {
    let story = Story::high();
    assert_eq!(could(&story), ["alice (finance)", "bob (treasury)"]);
    assert_eq!(could(&story.clone().approve(ALICE)), ["bob (treasury)"]);
    assert_eq!(could(&story.approve(BOB)), ["alice (finance)"]);
    // Alice is of both: whoever else approves, she counts for the other team.
    let people = PEOPLE.replacen("teams: [finance]", "teams: [finance, treasury]", 1);
    let files = Files {
        people: people.replace("teams: [marketing]", "teams: [marketing, finance]"),
        ..Files::default()
    };
    let story = Story::under(&files);
    let after = could(&story.clone().approve(ALICE));
    assert_eq!(after, ["dave (finance)", "erin (finance)", "bob (treasury)"]);
    assert_eq!(
        could(&story.clone().approve(DAVE)),
        ["alice (treasury)", "bob (treasury)"]
    );
    // What they are told opens it.
    assert_eq!(
        story.clone().approve(ALICE).approve(DAVE).verdict(),
        Verdict::Open
    );
    shut(story.approve(DAVE).approve(ERIN));
    // Where teams need not differ, everybody else of a team may follow.
    let tiers = TIERS.replace("distinct_teams: true", "distinct_teams: false");
    let story = Story::under(&Files { tiers, ..files });
    assert_eq!(
        could(&story.approve(DAVE)),
        [
            "alice (finance)",
            "erin (finance)",
            "alice (treasury)",
            "bob (treasury)"
        ]
    );
}

#[test]
fn i06_an_approval_given_after_the_merge_does_not_count() {
    let given = |minutes| {
        let story = Story::high().approve(ALICE).review(2, BOB, Approved, minutes);
        story.merged(ME, 40).but(|s| s.seen.at = at(60))
    };
    assert_eq!(given(40).verdict(), Verdict::Open);
    shut(given(41));
}
