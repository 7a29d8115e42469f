//! The organisation's own check in one condition: `checks/NAME.yaml` of any name that is not a built-in check's.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawExceptions, settings::RawLevel};
use crate::domain::{
    checks::{CheckResult, Findings, Level},
    ids::CheckName,
    matter::Matter,
    policy::{
        Action,
        error::{Errors, Rule},
        expression::{Expression, ExpressionError, MAX_STEPS, Names, Root, Scope},
    },
    source::{Fault, Mark, Node},
};

/// The longest line that people are shown, in characters.
const LINE: usize = 300;

/// A check of the organisation's own in one condition.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::domain::policy) struct RawOwn {
    /// What it looks for, in a line.
    summary: String,
    /// The level of findings.
    level: RawLevel,
    /// The condition (CEL) under which the check applies; always unless stated.
    when: Option<String>,
    /// The condition (CEL) that must hold.
    expression: String,
    /// What is wrong when it does not hold.
    message: String,
    /// What would satisfy it.
    remedy: String,
    /// Who may let a proposal pass all the same.
    exceptions: Option<RawExceptions>,
}

/// A condition that must hold of every item.
#[derive(Debug, Clone)]
pub(super) struct Own {
    when: Option<Expression>,
    expression: Expression,
    level: Level,
    message: String,
    remedy: String,
    marks: [Option<Mark>; 2],
}

/// What was read of a file.
pub(super) struct Read {
    pub(super) own: Own,
    pub(super) summary: String,
    pub(super) exceptions: Option<RawExceptions>,
}

impl Own {
    /// Reads a file; with errors there is no check.
    pub(super) fn read(root: &Node, errors: &mut Errors) -> Option<Read> {
        let raw: RawOwn = super::settings::decode(root, errors)?;
        for (field, text) in [
            ("summary", &raw.summary),
            ("message", &raw.message),
            ("remedy", &raw.remedy),
        ] {
            if text.trim().is_empty() || text.chars().count() > LINE || text.chars().any(char::is_control) {
                let message = format!("`{field}` must be one line of 1 to {LINE} characters");
                errors.add(Rule::Syntax, root.mark_at(&format!("/{field}")), message);
            }
        }
        let marks = ["/when", "/expression"].map(|at| root.mark_at(at));
        let [when_mark, mark] = marks;
        let names = Names::any();
        let mut compile = |text: &str, mark| {
            Expression::compile(text, &names, mark)
                .map_err(|fault| errors.fault(Rule::Expression, fault))
                .ok()
        };
        let when = raw.when.as_deref().map(|text| compile(text, when_mark));
        let expression = compile(&raw.expression, mark);
        let when = match when {
            Some(when) => Some(when?),
            None => None,
        };
        Some(Read {
            own: Self {
                when,
                expression: expression?,
                level: raw.level.into(),
                message: raw.message,
                remedy: raw.remedy,
                marks,
            },
            summary: raw.summary,
            exceptions: raw.exceptions,
        })
    }

    pub(super) fn level(&self) -> Level {
        self.level
    }

    /// The condition under which it applies, and the one that must hold.
    pub(super) fn conditions(&self) -> (Option<&Expression>, &Expression) {
        (self.when.as_ref(), &self.expression)
    }

    /// Compiles the conditions again for an action that names the check, so that a parameter the action does not have
    /// is an error of the rules rather than of a proposal.
    pub(super) fn fits(&self, action: &Action, errors: &mut Errors) {
        let names = Names::any()
            .with_params(&action.params, &action.sensitive)
            .of_action(action.name().as_str());
        let names = if action.observe.is_some() {
            names
        } else {
            names.without_observed()
        };
        let [when_mark, mark] = self.marks;
        let both = [(self.when.as_ref(), when_mark), (Some(&self.expression), mark)];
        for (expression, mark) in both
            .into_iter()
            .filter_map(|(expression, mark)| Some((expression?, mark)))
        {
            if let Err(fault) = Expression::compile(expression.text(), &names, mark) {
                let (mark, message, help) = fault.into_parts();
                let message = format!(
                    "{message}, for the action `{}`, which names this check",
                    action.name()
                );
                errors.fault(Rule::Expression, Fault::new(mark, message).with_help(help));
            }
        }
    }

    /// Asks the conditions of every item in turn: `params` and `change` are that item's. The condition for all items
    /// together is written with `items`.
    pub(super) fn run(&self, name: &CheckName, matter: &Matter<'_>, totals: &[(&str, i64)]) -> CheckResult {
        let scope = Scope::of(matter).with_totals(totals);
        let varies =
            |expression: &Expression| expression.reads(Root::Params) || expression.reads(Root::Change);
        let each = varies(&self.expression) || self.when.as_ref().is_some_and(varies);
        let count = if each { matter.items.len() } else { 1 };
        let mut found = Findings::default();
        // One bound for all items: many small ones must not cost more than a large one.
        let mut steps = MAX_STEPS;
        for index in 0..count {
            let at = match matter.items.get(index) {
                Some(item) if each => format!("/items/{}/parameters", item.id),
                Some(_) | None => String::new(),
            };
            match self.ask(&scope.item(index), &mut steps) {
                Ok(true) => {}
                Ok(false) => found.add(self.level, &at, self.message.as_str(), self.remedy.as_str()),
                Err(error) => found.add(
                    Level::Errored,
                    &at,
                    format!("the condition has no answer: {error}"),
                    "have the check corrected in the policy, or send what it asks for",
                ),
            }
        }
        CheckResult::of(name, found.into_problems())
    }

    /// Whether the check does not apply, or its condition holds. INVARIANT i10: an error is neither.
    fn ask(&self, scope: &Scope<'_>, steps: &mut u32) -> Result<bool, ExpressionError> {
        if let Some(when) = &self.when
            && !when.eval_within(scope, steps)?
        {
            return Ok(true);
        }
        self.expression.eval_within(scope, steps)
    }
}
