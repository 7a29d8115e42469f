//! Whether everybody who is addressed agreed to it: by purpose, not expired, not withdrawn.
//!
//! Only what the bot read itself counts; what the agent claims never does (INVARIANT i13). Where the list of people is
//! not there, is not whole, or is not of the shape that the settings say, the check can't run, and the gate stays shut
//! (INVARIANT i10).

use serde_json::Value;

use super::{Asked, Findings, Level, Problem};
use crate::domain::{
    ids::Timestamp,
    proposal::{Item, Observed},
};

/// How the check is set; every place is a JSON pointer (RFC 6901).
#[derive(Debug, Clone)]
pub struct Settings {
    /// In what was observed of an item: the list of its audience, as in `/affected/sample` or `/before/members`.
    pub audience: String,
    /// In a member: the list of consents, or a mapping from each purpose to its consent.
    pub consents: String,
    /// In a consent: its purpose, where consents are a list.
    pub purpose: String,
    /// In a consent: when it expires (RFC 3339); `null` or nothing for one that does not.
    pub expires: Option<String>,
    /// In a consent: what is there once it was withdrawn, other than `null` and `false`.
    pub withdrawn: Option<String>,
    /// What the audience must have agreed to.
    pub needed: Needed,
    /// Whether a part of the audience is enough to look at; what was not looked at is then a warning.
    pub partial: bool,
}

/// The purpose that is needed.
#[derive(Debug, Clone)]
pub enum Needed {
    /// Always this one.
    Purpose(String),
    /// The one that a parameter names.
    Param(String),
}

/// What a member's consents say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Given,
    None,
    Expired,
    Withdrawn,
    Unreadable,
}

/// Finds people who did not agree.
pub(super) fn check(asked: &Asked<'_>) -> Vec<Problem> {
    let Some(settings) = &asked.settings.consent else {
        return super::not_set("consent");
    };
    let mut found = Findings::default();
    for item in asked.matter.items {
        let seen = asked.matter.observed.iter().find(|seen| seen.item == item.id);
        look(item, seen, settings, asked.matter.at, &mut found);
    }
    found.into_problems()
}

fn look(item: &Item, seen: Option<&Observed>, settings: &Settings, now: Timestamp, found: &mut Findings) {
    let place = format!("/observed/{}", item.id);
    let cannot = |found: &mut Findings, at: &str, why: &str| {
        let remedy = "let `observe` read everybody who is addressed, with their consents, in the catalog";
        found.add(Level::Errored, at, why, remedy);
    };
    let Some(facts) = seen.map(|seen| &seen.facts) else {
        cannot(
            found,
            &place,
            "nothing was observed, so nobody's consent is known",
        );
        return;
    };
    let purpose = match &settings.needed {
        Needed::Purpose(purpose) => purpose.as_str(),
        Needed::Param(param) => match item.parameters.pointer(param).and_then(Value::as_str) {
            Some(purpose) if !purpose.is_empty() => purpose,
            Some(_) | None => {
                let at = format!("/items/{}/parameters{param}", item.id);
                cannot(found, &at, "the purpose is not named");
                return;
            }
        },
    };
    let count = facts.affected.count;
    if count == Some(0) {
        return;
    }
    let sample;
    let (list, is_sample) = match settings.audience.strip_prefix("/affected/sample") {
        Some("") => {
            sample = Value::Array(facts.affected.sample.clone());
            (Some(&sample), true)
        }
        _ => {
            let (part, rest) = match settings.audience.strip_prefix("/after") {
                Some(rest) => (facts.after.as_ref(), rest),
                None => (
                    Some(&facts.before),
                    settings.audience.strip_prefix("/before").unwrap_or("/-"),
                ),
            };
            (part.and_then(|part| part.pointer(rest)), false)
        }
    };
    let at = format!("{place}{}", settings.audience);
    let Some(members) = list
        .and_then(Value::as_array)
        .filter(|members| !members.is_empty())
    else {
        cannot(found, &at, "there is no list of who is addressed");
        return;
    };
    let known = u64::try_from(members.len()).unwrap_or(u64::MAX);
    match count {
        Some(count) if count == known => {}
        None if !is_sample => {}
        Some(_) | None => {
            let of = count.map_or_else(|| "an unknown number".into(), |count| count.to_string());
            let what = format!("only {known} of {of} people who are addressed are known");
            if settings.partial {
                found.add(Level::Warn, &at, what, "make sure of the others");
            } else {
                cannot(found, &at, &what);
            }
        }
    }
    let standings: Vec<Standing> = members
        .iter()
        .map(|member| standing(member, purpose, settings, now))
        .collect();
    for (standing, what) in [
        (Standing::None, "did not agree to"),
        (Standing::Expired, "agreed only to a time that has passed to"),
        (Standing::Withdrawn, "took back their consent to"),
        (Standing::Unreadable, "have a consent that can't be read to"),
    ] {
        let count = standings.iter().filter(|found| **found == standing).count();
        let Some(first) = standings.iter().position(|found| *found == standing) else {
            continue;
        };
        let purpose: String = super::text::show(purpose).chars().take(80).collect();
        found.add(
            Level::Deny,
            &format!("{at}/{first}"),
            format!("{count} of {known} people {what} `{purpose}`"),
            "leave them out, or ask for their consent first",
        );
    }
}

/// The best of a member's consents to a purpose; one that was withdrawn voids the others.
fn standing(member: &Value, purpose: &str, settings: &Settings, now: Timestamp) -> Standing {
    let consents: Vec<&Value> = match member.pointer(&settings.consents) {
        Some(Value::Array(all)) => {
            let of = |consent: &&Value| {
                consent.pointer(&settings.purpose).and_then(Value::as_str) == Some(purpose)
            };
            all.iter().filter(of).collect()
        }
        Some(Value::Object(all)) => all.get(purpose).into_iter().collect(),
        Some(_) | None => Vec::new(),
    };
    let all = consents.into_iter().map(|consent| one(consent, settings, now));
    let mut best = Standing::None;
    for standing in all {
        best = match (best, standing) {
            (Standing::Withdrawn, _) | (_, Standing::Withdrawn) => Standing::Withdrawn,
            (Standing::Given, _) | (_, Standing::Given) => Standing::Given,
            (Standing::Unreadable, _) | (_, Standing::Unreadable) => Standing::Unreadable,
            (Standing::Expired | Standing::None, other) => other,
        };
    }
    best
}

fn one(consent: &Value, settings: &Settings, now: Timestamp) -> Standing {
    match consent {
        // In a mapping from purposes, a consent may be a plain yes or no.
        Value::Bool(true) => return Standing::Given,
        Value::Bool(false) | Value::Null => return Standing::None,
        Value::Object(_) => {}
        Value::Number(_) | Value::String(_) | Value::Array(_) => return Standing::Unreadable,
    }
    let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| consent.pointer(pointer));
    match at(&settings.withdrawn) {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(_) => return Standing::Withdrawn,
    }
    match at(&settings.expires) {
        None | Some(Value::Null) => Standing::Given,
        Some(Value::String(time)) => match time.parse::<Timestamp>() {
            Ok(time) if time > now => Standing::Given,
            Ok(_) => Standing::Expired,
            Err(_) => Standing::Unreadable,
        },
        Some(_) => Standing::Unreadable,
    }
}

#[cfg(test)]
mod tests;
