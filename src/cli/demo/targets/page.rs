//! The page that shows a target's state.

use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, value::Serde};
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../../../templates/demo/target.html");

/// The page of a state: `title`, `lead`, `figures` of `label` and `value`, `tables` of `title`, `columns`, `rows` and
/// `empty`.
pub(super) fn render(page: &Value) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.render_str(TEMPLATE, Serde(page))
}

/// `12,500.00 EUR`.
pub(super) fn money(minor: i64, currency: &str) -> String {
    let whole = (minor.unsigned_abs() / 100).to_string();
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{grouped}.{:02} {currency}", minor.unsigned_abs() % 100)
}
