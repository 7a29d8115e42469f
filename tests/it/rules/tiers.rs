//! How a tier is found: the rules of `tiers.yaml`, conditions, totals; never down.

use serde_json::{Value, json};

use super::{Rules, because, campaign, gates, note, payment, set, tiers};

/// The rules of the small set, written once more.
fn expected(impact: &str, data: &str, rollback: &str) -> (&'static str, u64) {
    match (impact, data, rollback) {
        ("high", _, _) => ("high", 1),
        (_, "credentials" | "restricted", _) => ("high", 2),
        (_, "financial", "none") => ("high", 3),
        ("moderate", _, _) => ("medium", 4),
        (_, "pii" | "financial" | "confidential", _) => ("medium", 5),
        (_, "public" | "internal", "inverse" | "restore") => ("low", 6),
        ("none", "public", _) => ("low", 7),
        (_, _, "none") => ("medium", 8),
        _ => ("high", 9),
    }
}

#[test]
fn a_tier_is_that_of_the_first_rule_over_impact_data_and_rollback() {
    let mut actions = "actions:\n".to_owned();
    let (mut questions, mut wanted) = (Vec::new(), Vec::new());
    for impact in ["none", "low", "moderate", "high"] {
        for data in [
            "public",
            "internal",
            "confidential",
            "restricted",
            "pii",
            "financial",
            "credentials",
        ] {
            for rollback in ["inverse", "restore", "none"] {
                let name = format!("try.{impact}.{data}.{rollback}");
                actions.push_str(&format!(
                    "  {name}: {{ summary: x, resource: /crm/x, impact: {impact}, data: [{data}], rollback: {{ kind: {rollback} }}, \
                     raci: {{ responsible: support-agent, accountable: marketing }}, params: {{ type: object, properties: {{}} }}, \
                     describe: x, execute: {{ http: {{ method: POST, url: https://crm.example/x }} }} }}\n"
                ));
                questions.push(set(
                    set(note("x"), "/operation", json!(name)),
                    "/parameters",
                    json!({}),
                ));
                wanted.push(expected(impact, data, rollback));
            }
        }
    }
    let answers = Rules::small(&[("catalog.yaml", "actions:\n", &actions)]).ask(&questions);
    for ((answer, (tier, rule)), question) in answers.iter().zip(wanted).zip(&questions) {
        assert_eq!(answer["tier"], tier, "{question}");
        assert_eq!(
            answer["reasons"],
            json!([{ "tier": tier, "because": { "rule": rule } }]),
            "{question}"
        );
    }
}

/// Campaigns with these conditions.
fn conditions(list: &str) -> Rules {
    let edit = format!(
        "    limits: [{{ name: hourly, rate: 50, per: 1h, by: [agent] }}]\n    escalate:\n{list}    checks: [text]\n    # How"
    );
    Rules::small(&[("catalog.yaml", "    checks: [text]\n    # How", &edit)])
}

#[test]
fn a_condition_reads_everything_that_is_asked_and_seen_and_its_reason_is_kept() {
    let hold = [
        "params.subject == 'News'",
        "size(items) == 1",
        "change.before.live == true",
        "change.after.live == false",
        "affected.count > 10",
        "affected.audience == 'everybody'",
        "affected.deltas.contacts == 5",
        "totals.hourly == 1",
        "agent == 'campaign-agent'",
        "sponsor == 'erin'",
        "now == timestamp('2026-03-02T09:00:00Z')",
        "action == 'campaigns.send'",
        "observed",
        "params.from_name == 'Acme'",
    ];
    let list: String = hold
        .iter()
        .flat_map(|when| [(*when).to_owned(), format!("!({when})")])
        .map(|when| format!("      - {{ when: \"{when}\", to: high, because: why }}\n"))
        .collect();
    let seen = json!([{
        "before": { "live": true },
        "after": { "live": false },
        "affected": { "count": 11, "audience": "everybody", "deltas": { "contacts": 5 } },
    }]);
    let answer = conditions(&list).ask_one(set(campaign(), "/observed", seen));
    let mut reasons = vec![json!({ "tier": "medium", "because": { "rule": 4 } })];
    reasons.extend((0..hold.len()).map(|n| json!({ "tier": "high", "because": { "escalated": 2 * n + 1 } })));
    assert_eq!(
        (&answer["tier"], &answer["reasons"]),
        (&json!("high"), &json!(reasons))
    );
}

#[test]
fn i13_a_claim_raises_and_never_lowers() {
    let rules = conditions(
        "      - { when: \"affected.count > 10 && !(has(claimed.tested) && claimed.tested)\", to: high, because: many }\n      \
         - { when: \"claimed.urgent == true\", to: high, because: urgent }\n",
    );
    let many = set(campaign(), "/observed/0/affected/count", json!(11));
    let answers = rules.ask(&[
        campaign(),
        set(campaign(), "/claimed", json!({ "urgent": true })),
        many.clone(),
        set(many, "/claimed", json!({ "tested": true, "urgent": false })),
    ]);
    assert_eq!(tiers(&answers), ["medium", "high", "high", "high"]);
    assert_eq!(answers[1]["reasons"][1]["because"], json!({ "claimed": 2 }));
    assert_eq!(answers[3]["reasons"][1]["because"], json!({ "escalated": 1 }));
}

#[test]
fn i10_what_has_no_answer_is_high_and_can_t_run() {
    let rules = conditions("      - { when: \"change.before.live == true\", to: medium, because: live }\n");
    let mut unknown = campaign();
    unknown["operation"] = json!("campaigns.sned");
    let answers = rules.ask(&[
        super::approved(campaign(), &["dave"]),
        super::approved(unknown, &["dave"]),
    ]);
    assert_eq!(
        (tiers(&answers), gates(&answers)),
        (vec!["high"; 2], vec!["blocked"; 2])
    );
    let why = &answers[0]["reasons"][1]["because"]["errored"];
    assert_eq!(why["condition"], 1);
    assert!(
        why["why"]
            .as_str()
            .unwrap()
            .contains("`change.before.live` is not there"),
        "{why}"
    );
    assert_eq!(answers[1]["reasons"][0]["because"], "unknown_action");
}

#[test]
fn what_does_not_fit_the_schema_is_named_by_field_and_can_t_run() {
    let answers = Rules::small(&[]).ask(&[
        set(note("x"), "/parameters", json!({ "customer_id": "C-1" })),
        set(note("x"), "/parameters/colour", json!("blue")),
        set(payment(), "/parameters/amount/minor", json!(0)),
        set(payment(), "/parameters/amount/cents", json!(1)),
        set(note("x"), "/agent", json!("payments-agent")),
    ]);
    assert_eq!(gates(&answers), ["blocked"; 5]);
    let wrong: Vec<&Value> = answers
        .iter()
        .map(|answer| &because(answer, "action")["who"])
        .collect();
    insta::assert_snapshot!(json!(wrong), @r#"[["/items/1/parameters/text: the parameter `text` is missing"],["/items/1/parameters/colour: unknown parameter `colour`"],["/items/1/parameters/amount/minor: the value is less than the minimum of 1"],["/items/1/parameters/amount/cents: unknown parameter `cents`"],null]"#);
}

/// Payments of medium tier, so that something can raise them.
fn mild(more: &str) -> Rules {
    Rules::small(&[
        (
            "catalog.yaml",
            "    impact: high\n    data: [financial]",
            "    impact: moderate\n    data: [financial]",
        ),
        (
            "catalog.yaml",
            "    sensitive: [params.iban]",
            &format!("{more}    sensitive: [params.iban]"),
        ),
    ])
}

/// A payment of so much to each of some suppliers.
fn payments(minor: i64, suppliers: &[&str]) -> Value {
    let one = |supplier: &str| json!({ "supplier_id": supplier, "amount": { "minor": minor, "currency": "EUR" }, "reference": "x" });
    let mut asked = payment();
    let fields = asked.as_object_mut().unwrap();
    fields.remove("parameters");
    let items = suppliers
        .iter()
        .zip(1..)
        .map(|(supplier, n)| json!({ "id": format!("n{n}"), "parameters": one(supplier) }));
    fields.insert("items".into(), items.collect());
    let seen = (1..=suppliers.len())
        .map(|n| json!({ "item": format!("n{n}"), "before": {}, "affected": { "count": 1 } }));
    fields.insert("observed".into(), seen.collect());
    asked
}

#[test]
fn a_batch_has_the_tier_of_its_total() {
    let rules =
        mild("    escalate: [{ when: \"params.amount.minor >= 1000000\", to: high, because: much }]\n");
    let answers = rules.ask(&[
        payments(600_000, &["a", "b"]),
        payments(400_000, &["a", "b"]),
        payments(400_000, &["a", "b", "c"]),
    ]);
    assert_eq!(tiers(&answers), ["high", "medium", "high"]);
}

#[test]
fn i20_limits_count_by_agent_sponsor_and_beneficiary_and_raise_or_refuse() {
    let rules = mild(
        "    limits:\n      - { name: daily, budget: params.amount.minor, max: 1000000, currency: EUR, per: 1d, by: [sponsor, params.supplier_id], over: high }\n      \
         - { name: often, rate: 3, per: 1h, by: [agent] }\n",
    );
    let counted = |limit: &str, ran: i64, others: i64| {
        set(
            payments(400_000, &["a", "b"]),
            "/counted",
            json!({ limit: { "ran": ran, "own": 0, "others": others } }),
        )
    };
    let dollars = set(
        payments(1, &["a", "b"]),
        "/items/1/parameters/amount/currency",
        json!("USD"),
    );
    let answers = rules.ask(&[
        // Two suppliers have a window each.
        payments(600_000, &["a", "b"]),
        payments(600_000, &["a", "a"]),
        counted("daily", 600_000, 0),
        counted("daily", 600_001, 0),
        counted("often", 1, 0),
        counted("often", 2, 0),
        // What others have waiting raises and never refuses.
        counted("often", 1, 9),
        payments(1, &["a", "b", "c", "d"]),
        dollars,
    ]);
    assert_eq!(
        tiers(&answers),
        [
            "medium", "high", "medium", "high", "medium", "high", "high", "high", "high"
        ]
    );
    let levels: Vec<&str> = answers
        .iter()
        .map(|answer| super::check(answer, "limits")["level"].as_str().unwrap())
        .collect();
    assert_eq!(
        levels,
        [
            "pass", "warn", "pass", "warn", "pass", "deny", "warn", "deny", "warn"
        ]
    );
    assert_eq!(answers[3]["reasons"][1]["because"], json!({ "limit": "daily" }));
    assert_eq!(because(&answers[5], "checks")["who"], json!(["limits"]));
}
