use serde_json::json;

use super::*;
use crate::domain::checks::testing::{asked_of, observed, with};

fn settings() -> Settings {
    Settings {
        audience: "/affected/sample".into(),
        consents: "/consents".into(),
        purpose: "/purpose".into(),
        expires: Some("/until".into()),
        withdrawn: Some("/withdrawn_at".into()),
        needed: Needed::Purpose("newsletter".into()),
        partial: false,
    }
}

/// Now is 2026-11-22T10:00:00Z.
fn found(settings: Settings, facts: Option<Value>) -> Vec<String> {
    let claimed =
        json!({"affected": {"sample": [{"consents": [{"purpose": "newsletter"}]}]}, "consents": true});
    let seen = facts.map(observed).into_iter().collect();
    with(vec![json!({"purpose": "offers"})], seen, claimed, |matter| {
        let all = crate::domain::checks::Settings {
            consent: Some(settings),
            ..Default::default()
        };
        check(&asked_of(matter, &all))
            .into_iter()
            .map(|problem| format!("{:?} {} {}", problem.level, problem.at, problem.found))
            .collect()
    })
}

fn audience(members: Value) -> Option<Value> {
    let count = members.as_array().unwrap().len();
    Some(json!({"connector": "http", "before": null, "affected": {"count": count, "sample": members}}))
}

#[test]
fn everybody_agreed() {
    let members = json!([
        {"consents": [{"purpose": "newsletter"}]},
        {"consents": [{"purpose": "offers"}, {"purpose": "newsletter", "until": "2027-01-01T00:00:00Z"}]},
        {"consents": [{"purpose": "newsletter", "until": "2020-01-01T00:00:00Z"}, {"purpose": "newsletter", "until": null}]},
        {"consents": {"newsletter": true}},
        {"consents": {"newsletter": {"until": "2026-11-22T10:00:01Z", "withdrawn_at": null}}},
    ]);
    assert_eq!(found(settings(), audience(members)), [""; 0]);
}

#[test]
fn who_did_not_is_counted_and_never_named() {
    let members = json!([
        {"id": "ann@example.com", "consents": [{"purpose": "newsletter"}]},
        {"id": "bob@example.com", "consents": []},
        {"id": "cy@example.com"},
        {"consents": [{"purpose": "newsletter", "until": "2026-11-22T10:00:00Z"}]},
        {"consents": [{"purpose": "newsletter"}, {"purpose": "newsletter", "withdrawn_at": "2026-01-01T00:00:00Z"}]},
        {"consents": [{"purpose": "newsletter", "until": "soon"}]},
        {"consents": {"newsletter": "yes"}},
    ]);
    let found = found(settings(), audience(members));
    assert_eq!(
        found,
        [
            "Deny /observed/1/affected/sample/1 2 of 7 people did not agree to `newsletter`",
            "Deny /observed/1/affected/sample/3 1 of 7 people agreed only to a time that has passed to `newsletter`",
            "Deny /observed/1/affected/sample/4 1 of 7 people took back their consent to `newsletter`",
            "Deny /observed/1/affected/sample/5 2 of 7 people have a consent that can't be read to `newsletter`",
        ]
    );
}

#[test]
fn i10_i13_what_is_not_observed_can_not_be_checked_whatever_is_claimed() {
    let shut = |settings: Settings, facts: Option<Value>| {
        let found = found(settings, facts.clone());
        assert!(
            found.iter().any(|line| line.starts_with("Errored")),
            "{facts:?}: {found:?}"
        );
    };
    shut(settings(), None);
    shut(settings(), Some(json!({"connector": "http", "before": null})));
    shut(
        settings(),
        Some(json!({"connector": "http", "before": null, "affected": {"count": 3}})),
    );
    let agreed = json!([{"consents": [{"purpose": "newsletter"}]}]);
    // A sample of more, and a sample of nobody knows how many.
    shut(
        settings(),
        Some(json!({"connector": "http", "before": null, "affected": {"count": 3, "sample": agreed}})),
    );
    shut(
        settings(),
        Some(json!({"connector": "http", "before": null, "affected": {"sample": agreed}})),
    );
    let elsewhere = |audience: &str| Settings {
        audience: audience.into(),
        ..settings()
    };
    shut(
        elsewhere("/before/members"),
        Some(json!({"connector": "http", "before": {"members": "all"}})),
    );
    shut(elsewhere("/claimed/affected/sample"), audience(agreed.clone()));
    let named = Settings {
        needed: Needed::Param("/missing".into()),
        ..settings()
    };
    shut(named, audience(agreed.clone()));
    let whole = Some(json!({"connector": "http", "before": {"members": agreed}}));
    assert_eq!(found(elsewhere("/before/members"), whole), [""; 0]);
}

#[test]
fn a_part_may_be_enough_where_the_rules_say_so() {
    let partial = Settings {
        partial: true,
        needed: Needed::Param("/purpose".into()),
        ..settings()
    };
    let facts = json!({"connector": "http", "before": null, "affected": {"count": 3, "sample": [{"consents": {"offers": true}}]}});
    assert_eq!(
        found(partial, Some(facts)),
        ["Warn /observed/1/affected/sample only 1 of 3 people who are addressed are known"]
    );
}

#[test]
fn nobody_needs_no_consent() {
    assert_eq!(
        found(
            settings(),
            Some(json!({"connector": "http", "before": null, "affected": {"count": 0}}))
        ),
        [""; 0]
    );
}
