//! What is wrong in the policy files, all of it at once.

use std::fmt;

use serde::Serialize;

use crate::domain::source::{Fault, Kind, Mark, Node, Place, SourceError, nearest};

/// The rule that an error breaks; the names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A required file is not there.
    MissingFile,
    /// A file that no rule reads.
    UnknownFile,
    /// A file that can't be read, or a field of the wrong shape.
    Syntax,
    /// A name that nothing defines.
    UnknownName,
    /// Something that may appear once appears twice.
    Duplicate,
    /// A parameter schema that can't be used.
    ParamsSchema,
    /// A resource pattern that can't be used.
    Resource,
    /// A `describe` template that can't be used.
    Describe,
    /// A sensitive parameter used where people or logs would read it.
    Sensitive,
    /// A connector that can't be used.
    Connector,
    /// A condition that can't be used.
    Expression,
    /// A way to take an action back that can't be taken.
    Rollback,
    /// A limit that can't be counted.
    Limits,
    /// Classification rules that leave a hole.
    Tiers,
    /// A gate that is weaker than its tier demands.
    Gates,
    /// A line of CODEOWNERS that can't be used.
    Owners,
    /// A public key that can't be used.
    Key,
    /// A Rego module that can't be used.
    Rego,
}

impl Rule {
    /// The stable name, as in `unknown-name`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingFile => "missing-file",
            Self::UnknownFile => "unknown-file",
            Self::Syntax => "syntax",
            Self::UnknownName => "unknown-name",
            Self::Duplicate => "duplicate",
            Self::ParamsSchema => "params-schema",
            Self::Resource => "resource",
            Self::Describe => "describe",
            Self::Sensitive => "sensitive",
            Self::Connector => "connector",
            Self::Expression => "expression",
            Self::Rollback => "rollback",
            Self::Limits => "limits",
            Self::Tiers => "tiers",
            Self::Gates => "gates",
            Self::Owners => "owners",
            Self::Key => "key",
            Self::Rego => "rego",
        }
    }
}
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One error of a policy, with its place and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyError {
    rule: Rule,
    file: String,
    place: Option<Place>,
    message: String,
    help: Option<String>,
    #[serde(skip)]
    mark: Option<Mark>,
}

impl PolicyError {
    pub(super) fn new(rule: Rule, file: &str, mark: Option<Mark>, message: impl Into<String>) -> Self {
        Self {
            rule,
            file: file.into(),
            place: mark.map(Mark::place),
            message: message.into(),
            help: None,
            mark,
        }
    }
    pub(super) fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
    /// The rule that is broken.
    pub fn rule(&self) -> Rule {
        self.rule
    }
    /// The file, relative to `policies/`.
    pub fn file(&self) -> &str {
        &self.file
    }
    /// The line and column, where known.
    pub fn place(&self) -> Option<Place> {
        self.place
    }
    /// The bytes to show, as an offset and a length, where known.
    pub fn bytes(&self) -> Option<(usize, usize)> {
        self.mark.map(Mark::bytes)
    }
    pub(super) fn mark(&self) -> Option<Mark> {
        self.mark
    }
    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// The next step, such as the nearest valid name.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}
impl std::error::Error for PolicyError {}

/// The errors of one file as they are found.
#[derive(Debug)]
pub(super) struct Errors {
    file: String,
    found: Vec<PolicyError>,
}

impl Errors {
    pub(super) fn of(file: &str) -> Self {
        Self {
            file: file.into(),
            found: Vec::new(),
        }
    }
    pub(super) fn add(&mut self, rule: Rule, mark: Option<Mark>, message: impl Into<String>) {
        self.found.push(PolicyError::new(rule, &self.file, mark, message));
    }
    pub(super) fn fault(&mut self, rule: Rule, fault: Fault) {
        let like = match fault.missing() {
            Some(field) => missing(&self.file, field),
            None if fault.is_misfit() => misfit(&self.file, fault.pointer()),
            None => None,
        };
        let (mark, message, help) = fault.into_parts();
        let help = help.or(like);
        let error = PolicyError::new(rule, &self.file, mark, message);
        self.found.push(error.with_help(help));
    }
    pub(super) fn source(&mut self, rule: Rule, error: &SourceError) {
        let help = error.help().map(Into::into);
        let error = PolicyError::new(rule, error.file(), error.mark(), error.message());
        self.found.push(error.with_help(help));
    }
    /// A name that nothing defines; the nearest defined one is the next step.
    pub(super) fn unknown<'a>(
        &mut self,
        mark: Option<Mark>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) {
        let fault = unknown(mark, what, name, known);
        self.fault(Rule::UnknownName, fault);
    }
    /// A mapping with all of the required fields and no others than the known ones, whatever their values.
    pub(super) fn shape(&mut self, node: &Node, required: &[&str], optional: &[&str]) {
        let Kind::Map(entries) = node.kind() else {
            self.add(Rule::Syntax, node.mark(), "expected a mapping");
            return;
        };
        let known = || required.iter().chain(optional).copied();
        for (key, _) in entries {
            if !known().any(|name| name == key.text()) {
                let fault = unknown(key.mark(), "field", key.text(), known());
                self.fault(Rule::Syntax, fault);
            }
        }
        for name in required {
            if node.get(name).is_none() {
                let message = format!("the field `{name}` is missing");
                let fault = Fault::new(node.mark(), message).with_help(missing(&self.file, name));
                self.fault(Rule::Syntax, fault);
            }
        }
    }
    /// A mapping with keys of the author's choice.
    pub(super) fn mapping(&mut self, node: &Node, what: &str) {
        match node.kind() {
            Kind::Map(_) => {}
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                self.add(Rule::Syntax, node.mark(), format!("expected {what}"));
            }
        }
    }
    /// How many errors were found so far.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }
    pub(super) fn into_list(self) -> Vec<PolicyError> {
        self.found
    }
}

/// What to do about a field that is missing.
fn missing(file: &str, field: &str) -> Option<String> {
    match field {
        "low" | "medium" | "high" => Some(format!("add it; `{field}: {{}}` takes what is usual")),
        "id" => Some("add it, as in `id: 1001`; `gh api users/LOGIN --jq .id` prints it".into()),
        _ => Some(format!("add it, as in `{}`", example(file, field)?)),
    }
}

/// What to do about a value of another kind than its field has; the pointer ends in the field, or in a place in its list.
fn misfit(file: &str, pointer: &str) -> Option<String> {
    let is_name = |part: &&str| !part.chars().all(|c| c.is_ascii_digit());
    let field = pointer.rsplit('/').find(is_name)?;
    Some(format!("write it as in `{}`", example(file, field)?))
}

/// What a field looks like.
fn example(file: &str, field: &str) -> Option<&'static str> {
    Some(match field {
        "summary" => "summary: Pay a supplier",
        "resource" => "resource: /payments/suppliers/{supplier_id}",
        "impact" => "impact: high",
        "data" => "data: [internal]",
        "rollback" => "rollback: { kind: none }",
        "raci" => "raci: { responsible: payments-agent, accountable: finance }",
        "responsible" => "responsible: payments-agent",
        "accountable" => "accountable: finance",
        "describe" => "describe: \"Pay {{ params.supplier_id }}\"",
        "execute" => "execute: { http: { method: POST, url: https://bank.example/payments } }",
        "method" => "method: POST",
        "url" => "url: https://bank.example/payments",
        "kind" => "kind: restore",
        "when" => "when: params.amount.minor >= 1000000",
        "to" => "to: high",
        "because" => "because: \"10,000 or more\"",
        "per" => "per: 1d",
        "by" if file.starts_with("tests/") => "by: alice",
        "by" => "by: [agent]",
        "tier" => "tier: high",
        "rules" => "rules: [{ tier: high }]",
        "gates" => "gates: { low: {}, medium: {}, high: {} }",
        "people" => "people: { alice: { accounts: [{ login: alice, id: 1001 }], teams: [finance] } }",
        "accounts" => "accounts: [{ login: alice, id: 1001 }]",
        "login" => "login: alice",
        "id" => "id: 1001",
        "sponsor" => "sponsor: carol",
        "key" => "key: { ed25519: \"ssh-ed25519 AAAA...\" }",
        "actions" if file == "agents.yaml" => "actions: [payments.create]",
        "days" => "days: [mon, tue, wed, thu, fri]",
        "hours" => "hours: 09:00-17:00",
        "level" => "level: deny",
        "expression" => "expression: params.amount.minor < 1000000",
        "message" => "message: this is too much",
        "remedy" => "remedy: ask for less",
        "approvers" => "approvers: [legal]",
        "checks" => "checks: [text]",
        "consulted" => "consulted: [legal]",
        "informed" => "informed: [treasury]",
        "sensitive" => "sensitive: [params.iban]",
        "teams" => "teams: [finance]",
        "stand_ins" => "stand_ins: [bob]",
        "agent" => "agent: payments-agent",
        "action" if file.starts_with("tests/") => "action: payments.create",
        "reviews" => "reviews: [{ by: alice, says: approve }]",
        "expect" => "expect: { tier: high, gate: waiting }",
        _ => return None,
    })
}

/// A name that nothing defines; the nearest defined one is the next step.
pub(super) fn unknown<'a>(
    mark: Option<Mark>,
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Fault {
    let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None if known.len() <= 8 => Some(format!("known: `{}`", known.join("`, `"))),
        None => None,
    };
    Fault::new(mark, format!("unknown {what} `{shown}`")).with_help(help)
}
