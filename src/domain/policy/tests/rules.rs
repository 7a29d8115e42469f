use std::collections::BTreeSet;

use super::*;
use crate::domain::{
    ids::Span,
    policy::{AgentKey, DataClass, GateRule, Impact, MergeMode, Preview, RollbackKind, StepUp, Tier},
};

const DATA: [DataClass; 7] = [
    DataClass::Public,
    DataClass::Internal,
    DataClass::Confidential,
    DataClass::Restricted,
    DataClass::Pii,
    DataClass::Financial,
    DataClass::Credentials,
];

fn rules(list: &str) -> Policy {
    let mut files = starter();
    let file = files.iter_mut().find(|file| file.path == "tiers.yaml").unwrap();
    let gates = file.text.find("gates:").unwrap();
    file.text = format!("rules:\n{list}\n{}", file.text.get(gates..).unwrap());
    policy(&files)
}

fn tier(policy: &Policy, impact: Impact, data: &[DataClass], rollback: RollbackKind) -> (Tier, usize) {
    let found = policy.classify(impact, &data.iter().copied().collect(), rollback);
    (found.tier, found.rule)
}

#[test]
fn the_first_rule_that_matches_wins() {
    let policy = rules(
        "  - { data: [pii, financial], data_only: [public, pii], tier: medium }\n\
         \x20 - { impact: [none, low], rollback: inverse, tier: low }\n\
         \x20 - tier: high",
    );
    let (none, inverse) = (RollbackKind::None, RollbackKind::Inverse);
    assert_eq!(
        tier(&policy, Impact::Low, &[DataClass::Pii], none),
        (Tier::Medium, 1)
    );
    assert_eq!(
        tier(&policy, Impact::Low, &[DataClass::Pii, DataClass::Public], none),
        (Tier::Medium, 1)
    );
    assert_eq!(
        tier(&policy, Impact::Low, &[DataClass::Pii, DataClass::Internal], none),
        (Tier::High, 3)
    );
    assert_eq!(
        tier(&policy, Impact::Low, &[DataClass::Public], none),
        (Tier::High, 3)
    );
    assert_eq!(
        tier(&policy, Impact::None, &[DataClass::Public], inverse),
        (Tier::Low, 2)
    );
    assert_eq!(
        tier(&policy, Impact::Moderate, &[DataClass::Public], inverse),
        (Tier::High, 3)
    );
}

#[test]
fn in_the_starter_set_nothing_grave_is_low_and_more_data_never_lowers_a_tier() {
    let policy = policy(&starter());
    for impact in [Impact::None, Impact::Low, Impact::Moderate, Impact::High] {
        for rollback in [RollbackKind::Inverse, RollbackKind::Restore, RollbackKind::None] {
            for bits in 1_u32..128 {
                let chosen = |bits: u32| -> Vec<DataClass> {
                    let numbered = DATA.into_iter().zip(0..);
                    numbered
                        .filter(|(_, n)| bits & (1 << n) != 0)
                        .map(|(class, _)| class)
                        .collect()
                };
                let (here, _) = tier(&policy, impact, &chosen(bits), rollback);
                let grave: BTreeSet<DataClass> = chosen(bits & 0b111_1100).into_iter().collect();
                if impact >= Impact::Moderate || !grave.is_empty() {
                    assert!(here > Tier::Low, "{impact} {grave:?} {rollback}");
                }
                for n in 0..7 {
                    let (more, _) = tier(&policy, impact, &chosen(bits | 1 << n), rollback);
                    assert!(
                        more >= here,
                        "{impact} {:?} + {:?} {rollback}",
                        chosen(bits),
                        DATA[n as usize]
                    );
                }
            }
        }
    }
}

fn gates(high: &str) -> GateRule {
    let mut files = starter();
    let file = files.iter_mut().find(|file| file.path == "tiers.yaml").unwrap();
    file.text = format!("rules:\n  - tier: high\ngates:\n  low: {{}}\n  medium: {{}}\n  high: {high}\n");
    policy(&files).gate(Tier::High).clone()
}

#[test]
fn a_gate_has_safe_defaults() {
    let gate = gates("{}");
    assert_eq!(
        (gate.approvals(), gate.distinct_teams(), gate.step_up()),
        (2, false, None)
    );
    assert_eq!(
        (gate.merge(), gate.preview(), gate.sample_review()),
        (MergeMode::Auto, Preview::None, 0)
    );
    assert_eq!(gate.expires_after(), Span::seconds(3 * 86_400));
    assert_eq!(
        (
            gate.remind_after(),
            gate.escalate_after(),
            gate.approval_valid_for()
        ),
        (None, None, None)
    );
    let gate = gates(
        "{ approvals: 3, step_up: passkey, merge: manual, sample_review: 100%, approval_valid_for: 1h }",
    );
    assert_eq!((gate.approvals(), gate.step_up()), (3, Some(StepUp::Passkey)));
    assert_eq!((gate.merge(), gate.sample_review()), (MergeMode::Manual, 100));
    assert_eq!(gate.approval_valid_for(), Some(Span::seconds(3600)));
}

#[test]
fn an_ed25519_key_is_read_and_may_be_used_once() {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio ann@host";
    let one = with(
        "agents.yaml",
        "key: { hmac: {} }",
        &format!("key: {{ ed25519: \"{KEY}\" }}"),
    );
    let agents = policy(&one);
    let agent = agents.agent(&"support-agent".parse().unwrap()).unwrap();
    match agent.key() {
        AgentKey::Ed25519 { id, public } => {
            assert!(id.as_str().starts_with("SHA256:"));
            assert_ne!(public.to_bytes(), [0; 32]);
        }
        AgentKey::Hmac => panic!("an ed25519 key"),
    }
    let mut two = one;
    let file = two.iter_mut().find(|file| file.path == "agents.yaml").unwrap();
    file.text = file
        .text
        .replacen("key: { hmac: {} }", &format!("key: {{ ed25519: \"{KEY}\" }}"), 1);
    assert_eq!(
        shown(&compile(&two).unwrap_err()),
        "[duplicate] agents.yaml:18:21: `support-agent` has the same key; give each its own"
    );
    let rsa = broken(
        "agents.yaml",
        "key: { hmac: {} }",
        "key: { ed25519: \"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7\" }",
    );
    assert!(rsa.starts_with("[key] agents.yaml:12:21: "), "{rsa}");
}
