//! How branches are protected: rulesets and classic protection together, and who may go around them. INVARIANT i31.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::{
    client::{GitHub, segment},
    error::Error,
    observe::seen,
    watcher::Watcher,
};
use crate::domain::{
    ids::BranchName,
    observation::{Bypass, Protection, RequiredCheck, Seen},
    protection::{BranchSight, ClassicSight, RuleSight},
};

/// What GitHub says when a branch has no classic protection; any other 404 hides something.
const NONE: &str = "Branch not protected";
/// Rules whose bypass lists matter.
const LISTED: &[&str] = &[
    "non_fast_forward",
    "deletion",
    "required_status_checks",
    "creation",
    "update",
];

/// How closely a branch is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Look<'a> {
    /// Its rules alone, which any credential may see.
    Rules,
    /// Also who may go around them, which only a watcher may see.
    Lists(&'a Watcher),
    /// Also whether the app itself may, and who else where there is a watcher.
    Whole(Option<&'a Watcher>),
}

/// How base branch and ledger are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// The base branch.
    pub base: Seen<Protection>,
    /// The ledger's branch.
    pub ledger: Seen<Protection>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Value,
    ruleset_id: u64,
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
    required_pull_request_reviews: Option<Value>,
    enforce_admins: Option<Switch>,
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

/// A ruleset by itself, as far as bypassing goes.
#[derive(Deserialize)]
struct Ruleset {
    /// Absent for those who may not write it.
    bypass_actors: Option<Vec<Actor>>,
    current_user_can_bypass: Option<String>,
}

#[derive(Deserialize)]
struct Actor {
    actor_id: Option<u64>,
    actor_type: String,
    #[serde(default)]
    bypass_mode: Option<String>,
}

impl GitHub {
    /// How base branch and ledger are protected. With a watcher, bypass lists that it can't see make the whole unknown.
    ///
    /// # Errors
    /// When GitHub answers nothing at all for now.
    pub async fn guarded(
        &self,
        base: &BranchName,
        ledger: &BranchName,
        watcher: Option<&Watcher>,
    ) -> Result<Guarded, Error> {
        let look = watcher.map_or(Look::Rules, Look::Lists);
        let (base, ledger) = futures::try_join!(
            Box::pin(self.branch(base, look)),
            Box::pin(self.branch(ledger, look))
        )?;
        let strict = |sight: &BranchSight| match sight.protection() {
            Seen::Known(Protection { around: None, .. }) if watcher.is_some() => {
                Seen::unknown("the watch credential may not see who goes around the rules")
            }
            seen => seen,
        };
        Ok(Guarded {
            base: strict(&base),
            ledger: strict(&ledger),
        })
    }

    /// The rules that hold for a branch, which need not exist. What can't be read is unknown, never taken for absent.
    ///
    /// # Errors
    /// When GitHub answers nothing at all for now.
    pub async fn branch(&self, branch: &BranchName, look: Look<'_>) -> Result<BranchSight, Error> {
        let name = segment(branch.as_str());
        let rules_path = self.in_repo(&format!("/rules/branches/{name}"));
        let classic_path = self.in_repo(&format!("/branches/{name}/protection"));
        let (rules, classic) = futures::join!(self.list::<Rule>(&rules_path), self.classic(&classic_path));
        let rules = match rules {
            Ok(rules) => match self.rules(rules, look).await {
                Ok(rules) => Ok(rules),
                Err(because) => Err(Error::Malformed {
                    doing: format!("GET {rules_path}"),
                    because,
                }),
            },
            Err(error) => Err(error),
        };
        Ok(BranchSight {
            name: branch.clone(),
            rules: seen(rules)?,
            classic: seen(classic)?,
        })
    }

    async fn classic(&self, path: &str) -> Result<Option<ClassicSight>, Error> {
        if self.is_bare(path) {
            return Ok(None);
        }
        match self.get::<Classic>(path).await {
            Ok(classic) => Ok(Some(of_classic(classic))),
            Err(Error::NotFound { message, .. }) if message == NONE => {
                self.note_bare(path);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn rules(&self, rules: Vec<Rule>, look: Look<'_>) -> Result<Vec<RuleSight>, String> {
        let listed = rules.iter().filter(|rule| LISTED.contains(&rule.kind.as_str()));
        let ids: BTreeSet<u64> = listed.map(|rule| rule.ruleset_id).collect();
        let (watcher, ours) = match look {
            Look::Rules => (None, false),
            Look::Lists(watcher) => (Some(watcher.github()), false),
            Look::Whole(watcher) => (watcher.map(Watcher::github), true),
        };
        let asked = ids.into_iter().map(|id| async move {
            let (lists, ways) = futures::join!(
                async {
                    match watcher {
                        Some(watcher) => watcher.around(id).await,
                        None => Seen::unknown("only those who may write the ruleset are shown that"),
                    }
                },
                async {
                    if ours {
                        self.our_way_around(id).await
                    } else {
                        Seen::unknown("nobody looked")
                    }
                }
            );
            (id, (lists, ways))
        });
        let by_ruleset: BTreeMap<u64, _> = futures::future::join_all(asked).await.into_iter().collect();
        let nobody = (Seen::unknown("nobody looked"), Seen::unknown("nobody looked"));
        rules
            .into_iter()
            .map(|rule| {
                let (around, app) = by_ruleset.get(&rule.ruleset_id).unwrap_or(&nobody);
                of_rule(rule, around.clone(), app.clone())
            })
            .collect()
    }

    async fn ruleset(&self, id: u64) -> Result<Ruleset, Error> {
        self.get(&self.in_repo(&format!("/rulesets/{id}"))).await
    }

    async fn around(&self, id: u64) -> Seen<Vec<Bypass>> {
        match self.ruleset(id).await {
            Ok(Ruleset {
                bypass_actors: Some(actors),
                ..
            }) => Seen::Known(actors.into_iter().map(of_actor).collect()),
            Ok(_) => Seen::unknown("the watch credential may not write the ruleset, and is not shown that"),
            Err(error) => Seen::unknown(error.to_string()),
        }
    }

    async fn our_way_around(&self, id: u64) -> Seen<String> {
        match self.ruleset(id).await {
            Ok(Ruleset {
                current_user_can_bypass: Some(way),
                ..
            }) => Seen::Known(way),
            Ok(_) => Seen::unknown("GitHub does not say"),
            Err(error) => Seen::unknown(error.to_string()),
        }
    }
}

fn of_actor(actor: Actor) -> Bypass {
    Bypass {
        kind: actor.actor_type,
        id: actor.actor_id,
        mode: actor.bypass_mode.unwrap_or_else(|| "always".to_owned()),
    }
}

fn of_rule(rule: Rule, around: Seen<Vec<Bypass>>, app: Seen<String>) -> Result<RuleSight, String> {
    let mut sight = RuleSight {
        kind: rule.kind,
        ruleset: rule.ruleset_id,
        checks: Vec::new(),
        methods: None,
        around,
        app,
    };
    match sight.kind.as_str() {
        "required_status_checks" => {
            let checks: Checks =
                serde_json::from_value(rule.parameters).map_err(|error| error.to_string())?;
            let checks = checks.required_status_checks.into_iter();
            sight.checks = checks
                .map(|check| RequiredCheck {
                    context: check.context,
                    app: check.integration_id,
                })
                .collect();
        }
        "pull_request" => {
            let methods = rule
                .parameters
                .get("allowed_merge_methods")
                .and_then(Value::as_array);
            sight.methods =
                methods.map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        }
        "merge_queue" => {
            let method = rule.parameters.get("merge_method").and_then(Value::as_str);
            sight.methods = method.map(|method| vec![method.to_lowercase()]);
        }
        _ => {}
    }
    Ok(sight)
}

fn of_classic(classic: Classic) -> ClassicSight {
    let off = |switch: Option<Switch>| switch.is_some_and(|switch| !switch.enabled);
    let checks = match classic.required_status_checks {
        None => Vec::new(),
        Some(ClassicChecks {
            checks: Some(checks), ..
        }) => checks
            .into_iter()
            .map(|check| RequiredCheck {
                context: check.context,
                app: check.app_id.and_then(|id| u64::try_from(id).ok()),
            })
            .collect(),
        Some(ClassicChecks { contexts, .. }) => contexts
            .into_iter()
            .map(|context| RequiredCheck { context, app: None })
            .collect(),
    };
    ClassicSight {
        checks,
        force_push_refused: off(classic.allow_force_pushes),
        deletion_refused: off(classic.allow_deletions),
        administrators: classic.enforce_admins.is_some_and(|switch| switch.enabled),
        pull_request: classic.required_pull_request_reviews.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sight(rules: Value, classic: Option<Value>) -> Result<BranchSight, String> {
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        let unseen = || Seen::unknown("nobody looked");
        let rules: Result<Vec<RuleSight>, String> = rules
            .into_iter()
            .map(|rule| of_rule(rule, unseen(), Seen::unknown("nobody looked")))
            .collect();
        Ok(BranchSight {
            name: "main".parse().unwrap(),
            rules: Seen::Known(rules?),
            classic: Seen::Known(classic.map(|classic| of_classic(serde_json::from_value(classic).unwrap()))),
        })
    }

    #[test]
    fn i27_a_required_check_keeps_the_app_it_is_bound_to() {
        let rules = json!([
            { "type": "non_fast_forward", "ruleset_id": 1 },
            { "type": "something_new", "ruleset_id": 1 },
            { "type": "required_status_checks", "ruleset_id": 2, "parameters": {
                "required_status_checks": [{ "context": "countersign", "integration_id": 9 }, { "context": "ci" }] } },
        ]);
        let classic = json!({
            "required_status_checks": { "contexts": ["countersign"], "checks": [
                { "context": "countersign", "app_id": 9 }, { "context": "lint", "app_id": -1 }] },
            "allow_deletions": { "enabled": false },
        });
        let check = |context: &str, app| RequiredCheck {
            context: context.to_owned(),
            app,
        };
        assert_eq!(
            sight(rules, Some(classic)).unwrap().protection(),
            Seen::Known(Protection {
                required_checks: vec![
                    check("ci", None),
                    check("countersign", Some(9)),
                    check("lint", None)
                ],
                force_push_refused: true,
                deletion_refused: true,
                around: None,
            })
        );
    }

    #[test]
    fn rules_that_cannot_be_read_are_no_protection_at_all() {
        assert!(
            sight(
                json!([{ "type": "required_status_checks", "ruleset_id": 1 }]),
                None
            )
            .is_err()
        );
    }
}
