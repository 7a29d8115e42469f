//! The template engine: the program's own templates, embedded; every value quoted unless it is [`Markdown`].

use std::sync::LazyLock;

use minijinja::{
    Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    syntax::SyntaxConfig,
    value::{Serde, ValueKind},
};
use serde::Serialize;

use super::{RenderError, markdown::Markdown};

/// Instructions and bytes that one template may use; a full report needs a hundredth of it.
const FUEL: u64 = 20_000_000;

/// What one template is filled with.
pub(super) trait Page: Serialize {
    /// The template's name.
    const NAME: &'static str;
}

const TEMPLATES: &[(&str, &str)] = &[
    ("report.md", include_str!("../../templates/report.md")),
    ("check.md", include_str!("../../templates/check.md")),
    ("outcome.md", include_str!("../../templates/outcome.md")),
    (
        "inbox-refused.md",
        include_str!("../../templates/inbox-refused.md"),
    ),
    (
        "inbox-accepted.md",
        include_str!("../../templates/inbox-accepted.md"),
    ),
    ("inbox-ran.md", include_str!("../../templates/inbox-ran.md")),
    ("amendment.md", include_str!("../../templates/amendment.md")),
    ("shadow.md", include_str!("../../templates/shadow.md")),
    ("answered.md", include_str!("../../templates/answered.md")),
    ("alarm.md", include_str!("../../templates/alarm.md")),
    ("delegated.md", include_str!("../../templates/delegated.md")),
];

static ENGINE: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    // INVARIANT i26: no built-in filter is known here, `safe` least of all.
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_formatter(quote);
    engine.set_fuel(Some(FUEL));
    engine.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    engine.add_filter("code", |text: String| {
        Value::from_safe_string(Markdown::code(&text).as_str().to_owned())
    });
    for (name, text) in TEMPLATES {
        engine.add_template(name, text)?;
    }
    Ok(engine)
});

/// Writes a value: Markdown as it is, text quoted, numbers in digits, and nothing else at all.
fn quote(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) if value.is_safe() => out.write_str(text),
        (ValueKind::String, Some(text)) => out.write_str(Markdown::prose(text).as_str()),
        (ValueKind::Number, _) => write!(out, "{value}"),
        (kind, _) => {
            let message = format!("a value of kind {kind} can't be shown");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    };
    written.map_err(|_| Error::new(ErrorKind::WriteFailure, "could not write"))
}

/// Fills a template.
pub(super) fn fill<P: Page>(page: &P) -> Result<String, RenderError> {
    let failed = |error: &Error| RenderError::Template {
        name: P::NAME,
        why: error.to_string(),
    };
    let engine = ENGINE.as_ref().map_err(failed)?;
    let template = engine.get_template(P::NAME).map_err(|error| failed(&error))?;
    template
        .render(Value::from(Serde(page)))
        .map_err(|error| failed(&error))
}
