//! Where an action's resource stands in the tree that CODEOWNERS owns.

use std::fmt;

use serde_json::Value;

use super::param::{ParamPath, ResourceError, segment};

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
    /// The path of a proposal whose parameters are all `x`, which no line of CODEOWNERS is likely to name.
    pub(super) fn example(&self) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Param(_) => "/x".into(),
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
