//! From text to an expression whose names exist, or to the fault with its place.

use std::{collections::BTreeSet, sync::Arc};

use cel::{
    Env, IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SelectExpr, SourceInfo, operators},
};
use regex::RegexBuilder;

use super::{
    Expression, MAX_LOOPS, MAX_NESTED,
    function::{self, Function},
    names::Names,
    node::{Access, Binary, Loop, LoopKind, Node, Path},
    scope::Root,
    text::{bounded, first},
};
use crate::domain::{
    policy::{error::unknown, param::ParamPath},
    source::{Fault, Mark, nearest},
};

/// The deepest tree of operators; a longer chain of `+` belongs into a list with `sum()`.
const MAX_DEEP: usize = 64;
/// The longest pattern of `matches`, in bytes.
const MAX_PATTERN: usize = 256;
/// The largest compiled pattern, in bytes.
const MAX_AUTOMATON: usize = 1 << 18;

impl Expression {
    /// Compiles a condition; `mark` is where its text stands. Errors: what can't be parsed, is not bounded, or names
    /// what does not exist, at its place within the text where the text stands on one line.
    pub fn compile(text: &str, names: &Names<'_>, mark: Option<Mark>) -> Result<Self, Fault> {
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
        };
        let root = lower.node(&tree, 0)?;
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
    locals: Vec<(String, Known)>,
    roots: BTreeSet<Root>,
    params: BTreeSet<ParamPath>,
}

/// Where a value stands, as far as the text alone tells.
#[derive(Debug, Clone, Default)]
struct Known {
    /// As written.
    shown: String,
    place: Place,
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

impl Lower<'_> {
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

    fn node(&mut self, of: &IdedExpr, deep: usize) -> Result<Node, Fault> {
        self.known(of, deep).map(|(node, _)| node)
    }

    fn known(&mut self, of: &IdedExpr, deep: usize) -> Result<(Node, Known), Fault> {
        if deep > MAX_DEEP {
            return Err(self.fault(
                of,
                format!("operators nested deeper than {MAX_DEEP} levels; split it"),
            ));
        }
        let deep = deep + 1;
        let computed = |node| Ok((node, Known::default()));
        match &of.expr {
            Expr::Literal(value) => computed(self.literal(of, value)?),
            Expr::Ident(name) => self.name(of, name),
            Expr::Select(select) => {
                let (access, known) = self.select(of, select, deep)?;
                Ok((Node::Field(Box::new(access)), known))
            }
            Expr::List(list) => {
                let items: Result<Vec<Node>, Fault> =
                    list.elements.iter().map(|item| self.node(item, deep)).collect();
                computed(Node::List(items?))
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

    fn literal(&self, of: &IdedExpr, value: &LiteralValue) -> Result<Node, Fault> {
        match value {
            LiteralValue::Boolean(value) => Ok(Node::Bool(*value.inner())),
            LiteralValue::Int(value) => Ok(Node::Int(*value.inner())),
            LiteralValue::String(value) => Ok(Node::Text(value.inner().into())),
            LiteralValue::Null => Ok(Node::Null),
            LiteralValue::Double(_) => Err(self.fault(
                of,
                "fractions are not supported; use whole numbers, money in minor units",
            )),
            LiteralValue::UInt(_) => Err(self.fault(of, "write the number without `u`")),
            LiteralValue::Bytes(_) => Err(self.fault(of, "bytes are not supported; use text")),
        }
    }

    fn name(&mut self, of: &IdedExpr, name: &str) -> Result<(Node, Known), Fault> {
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
        };
        Ok((Node::Root(root), known))
    }

    fn select(&mut self, of: &IdedExpr, select: &SelectExpr, deep: usize) -> Result<(Access, Known), Fault> {
        let (node, known) = self.known(&select.operand, deep)?;
        let field = select.field.as_str();
        let place = self.field(of, &known.place, field)?;
        let shown = if known.shown.is_empty() {
            field.into()
        } else {
            format!("{}.{field}", known.shown)
        };
        let access = Access {
            of: node,
            field: field.into(),
            path: Path {
                text: shown.as_str().into(),
                claimed: place == Place::Claimed,
            },
        };
        Ok((access, Known { shown, place }))
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

    fn call(&mut self, of: &IdedExpr, call: &CallExpr, deep: usize) -> Result<(Node, Known), Fault> {
        let computed = |node| Ok((node, Known::default()));
        let name = call.func_name.as_str();
        match (name, &call.target, call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [one, other]) => {
                let (one, other) = (self.node(one, deep)?, self.node(other, deep)?);
                computed(Node::And(Box::new(one), Box::new(other)))
            }
            (operators::LOGICAL_OR, None, [one, other]) => {
                let (one, other) = (self.node(one, deep)?, self.node(other, deep)?);
                computed(Node::Or(Box::new(one), Box::new(other)))
            }
            (operators::CONDITIONAL, None, [when, then, otherwise]) => {
                let parts = [
                    self.node(when, deep)?,
                    self.node(then, deep)?,
                    self.node(otherwise, deep)?,
                ];
                computed(Node::If(Box::new(parts)))
            }
            (operators::LOGICAL_NOT, None, [of]) => computed(Node::Not(Box::new(self.node(of, deep)?))),
            (operators::NEGATE, None, [of]) => computed(Node::Negate(Box::new(self.node(of, deep)?))),
            (operators::INDEX, None, [value, at]) => self.index(of, value, at, deep),
            ("has", None, [field]) => match &field.expr {
                Expr::Select(select) => {
                    let (access, _) = self.select(field, select, deep)?;
                    computed(Node::Has(Box::new(access)))
                }
                _ => Err(self.fault(of, "`has` takes a field, as in `has(claimed.audience)`")),
            },
            ("matches", target, args) => self.matches(of, target.as_deref(), args, deep),
            (_, None, [one, other]) if binary(name).is_some() => {
                let (one, other) = (self.node(one, deep)?, self.node(other, deep)?);
                let sign = binary(name).unwrap_or(Binary::Equal);
                computed(Node::Binary(sign, Box::new(one), Box::new(other)))
            }
            (_, Some(target), args) if LoopKind::of(name).is_some() && args.len() >= 2 => {
                let kind = LoopKind::of(name).unwrap_or(LoopKind::All);
                self.each(of, kind, target, args, deep)
            }
            (_, target, args) => {
                let mut values = Vec::new();
                let all = target.as_deref().into_iter().chain(args);
                let function = Function::of(name, target.is_some(), all.clone().count());
                let function = function.map_err(|shape| match shape {
                    Some(shape) => self
                        .fault(of, format!("`{name}` is not called like this"))
                        .with_help(Some(shape)),
                    None => self.no_function(of, name),
                })?;
                for value in all {
                    values.push(self.node(value, deep)?);
                }
                computed(Node::Call(function, values))
            }
        }
    }

    fn no_function(&self, of: &IdedExpr, name: &str) -> Fault {
        let name = name.trim_start_matches('.');
        let fault = self.fault(of, format!("unknown function `{}`", name.escape_debug()));
        fault.with_help(nearest(name, function::names()).map(|near| format!("did you mean `{near}`?")))
    }

    fn index(
        &mut self,
        of: &IdedExpr,
        value: &IdedExpr,
        at: &IdedExpr,
        deep: usize,
    ) -> Result<(Node, Known), Fault> {
        let (value, known) = self.known(value, deep)?;
        let name = match &at.expr {
            Expr::Literal(LiteralValue::String(name)) => Some(name.inner().to_owned()),
            _ => None,
        };
        let at = self.node(at, deep)?;
        let place = match (&known.place, name) {
            (Place::Root(Root::Items), None) => Place::Param(Vec::new()),
            (place, Some(name)) => self.field(of, &place.clone(), &name)?,
            (Place::Claimed, None) => Place::Claimed,
            (_, None) => Place::Elsewhere,
        };
        let shown = format!("{}[]", known.shown);
        let node = Node::Index {
            of: Box::new(value),
            at: Box::new(at),
            path: Path {
                text: shown.as_str().into(),
                claimed: place == Place::Claimed,
            },
        };
        Ok((node, Known { shown, place }))
    }

    fn each(
        &mut self,
        of: &IdedExpr,
        kind: LoopKind,
        over: &IdedExpr,
        args: &[IdedExpr],
        deep: usize,
    ) -> Result<(Node, Known), Fault> {
        let (variable, when, body) = match (kind, args) {
            (_, [variable, body]) => (variable, None, body),
            (LoopKind::Map, [variable, when, body]) => (variable, Some(when), body),
            _ => {
                let shape = format!("write `list.{}(x, condition of x)`", kind.name());
                return Err(self
                    .fault(of, format!("`{}` is not called like this", kind.name()))
                    .with_help(Some(shape)));
            }
        };
        let Expr::Ident(variable_name) = &variable.expr else {
            return Err(self.fault(variable, "the first argument of a loop must be a plain name"));
        };
        let taken = Root::ALL.into_iter().any(|root| root.name() == variable_name)
            || self.locals.iter().any(|(known, _)| known == variable_name);
        if taken {
            let message = format!("`{variable_name}` is taken; give the loop's variable another name");
            return Err(self.fault(variable, message));
        }
        let (over, known) = self.known(over, deep)?;
        let depth = self.locals.len();
        if depth >= MAX_LOOPS {
            let message = format!("loops nested deeper than {MAX_LOOPS}; split the expression");
            return Err(self.fault(of, message));
        }
        let place = match &known.place {
            Place::Root(Root::Items) => Place::Param(Vec::new()),
            Place::Claimed => Place::Claimed,
            _ => Place::Elsewhere,
        };
        let element = Known {
            shown: variable_name.clone(),
            place: place.clone(),
        };
        self.locals.push((variable_name.clone(), element));
        let when = when.map(|when| self.node(when, deep)).transpose();
        let body = self.node(body, deep);
        self.locals.truncate(depth);
        let each = Loop {
            kind,
            depth,
            over,
            when: when?,
            body: body?,
        };
        let known = match kind {
            LoopKind::Filter => known,
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Map => Known::default(),
        };
        Ok((Node::Loop(Box::new(each)), known))
    }

    fn matches(
        &mut self,
        of: &IdedExpr,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
        deep: usize,
    ) -> Result<(Node, Known), Fault> {
        let (text, pattern) = match (target, args) {
            (Some(text), [pattern]) | (None, [text, pattern]) => (text, pattern),
            _ => {
                let fault = self.fault(of, "`matches` is not called like this");
                return Err(fault.with_help(Some("write `text.matches('pattern')`".into())));
            }
        };
        let Expr::Literal(LiteralValue::String(source)) = &pattern.expr else {
            return Err(self.fault(pattern, "the pattern of `matches` must be written out as text"));
        };
        let source = source.inner();
        if source.len() > MAX_PATTERN {
            let message = format!(
                "the pattern has {} bytes; {MAX_PATTERN} is the limit",
                source.len()
            );
            return Err(self.fault(pattern, message));
        }
        let compiled = RegexBuilder::new(source).size_limit(MAX_AUTOMATON).build();
        let compiled = compiled.map_err(|_| {
            self.fault(pattern, "not a pattern of bounded size; groups that look around and references back are not supported")
        })?;
        let text = self.node(text, deep)?;
        Ok((Node::Matches(Box::new(text), compiled), Known::default()))
    }
}

fn binary(name: &str) -> Option<Binary> {
    Some(match name {
        operators::ADD => Binary::Add,
        operators::SUBSTRACT => Binary::Subtract,
        operators::MULTIPLY => Binary::Multiply,
        operators::DIVIDE => Binary::Divide,
        operators::MODULO => Binary::Remainder,
        operators::EQUALS => Binary::Equal,
        operators::NOT_EQUALS => Binary::NotEqual,
        operators::LESS => Binary::Less,
        operators::LESS_EQUALS => Binary::LessOrEqual,
        operators::GREATER => Binary::Greater,
        operators::GREATER_EQUALS => Binary::GreaterOrEqual,
        operators::IN => Binary::In,
        _ => return None,
    })
}
