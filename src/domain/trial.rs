//! Cases of `policies/tests/` run through the rules, and what of the rules they cover.

use std::{collections::BTreeSet, fmt::Display};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    assess::TierRule,
    checks::Level,
    delegation,
    entry::Delegated,
    facts::{Facts, Judged, judge},
    gate::{Because, Rule, Standing},
    ids::{ActionName, CommentId, IdError},
    policy::{
        Policy,
        cases::{Case, Delegation, Given, Proposed},
    },
};

/// What came out of a case.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The case.
    pub case: &'a Case,
    /// What the rules say; none when the case can't be asked.
    pub judged: Option<Judged>,
    /// Where that is not what was expected; empty when the case passed.
    pub differences: Vec<Difference>,
}

/// Something that came out otherwise than expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `tier`, `gate`, `check text`, `approvers`, `missing`, `refused`.
    pub what: String,
    /// What the case says.
    pub expected: String,
    /// What came out.
    pub found: String,
}

impl Outcome<'_> {
    /// Whether everything came out as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
    /// The rules that keep the gate shut, when the case could be asked.
    pub fn against(&self) -> impl Iterator<Item = &Because> {
        let because = self.judged.iter().flat_map(|judged| &judged.because);
        because.filter(|because| because.standing > Standing::Holds)
    }
}

/// Runs one case. The moment that is not stated is always the same, so that the same case gives the same outcome in every
/// year.
pub fn run<'a>(case: &'a Case, policy: &Policy) -> Outcome<'a> {
    let facts = delegations(case, policy).and_then(|delegations| {
        let facts = serde_json::from_value::<Facts>(written(case, delegations));
        facts.map_err(|error| error.to_string())
    });
    let facts = match facts {
        Ok(facts) => facts,
        Err(found) => {
            let unasked = Difference {
                what: "case".into(),
                expected: "a proposal that can be judged".into(),
                found,
            };
            return Outcome {
                case,
                judged: None,
                differences: vec![unasked],
            };
        }
    };
    let judged = judge(&facts, policy);
    Outcome {
        case,
        differences: differences(case, &judged),
        judged: Some(judged),
    }
}

/// Who stands in for whom, as the ledger would have it. Errors: it would not take one.
fn delegations(case: &Case, policy: &Policy) -> Result<Vec<delegation::Given>, String> {
    let mut given = Vec::new();
    for Delegation {
        owner,
        stand_in,
        from,
        until,
        actions,
    } in &case.delegations
    {
        let from = from.unwrap_or_else(|| case.propose.moment());
        let account = policy.person(owner).and_then(|owner| owner.accounts().first());
        let said = Delegated {
            owner: owner.clone(),
            stand_in: Some(stand_in.clone()),
            from,
            until: until.unwrap_or_else(|| from.plus(delegation::LONGEST)),
            actions: actions.clone(),
            reason: None,
            account: account.ok_or_else(|| format!("unknown person `{owner}`"))?.id(),
            comment: CommentId(0),
            delivery: "case".parse().map_err(|error: IdError| error.to_string())?,
        };
        delegation::admissible(&said, Some(owner), from)
            .map_err(|error| format!("`delegations` of `{owner}`: {error}"))?;
        given.push(delegation::Given { at: from, said });
    }
    Ok(given)
}

/// The case as [`Facts`] are written.
fn written(case: &Case, delegations: Vec<delegation::Given>) -> Value {
    let asked = &case.propose;
    let at = asked.moment();
    let (items, observed) = items(asked);
    let mut facts = Map::new();
    let mut put = |name: &str, value: Value| facts.insert(name.to_owned(), value);
    put("operation", json!(asked.action));
    put("agent", json!(asked.agent));
    if let Some(params) = &asked.params {
        put("parameters", params.clone());
    } else {
        put("items", items.into());
    }
    put("observed", observed.into());
    put("claimed", json!(asked.claimed));
    put(
        "justification",
        json!(asked.justification.as_deref().unwrap_or_default()),
    );
    put("at", json!(at));
    let said = case
        .reviews
        .iter()
        .map(|said| json!({ "by": said.by, "says": said.says, "at": said.at.unwrap_or(at) }));
    put("reviews", said.collect());
    put("exceptions", json!(asked.exceptions));
    put("counted", json!(case.counted));
    put("delegations", json!(delegations));
    put("granted", json!(case.granted));
    let excluded = case.excluded.iter().map(|item| Value::String(item.to_string()));
    put("excluded", excluded.collect());
    if let Some(now) = case.judged_at {
        put("now", json!(now));
    }
    Value::Object(facts)
}

fn items(asked: &Proposed) -> (Vec<Value>, Vec<Value>) {
    let mut observed = Vec::new();
    let mut see = |item: &str, given: &Option<Given>| {
        observed.extend(given.as_ref().map(|given| {
            let Given {
                before,
                after,
                affected,
            } = given;
            let mut seen = json!({ "item": item, "before": before, "affected": affected });
            if let (Some(after), Some(fields)) = (after, seen.as_object_mut()) {
                fields.insert("after".to_owned(), after.clone());
            }
            seen
        }));
    };
    see("1", &asked.observed);
    let mut items = Vec::new();
    for (item, number) in asked.items.iter().zip(1..) {
        let id = number.to_string();
        see(&id, &item.observed);
        items.push(json!({ "id": id, "parameters": item.params }));
    }
    (items, observed)
}

fn differences(case: &Case, judged: &Judged) -> Vec<Difference> {
    let expect = &case.expect;
    let mut found = Vec::new();
    let mut compare = |what: &str, expected: Option<String>, got: String| {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            found.push(Difference {
                what: what.to_owned(),
                expected,
                found: got,
            });
        }
    };
    compare(
        "tier",
        expect.tier.map(|tier| tier.to_string()),
        judged.tier.to_string(),
    );
    for (name, level) in &expect.checks {
        let got = judged.checks.iter().find(|result| result.check == *name);
        let got = got.map_or("not run", |result| word(result.level));
        compare(
            &format!("check {name}"),
            Some(word(*level).to_owned()),
            got.to_owned(),
        );
    }
    compare(
        "gate",
        expect.gate.map(|gate| gate.to_string()),
        judged.gate.to_string(),
    );
    let approvers = expect.approvers.as_ref().map(listed);
    compare(
        "approvers",
        approvers,
        listed(judged.approvers.iter().collect::<BTreeSet<_>>()),
    );
    let missing = expect.missing.as_ref().map(listed);
    compare("missing", missing, listed(who_could(judged)));
    let refusals = refusals(judged);
    if let Some(words) = &expect.refused
        && !refusals.iter().any(|refusal| refusal.contains(words.as_str()))
    {
        found.push(Difference {
            what: "refused".into(),
            expected: words.clone(),
            found: if refusals.is_empty() {
                "the parameters can be proposed".into()
            } else {
                refusals.join("; ")
            },
        });
    }
    found
}

/// What is wrong with the parameters, or with who proposes them.
fn refusals(judged: &Judged) -> Vec<&str> {
    let action = judged
        .because
        .iter()
        .filter(|because| because.rule == Rule::Action);
    let shut = action.filter(|because| because.standing > Standing::Holds);
    shut.flat_map(|because| because.who.iter().map(String::as_str))
        .collect()
}

/// Who could still give an approval that is missing, by name.
fn who_could(judged: &Judged) -> BTreeSet<&str> {
    let approvals = judged
        .because
        .iter()
        .filter(|because| because.rule == Rule::Approvals);
    let missing = approvals.filter(|because| because.standing > Standing::Holds);
    let could = missing.flat_map(|because| &because.could);
    could.filter_map(|who| who.split(' ').next()).collect()
}

/// A level as files write it.
pub const fn word(level: Level) -> &'static str {
    match level {
        Level::Pass => "pass",
        Level::Warn => "warn",
        Level::Deny => "deny",
        Level::Errored => "errored",
    }
}

fn listed(names: impl IntoIterator<Item = impl Display>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() {
        "nobody".into()
    } else {
        names.join(", ")
    }
}

/// What of the rules some cases reach, and what none does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Actions that a case proposes.
    pub actions: Part,
    /// Rules of `tiers.yaml` that gave a case its tier.
    pub tier_rules: Part,
    /// Conditions of `escalate` that raised a case.
    pub escalations: Part,
    /// Limits that a case was over.
    pub limits: Part,
    /// Checks that found something in a case.
    pub checks: Part,
}

/// One kind of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Part {
    /// How many are covered.
    pub covered: usize,
    /// What is not.
    pub missing: Vec<String>,
}

impl Part {
    fn of(all: impl IntoIterator<Item = impl Display>, reached: &BTreeSet<String>) -> Self {
        let names: BTreeSet<String> = all.into_iter().map(|one| one.to_string()).collect();
        let (covered, missing): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| reached.contains(name));
        Self {
            covered: covered.len(),
            missing,
        }
    }
    /// How many there are.
    pub fn all(&self) -> usize {
        self.covered + self.missing.len()
    }
}

/// What the cases reached, by the names that [`Coverage`] gives.
#[derive(Default)]
struct Reached {
    actions: BTreeSet<String>,
    tier_rules: BTreeSet<String>,
    escalations: BTreeSet<String>,
    limits: BTreeSet<String>,
    checks: BTreeSet<String>,
}

fn escalation(action: &ActionName, number: usize) -> String {
    format!("{action} #{number}")
}
fn limit(action: &ActionName, name: &str) -> String {
    format!("{action} {name}")
}

impl Reached {
    fn take(&mut self, outcome: &Outcome<'_>) {
        let action = &outcome.case.propose.action;
        self.actions.insert(action.to_string());
        let Some(judged) = &outcome.judged else {
            return;
        };
        for reason in &judged.reasons {
            match &reason.because {
                TierRule::Rule(number) => self.tier_rules.insert(number.to_string()),
                TierRule::Escalated(number) | TierRule::Claimed(number) => {
                    self.escalations.insert(escalation(action, *number))
                }
                TierRule::Limit(name) => self.limits.insert(limit(action, name)),
                TierRule::Errored { .. }
                | TierRule::LimitsChanged
                | TierRule::UnknownAction
                | TierRule::SchemaChanged
                | TierRule::Resource
                | TierRule::Corrected
                | TierRule::Dispatches
                | TierRule::RollsBack
                | TierRule::Thaws => false,
            };
        }
        let found = judged.checks.iter();
        let found = found.filter(|result| matches!(result.level, Level::Warn | Level::Deny));
        self.checks.extend(found.map(|result| result.check.to_string()));
    }
}

impl Coverage {
    /// What these outcomes cover.
    pub fn of(outcomes: &[Outcome<'_>], policy: &Policy) -> Self {
        let mut reached = Reached::default();
        outcomes.iter().for_each(|outcome| reached.take(outcome));
        let (mut escalations, mut limits) = (Vec::new(), Vec::new());
        for action in policy.actions() {
            let numbers = 1..=action.escalate().len();
            escalations.extend(numbers.map(|number| escalation(action.name(), number)));
            limits.extend(action.limits().iter().map(|one| limit(action.name(), one.name())));
        }
        Self {
            actions: Part::of(policy.actions().map(|action| action.name()), &reached.actions),
            tier_rules: Part::of(policy.reachable_rules(), &reached.tier_rules),
            escalations: Part::of(escalations, &reached.escalations),
            limits: Part::of(limits, &reached.limits),
            checks: Part::of(
                policy.actions().flat_map(|action| action.checks()),
                &reached.checks,
            ),
        }
    }
    /// Each kind with its name.
    pub fn parts(&self) -> [(&'static str, &Part); 5] {
        [
            ("actions", &self.actions),
            ("tier rules", &self.tier_rules),
            ("escalations", &self.escalations),
            ("limits", &self.limits),
            ("checks", &self.checks),
        ]
    }
    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.parts().iter().all(|(_, part)| part.missing.is_empty())
    }
}
