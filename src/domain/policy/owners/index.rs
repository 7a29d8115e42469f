//! From a path to the lines that match it, without looking at every line.
//!
//! The patterns are kept as one tree, a level a segment, so that lines share what they have in common. A path walks
//! down all branches that fit it. Below a node, names are found by search; forms such as `*.md` by what they begin or
//! end with, and only forms such as `*x*` and `?x` are tried one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::super::pattern::{End, Glob, Pattern, Segment};

/// What one line does to the paths that match it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The place of its section in the file; 0 for lines before any heading.
    pub(super) section: usize,
    /// Whether it takes the path out of the section.
    pub(super) excludes: bool,
    /// The place of the line among all lines.
    pub(super) line: usize,
}

/// What a section says about a path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Ruling {
    /// The last line with owners that matches.
    pub(super) line: Option<usize>,
    /// The last exclusion that matches; it wins wherever it stands.
    pub(super) excluded: Option<usize>,
}

impl Ruling {
    pub(super) fn take(&mut self, rule: Rule) {
        let slot = if rule.excludes {
            &mut self.excluded
        } else {
            &mut self.line
        };
        *slot = (*slot).max(Some(rule.line));
    }
}

/// Every pattern of the file.
#[derive(Debug, Clone)]
pub(super) struct Index {
    nodes: Vec<Node>,
}

const ROOT: usize = 0;

#[derive(Debug, Clone, Default)]
struct Node {
    literals: BTreeMap<String, usize>,
    globs: Globs,
    /// After `**`.
    any: Option<usize>,
    here: Rules,
    tree: Rules,
    below: Rules,
}

/// The last line of each section, exclusions apart: an earlier line of the same pattern never decides.
type Rules = BTreeMap<(usize, bool), usize>;

/// The children that are reached by a form.
#[derive(Debug, Clone, Default)]
struct Globs {
    by_start: Texts,
    by_end: Texts,
    others: BTreeMap<Glob, usize>,
}

#[derive(Debug, Clone, Default)]
struct Texts {
    /// In bytes.
    lengths: BTreeSet<usize>,
    globs: BTreeMap<String, BTreeMap<Glob, usize>>,
}

impl Globs {
    fn slot(&mut self, glob: &Glob) -> &mut BTreeMap<Glob, usize> {
        let (texts, text) = match (glob.start(), glob.end()) {
            ("", "") => return &mut self.others,
            ("", end) => (&mut self.by_end, end),
            (start, _) => (&mut self.by_start, start),
        };
        texts.lengths.insert(text.len());
        texts.globs.entry(text.to_owned()).or_default()
    }
    fn fitting(&self, name: &str, found: &mut Vec<usize>) {
        let mut take = |globs: &BTreeMap<Glob, usize>| {
            let fitting = globs.iter().filter(|(glob, _)| glob.fits(name));
            found.extend(fitting.map(|(_, node)| *node));
        };
        take(&self.others);
        let fits = |length: &&usize| **length <= name.len();
        for length in self.by_start.lengths.iter().take_while(fits) {
            let start = name.get(..*length);
            start
                .and_then(|start| self.by_start.globs.get(start))
                .map(&mut take);
        }
        for length in self.by_end.lengths.iter().take_while(fits) {
            let end = name.get(name.len() - length..);
            end.and_then(|end| self.by_end.globs.get(end)).map(&mut take);
        }
    }
}

impl Index {
    /// Of all lines in the order of the file.
    pub(super) fn of<'a>(lines: impl Iterator<Item = (&'a Pattern, Rule)>) -> Self {
        let mut index = Self {
            nodes: vec![Node::default()],
        };
        for (pattern, rule) in lines {
            let at = pattern
                .segments()
                .iter()
                .fold(ROOT, |at, segment| index.child(at, segment));
            if let Some(node) = index.nodes.get_mut(at) {
                let rules = match pattern.end() {
                    End::Here => &mut node.here,
                    End::Tree => &mut node.tree,
                    End::Below => &mut node.below,
                };
                rules.insert((rule.section, rule.excludes), rule.line);
            }
        }
        index
    }

    fn child(&mut self, at: usize, segment: &Segment) -> usize {
        let next = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = match segment {
            Segment::Any => *node.any.get_or_insert(next),
            Segment::Literal(name) => match node.literals.get(name) {
                Some(child) => *child,
                None => *node.literals.entry(name.clone()).or_insert(next),
            },
            Segment::Glob(glob) => *node.globs.slot(glob).entry(glob.clone()).or_insert(next),
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    /// What each section says about a path, split at `/`; sections that say nothing are left out.
    pub(super) fn rulings(&self, path: &[&str]) -> BTreeMap<usize, Ruling> {
        let mut rulings: BTreeMap<usize, Ruling> = BTreeMap::new();
        let mut take = |rules: &Rules| {
            for ((section, excludes), line) in rules {
                let rule = Rule {
                    section: *section,
                    excludes: *excludes,
                    line: *line,
                };
                rulings.entry(*section).or_default().take(rule);
            }
        };
        // Nodes reached by exactly the segments taken so far, and nodes after `**`, which once reached stay so.
        let mut reached = vec![ROOT];
        let mut staying: BTreeSet<usize> = BTreeSet::new();
        let mut next = Vec::new();
        for taken in 0..=path.len() {
            let after_any = |at: &usize| self.nodes.get(*at).and_then(|node| node.any);
            staying.extend(reached.iter().filter_map(after_any));
            for at in reached.iter().chain(&staying) {
                let Some(node) = self.nodes.get(*at) else {
                    continue;
                };
                take(&node.tree);
                let Some(name) = path.get(taken) else {
                    take(&node.here);
                    continue;
                };
                take(&node.below);
                next.extend(node.literals.get(*name));
                node.globs.fitting(name, &mut next);
            }
            reached.clear();
            std::mem::swap(&mut reached, &mut next);
        }
        rulings
    }
}
