//! `/freeze all the bank is down`, as anybody of `people.yaml` writes it below a pull request.

use super::Freeze;
use crate::domain::{
    comment::{reason, shown},
    entry::Scope,
    policy::Policy,
    source::nearest,
};

/// How the command begins.
pub(in crate::domain) const COMMAND: &str = "/freeze";
const USAGE: &str =
    "write `/freeze all`, `/freeze action payments.create` or `/freeze agent payments-agent`, then why";

/// The freeze that a comment's words ask for. Errors: why it can't be recorded, and what to write instead.
pub(in crate::domain) fn asked<'a>(
    mut words: impl Iterator<Item = &'a str>,
    policy: &Policy,
) -> Result<Freeze, String> {
    let what = match words.next().ok_or(USAGE)? {
        "all" => Scope::All,
        "action" => {
            let name = words.next().ok_or(USAGE)?;
            let known = name.parse().ok().filter(|name| policy.action(name).is_some());
            Scope::Action(known.ok_or_else(|| {
                let near = policy.nearest_action(name).map(ToString::to_string);
                unknown("action", name, near.as_deref())
            })?)
        }
        "agent" => {
            let name = words.next().ok_or(USAGE)?;
            let known = name.parse().ok().filter(|name| policy.agent(name).is_some());
            Scope::Agent(known.ok_or_else(|| {
                let near = nearest(name, policy.agents().map(|agent| agent.name().as_str()));
                unknown("agent", name, near)
            })?)
        }
        _ => return Err(USAGE.to_owned()),
    };
    let reason = reason(words)?.ok_or_else(|| format!("it takes your reason; {USAGE}"))?;
    Ok(Freeze { what, reason })
}

fn unknown(what: &str, name: &str, near: Option<&str>) -> String {
    let near = near.map(|near| format!("; did you mean `{near}`?"));
    format!("there is no {what} `{}`{}", shown(name), near.unwrap_or_default())
}
