//! `countersign policy test`.

use super::{json, policy, starter};

#[test]
fn the_starter_set_passes_with_everything_covered() {
    let dir = starter(&[]);
    let ran = policy(dir.path(), "test", &["--require-coverage"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let all = json(&policy(dir.path(), "test", &["--json"]));
    assert_eq!(all["failed"], 0);
    for part in ["actions", "tier_rules", "escalations", "limits", "checks"] {
        assert_eq!(all["coverage"][part]["missing"], serde_json::json!([]), "{part}");
    }
    assert!(all["coverage"]["actions"]["covered"].as_u64().unwrap() >= 20);
}

#[test]
fn a_case_that_comes_out_otherwise_says_what_and_by_which_rule() {
    let dir = starter(&[(
        "tiers.yaml",
        "- { impact: high, tier: high }",
        "- { impact: high, tier: medium }",
    )]);
    let ran = policy(dir.path(), "test", &["--filter", "a payment"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out, @r"
    payments.create
      ✗ a payment takes two people of different teams     medium  open
          tests/finance.yaml:3
          tier: expected high, found medium
          approvers: expected alice, bob, found alice
            medium: rule 1 of tiers.yaml
      ✗ two of one team are not enough for a payment      medium  open
          tests/finance.yaml:18
          gate: expected waiting, found open
            medium: rule 1 of tiers.yaml
      ✗ a payment misses its second approval by name      medium  open
          tests/finance.yaml:25
          gate: expected waiting, found open
          missing: expected bob, ivan, found nobody
            medium: rule 1 of tiers.yaml
      ✗ a payment within the budget is high all the same  medium  waiting
          tests/finance.yaml:44
          tier: expected high, found medium
            medium: rule 1 of tiers.yaml
            approvals by owners, 0 of 1
              could: alice (finance), bob (treasury), ivan (treasury)
      ✓ a payment of nothing is refused                   medium  blocked
      ✓ a payment beyond the supplier's budget says so    high    blocked

    6 cases, 4 failed
    ");
}

#[test]
fn what_no_case_covers_is_named_and_fails_only_when_asked() {
    let dir = starter(&[]);
    let tests = dir.path().join("policies/tests");
    std::fs::remove_file(tests.join("infrastructure.yaml")).unwrap();
    let ran = policy(dir.path(), "test", &[]);
    assert_eq!(ran.code, 0);
    let summary: Vec<&str> = ran
        .out
        .lines()
        .skip_while(|line| !line.contains(" cases, "))
        .collect();
    insta::assert_snapshot!(summary.join("\n"), @r"
    62 cases, none failed
    covered: 22 of 28 actions, 8 of 8 tier rules, 5 of 7 escalations, 3 of 4 limits, 7 of 8 checks
      no case for actions: backups.delete, dns.change, executions.thaw, flags.switch, servers.restart, servers.scale
      no case for escalations: servers.scale #1, servers.scale #2
      no case for limits: dns.change changes
      no case for checks: working-hours
    ");
    assert_eq!(policy(dir.path(), "test", &["--require-coverage"]).code, 3);
}

#[test]
fn a_case_that_can_t_be_read_is_shown_where_it_stands() {
    let dir = starter(&[(
        "tests/access.yaml",
        "{ by: quinn, says: approve }",
        "{ by: quin, says: aprove }",
    )]);
    let ran = policy(dir.path(), "test", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    insta::assert_snapshot!(ran.err, @r"
    syntax

      × unknown value `aprove`
        ╭─[policies/tests/access.yaml:11:27]
     10 │       - { by: oscar, says: approve }
     11 │       - { by: quin, says: aprove }
        ·                           ───┬──
        ·                              ╰── here
     12 │     expect: { tier: high, gate: open }
        ╰────
      help: did you mean `approve`?
    ");
    let dir = starter(&[(
        "tests/access.yaml",
        "{ by: quinn, says: approve }",
        "{ by: quin, says: approve }",
    )]);
    assert!(
        policy(dir.path(), "test", &[])
            .err
            .contains("did you mean `quinn`?")
    );
}

#[test]
fn no_case_to_run_is_a_failure() {
    let dir = starter(&[]);
    let ran = policy(dir.path(), "test", &["--filter", "no such case"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.err, @r"
    × none of the 73 cases of `policies/tests` has `no such
    │ case` in its name, action or file
    help: leave `--filter` out to run them all
    ");
    std::fs::remove_dir_all(dir.path().join("policies/tests")).unwrap();
    let ran = policy(dir.path(), "test", &[]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.err, @r"
    × there is no case in `policies/tests`
    help: write them as in the starter set, which `countersign init --policies-
          out DIR` makes
    ");
}

#[test]
fn a_policy_that_does_not_compile_runs_no_case() {
    let dir = starter(&[("tiers.yaml", "approvals: 2 ", "aprovals: 2 ")]);
    let ran = policy(dir.path(), "test", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("did you mean `approvals`?"), "{}", ran.err);
}

#[test]
fn what_a_case_says_of_the_past_is_checked_where_it_stands() {
    for (from, to, said, place) in [
        (
            "counted: { per_supplier: { ran: 4000000 } }",
            "counted: { per_suplier: { ran: 4000000 } }",
            "unknown limit of `payments.create` `per_suplier`",
            "did you mean `per_supplier`?",
        ),
        (
            "counted: { per_supplier: { ran: 4000000 } }",
            "counted: { per_supplier: { runs: 4000000 } }",
            "unknown field `runs`",
            "the fields here are `ran`, `own`, `others`",
        ),
        (
            "counted: { per_supplier: { ran: 4000000 } }",
            "counted: { per_supplier: { ran: -4000000 } }",
            "`per_supplier` counts from 0",
            "policies/tests/finance.yaml:",
        ),
        (
            "delegations: [{ owner: alice, stand_in: henry }]",
            "delegations: [{ owner: alice, stand_in: hnery }]",
            "unknown person `hnery`",
            "did you mean `henry`?",
        ),
        (
            "excluded: [3]",
            "excluded: [4]",
            "there is no item 4; name one of 1 to 3",
            "policies/tests/finance.yaml:",
        ),
        (
            "excluded: [3]",
            "excluded: [1, 2, 3]",
            "`excluded` names every item; leave one in",
            "policies/tests/finance.yaml:",
        ),
    ] {
        let dir = starter(&[("tests/finance.yaml", from, to)]);
        let ran = policy(dir.path(), "test", &[]);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{to}");
        assert!(
            ran.err.contains(said) && ran.err.contains(place),
            "{to}: {}",
            ran.err
        );
    }
    let dir = starter(&[(
        "tests/marketing.yaml",
        "granted: [{ check: brand",
        "granted: [{ check: bran",
    )]);
    let ran = policy(dir.path(), "test", &[]);
    assert!(
        ran.err.contains("unknown check of `social.post` `bran`"),
        "{}",
        ran.err
    );
}

#[test]
fn what_was_counted_delegated_and_granted_decides() {
    // Each of these passes as it stands in the starter set, and fails without what it says of the past.
    for (file, from, to) in [
        (
            "tests/finance.yaml",
            "    counted: { per_supplier: { ran: 4000000 } }     # 40,000.00 of 50,000.00\n",
            "",
        ),
        (
            "tests/finance.yaml",
            "    delegations: [{ owner: alice, stand_in: henry }]\n",
            "",
        ),
        (
            "tests/finance.yaml",
            "from: 2026-02-23T00:00:00Z, until: 2026-03-02T00:00:00Z",
            "from: 2026-02-23T00:00:00Z, until: 2026-03-03T00:00:00Z",
        ),
        (
            "tests/finance.yaml",
            "    counted: { per_customer: { ran: 98000 } }\n",
            "",
        ),
        (
            "tests/marketing.yaml",
            "    granted: [{ check: brand, by: henry, reason: The regulator wants it in these words }]\n",
            "",
        ),
        ("people.yaml", "    stand_ins: [henry]\n", ""),
    ] {
        let dir = starter(&[(file, from, to)]);
        let ran = policy(dir.path(), "test", &["--json"]);
        assert_eq!(ran.code, 1, "{from}");
        assert_eq!(json(&ran)["failed"], 1, "{from}: {}", ran.out);
    }
}

#[test]
fn a_delegation_that_no_ledger_takes_fails_its_case() {
    for (from, to, said) in [
        (
            "delegations: [{ owner: alice, stand_in: henry }]",
            "delegations: [{ owner: alice, stand_in: alice }]",
            "nobody stands in for themselves",
        ),
        (
            "until: 2026-03-02T00:00:00Z",
            "until: 2026-04-02T00:00:00Z",
            "a delegation lasts 30 days at most",
        ),
    ] {
        let dir = starter(&[("tests/finance.yaml", from, to)]);
        let ran = policy(dir.path(), "test", &[]);
        assert_eq!((ran.code, ran.err.as_str()), (1, ""), "{to}");
        assert!(
            ran.out.contains(said) && ran.out.contains("73 cases, 1 failed"),
            "{}",
            ran.out
        );
    }
}
