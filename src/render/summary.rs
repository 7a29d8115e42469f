//! The one line that an approver reads first, from the catalog's `describe` template.

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context, value::Serde};
use serde_json::Value;

use super::{RenderError, mask::mask_value, plain::plain};
use crate::domain::{money, policy::Action};

/// The longest summary, in characters.
pub const MAX_SUMMARY: usize = 200;
/// Instructions and bytes that a `describe` template may use.
const FUEL: u64 = 100_000;

/// One line on what an action would do with these parameters, sensitive values masked (see [`super::masked`]).
///
/// Plain text that GitHub does nothing with: no mention, reference, link, hidden character or line end gets through.
/// Errors: a template that does not fit, and a line longer than [`MAX_SUMMARY`]; it is never cut.
pub fn summary(action: &Action, parameters_masked: &Value) -> Result<String, RenderError> {
    let failed = |error: &Error| RenderError::Describe {
        action: action.name().to_string(),
        why: error.to_string(),
    };
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.add_filter("money", money_filter);
    engine.add_filter("mask", mask_filter);
    engine.add_filter("count", count_filter);
    let template = engine
        .template_from_str(action.describe())
        .map_err(|error| failed(&error))?;
    let text = template
        .render(context! { params => minijinja::Value::from(Serde(parameters_masked)) })
        .map_err(|error| failed(&error))?;
    bounded(action, &plain(&text))
}

/// [`summary`] for a proposal of one or many items, in their order.
pub fn summary_of_items(action: &Action, items_masked: &[Value]) -> Result<String, RenderError> {
    if let [only] = items_masked {
        return summary(action, only);
    }
    for item in items_masked {
        summary(action, item)?;
    }
    let count = money::grouped(u64::try_from(items_masked.len()).unwrap_or(u64::MAX));
    let text = match total(items_masked) {
        Some(total) => format!("{count} x {}: {total} in all", action.summary()),
        None => format!("{count} x {}", action.summary()),
    };
    bounded(action, &plain(&text))
}

fn bounded(action: &Action, text: &str) -> Result<String, RenderError> {
    let have = text.chars().count();
    if have == 0 {
        Err(RenderError::Nothing(action.name().to_string()))
    } else if have > MAX_SUMMARY {
        Err(RenderError::Summary {
            have,
            max: MAX_SUMMARY,
        })
    } else {
        Ok(text.to_owned())
    }
}

/// The sum of the one amount that every item has, when all are of one currency.
pub(super) fn total(items: &[Value]) -> Option<String> {
    let mut sum: i64 = 0;
    let mut of: Option<&str> = None;
    for item in items {
        let fields = item.as_object()?;
        let mut amounts = fields.values().filter_map(money::parts);
        let (minor, currency) = amounts.next()?;
        if amounts.next().is_some() || of.is_some_and(|of| of != currency) {
            return None;
        }
        of = Some(currency);
        sum = sum.checked_add(minor)?;
    }
    of.map(|currency| money::amount(sum, currency))
}

fn json_of(value: &minijinja::Value) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|_| Error::new(ErrorKind::InvalidOperation, "not a parameter"))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the template engine hands filters their values"
)]
fn money_filter(value: minijinja::Value) -> Result<String, Error> {
    let value = json_of(&value)?;
    let (minor, currency) = money::parts(&value).ok_or_else(|| {
        let message = "`money` takes whole minor units and a currency, as in {minor: 1250000, currency: EUR}";
        Error::new(ErrorKind::InvalidOperation, message)
    })?;
    Ok(money::amount(minor, currency))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the template engine hands filters their values"
)]
fn mask_filter(value: minijinja::Value) -> Result<String, Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    Ok(mask_value(&json_of(&value)?))
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the template engine hands filters their values"
)]
fn count_filter(value: minijinja::Value) -> Result<String, Error> {
    let no = || {
        Error::new(
            ErrorKind::InvalidOperation,
            "`count` takes a whole number, 0 or more",
        )
    };
    json_of(&value)?.as_u64().map(money::grouped).ok_or_else(no)
}
