//! `tiers.yaml`: how impact, data and rollback give a tier, and what each tier's gate demands.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::error::{Errors, Rule};
use crate::domain::{ids::Span, source::Node};

/// How much stands between a proposal and its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Runs at once; a sample is looked at later.
    Low,
    /// Needs an owner's approval.
    Medium,
    /// Needs at least two owners' approvals.
    High,
}
impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

/// What an action can do to the business when it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Nothing changes.
    None,
    /// A nuisance.
    Low,
    /// Customers or money are touched.
    Moderate,
    /// Serious loss.
    High,
}
impl Impact {
    /// Every one, from the least.
    pub const ALL: [Self; 4] = [Self::None, Self::Low, Self::Moderate, Self::High];
}
impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Moderate => "moderate",
            Self::High => "high",
        })
    }
}

/// A class of data that an action touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataClass {
    /// Published already.
    Public,
    /// For everyone in the organisation.
    Internal,
    /// For some in the organisation.
    Confidential,
    /// For named people.
    Restricted,
    /// About identifiable people.
    Pii,
    /// Money, accounts, invoices.
    Financial,
    /// Keys, passwords, tokens.
    Credentials,
}
impl DataClass {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Public,
        Self::Internal,
        Self::Confidential,
        Self::Restricted,
        Self::Pii,
        Self::Financial,
        Self::Credentials,
    ];
}
impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
            Self::Pii => "pii",
            Self::Financial => "financial",
            Self::Credentials => "credentials",
        })
    }
}

/// How an action can be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RollbackKind {
    /// Another action undoes it.
    Inverse,
    /// The state before is put back.
    Restore,
    /// It can't be taken back.
    None,
}
impl RollbackKind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Inverse, Self::Restore, Self::None];
}
impl fmt::Display for RollbackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inverse => "inverse",
            Self::Restore => "restore",
            Self::None => "none",
        })
    }
}

/// Who may approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approvers {
    /// The owners that CODEOWNERS names for the resource.
    Owners,
}

/// Whether the bot must have read before and after itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preview {
    /// An observation by the catalog's connector must be there.
    Required,
    /// An observation is shown when there is one.
    None,
}

/// What an approver must prove beyond the review itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepUp {
    /// A passkey assertion with user verification (INVARIANT i11).
    Passkey,
}

/// Who merges once the gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeMode {
    /// The bot.
    Auto,
    /// A releaser.
    Manual,
}

/// What must hold before an action of a tier may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateRule {
    approvals: u8,
    from: Approvers,
    distinct_teams: bool,
    preview: Preview,
    step_up: Option<StepUp>,
    remind_after: Option<Span>,
    escalate_after: Option<Span>,
    expires_after: Span,
    approval_valid_for: Option<Span>,
    merge: MergeMode,
    sample_review: u8,
}

impl GateRule {
    /// How many people must approve.
    pub fn approvals(&self) -> u8 {
        self.approvals
    }
    /// Who may approve.
    pub fn from(&self) -> Approvers {
        self.from
    }
    /// Whether no two approvals may come by the same team (INVARIANT i09).
    pub fn distinct_teams(&self) -> bool {
        self.distinct_teams
    }
    /// Whether an observation must be there.
    pub fn preview(&self) -> Preview {
        self.preview
    }
    /// What an approver must prove beyond the review.
    pub fn step_up(&self) -> Option<StepUp> {
        self.step_up
    }
    /// When the approvers are reminded, counted from the opening.
    pub fn remind_after(&self) -> Option<Span> {
        self.remind_after
    }
    /// When the next owners are asked, counted from the opening.
    pub fn escalate_after(&self) -> Option<Span> {
        self.escalate_after
    }
    /// When the proposal expires, counted from its receipt (INVARIANT i12).
    pub fn expires_after(&self) -> Span {
        self.expires_after
    }
    /// How old an approval may be at the merge (INVARIANT i12).
    pub fn approval_valid_for(&self) -> Option<Span> {
        self.approval_valid_for
    }
    /// Who merges.
    pub fn merge(&self) -> MergeMode {
        self.merge
    }
    /// How many of a hundred executions are looked at afterwards.
    pub fn sample_review(&self) -> u8 {
        self.sample_review
    }
}

/// The tier of an action and the rule of `tiers.yaml` that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// The tier.
    pub tier: Tier,
    /// The rule's place in the list, counted from 1.
    pub rule: usize,
}

/// The classification rules and the gates.
#[derive(Debug, Clone)]
pub(super) struct Tiers {
    rules: Vec<Condition>,
    low: GateRule,
    medium: GateRule,
    high: GateRule,
}

impl Tiers {
    /// First match wins; what no rule matches is high (INVARIANT i10).
    pub(super) fn classify(
        &self,
        impact: Impact,
        data: &BTreeSet<DataClass>,
        rollback: RollbackKind,
    ) -> Classified {
        self.rules
            .iter()
            .zip(1..)
            .find(|(rule, _)| rule.matches(impact, data, rollback))
            .map_or(
                Classified {
                    tier: Tier::High,
                    rule: self.rules.len(),
                },
                |(rule, number)| Classified {
                    tier: rule.tier,
                    rule: number,
                },
            )
    }
    /// How many rules there are.
    pub(super) fn rules(&self) -> usize {
        self.rules.len()
    }
    /// The rules, counted from 1, that give at least one action its tier: of all 4 x 127 x 3 that there can be.
    pub(super) fn reachable(&self) -> BTreeSet<usize> {
        let classes: Vec<BTreeSet<DataClass>> = (1_u32..1 << DataClass::ALL.len())
            .map(|bits| {
                let numbered = DataClass::ALL.iter().zip(0..);
                let chosen = numbered.filter(|(_, bit)| bits >> bit & 1 == 1);
                chosen.map(|(class, _)| *class).collect()
            })
            .collect();
        let mut reached = BTreeSet::new();
        for impact in Impact::ALL {
            for rollback in RollbackKind::ALL {
                let rule = |data| self.classify(impact, data, rollback).rule;
                reached.extend(classes.iter().map(rule));
            }
        }
        reached
    }
    pub(super) fn gate(&self, tier: Tier) -> &GateRule {
        match tier {
            Tier::Low => &self.low,
            Tier::Medium => &self.medium,
            Tier::High => &self.high,
        }
    }
}

/// One rule; a condition that is not stated holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    /// The action's impact is one of these.
    impact: Option<OneOrMany<Impact>>,
    /// The action touches at least one of these classes of data.
    data: Option<OneOrMany<DataClass>>,
    /// The action touches nothing but these classes of data.
    data_only: Option<OneOrMany<DataClass>>,
    /// The action's rollback is one of these.
    rollback: Option<OneOrMany<RollbackKind>>,
    /// The tier that the rule gives.
    tier: Tier,
}

impl Condition {
    fn matches(&self, impact: Impact, data: &BTreeSet<DataClass>, rollback: RollbackKind) -> bool {
        let any_data = |listed: &OneOrMany<DataClass>| data.iter().any(|class| listed.has(class));
        let only_data = |listed: &OneOrMany<DataClass>| data.iter().all(|class| listed.has(class));
        self.impact.as_ref().is_none_or(|listed| listed.has(&impact))
            && self.data.as_ref().is_none_or(any_data)
            && self.data_only.as_ref().is_none_or(only_data)
            && self.rollback.as_ref().is_none_or(|listed| listed.has(&rollback))
    }
    fn catches_all(&self) -> bool {
        self.impact.is_none() && self.data.is_none() && self.data_only.is_none() && self.rollback.is_none()
    }
    fn has_empty_list(&self) -> bool {
        self.impact.as_ref().is_some_and(OneOrMany::is_empty)
            || self.data.as_ref().is_some_and(OneOrMany::is_empty)
            || self.data_only.as_ref().is_some_and(OneOrMany::is_empty)
            || self.rollback.as_ref().is_some_and(OneOrMany::is_empty)
    }
}

/// `high` or `[moderate, high]`.
#[derive(Debug, Clone)]
struct OneOrMany<T>(Vec<T>);

impl<T: PartialEq> OneOrMany<T> {
    fn has(&self, value: &T) -> bool {
        self.0.contains(value)
    }
}
impl<T> OneOrMany<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("one_or_many_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> serde::de::Visitor<'de> for Either<T> {
            type Value = OneOrMany<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let one = T::deserialize(serde::de::value::StrDeserializer::new(text))?;
                Ok(OneOrMany(vec![one]))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = from.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany(many))
            }
        }
        from.deserialize_any(Either(std::marker::PhantomData))
    }
}

/// What must hold before an action of this tier may run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGate {
    /// How many people must approve: 0 for low, at least 1 for medium, at least 2 for high.
    approvals: Option<u8>,
    /// Who may approve.
    from: Option<Approvers>,
    /// Whether no two approvals may come by the same team.
    #[serde(default)]
    distinct_teams: bool,
    /// Whether the bot must have read what is affected before anybody is asked.
    preview: Option<Preview>,
    /// What an approver must prove beyond the review itself.
    step_up: Option<StepUp>,
    /// When the approvers are reminded, counted from the opening.
    remind_after: Option<Span>,
    /// When the next owners are asked, counted from the opening.
    escalate_after: Option<Span>,
    /// When the proposal expires; 3d unless stated. Silence is never an approval.
    expires_after: Option<Span>,
    /// How old an approval may be at the merge.
    approval_valid_for: Option<Span>,
    /// Who merges once the gate is open.
    merge: Option<MergeMode>,
    /// Of a hundred executions, so many are looked at afterwards.
    sample_review: Option<Percent>,
}

/// A share written as in `5%`.
#[derive(JsonSchema)]
#[schemars(inline)]
struct Percent(#[schemars(with = "String", regex(pattern = "^(100|[0-9]{1,2})%$"))] u8);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Share;
        impl serde::de::Visitor<'_> for Share {
            type Value = Percent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share, as in `5%`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Percent, E> {
                let digits = text.strip_suffix('%');
                digits
                    .filter(|digits| digits.chars().all(|c| c.is_ascii_digit()))
                    .and_then(|digits| digits.parse().ok())
                    .filter(|percent| *percent <= 100)
                    .map(Percent)
                    .ok_or_else(|| {
                        let text = text.escape_debug();
                        E::custom(format!(
                            "`{text}` is not a share; write a whole number and `%`, as in `5%`"
                        ))
                    })
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Percent, E> {
                Err(E::custom(format!(
                    "`{number}` is not a share; write `{}%`",
                    number.min(100)
                )))
            }
        }
        from.deserialize_any(Share)
    }
}

/// Reads `tiers.yaml`; nothing is returned when an error was found.
pub(super) fn read(root: &Node, errors: &mut Errors) -> Option<Tiers> {
    errors.shape(root, &["rules", "gates"], &[]);
    let rules = root.get("rules").map(|node| read_rules(node, errors));
    let gates = root.get("gates").map(|node| read_gates(node, errors));
    let (low, medium, high) = gates??;
    Some(Tiers {
        rules: rules??,
        low,
        medium,
        high,
    })
}

fn read_rules(node: &Node, errors: &mut Errors) -> Option<Vec<Condition>> {
    let before = errors.len();
    if let Err(fault) = node.decode::<Vec<serde::de::IgnoredAny>>() {
        errors.fault(Rule::Syntax, fault);
    }
    let mut rules = Vec::new();
    let count = node.items().len();
    for (item, number) in node.items().iter().zip(1..) {
        let rule = match item.decode::<Condition>() {
            Ok(rule) => rule,
            Err(fault) => {
                errors.fault(Rule::Syntax, fault);
                continue;
            }
        };
        if rule.has_empty_list() {
            let message = format!("rule {number} has an empty list and never matches; name values");
            errors.add(Rule::Tiers, item.mark(), message);
        }
        match (rule.catches_all(), number == count) {
            (true, false) => errors.add(
                Rule::Tiers,
                item.mark(),
                format!(
                    "rule {number} matches everything, so the rules after it never apply; move it to the end"
                ),
            ),
            (false, true) => errors.add(
                Rule::Tiers,
                item.mark(),
                "the last rule must match everything; add `- tier: high` after it",
            ),
            (true, true) | (false, false) => {}
        }
        rules.push(rule);
    }
    if count == 0 {
        errors.add(
            Rule::Tiers,
            node.mark(),
            "there is no rule; add at least `- tier: high`",
        );
    }
    (errors.len() == before).then_some(rules)
}

type Gates = (GateRule, GateRule, GateRule);

fn read_gates(node: &Node, errors: &mut Errors) -> Option<Gates> {
    errors.shape(node, &["low", "medium", "high"], &[]);
    let mut gate = |tier: Tier| {
        let at = node.get(&tier.to_string())?;
        read_gate(tier, at, errors)
    };
    let (low, medium, high) = (gate(Tier::Low), gate(Tier::Medium), gate(Tier::High));
    let (low, medium, high) = (low?, medium?, high?);
    if high.approvals < medium.approvals {
        let message = format!(
            "high needs {} approvals and medium {}; high must need at least as many",
            high.approvals, medium.approvals
        );
        errors.add(Rule::Gates, node.mark_at("/high/approvals"), message);
        return None;
    }
    Some((low, medium, high))
}

fn read_gate(tier: Tier, node: &Node, errors: &mut Errors) -> Option<GateRule> {
    let raw: RawGate = match node.decode() {
        Ok(raw) => raw,
        Err(fault) => {
            errors.fault(Rule::Syntax, fault);
            return None;
        }
    };
    let before = errors.len();
    let least = match tier {
        Tier::Low => 0,
        Tier::Medium => 1,
        Tier::High => 2,
    };
    let approvals = raw.approvals.unwrap_or(least);
    let expires_after = raw.expires_after.unwrap_or(Span::seconds(3 * 86_400));
    if tier == Tier::Low && approvals > 0 {
        let message = "low runs without approval; let a rule classify the action as medium instead";
        errors.add(Rule::Gates, node.mark_at("/approvals"), message);
    }
    if approvals < least {
        let message = format!("{tier} needs at least {least}, found `{approvals}`");
        errors.add(Rule::Gates, node.mark_at("/approvals"), message);
    }
    if expires_after.millis() == 0 {
        let message = "a proposal that expires at once can't be approved; give it time";
        errors.add(Rule::Gates, node.mark_at("/expires_after"), message);
    }
    for (name, span) in [
        ("remind_after", raw.remind_after),
        ("escalate_after", raw.escalate_after),
    ] {
        if span.is_some_and(|span| span >= expires_after) {
            let message = format!("`{name}` is not before `expires_after` ({expires_after})");
            errors.add(Rule::Gates, node.mark_at(&format!("/{name}")), message);
        }
    }
    if raw.approval_valid_for.is_some_and(|span| span.millis() == 0) {
        let message = "an approval that is never valid can't open the gate; give it time";
        errors.add(Rule::Gates, node.mark_at("/approval_valid_for"), message);
    }
    (errors.len() == before).then_some(GateRule {
        approvals,
        from: raw.from.unwrap_or(Approvers::Owners),
        distinct_teams: raw.distinct_teams,
        preview: raw.preview.unwrap_or(Preview::None),
        step_up: raw.step_up,
        remind_after: raw.remind_after,
        escalate_after: raw.escalate_after,
        expires_after,
        approval_valid_for: raw.approval_valid_for,
        merge: raw.merge.unwrap_or(MergeMode::Auto),
        sample_review: raw.sample_review.map_or(0, |share| share.0),
    })
}
