//! A time of a gate that another comes before.

use super::{Around, Found, Lint, Severity, TIERS};
use crate::domain::policy::{GateRule, Tier};

pub(super) const LINT: Lint = Lint {
    id: "time-without-effect",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let tiers = [Tier::Medium, Tier::High].into_iter();
    tiers
        .flat_map(|tier| of(at, tier, at.policy.gate(tier)))
        .collect()
}

fn of(at: &Around<'_>, tier: Tier, gate: &GateRule) -> Vec<Found> {
    let said = |field: &str, message: String, remedy: &str| Found {
        file: TIERS.into(),
        mark: at.mark(TIERS, &format!("/gates/{tier}/{field}")),
        message,
        remedy: remedy.into(),
    };
    let mut found = Vec::new();
    let expires = gate.expires_after();
    if let Some(valid) = gate.approval_valid_for().filter(|valid| *valid >= expires) {
        found.push(said(
            "approval_valid_for",
            format!(
                "a {tier} proposal expires after {expires}, so an approval never gets older than {valid}"
            ),
            "make `approval_valid_for` shorter than `expires_after`, or remove it",
        ));
    }
    if let (Some(remind), Some(escalate)) = (gate.remind_after(), gate.escalate_after())
        && escalate <= remind
    {
        found.push(said(
            "escalate_after",
            format!("others are asked after {escalate}, before the owners are reminded after {remind}"),
            "make `remind_after` shorter than `escalate_after`, or remove it",
        ));
    }
    found
}
