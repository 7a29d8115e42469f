//! `CODEOWNERS`: who may approve what happens to a resource.

use serde::Serialize;

use super::{
    error::{Errors, Rule, unknown},
    pattern::Pattern,
    people::People,
};
use crate::domain::{
    ids::{Login, PersonName, TeamName},
    source::{Fault, Mark, Place, SourceError, is_visible},
};

/// The size from which GitHub does not load the file: 3 MB.
const MAX_BYTES: usize = 3_000_000;

/// Someone who may approve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// One person, by any of their accounts.
    Person(PersonName),
    /// Anyone of a team.
    Team(TeamName),
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(name) => name.fmt(f),
            Self::Team(name) => name.fmt(f),
        }
    }
}

/// Owners of whom any may approve, and the line that names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnerSet {
    line: u32,
    owners: Vec<Owner>,
}

impl OwnerSet {
    /// The line of CODEOWNERS, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }
    /// The owners; at least one.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }
}

/// What ownership asks for on one path: each set must be satisfied on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirements(Vec<OwnerSet>);

impl Requirements {
    /// The sets; empty when nobody owns the path, and then nothing may run.
    pub fn sets(&self) -> &[OwnerSet] {
        &self.0
    }
    /// Whether nobody owns the path.
    pub fn is_unowned(&self) -> bool {
        self.0.is_empty()
    }
}

/// CODEOWNERS with every owner known.
#[derive(Debug, Clone)]
pub struct Owners {
    lines: Vec<(Pattern, OwnerSet)>,
    organization: Option<String>,
}

impl Owners {
    /// Who must approve for a path, as in `/payments/suppliers/42`. The last line that matches counts.
    pub fn requirements(&self, path: &str) -> Requirements {
        let parts = split(path);
        let found = self
            .lines
            .iter()
            .rev()
            .find(|(pattern, _)| pattern.matches(&parts));
        let set = found.map(|(_, set)| set).filter(|set| !set.owners.is_empty());
        Requirements(set.cloned().into_iter().collect())
    }
    /// Every owner that a line names, in the order of the file.
    pub(super) fn named(&self) -> impl Iterator<Item = &Owner> {
        self.lines.iter().flat_map(|(_, set)| &set.owners)
    }
    /// The organisation of every team, when a team is named.
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }
    /// Reads CODEOWNERS alone, without knowing who the owners are. Errors: every line that does not parse.
    pub fn parse_alone(text: &str) -> Result<RawOwners, Vec<SourceError>> {
        let (owners, errors) = RawOwners::read(FILE, text);
        if errors.is_empty() {
            Ok(owners)
        } else {
            Err(errors)
        }
    }
}

const FILE: &str = "CODEOWNERS";

/// CODEOWNERS as text: patterns and the owners as they are written.
#[derive(Debug, Clone, Default)]
pub struct RawOwners {
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    number: u32,
    pattern: Pattern,
    owners: Vec<(String, Mark)>,
}

impl RawOwners {
    /// The line that decides about a path and its owners as written; empty when that line clears ownership.
    pub fn matching(&self, path: &str) -> Option<(u32, Vec<String>)> {
        let parts = split(path);
        let line = self
            .lines
            .iter()
            .rev()
            .find(|line| line.pattern.matches(&parts))?;
        let owners = line.owners.iter().map(|(name, _)| name.clone()).collect();
        Some((line.number, owners))
    }

    fn read(file: &str, text: &str) -> (Self, Vec<SourceError>) {
        let mut owners = Self::default();
        if text.len() >= MAX_BYTES {
            let message = format!("the file has {} bytes; GitHub ignores it from 3 MB", text.len());
            return (owners, vec![SourceError::new(file, None, message)]);
        }
        let mut errors = Vec::new();
        let mut start = 0;
        if text.starts_with('\u{feff}') {
            let mark = Mark::new(Place { line: 1, column: 1 }, 0, '\u{feff}'.len_utf8());
            let message = "the file begins with a byte order mark; save it as UTF-8 without";
            return (owners, vec![SourceError::new(file, Some(mark), message)]);
        }
        for (raw, number) in text.split_inclusive('\n').zip(1..) {
            let words = words(raw, number, start);
            start += raw.len();
            let mut words = words.into_iter();
            let Some((pattern, mark)) = words.next() else {
                continue;
            };
            if pattern.chars().any(|c| c != ' ' && !is_visible(c)) {
                let message = "the pattern has a character that nobody sees; remove it";
                errors.push(SourceError::new(file, Some(mark), message));
                continue;
            }
            let pattern = match Pattern::parse(pattern) {
                Ok(pattern) => pattern,
                Err(message) => {
                    errors.push(SourceError::new(file, Some(mark), message));
                    continue;
                }
            };
            let mut named = Vec::new();
            for (owner, mark) in words {
                match check_owner(owner) {
                    Ok(()) => named.push((owner.to_owned(), mark)),
                    Err(message) => errors.push(SourceError::new(file, Some(mark), message)),
                }
            }
            owners.lines.push(Line {
                number,
                pattern,
                owners: named,
            });
        }
        (owners, errors)
    }
}

/// The segments of a path; `/a/b` and `a/b` are the same path.
fn split(path: &str) -> Vec<&str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split('/').collect()
}

/// The words of a line up to a comment, each with its place. A space after `\` belongs to the word.
fn words(line: &str, number: u32, start: usize) -> Vec<(&str, Mark)> {
    let mut words = Vec::new();
    let mut begin: Option<(usize, u32)> = None;
    let mut escaped = false;
    let end = (line.len(), '\n');
    for ((at, c), column) in line.char_indices().chain([end]).zip(1..) {
        if begin.is_none() && c == '#' {
            break;
        }
        match (c.is_whitespace() && !(escaped && c == ' '), begin) {
            (true, Some((from, first))) => {
                let place = Place {
                    line: number,
                    column: first,
                };
                if let Some(word) = line.get(from..at) {
                    words.push((word, Mark::new(place, start + from, at - from)));
                }
                begin = None;
            }
            (false, None) => begin = Some((at, column)),
            (true, None) | (false, Some(_)) => {}
        }
        escaped = c == '\\' && !escaped;
    }
    words
}

fn check_owner(text: &str) -> Result<(), String> {
    let shown = text.escape_debug();
    let Some(name) = text.strip_prefix('@') else {
        return Err(if text.contains('@') {
            format!("`{shown}` is an e-mail address; name the person's login, as in `@alice`")
        } else {
            format!("`{shown}` is not an owner; write `@login` or `@organization/team`")
        });
    };
    let whole = match name.split_once('/') {
        Some((organization, team)) => {
            organization.parse::<Login>().is_ok() && team.parse::<TeamName>().is_ok()
        }
        None => name.parse::<Login>().is_ok(),
    };
    if whole {
        Ok(())
    } else {
        Err(format!(
            "`{shown}` is not an owner; write `@login` or `@organization/team`"
        ))
    }
}

/// Reads CODEOWNERS and finds every owner among the people.
pub(super) fn read(text: &str, people: &People, errors: &mut Errors) -> Owners {
    let (raw, unreadable) = RawOwners::read(FILE, text);
    for error in &unreadable {
        errors.source(Rule::Owners, error);
    }
    let mut owners = Owners {
        lines: Vec::new(),
        organization: None,
    };
    for line in raw.lines {
        let mut set = Vec::new();
        for (text, mark) in &line.owners {
            match owners.resolve(text, *mark, people) {
                Ok(owner) => set.extend(owner),
                Err((rule, fault)) => errors.fault(rule, fault),
            }
        }
        let set = OwnerSet {
            line: line.number,
            owners: set,
        };
        owners.lines.push((line.pattern, set));
    }
    owners
}

impl Owners {
    /// The owner a word names; nothing when the person has an error of their own.
    fn resolve(&mut self, text: &str, mark: Mark, people: &People) -> Result<Option<Owner>, (Rule, Fault)> {
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
