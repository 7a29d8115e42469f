//! Personal data in what an agent sends and in what the bot read: denied where the action's `data` does not declare it,
//! shown to the approvers where it does. Every finding is masked: what was found is never repeated.
//!
//! Each kind is found by one forward scan and then validated: a checksum where the kind has one. Checks look for what
//! slipped in by mistake; they can't stop an agent that hides it.

mod card;
mod email;
mod iban;
mod national;
mod phone;

use std::{collections::BTreeMap, ops::Range};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Asked, Findings, Level, Problem,
    fold::{folded, plain_name},
    reach::{Origin, Reach, Text, is_within},
};

/// A kind of personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PiiKind {
    /// An international bank account number (ISO 13616).
    Iban,
    /// A payment card number (ISO/IEC 7812).
    Card,
    /// A number that a state gives to a person.
    NationalId,
    /// A telephone number (ITU-T E.164).
    Phone,
    /// An e-mail address (RFC 5321).
    Email,
    /// A field whose name says that it holds personal data.
    Field,
}

/// Every kind, in the order in which they are looked for.
const KINDS: [PiiKind; 6] = [
    PiiKind::Iban,
    PiiKind::Card,
    PiiKind::NationalId,
    PiiKind::Phone,
    PiiKind::Email,
    PiiKind::Field,
];

/// How the check is set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The level of a kind whatever the action declares; [`Level::Pass`] does not look for it.
    pub levels: BTreeMap<PiiKind, Level>,
    /// JSON pointers (RFC 6901) of parameters that may hold personal data, with everything in them; without indices
    /// of lists.
    pub allow: Vec<String>,
    /// Names of fields that hold personal data whatever their value looks like, without case, `_` and `-`.
    pub fields: Vec<String>,
    /// The countries (ISO 3166-1 alpha-2, lower case) whose national ids are looked for; every known one when empty.
    pub countries: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let fields = [
            "date_of_birth",
            "birth_date",
            "dob",
            "passport_number",
            "national_id",
            "ssn",
            "social_security_number",
        ];
        Self {
            levels: BTreeMap::new(),
            allow: Vec::new(),
            fields: self::fields(fields),
            countries: Vec::new(),
        }
    }
}

/// Names of fields as they are compared: without case, `_` and `-`.
pub fn fields<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names.into_iter().map(plain_name).collect()
}

/// The countries whose national ids are known.
pub fn countries() -> impl Iterator<Item = &'static str> {
    national::countries()
}

/// Something personal in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hit {
    /// Where, in bytes of the folded text.
    range: Range<usize>,
    /// What it is, for people.
    what: &'static str,
    /// Its shape.
    masked: String,
}

/// Finds personal data.
pub(super) fn check(asked: &Asked<'_>) -> Vec<Problem> {
    let settings = &asked.settings.pii;
    let mut found = Findings::default();
    let hide = |name: &str| hidden(name, settings);
    let mut reach = Reach::new(|text: Text<'_>| look(text, asked, &mut found), hide, asked.sealed);
    reach.written(asked.matter);
    reach.observed(asked.matter);
    found.into_problems()
}

/// A field's name that is personal data itself is masked in pointers too.
fn hidden(name: &str, settings: &Settings) -> Option<String> {
    if name.len() < 6 {
        return None;
    }
    let hits = hits(name, None, settings, &KINDS);
    hits.into_iter().next().map(|(_, hit)| hit.masked)
}

fn look(text: Text<'_>, asked: &Asked<'_>, found: &mut Findings) {
    let settings = &asked.settings.pii;
    if let Origin::Parameter(at) = text.origin
        && settings.allow.iter().any(|allowed| is_within(at, allowed))
    {
        return;
    }
    let declared = |kind| match kind {
        PiiKind::Iban | PiiKind::Card => asked.declared.financial || asked.declared.pii,
        PiiKind::NationalId | PiiKind::Phone | PiiKind::Email | PiiKind::Field => asked.declared.pii,
    };
    let level = |kind| {
        let standing = if declared(kind) { Level::Warn } else { Level::Deny };
        settings.levels.get(&kind).copied().unwrap_or(standing)
    };
    let kinds: Vec<PiiKind> = KINDS
        .into_iter()
        .filter(|kind| found.has_room(level(*kind)))
        .collect();
    for (count, (kind, hit)) in counted(hits(text.text, text.field, settings, &kinds)) {
        let more = match count {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let remedy = match kind {
            _ if declared(kind) && level(kind) > Level::Warn => {
                "leave it out, or send it in a parameter that the catalog marks `sensitive`"
            }
            _ if declared(kind) => {
                "the action is declared to carry such data; see that it is needed, and that whoever reads it here may"
            }
            PiiKind::Iban | PiiKind::Card => {
                "send it in a parameter that the catalog marks `sensitive`, or add `financial` to the action's `data`"
            }
            PiiKind::NationalId | PiiKind::Phone | PiiKind::Email | PiiKind::Field => {
                "leave it out, send it in a parameter that the catalog marks `sensitive`, or add `pii` to the action's `data`"
            }
        };
        found.add(
            level(kind),
            text.at,
            format!("{} `{}`{more}", hit.what, hit.masked),
            remedy,
        );
    }
}

/// The first hit of each kind with how many there are.
fn counted(hits: Vec<(PiiKind, Hit)>) -> Vec<(usize, (PiiKind, Hit))> {
    let mut counted: Vec<(usize, (PiiKind, Hit))> = Vec::new();
    for (kind, hit) in hits {
        match counted
            .iter_mut()
            .find(|(_, (known, first))| *known == kind && first.what == hit.what)
        {
            Some((count, _)) => *count += 1,
            None => counted.push((1, (kind, hit))),
        }
    }
    counted
}

/// Everything personal in a text; a part that was found as one kind is not looked at as another.
fn hits(text: &str, field: Option<&str>, settings: &Settings, kinds: &[PiiKind]) -> Vec<(PiiKind, Hit)> {
    let mut all = Vec::new();
    if text.is_empty() {
        return all;
    }
    let text = folded(text);
    let name = field.map(plain_name);
    let mut taken: Vec<bool> = Vec::new();
    for kind in kinds {
        let found = match kind {
            PiiKind::Iban => iban::find(&text),
            PiiKind::Card => card::find(&text),
            PiiKind::NationalId => national::find(&text, name.as_deref(), &settings.countries),
            PiiKind::Phone => phone::find(&text, name.as_deref()),
            PiiKind::Email => email::find(&text),
            PiiKind::Field => match &name {
                Some(name) if settings.fields.contains(name) => vec![Hit {
                    range: 0..text.len(),
                    what: "a field that holds personal data, with a value",
                    masked: "***".into(),
                }],
                Some(_) | None => Vec::new(),
            },
        };
        for hit in found {
            let overlaps = taken
                .get(hit.range.clone())
                .is_some_and(|taken| taken.contains(&true));
            if overlaps {
                continue;
            }
            taken.resize(text.len(), false);
            if let Some(range) = taken.get_mut(hit.range.clone()) {
                range.fill(true);
            }
            all.push((*kind, hit));
        }
    }
    all
}

/// The last characters of a text, all others hidden.
fn tail(text: &str, most: usize) -> String {
    let shown: Vec<char> = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .rev()
        .take(most)
        .collect();
    shown.into_iter().rev().collect()
}

#[cfg(test)]
mod tests;
