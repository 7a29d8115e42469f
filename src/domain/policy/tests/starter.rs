use serde_json::json;

use super::*;
use crate::domain::{
    ids::{AccountId, Digest},
    policy::{Tier, policy_digest},
};

#[test]
fn the_starter_set_compiles_and_its_actions_have_their_tiers() {
    let policy = policy(&starter());
    let tiers: Vec<(String, Tier, usize)> = policy
        .actions()
        .map(|action| {
            let found = policy.classify(action.impact(), action.data(), action.rollback().kind());
            (action.name().to_string(), found.tier, found.rule)
        })
        .collect();
    assert_eq!(
        tiers,
        [
            ("campaigns.send".into(), Tier::Medium, 4),
            ("crm.note".into(), Tier::Low, 6),
            ("payments.create".into(), Tier::High, 1),
        ]
    );
    assert_eq!(policy.gate(Tier::High).approvals(), 2);
    assert!(policy.gate(Tier::High).distinct_teams());
    assert_eq!(policy.gate(Tier::Low).sample_review(), 5);
    assert_eq!(policy.owners().organization(), Some("acme"));
    assert_eq!(policy.people().count(), 5);
    assert_eq!(policy.agents().count(), 3);
}

#[test]
fn a_payment_goes_all_the_way_through_its_action() {
    let policy = policy(&starter());
    let pay = action(&policy, "payments.create");
    assert_eq!(pay.system(), "bank");
    let params = json!({
        "supplier_id": "S-42",
        "amount": {"minor": 1_250_000, "currency": "EUR"},
        "reference": "INV-7",
    });
    assert_eq!(pay.validate(&params), []);
    let path = pay.resource().path(&params).unwrap();
    assert_eq!(path, "/payments/suppliers/S-42");
    let sets = policy.owners().requirements(&path);
    let owners: Vec<String> = sets.sets()[0].owners().iter().map(ToString::to_string).collect();
    assert_eq!(owners, ["finance", "treasury"]);
    assert!(policy.owners().requirements("/elsewhere/x").is_unowned());
}

#[test]
fn people_and_agents_are_found_by_their_accounts() {
    let policy = policy(&starter());
    let carol = policy.person_of(AccountId(1103)).unwrap();
    assert_eq!(carol.name().as_str(), "carol");
    assert_eq!(carol, policy.person_of(AccountId(1003)).unwrap());
    assert!(policy.person_of(AccountId(2003)).is_none());
    let agent = policy.agent_of(AccountId(2003)).unwrap();
    assert_eq!(agent.name().as_str(), "payments-agent");
    assert!(agent.may_propose(&"payments.create".parse().unwrap()));
    assert!(!agent.may_propose(&"crm.note".parse().unwrap()));
    assert_eq!(
        policy.nearest_action("payment.create").unwrap().as_str(),
        "payments.create"
    );
    assert_eq!(policy.nearest_action("something.else"), None);
}

#[test]
fn the_digest_covers_every_file_and_no_order() {
    let mut files = starter();
    let digest = policy(&files).digest();
    files.reverse();
    assert_eq!(policy_digest(&files), digest);
    files.push(SourceFile::new("tests/a.yaml", "case: 1\n"));
    let more = policy(&files).digest();
    assert_ne!(more, digest);
    assert_eq!(policy_digest(&files), more);
    assert_ne!(
        policy_digest(&with("README.md", "policies/", "Policies/")),
        digest
    );
    assert_eq!(
        policy_digest(&[SourceFile::new("b", "2"), SourceFile::new("a", "1")]),
        Digest::of(
            format!(
                r#"[{{"digest":"{}","path":"a"}},{{"digest":"{}","path":"b"}}]"#,
                Digest::of(b"1"),
                Digest::of(b"2")
            )
            .as_bytes()
        )
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let mut files = starter();
    for file in &mut files {
        file.text = file.text.replace('\n', "\r\n");
        if file.path.ends_with(".yaml") {
            file.text.insert(0, '\u{feff}');
        }
    }
    let windows = policy(&files);
    let unix = policy(&starter());
    assert_eq!(
        action(&windows, "payments.create").schema_digest(),
        action(&unix, "payments.create").schema_digest()
    );
    let sets = windows.owners().requirements("/payments/x");
    assert_eq!(sets, unix.owners().requirements("/payments/x"));
}
