//! A rule of a Rego module that gives no findings and that nothing reads.

use super::{Around, Found, Lint, Severity};

pub(super) const LINT: Lint = Lint {
    id: "unread-rule",
    severity: Severity::Warning,
    look,
};

fn look(at: &Around<'_>) -> Vec<Found> {
    let idle = at.policy.idle_rules();
    idle.map(|(file, rule)| Found {
        file,
        mark: Some(rule.mark),
        message: format!("nothing reads the rule `{}`, so it changes nothing", rule.name),
        remedy: match rule.name.as_str() {
            "exception" => "who may let a proposal pass stands in the module's annotations, under `custom: { exceptions: ... }`".into(),
            _ => "name it `deny`, `violation` or `warn`, have one of those read it, or remove it".into(),
        },
    })
    .collect()
}
