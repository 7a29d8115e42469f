#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop"
)]

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::{
    fixture::{Files, at},
    proposal::{Item, Provenance},
    totals::SoFar,
};

/// The starter rules with something more in `crm.note`, which is of low tier by itself.
fn rules(more: &str) -> Policy {
    let mut files = Files::default();
    let place = files.catalog.find("    checks: [text]").unwrap();
    files.catalog.insert_str(place, &format!("{more}\n"));
    files.policy()
}

fn escalate(conditions: &[(&str, &str)]) -> Policy {
    let lines = conditions
        .iter()
        .map(|(when, to)| format!("      - {{ when: \"{when}\", to: {to}, because: it says so }}"));
    rules(&format!(
        "    escalate:\n{}",
        lines.collect::<Vec<_>>().join("\n")
    ))
}

fn note(texts: &[&str]) -> Vec<Item> {
    let numbered = texts.iter().zip(1..);
    numbered
        .map(|(text, id)| Item {
            id: id.to_string().parse().unwrap(),
            parameters: json!({"customer_id": "C-1", "text": text}),
            observed_digest: None,
        })
        .collect()
}

/// Tier and reasons of notes, with what the agent claims.
fn judged(policy: &Policy, items: &[Item], claimed: &Map<String, Value>, so_far: SoFar) -> Assessment {
    let provenance = Provenance::default();
    let (operation, agent, sponsor) = (
        "crm.note".parse().unwrap(),
        "support-agent".parse().unwrap(),
        "erin".parse().unwrap(),
    );
    let matter = Matter {
        operation: &operation,
        agent: &agent,
        sponsor: &sponsor,
        target: None,
        items,
        observed: &[],
        dry_runs: &[],
        claimed,
        justification: "",
        rollback_plan: None,
        exceptions: &[],
        provenance: &provenance,
        corrected: false,
        rolls_back: false,
        at: at(0),
    };
    let totals = Totals::of(&matter, policy).counted(|_| so_far);
    assess(&matter, &totals, policy)
}

fn asked(policy: &Policy, claimed: Value) -> Assessment {
    let claimed = claimed.as_object().unwrap().clone();
    judged(policy, &note(&["called back"]), &claimed, SoFar::default())
}

fn because(assessment: &Assessment) -> Vec<TierRule> {
    let reasons = assessment.reasons.iter().skip(1);
    reasons.map(|reason| reason.because.clone()).collect()
}

#[test]
fn conditions_raise_and_every_step_keeps_its_reason() {
    let policy = escalate(&[
        ("params.text.contains('called')", "medium"),
        ("params.text.contains('refund')", "high"),
    ]);
    let found = asked(&policy, json!({}));
    assert_eq!((found.tier, found.known()), (Tier::Medium, true));
    assert_eq!(found.reasons[0].tier, Tier::Low);
    assert_eq!(because(&found), [TierRule::Escalated(1)]);
    let both = judged(
        &policy,
        &note(&["ok", "called", "refund"]),
        &Map::new(),
        SoFar::default(),
    );
    assert_eq!(both.tier, Tier::High);
    assert_eq!(because(&both), [TierRule::Escalated(1), TierRule::Escalated(2)]);
}

#[test]
fn i10_a_condition_without_an_answer_is_high_and_can_t_run() {
    let policy = escalate(&[("items[7].text == 'x'", "medium")]);
    let found = asked(&policy, json!({}));
    assert_eq!((found.tier, found.known()), (Tier::High, false));
    let why = "the list has no element 7".to_owned();
    assert_eq!(because(&found), [TierRule::Errored { condition: 1, why }]);
}

#[test]
fn i13_what_is_only_claimed_raises_and_never_lowers() {
    let policy = escalate(&[("claimed.audience > 100", "high")]);
    assert_eq!(asked(&policy, json!({})).tier, Tier::Low);
    let raised = asked(&policy, json!({"audience": 500}));
    assert_eq!(
        (raised.tier, because(&raised)),
        (Tier::High, vec![TierRule::Claimed(1)])
    );
    assert!(raised.known());
    // A condition that a claim could turn off holds on.
    for when in [
        "!has(claimed.reviewed)",
        "!(has(claimed.reviewed) && claimed.reviewed)",
        "has(claimed.reviewed) ? !claimed.reviewed : true",
        "size(claimed) == 0",
        "!('reviewed' in claimed)",
    ] {
        let policy = escalate(&[(when, "high")]);
        assert_eq!(asked(&policy, json!({})).tier, Tier::High, "{when}");
        let claimed = asked(&policy, json!({"reviewed": true}));
        assert_eq!(claimed.tier, Tier::High, "{when}");
        assert_eq!(because(&claimed), [TierRule::Escalated(1)], "{when}");
    }
    // An error without claims is not healed by one.
    let policy = escalate(&[("claimed.fine == true || items[7].text == 'x'", "medium")]);
    assert!(!asked(&policy, json!({})).known());
    let healed = asked(&policy, json!({"fine": true}));
    assert_eq!((healed.tier, healed.known()), (Tier::High, false));
    // A claim of the wrong kind harms only who makes it.
    let policy = escalate(&[("claimed.audience > 100", "medium")]);
    assert!(!asked(&policy, json!({"audience": "many"})).known());
}

fn claim() -> impl Strategy<Value = Value> {
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
        Just(json!([1, 2])),
        Just(json!({"x": 1})),
    ];
    prop::collection::btree_map("[xyz]", value, 0..4)
        .prop_map(|claims| Value::Object(claims.into_iter().collect()))
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "claimed.x > 0",
        "claimed.x == true",
        "has(claimed.y)",
        "claimed.y.x == 1",
        "claimed.z[0] == 1",
        "claimed.z.exists(a, a > 1)",
        "size(claimed) > 1",
        "'x' in claimed",
        "params.text == 'called back'",
        "params.text == 'no'",
        "items[3].text == 'x'",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn i13_no_claim_gives_a_lower_tier_than_none(when in condition(), claimed in claim()) {
        let policy = escalate(&[(&when, "medium")]);
        let (none, some) = (asked(&policy, json!({})), asked(&policy, claimed));
        prop_assert!(some.tier >= none.tier);
        prop_assert!(none.known() || !some.known());
        prop_assert!(none.tier >= Tier::Low && none.reasons[0] == some.reasons[0]);
    }
}

#[test]
fn i20_limits_raise_or_refuse_as_they_say() {
    let limit = |over: &str| {
        rules(&format!(
            "    limits: [{{ rate: 3, per: 1h, by: [agent]{over} }}]"
        ))
    };
    let so_far = |ran, own, others| SoFar { ran, own, others };
    let stands = |policy: &Policy, items: &[Item], so_far| {
        let found = judged(policy, items, &Map::new(), so_far);
        let check = found
            .checks
            .iter()
            .find(|check| check.check.as_str() == "limits")
            .unwrap();
        (found.tier, check.level, found.known())
    };
    let (deny, high) = (limit(""), limit(", over: high"));
    let (one, two) = (note(&["a"]), note(&["a", "b"]));
    for policy in [&deny, &high] {
        assert_eq!(
            stands(policy, &one, so_far(1, 1, 0)),
            (Tier::Low, Level::Pass, true)
        );
    }
    assert_eq!(
        stands(&deny, &two, so_far(1, 1, 0)),
        (Tier::High, Level::Deny, true),
        "a batch is its total"
    );
    assert_eq!(
        stands(&high, &two, so_far(1, 1, 0)),
        (Tier::High, Level::Warn, true)
    );
    assert_eq!(
        stands(&deny, &one, so_far(3, 0, 0)),
        (Tier::High, Level::Deny, true)
    );
    assert_eq!(
        stands(&deny, &one, so_far(1, 0, 2)),
        (Tier::High, Level::Warn, true),
        "others raise, and refuse nobody"
    );
    assert_eq!(
        stands(&deny, &one, so_far(i64::MAX, 1, 1)),
        (Tier::High, Level::Deny, true)
    );
    // Whoever counts nothing opens nothing.
    let provenance = Provenance::default();
    let (operation, agent, sponsor) = (
        "crm.note".parse().unwrap(),
        "support-agent".parse().unwrap(),
        "erin".parse().unwrap(),
    );
    let claimed = Map::new();
    let matter = Matter {
        operation: &operation,
        agent: &agent,
        sponsor: &sponsor,
        target: None,
        items: &one,
        observed: &[],
        dry_runs: &[],
        claimed: &claimed,
        justification: "",
        rollback_plan: None,
        exceptions: &[],
        provenance: &provenance,
        corrected: false,
        rolls_back: false,
        at: at(0),
    };
    let uncounted = assess(&matter, &Totals::default(), &deny);
    assert_eq!((uncounted.tier, uncounted.known()), (Tier::High, false));
}

#[test]
fn totals_are_read_by_conditions() {
    let policy = rules(
        "    limits: [{ rate: 100, per: 1h, by: [agent] }]\n    escalate: [{ when: totals.rate_per_1h_by_agent > 10, to: medium, because: busy }]",
    );
    let tier = |ran| {
        let so_far = SoFar {
            ran,
            ..SoFar::default()
        };
        judged(&policy, &note(&["a"]), &Map::new(), so_far).tier
    };
    assert_eq!((tier(9), tier(10)), (Tier::Low, Tier::Medium));
}
