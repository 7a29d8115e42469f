//! What the gate of each tier demands, field by field.

use serde_json::json;

use super::{AT, Rules, approved, because, campaign, gates, note, payment, set};

const EVERYBODY: (&str, &str, &str) = (
    "CODEOWNERS",
    "/payments/             @acme/finance @acme/treasury",
    "/payments/             @acme/finance @acme/treasury @acme/marketing",
);

#[test]
fn low_runs_at_once_medium_needs_one_owner_and_high_two() {
    let answers = Rules::small(&[]).ask(&[
        note("x"),
        campaign(),
        approved(campaign(), &["dave"]),
        approved(payment(), &["alice"]),
        approved(payment(), &["alice", "bob"]),
    ]);
    assert_eq!(gates(&answers), ["open", "waiting", "open", "waiting", "open"]);
    let missing = because(&answers[3], "approvals");
    assert_eq!((&missing["have"], &missing["need"]), (&json!(1), &json!(2)));
    assert_eq!(missing["could"], json!(["bob (treasury)"]));
    assert_eq!(answers[4]["approvers"], json!(["alice", "bob"]));
}

#[test]
fn a_gate_may_demand_more() {
    let rules = Rules::small(&[("tiers.yaml", "approvals: 2 ", "approvals: 3 "), EVERYBODY]);
    let answers = rules.ask(&[
        approved(payment(), &["alice", "bob"]),
        approved(payment(), &["alice", "bob", "dave"]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "open"]);
}

#[test]
fn i09_distinct_teams_are_distinct() {
    let zoe = (
        "people.yaml",
        "  dave:\n",
        "  zoe:\n    full_name: Zoe\n    accounts: [{ login: zoe, id: 1999 }]\n    teams: [finance]\n  dave:\n",
    );
    let asked = [
        approved(payment(), &["alice", "zoe"]),
        approved(payment(), &["alice", "zoe", "bob"]),
    ];
    assert_eq!(gates(&Rules::small(&[zoe]).ask(&asked)), ["waiting", "open"]);
    let same = ("tiers.yaml", "distinct_teams: true ", "distinct_teams: false");
    assert_eq!(gates(&Rules::small(&[zoe, same]).ask(&asked)), ["open", "open"]);
}

#[test]
fn a_required_preview_is_the_bots_own_and_may_be_waived() {
    let unseen = approved(set(campaign(), "/observed", json!([])), &["dave"]);
    let answers = Rules::small(&[]).ask(std::slice::from_ref(&unseen));
    assert_eq!(gates(&answers), ["blocked"]);
    assert_eq!(because(&answers[0], "preview")["standing"], "blocks");
    let none = (
        "tiers.yaml",
        "preview: required           # the bot",
        "preview: none               # the bot",
    );
    assert_eq!(gates(&Rules::small(&[none]).ask(&[unseen])), ["open"]);
}

#[test]
fn i12_approvals_age_and_proposals_expire() {
    let said = |first: &str| {
        let reviews = json!([
            { "by": "alice", "says": "approve", "at": first },
            { "by": "bob", "says": "approve", "at": "2026-03-03T12:00:00Z" },
        ]);
        set(payment(), "/reviews", reviews)
    };
    let late = |question, now: &str| set(question, "/now", json!(now));
    let answers = Rules::small(&[]).ask(&[
        said("2026-03-02T12:00:00Z"),
        said("2026-03-02T11:59:59Z"),
        late(said("2026-03-03T12:00:00Z"), "2026-03-04T08:59:59Z"),
        late(said("2026-03-03T12:00:00Z"), "2026-03-04T09:00:00Z"),
    ]);
    assert_eq!(gates(&answers), ["open", "waiting", "open", "blocked"]);
    assert_eq!(because(&answers[1], "too_old")["who"], json!(["alice"]));
    assert_eq!(because(&answers[3], "expiry")["standing"], "blocks");
}

#[test]
fn i12_silence_never_approves() {
    let days = [
        "2026-03-02T09:00:01Z",
        "2026-03-03T09:00:00Z",
        "2026-03-04T08:59:59Z",
        "2036-03-02T09:00:00Z",
    ];
    let asked: Vec<_> = days
        .iter()
        .map(|now| set(payment(), "/now", json!(now)))
        .collect();
    assert_eq!(
        gates(&Rules::small(&[]).ask(&asked)),
        ["waiting", "waiting", "waiting", "blocked"]
    );
}

#[test]
fn i11_a_passkey_that_nobody_can_give_opens_nothing_and_is_an_error_of_the_rules() {
    let rules = Rules::small(&[(
        "tiers.yaml",
        "    approval_valid_for: 24h",
        "    step_up: passkey\n    approval_valid_for: 24h",
    )]);
    let answers = rules.ask(&[approved(payment(), &["alice", "bob"])]);
    assert_eq!(gates(&answers), ["waiting"]);
    assert_eq!(because(&answers[0], "step_up")["standing"], "missing");
    let found = rules.lint();
    assert!(
        found[1].starts_with(
            "error step-up-nobody-can-give tiers.yaml:41:14 the high gate wants a passkey of each approver"
        ),
        "{found:#?}"
    );
}

#[test]
fn i07_a_request_for_changes_blocks() {
    let reviews = json!([
        { "by": "alice", "says": "approve" },
        { "by": "bob", "says": "approve" },
        { "by": "dave", "says": "request_changes" },
    ]);
    let answer = Rules::small(&[]).ask_one(set(payment(), "/reviews", reviews));
    assert_eq!(answer["gate"], "blocked");
    assert_eq!(because(&answer, "changes_requested")["who"], json!(["dave"]));
}

#[test]
fn i08_the_sponsor_and_whoever_had_a_hand_in_it_never_count() {
    let answers = Rules::small(&[EVERYBODY]).ask(&[
        approved(payment(), &["carol", "bob"]),
        set(approved(payment(), &["alice", "bob"]), "/hands", json!(["alice"])),
        approved(payment(), &["alice", "bob"]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "waiting", "open"]);
    assert_eq!(
        because(&answers[0], "separation_of_duties")["who"],
        json!(["carol"])
    );
    assert_eq!(
        because(&answers[1], "separation_of_duties")["who"],
        json!(["alice"])
    );
}

#[test]
fn i09_one_person_counts_once_by_any_of_their_accounts() {
    let bobs = (
        "people.yaml",
        "accounts: [{ login: bob, id: 1002 }]\n    teams: [treasury]",
        "accounts: [{ login: bob, id: 1002 }, { login: bob-oncall, id: 1102 }]\n    teams: [treasury, finance]",
    );
    let rules = Rules::small(&[bobs]);
    let answers = rules.ask(&[
        approved(payment(), &[1002, 1102]),
        approved(payment(), &[1102, 1001]),
        // The sponsor's other account is the sponsor, and a stranger's is nobody's.
        approved(payment(), &[1103, 1002]),
        approved(payment(), &[4242, 1002]),
    ]);
    assert_eq!(gates(&answers), ["waiting", "open", "waiting", "waiting"]);
    assert_eq!(because(&answers[0], "approvals")["have"], 1);
    assert_eq!(because(&answers[3], "not_a_person")["who"], json!(["4242"]));
}

#[test]
fn a_delegation_holds_in_its_time_only_and_for_nobody_s_own_proposal() {
    let rules = Rules::small(&[(
        "people.yaml",
        "  alice:\n",
        "  alice:\n    stand_ins: [erin, carol]\n",
    )]);
    let given = |stand_in: &str, from: &str, until: &str| {
        json!([{
            "at": from,
            "said": {
                "owner": "alice", "stand_in": stand_in, "from": from, "until": until, "reason": "leave",
                "account": 1001, "comment": 77, "delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            },
        }])
    };
    let asked = |stand_in: &str, from: &str, until: &str| {
        set(
            approved(payment(), &[stand_in, "bob"]),
            "/delegations",
            given(stand_in, from, until),
        )
    };
    let questions = [
        asked("erin", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
        asked("erin", "2026-02-01T00:00:00Z", AT),
        asked("erin", "2026-03-02T10:00:00Z", "2026-03-03T00:00:00Z"),
        asked("carol", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
        asked("dave", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"),
    ];
    assert_eq!(
        gates(&rules.ask(&questions)),
        ["open", "waiting", "waiting", "waiting", "waiting"]
    );
}
