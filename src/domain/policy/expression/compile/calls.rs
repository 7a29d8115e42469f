//! Operators, functions and loops.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};
use regex::RegexBuilder;

use super::{Known, Lower, Place, decided::decided, told};
use crate::domain::{
    policy::expression::{
        MAX_LOOPS,
        function::{self, Function},
        kinds::{Kind, Kinds, binary as kinds_of, called, instead, unreadable},
        node::{Binary, Loop, LoopKind, Node, Path},
        scope::Root,
    },
    source::{Fault, nearest},
};

/// The longest pattern of `matches`, in bytes.
const MAX_PATTERN: usize = 256;
/// The largest compiled pattern, in bytes.
const MAX_AUTOMATON: usize = 1 << 18;

impl<'a> Lower<'a> {
    pub(super) fn call(
        &mut self,
        of: &IdedExpr,
        call: &CallExpr,
        deep: usize,
    ) -> Result<(Node, Known<'a>), Fault> {
        let truth = |node| Ok((node, Known::computed(Kind::of(Kinds::BOOL))));
        let name = call.func_name.as_str();
        match (name, &call.target, call.args.as_slice()) {
            (operators::LOGICAL_AND, None, [one, other]) => {
                let (one, other) = self.either("&&", one, other, false, deep)?;
                truth(Node::And(Box::new(one), Box::new(other)))
            }
            (operators::LOGICAL_OR, None, [one, other]) => {
                let (one, other) = self.either("||", one, other, true, deep)?;
                truth(Node::Or(Box::new(one), Box::new(other)))
            }
            (operators::CONDITIONAL, None, [when, then, otherwise]) => {
                let chosen = decided(when, self.names.action);
                let when = self.bool("? :", when, deep)?;
                let (then, first) = self.part(then, chosen == Some(false), deep)?;
                let (otherwise, second) = self.part(otherwise, chosen == Some(true), deep)?;
                let kinds = first.kind.kinds.or(second.kind.kinds);
                let node = Node::If(Box::new([when, then, otherwise]));
                Ok((node, Known::computed(Kind::of(kinds))))
            }
            (operators::LOGICAL_NOT, None, [of]) => truth(Node::Not(Box::new(self.bool("!", of, deep)?))),
            (operators::NEGATE, None, [value]) => {
                let (node, known) = self.known(value, deep)?;
                if self.asks(&known) && !known.kind.kinds.can_be(Kinds::INT.or(Kinds::SPAN)) {
                    let what = told(&node, &known).text();
                    return Err(self.fault(of, format!("`-` never has an answer for {what}")));
                }
                let kind = Kind::of(known.kind.kinds);
                Ok((Node::Negate(Box::new(node)), Known::computed(kind)))
            }
            (operators::INDEX, None, [value, at]) => self.index(of, value, at, deep),
            ("has", None, [field]) => match &field.expr {
                Expr::Select(select) => {
                    let (access, _) = self.select(field, select, deep)?;
                    truth(Node::Has(Box::new(access)))
                }
                _ => Err(self.fault(of, "`has` takes a field, as in `has(claimed.audience)`")),
            },
            ("matches", target, args) => self.matches(of, target.as_deref(), args, deep),
            (_, None, [one, other]) if binary(name).is_some() => {
                let sign = binary(name).unwrap_or(Binary::Equal);
                self.between(of, sign, one, other, deep)
            }
            (_, Some(target), args) if LoopKind::of(name).is_some() && args.len() >= 2 => {
                let kind = LoopKind::of(name).unwrap_or(LoopKind::All);
                self.each(of, kind, target, args, deep)
            }
            (_, target, args) => {
                let all = target.as_deref().into_iter().chain(args);
                let function = Function::of(name, target.is_some(), all.clone().count());
                let function = function.map_err(|shape| match shape {
                    Some(shape) => self
                        .fault(of, format!("`{name}` is not called like this"))
                        .with_help(Some(shape)),
                    None => self.no_function(of, name),
                })?;
                self.function(of, function, all, deep)
            }
        }
    }

    /// A part, and whether what stands around it says that it is never asked.
    fn part(&mut self, of: &IdedExpr, unasked: bool, deep: usize) -> Result<(Node, Known<'a>), Fault> {
        self.unasked += usize::from(unasked);
        let found = self.known(of, deep);
        self.unasked -= usize::from(unasked);
        match found {
            Ok((node, known)) if unasked => Ok((
                node,
                Known {
                    kind: Kind::of(Kinds::NONE),
                    ..known
                },
            )),
            other => other,
        }
    }

    /// Both sides of `&&` or `||`: where one alone decides, nothing is asked of the other.
    fn either(
        &mut self,
        sign: &str,
        one: &IdedExpr,
        other: &IdedExpr,
        decides: bool,
        deep: usize,
    ) -> Result<(Node, Node), Fault> {
        let unasked = [one, other].map(|side| decided(side, self.names.action) == Some(decides));
        let mut side = |of: &IdedExpr, unasked: bool| {
            self.unasked += usize::from(unasked);
            let found = self.bool(sign, of, deep);
            self.unasked -= usize::from(unasked);
            found
        };
        let [by_one, by_other] = unasked;
        Ok((side(one, by_other)?, side(other, by_one)?))
    }

    fn between(
        &mut self,
        of: &IdedExpr,
        sign: Binary,
        one: &IdedExpr,
        other: &IdedExpr,
        deep: usize,
    ) -> Result<(Node, Known<'a>), Fault> {
        let ((one, first), (other, second)) = (self.known(one, deep)?, self.known(other, deep)?);
        let found = kinds_of(sign, first.kind, second.kind);
        if found.is_none() && self.asks(&first) && self.asks(&second) {
            let (first, second) = (told(&one, &first), told(&other, &second));
            let message = format!(
                "`{}` never has an answer for {} and {}",
                sign.sign(),
                first.text(),
                second.text()
            );
            return Err(self.fault(of, message).with_help(instead(sign, first, second)));
        }
        let node = Node::Binary(sign, Box::new(one), Box::new(other));
        Ok((node, Known::computed(Kind::of(found.unwrap_or(Kinds::NONE)))))
    }

    fn function<'e>(
        &mut self,
        of: &IdedExpr,
        function: Function,
        all: impl Iterator<Item = &'e IdedExpr>,
        deep: usize,
    ) -> Result<(Node, Known<'a>), Fault> {
        let (mut values, mut kinds, mut asked, mut shown) = (Vec::new(), Vec::new(), true, Vec::new());
        for value in all {
            let (node, known) = self.known(value, deep)?;
            asked &= self.asks(&known);
            shown.push(told(&node, &known).text());
            kinds.push(known.kind.kinds);
            values.push(node);
        }
        let found = called(function, &kinds);
        let name = function.name();
        if asked && found.is_none() {
            let message = format!("`{name}` never has an answer for {}", shown.join(" and "));
            return Err(self.fault(of, message));
        }
        if let (true, [value]) = (asked, values.as_slice())
            && let Some(help) = unreadable(function, value)
        {
            let message = format!("`{name}` can't read this text");
            return Err(self.fault(of, message).with_help(Some(help.into())));
        }
        let kind = Kind::of(found.unwrap_or(Kinds::NONE));
        Ok((Node::Call(function, values), Known::computed(kind)))
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
    ) -> Result<(Node, Known<'a>), Fault> {
        let (value, known) = self.known(value, deep)?;
        let name = match &at.expr {
            Expr::Literal(LiteralValue::String(name)) => Some(name.inner()),
            _ => None,
        };
        let (at, by) = self.known(at, deep)?;
        let (list, map) = (
            known.kind.kinds.can_be(Kinds::LIST),
            known.kind.kinds.can_be(Kinds::MAP),
        );
        let (number, text) = (
            by.kind.kinds.can_be(Kinds::INT),
            by.kind.kinds.can_be(Kinds::TEXT),
        );
        if self.asks(&known) && self.asks(&by) && !(list && number || map && text) {
            let message = format!(
                "`[ ]` never has an answer for {} and {}",
                told(&value, &known).text(),
                told(&at, &by).text()
            );
            let help = "a list is asked for an element by its number from 0, a map for a field by its name";
            return Err(self.fault(of, message).with_help(Some(help.into())));
        }
        let place = match (&known.place, name) {
            (Place::Root(Root::Items), None) => Place::Param(Vec::new()),
            (place, Some(name)) => self.field(of, place, name)?,
            (Place::Claimed, None) => Place::Claimed,
            (_, None) => Place::Elsewhere,
        };
        let kind = match name {
            _ if place == Place::Param(Vec::new()) => Kind::params(self.names.params),
            Some(name) => self.kind_of_field(&known, name),
            None if map => Kind::default(),
            None => known.kind.element(self.names.params),
        };
        let shown = format!("{}[]", known.shown);
        let node = Node::Index {
            of: Box::new(value),
            at: Box::new(at),
            path: Path {
                text: shown.as_str().into(),
                claimed: place == Place::Claimed,
                mark: self.mark_of(of),
            },
        };
        // What is computed has no name to be told by.
        let shown = if known.shown.is_empty() {
            String::new()
        } else {
            shown
        };
        Ok((node, Known { shown, place, kind }))
    }

    fn each(
        &mut self,
        of: &IdedExpr,
        kind: LoopKind,
        over: &IdedExpr,
        args: &[IdedExpr],
        deep: usize,
    ) -> Result<(Node, Known<'a>), Fault> {
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
        if self.asks(&known) && !known.kind.kinds.can_be(Kinds::LIST.or(Kinds::MAP)) {
            let what = told(&over, &known).text();
            let message = format!("`{}` never has an answer for {what}", kind.name());
            let help = "it goes through a list, or the names in a map";
            return Err(self.fault(of, message).with_help(Some(help.into())));
        }
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
            kind: match place {
                Place::Param(_) => Kind::params(self.names.params),
                Place::Elsewhere | Place::Root(_) | Place::Observed | Place::Claimed => {
                    known.kind.element(self.names.params)
                }
            },
            place,
        };
        self.locals.push((variable_name.clone(), element));
        let when = when.map(|when| self.bool(kind.name(), when, deep)).transpose();
        let body = match kind {
            LoopKind::Map => self.known(body, deep),
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne | LoopKind::Filter => self
                .bool(kind.name(), body, deep)
                .map(|node| (node, Known::computed(Kind::of(Kinds::BOOL)))),
        };
        self.locals.truncate(depth);
        let (body, given) = body?;
        let each = Loop {
            kind,
            depth,
            over,
            when: when?,
            body,
        };
        let known = match kind {
            LoopKind::Filter => Known {
                kind: known.kind.filtered(),
                ..known
            },
            LoopKind::Map => Known::computed(Kind::list(given.kind.kinds, false)),
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Known::computed(Kind::of(Kinds::BOOL)),
        };
        Ok((Node::Loop(Box::new(each)), known))
    }

    fn matches(
        &mut self,
        of: &IdedExpr,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
        deep: usize,
    ) -> Result<(Node, Known<'a>), Fault> {
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
        let (text, known) = self.known(text, deep)?;
        if self.asks(&known) && !known.kind.kinds.can_be(Kinds::TEXT) {
            let what = told(&text, &known).text();
            return Err(self.fault(of, format!("`matches` never has an answer for {what}")));
        }
        let node = Node::Matches(Box::new(text), compiled);
        Ok((node, Known::computed(Kind::of(Kinds::BOOL))))
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
