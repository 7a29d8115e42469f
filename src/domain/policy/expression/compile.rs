//! From text to an expression whose names exist, or to the fault with its place.

mod calls;
mod decided;

use std::{collections::BTreeSet, sync::Arc};

use cel::{
    Env, IdedExpr,
    common::ast::{Expr, LiteralValue, SelectExpr, SourceInfo},
};

use super::{
    Expression, MAX_NESTED, function,
    kinds::{Kind, Kinds, Told},
    names::Names,
    node::{Access, Node, Path},
    scope::Root,
    text::{bounded, first},
};
use crate::domain::{
    policy::{error::unknown, param::ParamPath},
    source::{Fault, Mark},
};

/// The deepest tree of operators; a longer chain of `+` belongs into a list with `sum()`.
const MAX_DEEP: usize = 64;

impl Expression {
    /// Compiles a condition; `mark` is where its text stands. Errors: what can't be parsed, is not bounded, names what
    /// does not exist, or has a part that never has an answer, whatever is asked; at its place within the text where the
    /// text stands on one line.
    pub fn compile(text: &str, names: &Names<'_>, mark: Option<Mark>) -> Result<Self, Fault> {
        Self::lowered(text, names, mark, 0)
    }

    /// The same, taken as it is when `unasked` says that nothing of it is ever asked.
    pub(super) fn lowered(
        text: &str,
        names: &Names<'_>,
        mark: Option<Mark>,
        unasked: usize,
    ) -> Result<Self, Fault> {
        let at = |offset: usize, length: usize| mark.map(|mark| mark.within(text, offset, length));
        bounded(text).map_err(|message| Fault::new(mark, message))?;
        let parser = Env::default().parser().max_recursion_depth(MAX_NESTED_PARSER);
        let (tree, places) = parser.parse_with_source_info(text).map_err(|errors| {
            let (offset, message) = first(&errors, text);
            Fault::new(at(offset, 0), format!("not an expression: {message}"))
        })?;
        let mut lower = Lower {
            names,
            places: &places,
            mark,
            text,
            locals: Vec::new(),
            roots: BTreeSet::new(),
            params: BTreeSet::new(),
            unasked,
        };
        let root = lower.condition(&tree)?;
        let (roots, params) = (lower.roots, lower.params);
        Ok(Self {
            text: text.into(),
            root: Arc::new(root),
            roots,
            params,
        })
    }
}

/// How deep the parser goes into brackets and the parts of `? :` together.
const MAX_NESTED_PARSER: u16 = MAX_NESTED as u16 + 2;

struct Lower<'a> {
    names: &'a Names<'a>,
    places: &'a SourceInfo,
    mark: Option<Mark>,
    text: &'a str,
    /// The loops' variables, and where each one's values stand when it is a place in the parameters or claims.
    locals: Vec<(String, Known<'a>)>,
    roots: BTreeSet<Root>,
    params: BTreeSet<ParamPath>,
    /// How many parts around this one say that it is never asked.
    unasked: usize,
}

/// Where a value stands and what it is, as far as the text alone tells.
#[derive(Debug, Clone, Default)]
struct Known<'a> {
    /// As written.
    shown: String,
    place: Place,
    kind: Kind<'a>,
}

impl<'a> Known<'a> {
    /// What is computed.
    fn computed(kind: Kind<'a>) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
enum Place {
    /// Computed, or in what was observed.
    #[default]
    Elsewhere,
    /// A variable as a whole.
    Root(Root),
    /// In the parameters of an item.
    Param(Vec<String>),
    /// Under `change`, `affected.deltas` and the like, where anything may stand.
    Observed,
    /// In what is only claimed. INVARIANT i13.
    Claimed,
}

impl<'a> Lower<'a> {
    fn fault(&self, of: &IdedExpr, message: impl Into<String>) -> Fault {
        Fault::new(self.mark_of(of), message)
    }
    fn mark_of(&self, of: &IdedExpr) -> Option<Mark> {
        let mark = self.mark?;
        let (start, stop) = self.places.offset_for(of.id).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or(0);
        let length = usize::try_from(stop).unwrap_or(0).saturating_sub(start) + 1;
        Some(mark.within(self.text, start, length))
    }
    fn unknown(
        &self,
        of: &IdedExpr,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'static str>,
    ) -> Fault {
        unknown(self.mark_of(of), what, name, known)
    }

    /// The whole.
    fn condition(&mut self, of: &IdedExpr) -> Result<Node, Fault> {
        let (node, known) = self.known(of, 0)?;
        if self.asks(&known) && !known.kind.kinds.can_be(Kinds::BOOL) {
            let told = told(&node, &known);
            let message = format!("this gives {}; a condition gives true or false", told.text());
            return Err(self.fault(of, message).with_help(Some(told.asked())));
        }
        Ok(node)
    }

    /// A part of which an operator or loop takes nothing but true or false.
    fn bool(&mut self, what: &str, of: &IdedExpr, deep: usize) -> Result<Node, Fault> {
        let (node, known) = self.known(of, deep)?;
        if self.asks(&known) && !known.kind.kinds.can_be(Kinds::BOOL) {
            let told = told(&node, &known);
            let message = format!("`{what}` takes true or false, and this gives {}", told.text());
            return Err(self.fault(of, message).with_help(Some(told.asked())));
        }
        Ok(node)
    }

    /// Whether it is ever asked what this part gives; what has no kind left was never asked itself.
    fn asks(&self, known: &Known<'_>) -> bool {
        self.unasked == 0 && known.kind.kinds != Kinds::NONE
    }

    fn known(&mut self, of: &IdedExpr, deep: usize) -> Result<(Node, Known<'a>), Fault> {
        if deep > MAX_DEEP {
            return Err(self.fault(
                of,
                format!("operators nested deeper than {MAX_DEEP} levels; split it"),
            ));
        }
        let deep = deep + 1;
        match &of.expr {
            Expr::Literal(value) => self.literal(of, value),
            Expr::Ident(name) => self.name(of, name),
            Expr::Select(select) => {
                let (access, known) = self.select(of, select, deep)?;
                Ok((Node::Field(Box::new(access)), known))
            }
            Expr::List(list) => {
                let (mut items, mut kinds) = (Vec::new(), Kinds::NONE);
                for item in &list.elements {
                    let (item, known) = self.known(item, deep)?;
                    kinds = kinds.or(known.kind.kinds);
                    items.push(item);
                }
                let kind = Kind::list(kinds, !items.is_empty());
                Ok((Node::List(items), Known::computed(kind)))
            }
            Expr::Call(call) => self.call(of, call, deep),
            Expr::Map(_) | Expr::Struct(_) => Err(self.fault(
                of,
                "maps can't be written in a condition; compare fields one by one",
            )),
            Expr::Comprehension(_) | Expr::Unspecified => {
                Err(self.fault(of, "this can't stand in a condition"))
            }
        }
    }

    fn literal(&self, of: &IdedExpr, value: &LiteralValue) -> Result<(Node, Known<'a>), Fault> {
        let (node, kinds) = match value {
            LiteralValue::Boolean(value) => (Node::Bool(*value.inner()), Kinds::BOOL),
            LiteralValue::Int(value) => (Node::Int(*value.inner()), Kinds::INT),
            LiteralValue::String(value) => (Node::Text(value.inner().into()), Kinds::TEXT),
            LiteralValue::Null => (Node::Null, Kinds::NULL),
            LiteralValue::Double(_) => {
                return Err(self.fault(
                    of,
                    "fractions are not supported; use whole numbers, money in minor units",
                ));
            }
            LiteralValue::UInt(_) => return Err(self.fault(of, "write the number without `u`")),
            LiteralValue::Bytes(_) => return Err(self.fault(of, "bytes are not supported; use text")),
        };
        Ok((node, Known::computed(Kind::of(kinds))))
    }

    fn name(&mut self, of: &IdedExpr, name: &str) -> Result<(Node, Known<'a>), Fault> {
        let local = self.locals.iter().rposition(|(known, _)| known == name);
        if let Some((_, known)) = local.and_then(|at| self.locals.get(at)) {
            return Ok((Node::Local(local.unwrap_or_default()), known.clone()));
        }
        let Some(root) = Root::ALL.into_iter().find(|root| root.name() == name) else {
            return Err(self.unknown(of, "variable", name, Root::ALL.map(Root::name)));
        };
        match root {
            Root::Change | Root::Affected if !self.names.observed => {
                let message =
                    format!("`{name}` is read by `observe`, which this action does not have; add it");
                return Err(self.fault(of, message));
            }
            Root::Claimed if !self.names.claimed => {
                let message = "`claimed` is what only the agent says; it can raise a tier by `escalate` and count nowhere else";
                return Err(self.fault(of, message));
            }
            Root::Params
            | Root::Items
            | Root::Change
            | Root::Affected
            | Root::Totals
            | Root::Agent
            | Root::Sponsor
            | Root::Now
            | Root::Action
            | Root::Claimed
            | Root::Observed => {}
        }
        self.roots.insert(root);
        let place = match root {
            Root::Params => Place::Param(Vec::new()),
            Root::Claimed => Place::Claimed,
            other => Place::Root(other),
        };
        let known = Known {
            shown: name.into(),
            place,
            kind: Kind::root(root, self.names.params),
        };
        Ok((Node::Root(root), known))
    }

    fn select(
        &mut self,
        of: &IdedExpr,
        select: &SelectExpr,
        deep: usize,
    ) -> Result<(Access, Known<'a>), Fault> {
        let (node, known) = self.known(&select.operand, deep)?;
        let field = select.field.as_str();
        let place = self.field(of, &known.place, field)?;
        if self.asks(&known) && !known.kind.kinds.can_be(Kinds::MAP) {
            let what = told(&node, &known).text();
            let is_function = function::names().any(|name| name == field);
            let called = is_function.then(|| format!("write `{field}()` to call it"));
            let fault = self.fault(of, format!("there is no field `{field}` in {what}"));
            return Err(fault.with_help(called));
        }
        let shown = if known.shown.is_empty() {
            field.into()
        } else {
            format!("{}.{field}", known.shown)
        };
        let kind = self.kind_of_field(&known, field);
        let access = Access {
            of: node,
            field: field.into(),
            path: Path {
                text: shown.as_str().into(),
                claimed: place == Place::Claimed,
                mark: self.mark_of(of),
            },
        };
        Ok((access, Known { shown, place, kind }))
    }

    fn kind_of_field(&self, of: &Known<'a>, field: &str) -> Kind<'a> {
        let root = match &of.place {
            Place::Root(root) => Some(*root),
            Place::Elsewhere | Place::Param(_) | Place::Observed | Place::Claimed => None,
        };
        of.kind.field(root, field, self.names.params)
    }

    /// Where a field of a place is. Errors: a place that has no such field.
    fn field(&mut self, of: &IdedExpr, place: &Place, field: &str) -> Result<Place, Fault> {
        let one_of = |fields: &[&'static str]| {
            if fields.contains(&field) {
                Ok(Place::Observed)
            } else {
                Err(self.unknown(of, "field", field, fields.iter().copied()))
            }
        };
        match place {
            Place::Param(path) => {
                let mut path = path.clone();
                path.push(field.into());
                self.param(of, &path)?;
                Ok(Place::Param(path))
            }
            Place::Claimed => Ok(Place::Claimed),
            Place::Root(Root::Change) => one_of(&["before", "after"]),
            Place::Root(Root::Affected) => one_of(&["count", "audience", "deltas"]),
            Place::Root(Root::Totals) => match self.names.totals {
                Some(totals) if !totals.iter().any(|name| name == field) => {
                    let known = totals.iter().map(String::as_str);
                    let fault = unknown(self.mark_of(of), "limit", field, known);
                    Err(match totals {
                        [] => fault.with_help(Some("the action declares no `limits`".into())),
                        _ => fault,
                    })
                }
                Some(_) | None => Ok(Place::Elsewhere),
            },
            Place::Root(root) => {
                let message = format!("`{}` has no fields", root.name());
                Err(self.fault(of, message))
            }
            Place::Observed | Place::Elsewhere => Ok(place.clone()),
        }
    }

    fn param(&mut self, of: &IdedExpr, path: &[String]) -> Result<(), Fault> {
        let Some(schema) = self.names.params else {
            return Ok(());
        };
        let Some(param) = ParamPath::inner(&path.join(".")) else {
            return Err(self.fault(of, format!("`{}` is not a parameter's name", path.join("."))));
        };
        if schema.find(&param).is_none() {
            // What the schema leaves open, as in the fields of a free object, has no schema of its own to look at.
            let open = path.len() > 1 && schema.is_open(&param);
            if !open {
                let paths = schema.paths();
                let known = paths.iter().map(String::as_str);
                return Err(unknown(self.mark_of(of), "parameter", &param.dotted(), known));
            }
        }
        if self.names.sensitive.iter().any(|sealed| param.is_within(sealed)) {
            let message = format!("`{param}` is sensitive; no rule can read it, use another parameter");
            return Err(self.fault(of, message));
        }
        let outer: Vec<ParamPath> = self
            .params
            .iter()
            .filter(|known| param.is_within(known))
            .cloned()
            .collect();
        outer.iter().for_each(|known| {
            self.params.remove(known);
        });
        self.params.insert(param);
        Ok(())
    }
}

fn told<'t>(node: &'t Node, known: &'t Known<'t>) -> Told<'t> {
    Told {
        node,
        shown: &known.shown,
        kind: known.kind,
    }
}
