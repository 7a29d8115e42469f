//! How an action is taken back: by which other one, how long, and what that one is given of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    action::Action,
    error::{Errors, Rule, unknown},
    param::ParamPath,
    tiers::RollbackKind,
    tree::{Place, Tree},
};
use crate::domain::{
    canonical::escape_pointer,
    ids::{ActionName, Span, StepName},
    source::{Mark, Node},
};

/// How an action is taken back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rollback")]
pub(super) struct RawRollback {
    /// Whether another action undoes it, the state before is put back, or neither.
    kind: RollbackKind,
    /// The action that undoes it.
    action: Option<ActionName>,
    /// How long it can be taken back.
    within: Option<Span>,
    /// The parameters of the action that takes it back, for people who ask for that in a comment. A leaf that is exactly
    /// `${params.x}`, `${before.x}` or `${run.key}` is replaced by the whole value.
    #[serde(rename = "with")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    _with: Option<IgnoredAny>,
}

/// How an action is taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    kind: RollbackKind,
    action: Option<ActionName>,
    within: Option<Span>,
    with: Option<Undoing>,
}

impl Rollback {
    /// The kind.
    pub const fn kind(&self) -> RollbackKind {
        self.kind
    }
    /// The action that undoes it, when it is in the catalog.
    pub const fn action(&self) -> Option<&ActionName> {
        self.action.as_ref()
    }
    /// How long it can be taken back, counted from when it ended.
    pub const fn within(&self) -> Option<Span> {
        self.within
    }
    /// What the action that takes it back is given.
    pub(super) const fn with(&self) -> Option<&Undoing> {
        self.with.as_ref()
    }
}

/// The parameters of the action that takes one back, made of what that one was given, found and was called with.
#[derive(Debug, Clone, PartialEq)]
pub struct Undoing(Tree<Source>);

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// What was approved.
    Param(ParamPath),
    /// What the bot read before the act.
    Before(ParamPath),
    /// The idempotency key of a step; of the only one, when it has no name.
    Key(Option<StepName>),
}

/// What an item was, that is taken back.
#[derive(Clone, Copy)]
pub struct BeforeIt<'a> {
    /// Its parameters.
    pub params: &'a Value,
    /// What the bot read before the act, where the catalog has it read.
    pub before: Option<&'a Value>,
    /// The idempotency key that a step's target was given.
    pub key: &'a dyn Fn(Option<&StepName>) -> String,
}

impl std::fmt::Debug for BeforeIt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BeforeIt(..)")
    }
}

/// A value that the action which takes another back needs, and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndoingError {
    /// A parameter.
    #[error("it has no `{0}`, which taking it back needs; ask its agent to propose that")]
    Param(String),
    /// A fact.
    #[error(
        "`{0}` was not found before it ran, and taking it back needs that; ask its agent to propose that"
    )]
    Before(String),
}

impl Undoing {
    /// The parameters that take an item back. A field whose optional parameter is not there is left out.
    pub fn fill(&self, from: BeforeIt<'_>) -> Result<Value, UndoingError> {
        self.0.fill(from)
    }
}

impl Place for Source {
    type From<'a> = BeforeIt<'a>;
    type Error = UndoingError;

    fn read(text: &str) -> Result<Option<Self>, String> {
        if !text.contains("${") {
            return Ok(None);
        }
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let source = inner.and_then(|inner| match inner.split_once('.')? {
            ("params", _) => inner.parse().ok().map(Self::Param),
            ("before", fact) => ParamPath::inner(fact).map(Self::Before),
            ("run", "key") => Some(Self::Key(None)),
            ("run", step) => {
                let step = step.strip_suffix(".key")?.parse().ok()?;
                Some(Self::Key(Some(step)))
            }
            _ => None,
        });
        source.map(Some).ok_or_else(|| {
            let text = text.escape_debug();
            format!(
                "`{text}` is not a place to fill; the whole text must be `${{params.name}}`, `${{before.name}}`, \
                 `${{run.key}}`, or `${{run.STEP.key}}` of a named step"
            )
        })
    }

    fn value(&self, from: BeforeIt<'_>) -> Result<Value, UndoingError> {
        match self {
            Self::Param(param) => {
                let value = param.find(from.params).cloned();
                value.ok_or_else(|| UndoingError::Param(param.dotted()))
            }
            Self::Before(fact) => {
                let value = from.before.and_then(|before| fact.find(before)).cloned();
                value.ok_or_else(|| UndoingError::Before(fact.dotted()))
            }
            Self::Key(step) => Ok((from.key)(step.as_ref()).into()),
        }
    }

    fn is_left_out(&self, from: BeforeIt<'_>) -> bool {
        matches!(self, Self::Param(param) if param.find(from.params).is_none())
    }
}

/// Reads how an action is taken back, as far as that can be judged without the others.
pub(super) fn read(
    raw: &RawRollback,
    node: &Node,
    names: &BTreeSet<&str>,
    errors: &mut Errors,
) -> Option<Rollback> {
    if let Some(undo) = raw.action.as_ref().filter(|undo| !names.contains(undo.as_str())) {
        let mark = node.mark_at("/rollback/action");
        errors.unknown(mark, "action", undo.as_str(), names.iter().copied());
    }
    let with = node.at("/rollback/with");
    let named = [
        ("action", raw.action.is_some()),
        ("within", raw.within.is_some()),
        ("with", with.is_some()),
    ];
    for (field, _) in named.into_iter().filter(|(_, is_named)| *is_named) {
        if raw.kind == RollbackKind::None {
            let message = format!(
                "`kind: none` can't be taken back, so it has no `{field}`; remove it, or name another kind"
            );
            errors.add(Rule::Syntax, node.mark_at(&format!("/rollback/{field}")), message);
        }
    }
    if raw.kind == RollbackKind::Restore && raw.action.is_some() {
        let message =
            "`kind: restore` puts the old state back; for an action that undoes it write `kind: inverse`";
        errors.add(Rule::Syntax, node.mark_at("/rollback/action"), message);
    }
    if raw.kind == RollbackKind::Inverse && raw.action.is_none() && with.is_some() {
        let message = "`with` needs the `action` that it is for";
        errors.add(Rule::Rollback, node.mark_at("/rollback/with"), message);
    }
    let with = match with.map(Tree::read) {
        None => None,
        Some(Ok(tree @ Tree::Map(_))) => Some(Undoing(tree)),
        Some(Ok(Tree::Literal(_) | Tree::Fill(_) | Tree::List(_))) => {
            let message = "expected the parameters of the action that takes it back, as in `with: { payment: \"${run.key}\" }`";
            errors.add(Rule::Rollback, node.mark_at("/rollback/with"), message);
            return None;
        }
        Some(Err(fault)) => {
            errors.fault(Rule::Rollback, fault);
            return None;
        }
    };
    Some(Rollback {
        kind: raw.kind,
        action: raw.action.clone(),
        within: raw.within,
        with,
    })
}

/// Finds what the action that takes another back can't be given.
pub(super) fn misfits(list: &Node, actions: &BTreeMap<ActionName, Action>, errors: &mut Errors) {
    for action in actions.values() {
        let Some((by, Undoing(tree))) = action.undoing() else {
            continue;
        };
        let (Some(by), Some(node)) = (actions.get(by), list.get(action.name().as_str())) else {
            continue;
        };
        let mut fit = Fit {
            action,
            by,
            node,
            errors,
        };
        fit.look(tree, Some(by.params.value()), &mut Vec::new(), "/rollback/with");
    }
}

/// One action and the one that takes it back.
struct Fit<'a, 'e> {
    action: &'a Action,
    by: &'a Action,
    node: &'a Node,
    errors: &'e mut Errors,
}

impl Fit<'_, '_> {
    /// `path` leads to the place in the parameters, `at` to it in the file.
    fn look(&mut self, tree: &Tree<Source>, schema: Option<&Value>, path: &mut Vec<String>, at: &str) {
        let by = self.by;
        let schema = schema.and_then(|schema| by.params.resolve(schema));
        match tree {
            Tree::Map(fields) => {
                self.must_be(&["object"], schema, path, at);
                self.fields(fields, schema, path, at);
            }
            Tree::List(items) => {
                self.must_be(&["array"], schema, path, at);
                let inner = schema.and_then(|schema| schema.get("items"));
                for (item, index) in items.iter().zip(0..) {
                    // What lies in a list has no name that `sensitive` could give it.
                    path.push(index.to_string());
                    self.look(item, inner, path, &format!("{at}/{index}"));
                    path.pop();
                }
            }
            Tree::Literal(value) => self.must_be(kinds(value), schema, path, at),
            Tree::Fill(Source::Key(step)) => {
                self.step(step.as_ref(), at);
                self.must_be(&["string"], schema, path, at);
            }
            Tree::Fill(Source::Before(fact)) => {
                if self.action.observe().is_none() {
                    let message = format!(
                        "nothing is known as `before.{}`: the action has no `observe`; add one, or use `params`",
                        fact.dotted()
                    );
                    self.add(message, at);
                }
            }
            Tree::Fill(Source::Param(param)) => self.param(param, schema, path, at),
        }
    }

    fn fields(
        &mut self,
        fields: &[(String, Tree<Source>)],
        schema: Option<&Value>,
        path: &mut Vec<String>,
        at: &str,
    ) {
        let all = schema.and_then(|schema| schema.get("properties"));
        let all = all.and_then(Value::as_object);
        let closed =
            schema.is_some_and(|schema| schema.get("additionalProperties") == Some(&Value::Bool(false)));
        let required: Vec<&str> = schema
            .and_then(|schema| schema.get("required"))
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for name in &required {
            match fields.iter().find(|(field, _)| field == name) {
                None => {
                    let place = dotted(path, name);
                    let message = format!("`{}` needs `{place}`; add it", self.by.name());
                    self.add(message, at);
                }
                Some((_, Tree::Fill(Source::Param(param)))) if self.may_be_missing(param) => {
                    let place = dotted(path, name);
                    let message = format!(
                        "`{}` needs `{place}`, and `{param}` may be missing; use a parameter that is `required`",
                        self.by.name()
                    );
                    self.add(message, &format!("{at}/{}", escape_pointer(name)));
                }
                Some(_) => {}
            }
        }
        for (name, field) in fields {
            let place = format!("{at}/{}", escape_pointer(name));
            let schema = all.and_then(|all| all.get(name));
            if schema.is_none() && closed {
                let known = all.into_iter().flat_map(|all| all.keys().map(String::as_str));
                let what = format!("parameter of `{}`", self.by.name());
                let fault = unknown(self.mark(&place), &what, name, known);
                self.errors.fault(Rule::UnknownName, fault);
                continue;
            }
            path.push(name.clone());
            self.look(field, schema, path, &place);
            path.pop();
        }
    }

    fn may_be_missing(&self, param: &ParamPath) -> bool {
        let params = &self.action.params;
        params.find(param).is_some() && !params.is_always_there(param)
    }

    fn param(&mut self, param: &ParamPath, schema: Option<&Value>, path: &[String], at: &str) {
        let Some(own) = self.action.params.find(param) else {
            let paths = self.action.params.paths();
            let known = paths.iter().map(String::as_str);
            let fault = unknown(self.mark(at), "parameter", &param.dotted(), known);
            self.errors.fault(Rule::UnknownName, fault);
            return;
        };
        let own = self.action.params.resolve(own).and_then(|own| own.get("type"));
        let kind = own.and_then(Value::as_str);
        if let Some(kind) = kind {
            let kinds = if kind == "integer" {
                &["integer", "number"][..]
            } else {
                std::slice::from_ref(&kind)
            };
            self.must_be(kinds, schema, path, at);
        }
        self.stays_sealed(param, path, at);
    }

    /// What is sealed in one proposal is sealed in the other, at just its place: only then can anybody who has no key see
    /// that it is the same. INVARIANT i29.
    fn stays_sealed(&mut self, param: &ParamPath, path: &[String], at: &str) {
        for sealed in self.action.sensitive() {
            if param.is_within(sealed) && param != sealed {
                let message = format!("`{param}` is a part of `{sealed}`, which is sealed whole; use that");
                self.sensitive(message, at);
                continue;
            }
            let Some(rest) = sealed.parts().strip_prefix(param.parts()) else {
                continue;
            };
            let place: Vec<&String> = path.iter().chain(rest).collect();
            let seals = |other: &ParamPath| other.parts().iter().eq(place.iter().copied());
            if !self.by.sensitive().iter().any(seals) {
                let place: Vec<&str> = place.into_iter().map(String::as_str).collect();
                let place = place.join(".");
                let message = format!(
                    "`{sealed}` is sealed, and `{}` does not seal `{place}`; add `params.{place}` to its `sensitive`, or \
                     leave it out",
                    self.by.name()
                );
                self.sensitive(message, at);
            }
        }
    }

    /// Names a step whose key is meant, and the step is there.
    fn step(&mut self, step: Option<&StepName>, at: &str) {
        let names: Vec<&str> = self
            .action
            .execute()
            .steps()
            .iter()
            .filter_map(|step| step.name())
            .map(StepName::as_str)
            .collect();
        match (step, names.first()) {
            (None, Some(first)) => {
                let message = format!(
                    "every step has a key of its own; say which is meant, as in `${{run.{first}.key}}`"
                );
                self.add(message, at);
            }
            (Some(_), None) => {
                let message = "the action has one step, without a name; write `${run.key}`";
                self.add(message.to_owned(), at);
            }
            (Some(step), _) if !names.contains(&step.as_str()) => {
                let fault = unknown(self.mark(at), "step", step.as_str(), names);
                self.errors.fault(Rule::UnknownName, fault);
            }
            (None, None) | (Some(_), _) => {}
        }
    }

    /// A value of one of these JSON types fits, as far as the schema names one.
    fn must_be(&mut self, kinds: &[&str], schema: Option<&Value>, path: &[String], at: &str) {
        let Some(wanted) = schema
            .and_then(|schema| schema.get("type"))
            .and_then(Value::as_str)
        else {
            return;
        };
        if !kinds.contains(&wanted) {
            let place = match path {
                [] => String::new(),
                parts => format!(" `{}`", parts.join(".")),
            };
            let is = kinds.first().copied().unwrap_or_default();
            let message = format!(
                "{place} of `{}` must be of type `{wanted}`, and this is of type `{is}`",
                self.by.name()
            );
            self.add(message.trim_start().to_owned(), at);
        }
    }

    fn mark(&self, at: &str) -> Option<Mark> {
        self.node.mark_at(at)
    }
    fn add(&mut self, message: String, at: &str) {
        self.errors.add(Rule::Rollback, self.node.mark_at(at), message);
    }
    fn sensitive(&mut self, message: String, at: &str) {
        self.errors.add(Rule::Sensitive, self.node.mark_at(at), message);
    }
}

fn dotted(path: &[String], name: &str) -> String {
    let parts: Vec<&str> = path.iter().map(String::as_str).chain([name]).collect();
    parts.join(".")
}

/// The JSON types that a value has.
fn kinds(value: &Value) -> &'static [&'static str] {
    match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_i64() || number.is_u64() => &["integer", "number"],
        Value::Number(_) => &["number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    }
}
