//! A gate that wants passkeys, which nobody can give yet.

use super::{Around, Found, Lint, Severity, TIERS};
use crate::domain::policy::Tier;

pub(super) const LINT: Lint = Lint {
    id: "step-up-nobody-can-give",
    severity: Severity::Error,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let tiers = [Tier::Medium, Tier::High];
    let wanted = tiers
        .into_iter()
        .filter(|tier| at.policy.gate(*tier).step_up().is_some());
    wanted
        .map(|tier| Found {
            file: TIERS.into(),
            mark: at.mark(TIERS, &format!("/gates/{tier}/step_up")),
            message: format!("the {tier} gate wants a passkey of each approver, and this version takes none, so it never opens"),
            remedy: "leave `step_up` out".into(),
        })
        .collect()
}
