//! A condition that reads what need not be there, and then has no answer: a parameter that may be left out, or what the
//! action's `observe` never reads.

use std::collections::BTreeMap;

use super::{Around, CATALOG, Found, Lint, Severity, listed};
use crate::domain::{
    policy::{
        Action,
        expression::{Expression, Field, Root},
    },
    source::Mark,
};

pub(super) const LINT: Lint = Lint {
    id: "optional-value-read",
    severity: Severity::Warning,
    look,
};

/// Where a field is read, and the actions whose proposals may be without it.
type Readers<'a> = (Option<Mark>, Vec<&'a Action>);

fn look(at: &Around<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for action in at.policy.actions() {
        for condition in action.escalate() {
            for (field, mark) in unguarded(action, None, condition.when()) {
                found.push(Found {
                    file: CATALOG.into(),
                    mark,
                    message: format!(
                        "{}; then this condition has no answer, and the proposal is high and can't run",
                        why(&field, [action].iter().copied()),
                    ),
                    remedy: remedy(&field, &format!("write `has({}) && ...`", shown(&field))),
                });
            }
        }
    }
    for (file, when, expression, actions) in at.policy.own_checks() {
        let mut all: BTreeMap<(Field, Option<usize>), Readers<'_>> = BTreeMap::new();
        for action in actions {
            for (field, mark) in unguarded(action, when, expression) {
                let place = mark.map(|mark| mark.bytes().0);
                let (_, actions) = all.entry((field, place)).or_insert((mark, Vec::new()));
                actions.push(action);
            }
        }
        for ((field, _), (mark, actions)) in all {
            found.push(Found {
                file: file.clone(),
                mark,
                message: format!(
                    "{}; then the check has no answer, and the proposal can't run",
                    why(&field, actions.iter().copied()),
                ),
                // The condition must hold, so `has() && ...` would ask every proposal for the value.
                remedy: remedy(&field, &format!("write `when: has({})` beside it", shown(&field))),
            });
        }
    }
    found
}

/// The fields that one action's proposals may be without, and where each is read all the same.
fn unguarded(
    action: &Action,
    when: Option<&Expression>,
    expression: &Expression,
) -> Vec<(Field, Option<Mark>)> {
    let mut fields = expression.fields();
    fields.extend(when.into_iter().flat_map(Expression::fields));
    let fields = fields.into_iter().filter(|field| may_be_absent(action, field));
    fields
        .filter_map(|field| {
            let found = expression.reads_absent(when, &field)?;
            Some((field, found.mark))
        })
        .collect()
}

fn may_be_absent(action: &Action, field: &Field) -> bool {
    let Some((name, object)) = field.names.split_last() else {
        return false;
    };
    match (field.root, action.observe()) {
        (Root::Params, _) => action.params.may_be_absent(object, name),
        (Root::Affected, Some(http)) if object.is_empty() => match name.as_str() {
            "count" => http.affected().count().is_none(),
            "audience" => http.affected().audience().is_none(),
            _ => false,
        },
        (Root::Change, Some(http)) if object.is_empty() => name == "after" && http.after().is_none(),
        _ => false,
    }
}

fn shown(field: &Field) -> String {
    format!("{}.{}", field.root.name(), field.names.join("."))
}

fn why<'a>(field: &Field, actions: impl Iterator<Item = &'a Action>) -> String {
    let actions = listed(actions.map(Action::name));
    match field.root {
        Root::Params => format!("a proposal of {actions} may leave `{}` out", shown(field)),
        _ => format!("the `observe` of {actions} never reads `{}`", shown(field)),
    }
}

fn remedy(field: &Field, guard: &str) -> String {
    match field.root {
        Root::Params => format!("{guard}, give the parameter a `default`, or list it under `required`"),
        _ => format!("say in `observe` where the answer has it, or {guard}"),
    }
}
