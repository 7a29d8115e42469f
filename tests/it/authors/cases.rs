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
    let ran = policy(dir.path(), "test", &["--filter", "payment"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!(ran.out, @r"
    payments.create
      ✗ a payment takes two people of different teams    medium  open
          tests/finance.yaml:3
          tier: expected high, found medium
          approvers: expected alice, bob, found alice
            medium: rule 1 of tiers.yaml
      ✗ two of one team are not enough for a payment     medium  open
          tests/finance.yaml:18
          gate: expected waiting, found open
            medium: rule 1 of tiers.yaml
      ✗ a payment misses its second approval by name     medium  open
          tests/finance.yaml:25
          gate: expected waiting, found open
          missing: expected bob, ivan, found nobody
            medium: rule 1 of tiers.yaml
      ✗ an approval of yesterday is given again          medium  open
          tests/finance.yaml:30
          gate: expected waiting, found open
          approvers: expected bob, found alice
            medium: rule 1 of tiers.yaml
      ✓ a payment of nothing is refused                  medium  blocked
      ✓ a payment beyond the supplier's budget says so   high    waiting
    payments.refund
      ✓ a small refund takes one of finance or treasury  medium  open
      ✓ a large refund is high                           high    waiting
      ✓ many small refunds are one large refund          high    waiting

    9 cases, 4 failed
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
    insta::assert_snapshot!(summary.join("\n"), @"");
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
    × none of the 55 cases of `policies/tests` has `no such
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
