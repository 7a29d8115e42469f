//! How a branch is protected: rulesets and classic protection together. INVARIANT i31.

use serde::Deserialize;
use serde_json::Value;

use super::{
    client::{GitHub, segment},
    error::Error,
};
use crate::domain::{
    ids::BranchName,
    observation::{Protection, RequiredCheck},
};

/// What GitHub says when a branch has no classic protection; any other 404 hides something.
const NONE: &str = "Branch not protected";

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Value,
}

#[derive(Deserialize)]
struct Checks {
    required_status_checks: Vec<Required>,
}

#[derive(Deserialize)]
struct Required {
    context: String,
    integration_id: Option<u64>,
}

#[derive(Deserialize)]
struct Classic {
    required_status_checks: Option<ClassicChecks>,
    allow_force_pushes: Option<Switch>,
    allow_deletions: Option<Switch>,
}

#[derive(Deserialize)]
struct ClassicChecks {
    #[serde(default)]
    contexts: Vec<String>,
    checks: Option<Vec<ClassicCheck>>,
}

#[derive(Deserialize)]
struct ClassicCheck {
    context: String,
    /// Null or -1 where any app may make it.
    app_id: Option<i64>,
}

#[derive(Deserialize)]
struct Switch {
    enabled: bool,
}

impl GitHub {
    /// The protection of a branch. What can't be read is an error, never taken for absent.
    pub(super) async fn protection(&self, branch: &BranchName) -> Result<Protection, Error> {
        let name = segment(branch.as_str());
        let rules_path = self.in_repo(&format!("/rules/branches/{name}"));
        let classic_path = self.in_repo(&format!("/branches/{name}/protection"));
        let (rules, classic) =
            futures::join!(self.list::<Rule>(&rules_path), self.get::<Classic>(&classic_path));
        let classic = match classic {
            Ok(classic) => Some(classic),
            Err(Error::NotFound { message, .. }) if message == NONE => None,
            Err(error) => return Err(error),
        };
        both(rules?, classic).map_err(|because| Error::Malformed {
            doing: format!("GET {rules_path}"),
            because,
        })
    }
}

fn both(rules: Vec<Rule>, classic: Option<Classic>) -> Result<Protection, String> {
    let mut protection = Protection {
        required_checks: Vec::new(),
        force_push_refused: false,
        deletion_refused: false,
    };
    for rule in rules {
        match rule.kind.as_str() {
            "non_fast_forward" => protection.force_push_refused = true,
            "deletion" => protection.deletion_refused = true,
            "required_status_checks" => {
                let checks: Checks =
                    serde_json::from_value(rule.parameters).map_err(|error| error.to_string())?;
                let checks = checks.required_status_checks.into_iter();
                protection
                    .required_checks
                    .extend(checks.map(|check| RequiredCheck {
                        context: check.context,
                        app: check.integration_id,
                    }));
            }
            _ => {}
        }
    }
    if let Some(classic) = classic {
        let refused = |switch: Option<Switch>| switch.is_some_and(|switch| !switch.enabled);
        protection.force_push_refused |= refused(classic.allow_force_pushes);
        protection.deletion_refused |= refused(classic.allow_deletions);
        if let Some(required) = classic.required_status_checks {
            let checks = match required.checks {
                Some(checks) => checks
                    .into_iter()
                    .map(|check| RequiredCheck {
                        context: check.context,
                        app: check.app_id.and_then(|id| u64::try_from(id).ok()),
                    })
                    .collect(),
                None => required
                    .contexts
                    .into_iter()
                    .map(|context| RequiredCheck { context, app: None })
                    .collect::<Vec<_>>(),
            };
            protection.required_checks.extend(checks);
        }
    }
    let key = |check: &RequiredCheck| (check.context.clone(), check.app);
    protection.required_checks.sort_by_key(key);
    protection.required_checks.dedup();
    Ok(protection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn i27_a_required_check_keeps_the_app_it_is_bound_to() {
        let rules: Vec<Rule> = serde_json::from_value(json!([
            { "type": "non_fast_forward", "ruleset_id": 1 },
            { "type": "something_new" },
            { "type": "required_status_checks", "parameters": {
                "required_status_checks": [{ "context": "countersign", "integration_id": 9 }, { "context": "ci" }] } },
        ]))
        .unwrap();
        let classic: Classic = serde_json::from_value(json!({
            "required_status_checks": { "contexts": ["countersign"], "checks": [
                { "context": "countersign", "app_id": 9 }, { "context": "lint", "app_id": -1 }] },
            "allow_deletions": { "enabled": false },
        }))
        .unwrap();
        let check = |context: &str, app| RequiredCheck {
            context: context.to_owned(),
            app,
        };
        assert_eq!(
            both(rules, Some(classic)).unwrap(),
            Protection {
                required_checks: vec![
                    check("ci", None),
                    check("countersign", Some(9)),
                    check("lint", None)
                ],
                force_push_refused: true,
                deletion_refused: true,
            }
        );
    }

    #[test]
    fn rules_that_cannot_be_read_are_no_protection_at_all() {
        let rules: Vec<Rule> = serde_json::from_value(json!([{ "type": "required_status_checks" }])).unwrap();
        assert!(both(rules, None).is_err());
    }
}
