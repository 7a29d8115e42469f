//! An action that waits for a preview that the bot has no way to make.

use super::{Around, CATALOG, Found, Lint, Severity, tiers_of};
use crate::domain::policy::{Preview, Tier};

pub(super) const LINT: Lint = Lint {
    id: "preview-without-observe",
    severity: Severity::Error,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let blind = at.policy.actions().filter(|action| action.observe().is_none());
    // What a freeze stops stands in the ledger.
    let blind = blind.filter(|action| !action.execute().thaws());
    let waiting = blind.filter_map(|action| {
        let mut tiers = tiers_of(at, action).into_iter();
        let tier =
            tiers.find(|tier| at.policy.gate(*tier).preview() == Preview::Required && *tier > Tier::Low)?;
        Some(Found {
            file: CATALOG.into(),
            mark: at.name_mark(CATALOG, "actions", action.name().as_str()),
            message: format!(
                "the {tier} gate wants `{}` seen before it is approved, and the action has no `observe`",
                action.name()
            ),
            remedy:
                "say under `observe` how the bot reads what is affected, or write `preview: none` in the gate"
                    .into(),
        })
    });
    waiting.collect()
}
