//! `CODEOWNERS`: who may approve what happens to a resource.

use std::sync::Arc;

use serde::Serialize;

use super::{
    action::Party,
    error::{Errors, Rule, unknown},
    people::People,
};
use crate::domain::{
    ids::{PersonName, TeamName},
    source::{Fault, Mark, SourceError},
};

mod file;
mod index;
mod owned;

pub use file::{RawOwners, Said};
use file::{Who, Word};
use index::Index;
pub use owned::{Owned, OwnedItem};

/// Someone who may approve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// One person, by any of their accounts.
    Person(PersonName),
    /// Anyone of a team.
    Team(TeamName),
}

impl From<&Party> for Owner {
    fn from(party: &Party) -> Self {
        match party {
            Party::Person(name) => Self::Person(name.clone()),
            Party::Team(name) => Self::Team(name.clone()),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(name) => name.fmt(f),
            Self::Team(name) => name.fmt(f),
        }
    }
}

/// Owners of whom some must approve, and the line that names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnerSet {
    line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<Arc<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<u8>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    optional: bool,
    owners: Arc<[Owner]>,
}

impl OwnerSet {
    /// The line of CODEOWNERS, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }
    /// The section of the line; none before any heading.
    pub fn section(&self) -> Option<&str> {
        self.section.as_deref()
    }
    /// How many of the owners must approve, where the section says so, from 1 on; else as many as the gate demands.
    pub fn need(&self) -> Option<u8> {
        self.need
    }
    /// Whether the owners are asked and never needed.
    pub fn is_optional(&self) -> bool {
        self.optional
    }
    /// The owners; at least one.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }
}

/// What ownership asks for on one path: each set that is not optional must be satisfied on its own.
///
/// Borrowed, not shared: counting references to what every decision looks at would have the cores wait for each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requirements<'p>(Vec<&'p OwnerSet>);

impl<'p> Requirements<'p> {
    /// The sets, one a section, in the order of the sections.
    pub fn sets(&self) -> &[&'p OwnerSet] {
        &self.0
    }
    /// Whether nobody has to approve, and then nothing may run: optional owners open nothing.
    pub fn is_unowned(&self) -> bool {
        self.0.iter().all(|set| set.is_optional())
    }
}

/// CODEOWNERS with every owner known.
#[derive(Debug, Clone)]
pub struct Owners {
    index: Index,
    /// By line; an exclusion and a line that clears have no owners.
    sets: Vec<OwnerSet>,
    organization: Option<String>,
}

impl Owners {
    /// Who must approve for a path, as in `/payments/suppliers/42`. In each section the last line that matches counts,
    /// and an exclusion wins over every line.
    pub fn requirements(&self, path: &str) -> Requirements<'_> {
        let rulings = self.index.rulings(&split(path)).into_values();
        let lines = rulings.filter_map(|ruling| match ruling.excluded {
            Some(_) => None,
            None => self.sets.get(ruling.line?),
        });
        Requirements(lines.filter(|set| !set.owners.is_empty()).collect())
    }
    /// The owners of every line that has some, in the order of the file.
    pub fn sets(&self) -> impl Iterator<Item = &OwnerSet> {
        self.sets.iter().filter(|set| !set.owners.is_empty())
    }
    /// The lines that decide about a path, one a section, exclusions and lines that clear among them.
    pub(super) fn deciding(&self, path: &str) -> Vec<u32> {
        let rulings = self.index.rulings(&split(path)).into_values();
        let lines = rulings.filter_map(|ruling| self.sets.get(ruling.excluded.or(ruling.line)?));
        lines.map(OwnerSet::line).collect()
    }
    /// The organisation of every team, when a team is named.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }
    /// Reads CODEOWNERS alone, without knowing who the owners are. Errors: every line that does not parse.
    pub fn parse_alone(text: &str) -> Result<RawOwners, Vec<SourceError>> {
        let (owners, errors) = RawOwners::read(text);
        if errors.is_empty() {
            Ok(owners)
        } else {
            Err(errors)
        }
    }
}

/// The segments of a path; `/a/b` and `a/b` are the same path.
fn split(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').collect()
}

/// Reads CODEOWNERS and finds every owner among the people.
pub(super) fn read(text: &str, people: &People, errors: &mut Errors) -> Owners {
    let (raw, unreadable) = RawOwners::read(text);
    for error in &unreadable {
        errors.source(Rule::Owners, error);
    }
    let index = Index::of(
        raw.lines
            .iter()
            .zip(0..)
            .map(|(line, at)| (&line.pattern, line.rule(at))),
    );
    let mut finder = Finder {
        people,
        errors,
        organization: None,
    };
    let names: Vec<Option<Arc<str>>> = raw
        .sections
        .iter()
        .map(|section| section.name.as_deref().map(Arc::from))
        .collect();
    let defaults: Vec<Arc<[Owner]>> = raw.headings.iter().map(|words| finder.all(words)).collect();
    let mut sets = Vec::with_capacity(raw.lines.len());
    for line in &raw.lines {
        let owners = match &line.owners {
            Who::Named(words) => finder.all(words),
            Who::Default(heading) => defaults.get(*heading).cloned().unwrap_or_default(),
            Who::Excluded => Arc::default(),
        };
        let section = raw.sections.get(line.section);
        sets.push(OwnerSet {
            line: line.number,
            section: names.get(line.section).cloned().flatten(),
            need: section.and_then(|section| section.need),
            optional: section.is_some_and(|section| section.optional),
            owners,
        });
    }
    Owners {
        index,
        sets,
        organization: finder.organization,
    }
}

/// Errors of one file after which owners are not looked for any more; every one of them costs a search for near names.
const MANY: usize = 200;

/// Finds owners by how they are written.
struct Finder<'a> {
    people: &'a People,
    errors: &'a mut Errors,
    organization: Option<String>,
}

impl Finder<'_> {
    fn all(&mut self, words: &[Word]) -> Arc<[Owner]> {
        let mut owners = Vec::new();
        for (word, mark) in words {
            if self.errors.len() >= MANY {
                break;
            }
            match self.one(word, *mark) {
                Ok(owner) => owners.extend(owner),
                Err((rule, fault)) => self.errors.fault(rule, fault),
            }
        }
        owners.into()
    }

    /// The owner a word names; nothing when the person has an error of their own.
    fn one(&mut self, text: &str, mark: Mark) -> Result<Option<Owner>, (Rule, Fault)> {
        let people = self.people;
        let name = text.strip_prefix('@').unwrap_or(text);
        let mark = Some(mark);
        let Some((organization, team)) = name.split_once('/') else {
            return match people.of_login(name) {
                Some(person) => Ok(Some(Owner::Person(person.name().clone()))),
                None if people.mentions(name) => Ok(None),
                None => {
                    let fault = unknown(mark, "login", name, people.logins());
                    Err((Rule::UnknownName, fault))
                }
            };
        };
        match &self.organization {
            Some(first) if !first.eq_ignore_ascii_case(organization) => {
                let message =
                    format!("the team is of `{organization}`, others are of `{first}`; use one organization");
                return Err((Rule::Owners, Fault::new(mark, message)));
            }
            Some(_) => {}
            None => self.organization = Some(organization.into()),
        }
        team.parse::<TeamName>()
            .ok()
            .filter(|team| people.has_team(team))
            .map(|team| Some(Owner::Team(team)))
            .ok_or_else(|| (Rule::UnknownName, unknown(mark, "team", team, people.teams())))
    }
}
