//! The answer to facts, by the rules that decide on real proposals.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::{Facts, RecordedRolls, Says, Who};
use crate::domain::{
    assess::{Assessment, TierReason, assess_counting},
    checks::CheckResult,
    exception::{self, Grant},
    gate::{self, Because, Rule, Standing, Verdict},
    ids::{AccountId, PersonName, TeamName},
    matter::Matter,
    observation::Permission,
    policy::{Account, Action, Agent, Policy, Tier},
    proposal::{Item, Provenance},
    review::{self, Ballot, Opinion, Rolls},
    sealed::placeholder_of,
    totals::Count,
};

/// The most parameter errors that are told.
const MOST: usize = 10;

/// What the rules say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// The tier.
    pub tier: Tier,
    /// Why.
    pub reasons: Vec<TierReason>,
    /// Every check that the action names.
    pub checks: Vec<CheckResult>,
    /// Whether it may run.
    pub gate: Verdict,
    /// The people whose approvals were counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Every rule that was looked at.
    pub because: Vec<Because>,
}

/// Judges facts by a policy: tier, checks and approvals by the functions that [`gate::decide`] uses, without what only a
/// pull request can show. Parameters must fit the schema, as they must at the door. Total: what is unknown is high and
/// shut (INVARIANT i10).
pub fn judge(facts: &Facts, policy: &Policy) -> Judged {
    let assessed = assessed(facts, policy);
    let ruled = ruled(facts, policy, assessed.as_ref());
    let (tier, reasons, checks) = assessed.map_or_else(
        || (Tier::High, Vec::new(), Vec::new()),
        |assessed| (assessed.tier, assessed.reasons, assessed.checks),
    );
    Judged {
        tier,
        reasons,
        checks,
        gate: ruled.gate,
        approvers: ruled.approvers,
        because: ruled.because,
    }
}

/// The tier and the checks of what is asked; none for facts that name no sponsor and an agent that nobody knows.
pub(in crate::domain) fn assessed(facts: &Facts, policy: &Policy) -> Option<Assessment> {
    let counted = |count: &Count| {
        let known = facts.counted.get(count.counter());
        known
            .or_else(|| facts.counted.get(count.limit()))
            .copied()
            .unwrap_or_default()
    };
    asked(facts, policy, |matter, _| {
        assess_counting(matter, counted, policy)
    })
}

/// What the gate says of facts that were assessed.
#[derive(Debug)]
pub(in crate::domain) struct Ruled {
    pub(in crate::domain) gate: Verdict,
    approvers: Vec<String>,
    because: Vec<Because>,
}

/// Counts what people said of facts with the tier and check results that the same policy gives them.
pub(in crate::domain) fn ruled(facts: &Facts, policy: &Policy, assessed: Option<&Assessment>) -> Ruled {
    let ruled = assessed.and_then(|assessed| {
        asked(facts, policy, |matter, action| {
            gated(facts, policy, assessed, matter, action)
        })
    });
    ruled.unwrap_or_else(|| Ruled {
        gate: Verdict::Blocked,
        approvers: Vec::new(),
        because: vec![Because::new(Rule::Action, Standing::Blocks).who([&facts.agent])],
    })
}

fn gated(
    facts: &Facts,
    policy: &Policy,
    assessed: &Assessment,
    matter: &Matter<'_>,
    action: Option<&Action>,
) -> Ruled {
    let tier = assessed.tier;
    let rule = policy.gate(tier);
    let expires_at = facts.at.plus(rule.expires_after());
    let hands = facts.hands.iter().filter_map(|who| account(who, policy));
    let parties = (tier > Tier::Low).then(|| review::parties(matter, policy, hands));
    let grants = facts.granted.iter().filter_map(|granted| {
        let account = account(&granted.by, policy)?;
        let check = &granted.check;
        let at = granted.at.unwrap_or(facts.now);
        (at <= facts.now).then_some(Grant { check, account, at })
    });
    let grants: Vec<Grant<'_>> = grants.collect();
    let given = (grants.as_slice(), facts.now);
    let departures = match &facts.rolls {
        Some(rolls) => exception::departures(assessed, policy, parties.as_ref(), given, rolls),
        None => exception::departures(assessed, policy, parties.as_ref(), given, &AsThePolicySays),
    };
    let mut because = vec![action_rule(matter, assessed, action, policy)];
    because.extend(departures.rules);
    let left_out = matter.items.iter().map(|item| &item.id);
    let left_out = left_out.filter(|id| facts.excluded.contains(id));
    because.extend(gate::excluded(left_out, matter.items.len()));
    let fresh = facts.now < expires_at;
    because.push(Because::holds_or_blocks(Rule::Expiry, fresh).could((!fresh).then_some(expires_at)));
    let mut approvers = Vec::new();
    if tier > Tier::Low {
        because.push(gate::preview(matter, rule, policy));
        if let Some(owned) = review::owned(matter, policy, &mut because) {
            let opinions = opinions(facts, policy, &mut because);
            let mut parties = parties.unwrap_or_default();
            parties.extend(departures.granters);
            let ballot = Ballot {
                policy,
                gate: rule,
                action: &facts.operation,
                owned: &owned,
                delegations: &facts.delegations,
                parties,
                voices: review::voices(policy, rule, facts.now, opinions, &mut because),
            };
            approvers = match &facts.rolls {
                Some(rolls) => review::tally(&ballot, rolls, &mut because),
                None => review::tally(&ballot, &AsThePolicySays, &mut because),
            };
        }
    }
    let proved = tier == Tier::Low || !approvers.is_empty();
    Ruled {
        gate: gate::verdict(&because, proved),
        approvers,
        because,
    }
}

/// Asks about the matter of facts; none for facts that name no sponsor and an agent that nobody knows.
fn asked<T>(
    facts: &Facts,
    policy: &Policy,
    question: impl FnOnce(&Matter<'_>, Option<&Action>) -> T,
) -> Option<T> {
    let action = policy.action(&facts.operation);
    let items = with_defaults(facts, action);
    let matter = Matter {
        operation: &facts.operation,
        agent: &facts.agent,
        sponsor: sponsor(facts, policy)?,
        target: None,
        items: &items,
        observed: &facts.observed,
        dry_runs: &facts.dry_runs,
        claimed: &facts.claimed,
        justification: &facts.justification,
        rollback_plan: facts.rollback_plan.as_deref(),
        exceptions: &facts.exceptions,
        provenance: &Provenance::default(),
        corrected: facts.amended,
        rolls_back: facts.rolls_back,
        at: facts.at,
    };
    Some(question(&matter, action))
}

/// Who sponsors what is asked: whom the facts name, or the agent's.
pub(in crate::domain) fn sponsor<'a>(facts: &'a Facts, policy: &'a Policy) -> Option<&'a PersonName> {
    let of_agent = || policy.agent(&facts.agent).map(Agent::sponsor);
    facts.sponsor.as_ref().or_else(of_agent)
}

fn with_defaults<'a>(facts: &'a Facts, action: Option<&Action>) -> Cow<'a, [Item]> {
    match action {
        Some(action) if action.has_defaults() => {
            let mut items = facts.items.clone();
            for item in &mut items {
                action.apply_defaults(&mut item.parameters);
            }
            Cow::Owned(items)
        }
        Some(_) | None => Cow::Borrowed(&facts.items),
    }
}

/// Whether the catalog knows the action as asked, its agent may ask for it, and the parameters fit; sealed values
/// were checked before they were sealed.
fn action_rule(
    matter: &Matter<'_>,
    assessed: &Assessment,
    action: Option<&Action>,
    policy: &Policy,
) -> Because {
    let mut wrong = Vec::new();
    for item in matter.items {
        let errors = action.map(|action| action.validate(&item.parameters));
        for error in errors.into_iter().flatten() {
            let sealed = item.parameters.pointer(error.pointer());
            if wrong.len() < MOST && sealed.and_then(placeholder_of).is_none() {
                wrong.push(format!(
                    "/items/{}/parameters{}: {}",
                    item.id,
                    error.pointer(),
                    error.message()
                ));
            }
        }
    }
    let holds = assessed.known() && wrong.is_empty() && gate::may_propose(matter, policy);
    Because::holds_or_blocks(Rule::Action, holds).who(wrong)
}

/// What every account said last.
fn opinions(facts: &Facts, policy: &Policy, because: &mut Vec<Because>) -> Vec<(AccountId, Opinion)> {
    let mut latest = BTreeMap::new();
    for said in &facts.reviews {
        let at = said.at.unwrap_or(facts.now);
        let Some(account) = account(&said.by, policy) else {
            because.push(Because::new(Rule::NotAPerson, Standing::Noted).who([&said.by]));
            continue;
        };
        let opinion = match said.says {
            Says::Approve if at <= facts.now => Opinion::Approves(at),
            Says::Approve => Opinion::Nothing,
            Says::RequestChanges => Opinion::Objects,
        };
        latest.insert(account, opinion);
    }
    latest.into_iter().collect()
}

fn account(who: &Who, policy: &Policy) -> Option<AccountId> {
    match who {
        Who::Account(account) => Some(*account),
        Who::Person(name) => policy.person(name)?.accounts().first().map(Account::id),
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(account) => account.fmt(f),
            Self::Person(name) => name.fmt(f),
        }
    }
}

/// Everybody may write and is in the teams that the policy has them in.
#[derive(Debug)]
struct AsThePolicySays;

impl Rolls for AsThePolicySays {
    fn may_write(&self, _: AccountId) -> Option<bool> {
        Some(true)
    }
    fn is_member(&self, _: &TeamName, _: &[AccountId]) -> Option<bool> {
        Some(true)
    }
}

/// What was looked up holds; whom nobody looked up is who the policy says, since other rules may ask about others.
impl Rolls for RecordedRolls {
    fn may_write(&self, account: AccountId) -> Option<bool> {
        let Some(permission) = self.permissions.get(&account) else {
            return Some(true);
        };
        Some(*permission.known()? >= Permission::Write)
    }
    fn is_member(&self, team: &TeamName, accounts: &[AccountId]) -> Option<bool> {
        let Some(members) = self.memberships.get(team) else {
            return Some(true);
        };
        let members = members.known()?;
        Some(accounts.iter().any(|account| members.contains(account)))
    }
}
