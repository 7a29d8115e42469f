//! CODEOWNERS as text: GitHub's lines and GitLab's sections, with the owners as they are written.

use std::collections::BTreeMap;

use super::{
    super::pattern::Pattern,
    index::{Rule, Ruling},
    split,
};
use crate::domain::{
    ids::{Login, TeamName},
    source::{Mark, Place, SourceError, is_visible},
};

pub(super) const FILE: &str = "CODEOWNERS";
/// The size from which GitHub does not load the file: 3 MB.
const MAX_BYTES: usize = 3_000_000;
/// The longest name of a section, in characters.
const MAX_NAME: usize = 100;

/// An owner as it is written, and where.
pub(super) type Word = (String, Mark);

/// CODEOWNERS before anybody looked who its owners are.
#[derive(Debug, Clone)]
pub struct RawOwners {
    pub(super) sections: Vec<Section>,
    /// The owners that stand in each heading.
    pub(super) headings: Vec<Vec<Word>>,
    pub(super) lines: Vec<Line>,
}

/// A section: all headings of one name, case aside. The first is what stands before any heading.
#[derive(Debug, Clone, Default)]
pub(super) struct Section {
    /// As its first heading writes it.
    pub(super) name: Option<String>,
    pub(super) need: Option<u8>,
    /// One heading without `^` makes the whole section required.
    pub(super) optional: bool,
    /// The heading that states the count.
    counted_at: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) section: usize,
    pub(super) pattern: Pattern,
    pub(super) owners: Who,
}

#[derive(Debug, Clone)]
pub(super) enum Who {
    /// These; before any heading, none clears the owners.
    Named(Vec<Word>),
    /// The owners of the heading above.
    Default(usize),
    /// The path does not belong to the section.
    Excluded,
}

impl Line {
    pub(super) fn rule(&self, at: usize) -> Rule {
        Rule {
            section: self.section,
            excludes: matches!(self.owners, Who::Excluded),
            line: at,
        }
    }
}

/// What one section says about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<'a> {
    /// The section; none before any heading.
    pub section: Option<&'a str>,
    /// The line that decides, counted from 1.
    pub line: u32,
    /// How many of the owners must approve, where the section says so.
    pub need: Option<u8>,
    /// Whether the owners are asked without being needed.
    pub optional: bool,
    /// Whether the line takes the path out of the section.
    pub excluded: bool,
    /// As written; empty when the line clears or excludes.
    pub owners: Vec<&'a str>,
}

impl RawOwners {
    /// What each section says about a path, in the order of the sections, by trying every line.
    pub fn matching(&self, path: &str) -> Vec<Said<'_>> {
        let parts = split(path);
        let mut rulings: BTreeMap<usize, Ruling> = BTreeMap::new();
        for (line, at) in self.lines.iter().zip(0..) {
            if line.pattern.matches(&parts) {
                rulings.entry(line.section).or_default().take(line.rule(at));
            }
        }
        let said = |ruling: Ruling| {
            let line = self.lines.get(ruling.excluded.or(ruling.line)?)?;
            let section = self.sections.get(line.section)?;
            let words: &[Word] = match &line.owners {
                Who::Named(words) => words,
                Who::Default(heading) => self.headings.get(*heading)?,
                Who::Excluded => &[],
            };
            Some(Said {
                section: section.name.as_deref(),
                line: line.number,
                need: section.need,
                optional: section.optional,
                excluded: matches!(line.owners, Who::Excluded),
                owners: words.iter().map(|(word, _)| word.as_str()).collect(),
            })
        };
        rulings.into_values().filter_map(said).collect()
    }

    /// The pattern of every line, with the line's number.
    pub(in crate::domain::policy) fn patterns(&self) -> impl Iterator<Item = (u32, &Pattern)> {
        self.lines.iter().map(|line| (line.number, &line.pattern))
    }

    /// Every section without a line but exclusions: its name, and the first of them.
    pub(in crate::domain::policy) fn only_excluding(&self) -> impl Iterator<Item = (&str, u32)> {
        let named = self.sections.iter().zip(0..);
        named.filter_map(|(section, index)| {
            let mut lines = self.lines.iter().filter(|line| line.section == index);
            let first = lines.next()?;
            let excludes = |line: &Line| matches!(line.owners, Who::Excluded);
            (excludes(first) && lines.all(excludes)).then_some((section.name.as_deref()?, first.number))
        })
    }

    pub(super) fn read(text: &str) -> (Self, Vec<SourceError>) {
        let mut reading = Reading::default();
        if text.len() >= MAX_BYTES {
            let message = format!("the file has {} bytes; GitHub ignores it from 3 MB", text.len());
            reading.errors.push(SourceError::new(FILE, None, message));
        } else if text.starts_with('\u{feff}') {
            let mark = Mark::new(Place { line: 1, column: 1 }, 0, '\u{feff}'.len_utf8());
            let message = "the file begins with a byte order mark; save it as UTF-8 without";
            reading.error(mark, message);
        } else {
            let mut start = 0;
            for (raw, number) in text.split_inclusive('\n').zip(1..) {
                let line = raw.strip_suffix('\n').unwrap_or(raw);
                let line = line.strip_suffix('\r').unwrap_or(line);
                reading.line(Cut {
                    text: line,
                    number,
                    start,
                });
                start += raw.len();
            }
            reading.ends_heading();
        }
        (reading.owners, reading.errors)
    }
}

/// The file as far as it is read.
#[derive(Default)]
struct Reading {
    owners: RawOwners,
    errors: Vec<SourceError>,
    by_name: BTreeMap<String, usize>,
    /// The heading above.
    heading: Option<Heading>,
    /// Whether a heading could not be read, so that lines below it may be of any section.
    lost: bool,
}

impl Default for RawOwners {
    fn default() -> Self {
        Self {
            sections: vec![Section::default()],
            headings: Vec::new(),
            lines: Vec::new(),
        }
    }
}

struct Heading {
    section: usize,
    mark: Mark,
    /// Whether owners stand in it.
    has_owners: bool,
    /// Lines in front of it.
    lines: usize,
    /// Whether a line below it could not be read.
    broken: bool,
}

/// One line without its end.
#[derive(Clone, Copy)]
struct Cut<'a> {
    text: &'a str,
    number: u32,
    /// The line's first byte in the file.
    start: usize,
}

impl<'a> Cut<'a> {
    /// Marks some bytes of the line.
    fn mark(self, from: usize, length: usize) -> Mark {
        Mark::new(self.place(self.column(from)), self.start + from, length)
    }
    fn place(self, column: u32) -> Place {
        Place {
            line: self.number,
            column,
        }
    }
    /// The column of a byte, counted from 1 in characters.
    fn column(self, at: usize) -> u32 {
        let before = self.text.get(..at).unwrap_or_default().chars().count();
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The words from some byte on up to a comment, each with its place. A space after `\` belongs to the word.
    fn words(self, from: usize) -> Vec<(&'a str, Mark)> {
        let mut words = Vec::new();
        let mut begin: Option<(usize, u32)> = None;
        let mut escaped = false;
        let rest = self.text.get(from..).unwrap_or_default();
        let chars = rest.char_indices().chain([(rest.len(), '\t')]);
        for ((at, c), column) in chars.zip(self.column(from)..) {
            if begin.is_none() && c == '#' {
                break;
            }
            let apart = c == '\t' || (c == ' ' && !escaped);
            match (apart, begin) {
                (true, Some((first, column))) => {
                    if let Some(word) = rest.get(first..at) {
                        let mark = Mark::new(self.place(column), self.start + from + first, at - first);
                        words.push((word, mark));
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
}

impl Reading {
    fn error(&mut self, mark: Mark, message: impl Into<String>) {
        self.errors.push(SourceError::new(FILE, Some(mark), message));
    }

    fn line(&mut self, cut: Cut<'_>) {
        let indent = cut.text.len() - cut.text.trim_start_matches([' ', '\t']).len();
        let body = cut.text.get(indent..).unwrap_or_default();
        if body.starts_with('[') || body.starts_with("^[") {
            self.ends_heading();
            match self.starts_heading(cut, indent, body) {
                Ok(heading) => self.heading = Some(heading),
                Err(message) => {
                    self.lost = true;
                    self.error(cut.mark(indent, body.len()), message);
                }
            }
            return;
        }
        let mut words = cut.words(0).into_iter();
        if let Some((pattern, mark)) = words.next()
            && let Err((mark, message)) = self.entry(cut.number, pattern, mark, words)
        {
            self.error(mark, message);
            if let Some(heading) = &mut self.heading {
                heading.broken = true;
            }
        }
    }

    fn entry<'a>(
        &mut self,
        number: u32,
        pattern: &str,
        mark: Mark,
        words: impl Iterator<Item = (&'a str, Mark)>,
    ) -> Result<(), (Mark, String)> {
        let wrong = |message: &str| (mark, message.to_owned());
        if pattern.chars().any(|c| c != ' ' && !is_visible(c)) {
            return Err(wrong("the pattern has a character that nobody sees; remove it"));
        }
        let (excludes, body) = match pattern.strip_prefix('!') {
            Some(_) if self.owners.headings.is_empty() && !self.lost => {
                return Err(wrong(
                    "`!` excludes from a section, and none has begun; list what is owned instead",
                ));
            }
            Some("") => return Err(wrong("`!` excludes nothing; write the pattern right behind it")),
            Some(body) if body.starts_with('!') => {
                return Err(wrong("`!` may stand once, in front of the pattern"));
            }
            Some(body) => (true, body),
            None => (false, pattern),
        };
        let pattern = Pattern::parse(body).map_err(wrong)?;
        let named = self.named(words);
        let owners = match (excludes, &self.heading, named) {
            (true, _, None) => Who::Excluded,
            (true, _, Some(_)) => {
                return Err(wrong("an exclusion has no owners; leave them out"));
            }
            (false, _, Some(named)) => Who::Named(named),
            (false, None, None) => Who::Named(Vec::new()),
            (false, Some(heading), None) if heading.has_owners => {
                Who::Default(self.owners.headings.len().saturating_sub(1))
            }
            (false, Some(_), None) => {
                return Err(wrong(
                    "the line has no owners and its section no default ones; name some, or exclude the path with `!`",
                ));
            }
        };
        let section = self.heading.as_ref().map_or(0, |heading| heading.section);
        self.owners.lines.push(Line {
            number,
            section,
            pattern,
            owners,
        });
        Ok(())
    }

    /// The owners of a line; nothing where none is written.
    fn named<'a>(&mut self, words: impl Iterator<Item = (&'a str, Mark)>) -> Option<Vec<Word>> {
        let mut named = None;
        for (owner, mark) in words {
            let list: &mut Vec<Word> = named.get_or_insert_default();
            match check_owner(owner) {
                Ok(()) => list.push((owner.to_owned(), mark)),
                Err(message) => self.error(mark, message),
            }
        }
        named
    }

    /// Reads `^[Name][2] @owner`; the error says what is wrong with it.
    fn starts_heading(&mut self, cut: Cut<'_>, indent: usize, body: &str) -> Result<Heading, String> {
        let optional = body.starts_with('^');
        let open = body.strip_prefix('^').unwrap_or(body);
        let (name, after) = open
            .strip_prefix('[')
            .and_then(|open| open.split_once(']'))
            .ok_or("the section is not closed; write `[Name]`")?;
        let name = name.trim_matches([' ', '\t']);
        if name.is_empty() {
            return Err("the section has no name; write `[Name]`".into());
        }
        if name.chars().count() > MAX_NAME || !name.chars().all(is_visible) || name.contains('[') {
            return Err(format!(
                "`[{}]` is not a section; its name has at most {MAX_NAME} visible characters and no `[`",
                name.chars()
                    .take(MAX_NAME)
                    .flat_map(char::escape_debug)
                    .collect::<String>()
            ));
        }
        let (need, after) = match after.strip_prefix('[') {
            Some(count) => {
                let (count, after) = count
                    .split_once(']')
                    .ok_or("the section's count is not closed; write `[Name][2]`")?;
                (Some(read_count(count)?), after)
            }
            None => (None, after),
        };
        if !after.is_empty() && !after.starts_with([' ', '\t']) {
            let word = after.split([' ', '\t']).next().unwrap_or_default();
            let word: String = word.chars().take(80).flat_map(char::escape_debug).collect();
            return Err(format!(
                "`{word}` can't follow a section; write `[Name][2] @owner`, and for character ranges `[ ]`, which are not \
                 supported, one line for each"
            ));
        }
        let mark = cut.mark(indent, body.len() - after.len());
        let section = self.section(name, need, optional, mark)?;
        let owners = self.named(cut.words(cut.text.len() - after.len()).into_iter());
        let has_owners = owners.is_some();
        self.owners.headings.push(owners.unwrap_or_default());
        Ok(Heading {
            section,
            mark,
            has_owners,
            lines: self.owners.lines.len(),
            broken: false,
        })
    }

    /// The section of a heading, made or found. Headings of one name are one section: it has one count, and is
    /// optional when all of them say so.
    fn section(&mut self, name: &str, need: Option<u8>, optional: bool, mark: Mark) -> Result<usize, String> {
        let next = self.owners.sections.len();
        let at = *self.by_name.entry(name.to_lowercase()).or_insert(next);
        let counted_at = mark.place().line;
        let Some(known) = self.owners.sections.get_mut(at) else {
            self.owners.sections.push(Section {
                name: Some(name.to_owned()),
                need,
                optional,
                counted_at,
            });
            return Ok(at);
        };
        known.optional &= optional;
        match (known.need, need) {
            (Some(before), Some(need)) if before != need => Err(format!(
                "the section needs {need} here and {before} on line {}; say it once",
                known.counted_at
            )),
            (None, Some(_)) => {
                known.need = need;
                known.counted_at = counted_at;
                Ok(at)
            }
            (_, None) | (Some(_), Some(_)) => Ok(at),
        }
    }

    /// A heading with nothing below it would ask for nothing, whatever its author meant.
    fn ends_heading(&mut self) {
        if let Some(heading) = self.heading.take()
            && heading.lines == self.owners.lines.len()
            && !heading.broken
        {
            self.error(
                heading.mark,
                "the section has no lines, so it owns nothing; add a pattern below it",
            );
        }
    }
}

fn read_count(text: &str) -> Result<u8, String> {
    let digits = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let count = text.parse().ok().filter(|count| digits && *count > 0);
    count.ok_or_else(|| {
        let shown: String = text.chars().take(20).flat_map(char::escape_debug).collect();
        format!("`[{shown}]` is not a number of approvals; write one from 1 to 255, as in `[Name][2]`")
    })
}

fn check_owner(text: &str) -> Result<(), String> {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
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
