//! What rules are asked about: what was proposed and what people said, without the pull request around it. Authors
//! write facts by hand, and recorded proposals give theirs, so that "what if" has one answer everywhere.

mod judge;
mod recorded;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};
use serde_json::{Map, Value};

use super::{
    delegation::Delegations,
    ids::{AccountId, ActionName, AgentName, CheckName, ItemId, PersonName, ProposalId, TeamName, Timestamp},
    observation::{Permission, Seen},
    policy::editor,
    proposal::{Affected, DryRun, ExceptionAsked, Item, MAX_ITEMS, Observed, ObservedFacts},
    request::RequestItem,
    totals::SoFar,
};

pub use judge::{Judged, judge};
pub(in crate::domain) use judge::{assessed, ruled, sponsor};
pub use recorded::{Gather, facts_of, facts_since};

/// One question to the rules.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub struct Facts {
    id: Option<ProposalId>,
    operation: ActionName,
    agent: AgentName,
    sponsor: Option<PersonName>,
    items: Vec<Item>,
    observed: Vec<Observed>,
    dry_runs: Vec<DryRun>,
    claimed: Map<String, Value>,
    justification: String,
    exceptions: Vec<ExceptionAsked>,
    rollback_plan: Option<String>,
    at: Timestamp,
    reviews: Vec<Said>,
    hands: Vec<Who>,
    now: Timestamp,
    delegations: Delegations,
    counted: BTreeMap<String, SoFar>,
    granted: Vec<Granted>,
    excluded: Vec<ItemId>,
    rolls: Option<RecordedRolls>,
    amended: bool,
    rolls_back: bool,
}

/// Somebody, by name or by any account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Who {
    /// A GitHub account by its numeric id.
    Account(AccountId),
    /// A person of `people.yaml`.
    Person(PersonName),
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reads;
        impl Visitor<'_> for Reads {
            type Value = Who;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a person's name, or the number of an account")
            }
            fn visit_u64<E: de::Error>(self, account: u64) -> Result<Who, E> {
                Ok(Who::Account(AccountId(account)))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Who, E> {
                name.parse().map(Who::Person).map_err(E::custom)
            }
        }
        from.deserialize_any(Reads)
    }
}

/// What somebody says about a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Who.
    pub by: Who,
    /// What.
    pub says: Says,
    /// When; the moment of the decision unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// A person's word that a failed check is departed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// The check.
    pub check: CheckName,
    /// Who.
    pub by: Who,
    /// Why; none where the agent's own request is granted as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When; the moment of the decision unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// What a review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// Approves.
    Approve,
    /// Asks for changes.
    RequestChanges,
}

/// Permissions and memberships as they were looked up; without them, everybody is who the policy says they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordedRolls {
    /// What an account may do in the repository, by its number.
    permissions: BTreeMap<AccountId, Seen<Permission>>,
    /// The accounts of a team.
    memberships: BTreeMap<TeamName, Seen<Vec<AccountId>>>,
}

/// Facts as they are written: what has a usual value may be left out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The recorded proposal that they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<ProposalId>,
    /// The action, as the catalog names it.
    operation: ActionName,
    /// Who asks.
    agent: AgentName,
    /// Who answers for the agent; as `agents.yaml` has it unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sponsor: Option<PersonName>,
    /// The parameters of a proposal with one item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    /// The items, where they are not given as `parameters`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    items: Vec<RequestItem>,
    /// What the bot read for each item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    observed: Vec<Glimpse>,
    /// What the target said it would do for each item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dry_runs: Vec<DryRun>,
    /// What only the agent says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    claimed: Map<String, Value>,
    /// Why the agent asks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    justification: String,
    /// Departures from checks that the agent asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    exceptions: Vec<ExceptionAsked>,
    /// How the agent would undo it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rollback_plan: Option<String>,
    /// When it was proposed.
    at: Timestamp,
    /// What people said, the latest word of each last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reviews: Vec<Said>,
    /// Who else had a hand in it, and so never approves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hands: Vec<Who>,
    /// When the gate is looked at; after the last review unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<Timestamp>,
    /// Who stands in for whom, in the order it was recorded.
    #[serde(default, skip_serializing_if = "Delegations::is_empty")]
    delegations: Delegations,
    /// What limits counted before it, by the limit's name or the counter's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    counted: BTreeMap<String, SoFar>,
    /// Exceptions from checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    granted: Vec<Granted>,
    /// Items that approvers took out; tier, checks and limits stay those of the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    excluded: Vec<ItemId>,
    /// Permissions and memberships as they were looked up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolls: Option<RecordedRolls>,
    /// Whether people amended what the agent asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    amended: bool,
    /// Whether a person asked for it, to take back what ran.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rolls_back: bool,
}

/// What the bot would have read for an item.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Glimpse {
    /// The item; the only one unless stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    item: Option<ItemId>,
    /// The state now.
    #[serde(default)]
    before: Value,
    /// The state the target says it would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    /// Whom and what it touches.
    #[serde(default, skip_serializing_if = "Affected::is_empty")]
    affected: Affected,
}

/// Why facts do not fit each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// Neither or both of the two ways to name parameters, or too many items.
    #[error("give either `parameters` (one item) or `items` (2 to {MAX_ITEMS}); {0} there")]
    Items(&'static str),
    /// Two items of one name.
    #[error("`items` names `{0}` twice; give each a name of its own")]
    TwiceItem(ItemId),
    /// A dry run without its item.
    #[error("`dry_runs` names item `{0}`, which is not there; name one of `items`")]
    DryRun(ItemId),
    /// An observation without its item.
    #[error("`observed` names item `{0}`, which is not there; name one of `items`")]
    Observed(ItemId),
    /// An exclusion of an item that is not there.
    #[error("`excluded` names item `{0}`, which is not there; name one of `items`")]
    Excluded(ItemId),
    /// Nothing left to run.
    #[error("`excluded` names every item; leave one in")]
    AllExcluded,
    /// Decided before it was proposed.
    #[error("`now` is before `at`; a decision comes after the proposal")]
    Now,
}

impl TryFrom<Written> for Facts {
    type Error = FactsError;

    fn try_from(written: Written) -> Result<Self, FactsError> {
        let items = match (written.parameters, written.items) {
            (Some(parameters), items) if items.is_empty() => vec![RequestItem {
                id: ItemId::only(),
                parameters,
            }],
            (None, items) if !items.is_empty() && items.len() <= MAX_ITEMS => items,
            (None, items) if items.is_empty() => return Err(FactsError::Items("none is")),
            (None, _) => return Err(FactsError::Items("more are")),
            (Some(_), _) => return Err(FactsError::Items("both are")),
        };
        let mut names = BTreeSet::new();
        if let Some(twice) = items.iter().find(|item| !names.insert(&item.id)) {
            return Err(FactsError::TwiceItem(twice.id.clone()));
        }
        if let Some(strange) = written.excluded.iter().find(|item| !names.contains(item)) {
            return Err(FactsError::Excluded(strange.clone()));
        }
        if names.iter().all(|item| written.excluded.contains(item)) {
            return Err(FactsError::AllExcluded);
        }
        if let Some(strange) = written.dry_runs.iter().find(|asked| !names.contains(&asked.item)) {
            return Err(FactsError::DryRun(strange.item.clone()));
        }
        let at = written.at;
        let mut observed = Vec::with_capacity(written.observed.len());
        for glimpse in written.observed {
            let item = glimpse.item.unwrap_or_else(ItemId::only);
            if !names.contains(&item) {
                return Err(FactsError::Observed(item));
            }
            let facts = ObservedFacts {
                connector: String::new(),
                before: glimpse.before,
                after: glimpse.after,
                affected: glimpse.affected,
                precondition: None,
            };
            observed.push(Observed { item, at, facts });
        }
        let granted = written.granted.iter().filter_map(|granted| granted.at);
        let said = written.reviews.iter().filter_map(|said| said.at);
        let latest = said.chain(granted).max();
        let now = written.now.or(latest).unwrap_or(at);
        if now < at {
            return Err(FactsError::Now);
        }
        Ok(Self {
            id: written.id,
            operation: written.operation,
            agent: written.agent,
            sponsor: written.sponsor,
            items: items
                .into_iter()
                .map(|item| Item {
                    id: item.id,
                    parameters: item.parameters,
                    observed_digest: None,
                })
                .collect(),
            observed,
            dry_runs: written.dry_runs,
            claimed: written.claimed,
            justification: written.justification,
            exceptions: written.exceptions,
            rollback_plan: written.rollback_plan,
            at,
            reviews: written.reviews,
            hands: written.hands,
            now,
            delegations: written.delegations,
            counted: written.counted,
            granted: written.granted,
            excluded: written.excluded,
            rolls: written.rolls,
            amended: written.amended,
            rolls_back: written.rolls_back,
        })
    }
}

impl From<Facts> for Written {
    fn from(facts: Facts) -> Self {
        let items = facts.items.into_iter().map(|item| RequestItem {
            id: item.id,
            parameters: item.parameters,
        });
        let glimpse = |seen: Observed| Glimpse {
            item: Some(seen.item),
            before: seen.facts.before,
            after: seen.facts.after,
            affected: seen.facts.affected,
        };
        Self {
            id: facts.id,
            operation: facts.operation,
            agent: facts.agent,
            sponsor: facts.sponsor,
            parameters: None,
            items: items.collect(),
            observed: facts.observed.into_iter().map(glimpse).collect(),
            dry_runs: facts.dry_runs,
            claimed: facts.claimed,
            justification: facts.justification,
            exceptions: facts.exceptions,
            rollback_plan: facts.rollback_plan,
            at: facts.at,
            reviews: facts.reviews,
            hands: facts.hands,
            now: Some(facts.now),
            delegations: facts.delegations,
            counted: facts.counted,
            granted: facts.granted,
            excluded: facts.excluded,
            rolls: facts.rolls,
            amended: facts.amended,
            rolls_back: facts.rolls_back,
        }
    }
}

impl Facts {
    /// What editors are told of facts, as JSON Schema.
    pub fn schema() -> Value {
        editor::of_type::<Self>("What rules are asked about, as `countersign audit facts` writes it")
    }
    /// The recorded proposal they are of.
    pub const fn id(&self) -> Option<ProposalId> {
        self.id
    }
    /// The action.
    pub const fn operation(&self) -> &ActionName {
        &self.operation
    }
    /// The moment that is decided at.
    pub const fn now(&self) -> Timestamp {
        self.now
    }
    /// What people said.
    pub fn reviews(&self) -> &[Said] {
        &self.reviews
    }
    /// The same facts with something more said: "what if".
    #[must_use]
    pub fn and(mut self, said: Said) -> Self {
        self.now = said.at.map_or(self.now, |at| at.max(self.now));
        self.reviews.push(said);
        self
    }
}
