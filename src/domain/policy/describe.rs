//! The template of the line that an approver is shown.

use minijinja::Environment;

use super::{
    error::{Errors, Rule, unknown},
    param::ParamPath,
    schema::ParamSchema,
};
use crate::domain::source::Mark;

/// Checks a template's syntax, the parameters that it names, and that sensitive ones are masked.
pub(super) fn check(
    text: &str,
    params: &ParamSchema,
    sensitive: &[ParamPath],
    mark: Option<Mark>,
    errors: &mut Errors,
) {
    let environment = Environment::new();
    let template = match environment.template_from_str(text) {
        Ok(template) => template,
        Err(error) => {
            let detail = error.detail().unwrap_or("it does not parse");
            errors.add(Rule::Describe, mark, format!("not a template: {detail}"));
            return;
        }
    };
    let mut names: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    names.sort();
    for name in names {
        let Ok(param) = name.parse::<ParamPath>() else {
            let message = if name == "params" {
                "name each parameter, as in `params.amount`; all of them at once can't be shown".into()
            } else {
                format!("unknown variable `{name}`; a template reads `params.name`")
            };
            errors.add(Rule::Describe, mark, message);
            continue;
        };
        if params.find(&param).is_none() {
            let paths = params.paths();
            let known = paths.iter().map(String::as_str);
            errors.fault(
                Rule::UnknownName,
                unknown(mark, "parameter", &param.dotted(), known),
            );
        }
        let bare = |secret: &&ParamPath| {
            secret.is_within(&param) && **secret != param
                || param.is_within(secret) && !is_masked(text, &param)
        };
        if let Some(secret) = sensitive.iter().find(bare) {
            let message = format!("`{secret}` is sensitive; write `{{{{ {secret} | mask }}}}`");
            errors.add(Rule::Sensitive, mark, message);
        }
    }
}

/// Whether every mention of a parameter goes straight through the filter `mask`.
fn is_masked(text: &str, param: &ParamPath) -> bool {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let name = param.to_string();
    let mut mentions = text.split(&name).skip(1).peekable();
    let masked = |after: &str| {
        let rest = after.strip_prefix("|mask");
        rest.is_some_and(|rest| rest.starts_with("}}") || rest.starts_with('|'))
    };
    !text.contains("params[") && mentions.peek().is_some() && mentions.all(masked)
}
