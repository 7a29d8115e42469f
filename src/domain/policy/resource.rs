//! Where an action's resource stands in the tree that CODEOWNERS owns.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;

use super::{
    param::{ParamPath, ResourceError, segment},
    pattern::{self, End, Pattern},
};

/// A pattern as in `/payments/suppliers/{supplier_id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourcePattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Param(ParamPath),
}

impl ResourcePattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const RULE: &str = "write a path from `/` whose segments are each a plain name or one `{parameter}`";
        let path = text
            .strip_prefix('/')
            .filter(|path| text.len() <= 500 && !path.is_empty())
            .ok_or_else(|| format!("`{}` is not a resource; {RULE}", text.escape_debug()))?;
        path.split('/')
            .map(|part| {
                let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
                let segment = match inner {
                    Some(name) => ParamPath::inner(name).map(Segment::Param),
                    None => is_literal(part).then(|| Segment::Literal(part.into())),
                };
                segment.ok_or_else(|| format!("the segment `{}` can't be used; {RULE}", part.escape_debug()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
    /// The parameters that the pattern takes.
    pub fn params(&self) -> impl Iterator<Item = &ParamPath> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Literal(_) => None,
            Segment::Param(param) => Some(param),
        })
    }
    /// A path that this pattern gives for some parameters and that a pattern of CODEOWNERS matches; none when there is
    /// none. What the pattern of CODEOWNERS leaves open is `x`.
    pub(super) fn example_for(&self, owners: &Pattern) -> Option<String> {
        let mut dead = BTreeSet::new();
        let parts = align(owners.segments(), owners.end(), &self.0, &mut dead)?;
        Some(parts.iter().rev().map(|part| format!("/{part}")).collect())
    }
    /// The path of a proposal whose parameters are all `x`, which no line of CODEOWNERS is likely to name.
    pub(super) fn example(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Param(_) => format!("/{OPEN}"),
        };
        self.0.iter().map(part).collect()
    }
    /// Its longest beginning without parameters, as in `/payments/suppliers`.
    pub(super) fn top(&self) -> String {
        let literals = self.0.iter().map_while(|segment| match segment {
            Segment::Literal(text) => Some(format!("/{text}")),
            Segment::Param(_) => None,
        });
        literals.collect()
    }
    /// The path for these parameters. Errors: a value that could change the path or hide in it.
    pub fn path(&self, params: &Value) -> Result<String, ResourceError> {
        let mut path = String::new();
        for part in &self.0 {
            path.push('/');
            match part {
                Segment::Literal(text) => path.push_str(text),
                Segment::Param(param) => path.push_str(&segment(param, params)?),
            }
        }
        Ok(path)
    }
}

/// The parts of a path, the last one first, that both patterns match. `dead` holds what was tried in vain, as the
/// lengths that were left.
fn align(
    owners: &[pattern::Segment],
    end: End,
    resource: &[Segment],
    dead: &mut BTreeSet<(usize, usize)>,
) -> Option<Vec<String>> {
    if !dead.insert((owners.len(), resource.len())) {
        return None;
    }
    let open = |part: &Segment| match part {
        Segment::Literal(text) => text.clone(),
        Segment::Param(_) => OPEN.to_owned(),
    };
    let Some((first, rest)) = owners.split_first() else {
        let fits = match end {
            End::Here => resource.is_empty(),
            End::Tree => true,
            End::Below => !resource.is_empty(),
        };
        return fits.then(|| resource.iter().rev().map(open).collect());
    };
    let next = resource.split_first();
    let (taken, owners) = match (first, next) {
        (pattern::Segment::Any, next) => {
            // `**` ends here, or takes one part more.
            if let Some(found) = align(rest, end, resource, dead) {
                return Some(found);
            }
            (open(next?.0), owners)
        }
        (pattern::Segment::Literal(text), Some((Segment::Literal(part), _))) => {
            ((part == text).then(|| part.clone())?, rest)
        }
        (pattern::Segment::Literal(text), Some((Segment::Param(_), _))) => (text.clone(), rest),
        (pattern::Segment::Glob(glob), Some((Segment::Literal(part), _))) => {
            (glob.fits(part).then(|| part.clone())?, rest)
        }
        (pattern::Segment::Glob(glob), Some((Segment::Param(_), _))) => (glob.example(OPEN), rest),
        (pattern::Segment::Literal(_) | pattern::Segment::Glob(_), None) => return None,
    };
    let mut found = align(owners, end, next?.1, dead)?;
    found.push(taken);
    Some(found)
}

/// Stands for any value; no line of CODEOWNERS is likely to name it.
const OPEN: &str = "x";

fn is_literal(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && !part.contains("..")
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

impl fmt::Display for ResourcePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(text) => write!(f, "/{text}"),
            Segment::Param(param) => write!(f, "/{{{}}}", param.dotted()),
        })
    }
}
