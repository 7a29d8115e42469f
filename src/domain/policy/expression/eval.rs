//! Asking an expression, step by step.

use std::{borrow::Cow, rc::Rc};

use serde_json::{Map, Value};

use super::{
    ExpressionError as Error, MAX_LIST, MAX_TEXT, TEXT_STEP,
    node::{Access, Binary, Loop, LoopKind, Node, Path},
    scope::{Root, Scope},
};
use crate::domain::sealed::placeholder_of;

/// A value while an expression is asked.
#[derive(Debug, Clone)]
pub(super) enum Val<'s> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'s, str>),
    /// Milliseconds since 1970.
    Time(i64),
    /// Milliseconds.
    Span(i64),
    Array(&'s [Value]),
    Fields(&'s Map<String, Value>),
    List(Rc<[Val<'s>]>),
    Record(Rc<[(&'s str, Val<'s>)]>),
}

impl<'s> Val<'s> {
    /// A JSON value as it is. Errors: a sealed value, and a number that is not a whole one of 64 bits.
    pub(super) fn of(value: &'s Value) -> Result<Self, Error> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => Self::Int(value.as_i64().ok_or(Error::Overflow("a number"))?),
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Array(items) => Self::Array(items),
            Value::Object(_) if placeholder_of(value).is_some() => {
                return Err(Error::Sealed("a sensitive value".into()));
            }
            Value::Object(fields) => Self::Fields(fields),
        })
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Time(_) => "a time",
            Self::Span(_) => "a duration",
            Self::Array(_) | Self::List(_) => "a list",
            Self::Fields(_) | Self::Record(_) => "a map",
        }
    }

    /// How many elements or fields it has.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            Self::Fields(fields) => Some(fields.len()),
            Self::Record(fields) => Some(fields.len()),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Text(_) | Self::Time(_) | Self::Span(_) => None,
        }
    }

    /// The elements of a list; none for anything else.
    pub(super) fn elements(&self, run: &mut Run<'_, 's>) -> Result<Option<Vec<Self>>, Error> {
        let found = match self {
            Self::Array(items) => items.iter().map(Self::of).collect::<Result<Vec<_>, _>>()?,
            Self::List(items) => items.to_vec(),
            _ => return Ok(None),
        };
        run.steps(found.len())?;
        Ok(Some(found))
    }

    fn field(&self, name: &str) -> Option<Result<Self, Error>> {
        match self {
            Self::Fields(fields) => fields.get(name).map(Self::of),
            Self::Record(fields) => {
                let found = fields.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| Ok(value.clone()))
            }
            _ => None,
        }
    }
    const fn has_fields(&self) -> bool {
        matches!(self, Self::Fields(_) | Self::Record(_))
    }
}

/// One evaluation: what it reads, and how far it may still go.
pub(super) struct Run<'r, 's> {
    scope: &'s Scope<'s>,
    left: &'r mut u32,
    roots: Vec<(Root, Val<'s>)>,
    locals: Vec<Val<'s>>,
}

/// Asks a condition; `left` is how many steps it may still take.
pub(super) fn run<'s>(root: &'s Node, scope: &'s Scope<'s>, left: &mut u32) -> Result<bool, Error> {
    let mut run = Run {
        scope,
        left,
        roots: Vec::new(),
        locals: Vec::new(),
    };
    match run.eval(root)? {
        Val::Bool(holds) => Ok(holds),
        other => Err(Error::NotBool(other.kind())),
    }
}

impl<'s> Run<'_, 's> {
    pub(super) fn step(&mut self) -> Result<(), Error> {
        self.steps(1)
    }
    pub(super) fn steps(&mut self, count: usize) -> Result<(), Error> {
        let left = u32::try_from(count)
            .ok()
            .and_then(|count| self.left.checked_sub(count));
        // What is spent stays spent: nothing after an error may start again.
        *self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Error::Budget)
    }
    /// Text that is read or written.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Error> {
        self.steps(bytes.div_ceil(TEXT_STEP))
    }

    fn eval(&mut self, node: &'s Node) -> Result<Val<'s>, Error> {
        self.step()?;
        match node {
            Node::Null => Ok(Val::Null),
            Node::Bool(value) => Ok(Val::Bool(*value)),
            Node::Int(value) => Ok(Val::Int(*value)),
            Node::Text(text) => Ok(Val::Text(Cow::Borrowed(text))),
            Node::Root(root) => self.root(*root),
            Node::Local(depth) => self.locals.get(*depth).cloned().ok_or(Error::Index(0)),
            Node::Field(access) => {
                let of = self.eval(&access.of)?;
                match of.field(&access.field) {
                    Some(found) => found.map_err(|error| named(error, &access.path)),
                    None if of.has_fields() => Err(missing(&access.path)),
                    None => Err(no_fields(&of)),
                }
            }
            Node::Has(access) => self.has(access),
            Node::Index { of, at, path } => {
                let (of, at) = (self.eval(of)?, self.eval(at)?);
                index(&of, &at, path)
            }
            Node::Not(of) => match self.eval(of)? {
                Val::Bool(value) => Ok(Val::Bool(!value)),
                other => Err(kind("!", &[&other])),
            },
            Node::Negate(of) => match self.eval(of)? {
                Val::Int(value) => value.checked_neg().map(Val::Int).ok_or(Error::Overflow("-")),
                Val::Span(value) => value.checked_neg().map(Val::Span).ok_or(Error::Overflow("-")),
                other => Err(kind("-", &[&other])),
            },
            Node::And(one, other) => self.either(one, other, "&&", false),
            Node::Or(one, other) => self.either(one, other, "||", true),
            Node::If(parts) => {
                let [when, then, otherwise] = parts.as_ref();
                match self.eval(when)? {
                    Val::Bool(true) => self.eval(then),
                    Val::Bool(false) => self.eval(otherwise),
                    other => Err(kind("? :", &[&other])),
                }
            }
            Node::Binary(sign, one, other) => {
                let (one, other) = (self.eval(one)?, self.eval(other)?);
                self.binary(*sign, &one, &other)
            }
            Node::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.eval(item)).collect();
                Ok(Val::List(items?.into()))
            }
            Node::Loop(each) => self.each(each),
            Node::Call(function, values) => {
                let values: Result<Vec<_>, _> = values.iter().map(|value| self.eval(value)).collect();
                function.call(self, &values?)
            }
            Node::Matches(text, pattern) => match self.eval(text)? {
                Val::Text(text) => {
                    // The engine is linear in the text for a pattern of bounded size; a byte costs it more than most.
                    self.steps(text.len())?;
                    Ok(Val::Bool(pattern.is_match(&text)))
                }
                other => Err(kind("matches", &[&other])),
            },
        }
    }

    fn root(&mut self, root: Root) -> Result<Val<'s>, Error> {
        if let Some((_, found)) = self.roots.iter().find(|(known, _)| *known == root) {
            return Ok(found.clone());
        }
        let found = self.scope.root(root)?;
        self.steps(found.len().unwrap_or(0))?;
        self.roots.push((root, found.clone()));
        Ok(found)
    }

    /// CEL's presence test: whether the last field is there; everything before it must be.
    fn has(&mut self, access: &'s Access) -> Result<Val<'s>, Error> {
        let of = self.eval(&access.of)?;
        match of.field(&access.field) {
            Some(Ok(_) | Err(Error::Sealed(_))) => Ok(Val::Bool(true)),
            Some(Err(error)) => Err(error),
            None if of.has_fields() => Ok(Val::Bool(false)),
            None => Err(no_fields(&of)),
        }
    }

    /// `&&` and `||`: the one decides alone when it gives `decides`, and so does the other, whatever error the one has.
    fn either(
        &mut self,
        one: &'s Node,
        other: &'s Node,
        sign: &'static str,
        decides: bool,
    ) -> Result<Val<'s>, Error> {
        let one = self.bool(one, sign);
        if one == Ok(decides) {
            return Ok(Val::Bool(decides));
        }
        match (one, self.bool(other, sign)) {
            (_, Ok(found)) if found == decides => Ok(Val::Bool(decides)),
            (Ok(_), other) => other.map(Val::Bool),
            (Err(error), Ok(_)) => Err(error),
            (Err(one), Err(other)) => Err(worse(one, other)),
        }
    }

    fn bool(&mut self, node: &'s Node, what: &'static str) -> Result<bool, Error> {
        match self.eval(node)? {
            Val::Bool(value) => Ok(value),
            other => Err(kind(what, &[&other])),
        }
    }

    fn binary(&mut self, sign: Binary, one: &Val<'s>, other: &Val<'s>) -> Result<Val<'s>, Error> {
        use Binary as B;
        let wrong = || kind(sign.sign(), &[one, other]);
        match sign {
            B::Equal => self.same(one, other, sign).map(Val::Bool),
            B::NotEqual => self.same(one, other, sign).map(|same| Val::Bool(!same)),
            B::In => self.within(one, other),
            B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => {
                let order = match (one, other) {
                    (Val::Int(one), Val::Int(other))
                    | (Val::Time(one), Val::Time(other))
                    | (Val::Span(one), Val::Span(other)) => one.cmp(other),
                    (Val::Text(one), Val::Text(other)) => {
                        self.read(one.len().min(other.len()))?;
                        one.cmp(other)
                    }
                    _ => return Err(wrong()),
                };
                Ok(Val::Bool(match sign {
                    B::Less => order.is_lt(),
                    B::LessOrEqual => order.is_le(),
                    B::Greater => order.is_gt(),
                    _ => order.is_ge(),
                }))
            }
            B::Add => match (one, other) {
                (Val::Text(one), Val::Text(other)) => {
                    let length = one.len().saturating_add(other.len());
                    if length > MAX_TEXT {
                        return Err(Error::LongText(length));
                    }
                    self.read(length)?;
                    Ok(Val::Text(format!("{one}{other}").into()))
                }
                _ => arithmetic(sign, one, other),
            },
            B::Subtract | B::Multiply | B::Divide | B::Remainder => arithmetic(sign, one, other),
        }
    }

    fn within(&mut self, one: &Val<'s>, list: &Val<'s>) -> Result<Val<'s>, Error> {
        if list.has_fields() {
            let Val::Text(name) = one else {
                return Err(kind("in", &[one, list]));
            };
            return Ok(Val::Bool(list.field(name).is_some()));
        }
        let Some(elements) = list.elements(self)? else {
            return Err(kind("in", &[one, list]));
        };
        for element in elements {
            if self.same(one, &element, Binary::In)? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }

    /// Equality by value. Two kinds that can't be equal are an author's slip, and an error.
    fn same(&mut self, one: &Val<'s>, other: &Val<'s>, sign: Binary) -> Result<bool, Error> {
        self.step()?;
        match (one, other) {
            (Val::Null, Val::Null) => Ok(true),
            (Val::Null, _) | (_, Val::Null) => Ok(false),
            (Val::Bool(one), Val::Bool(other)) => Ok(one == other),
            (Val::Int(one), Val::Int(other))
            | (Val::Time(one), Val::Time(other))
            | (Val::Span(one), Val::Span(other)) => Ok(one == other),
            (Val::Text(one), Val::Text(other)) => {
                self.read(one.len().min(other.len()))?;
                Ok(one == other)
            }
            (Val::Array(_) | Val::List(_), Val::Array(_) | Val::List(_)) => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                let (ones, others) = (one.elements(self)?, other.elements(self)?);
                for (one, other) in ones.into_iter().flatten().zip(others.into_iter().flatten()) {
                    if !self.same(&one, &other, sign)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (one, other) if one.has_fields() && other.has_fields() => {
                if one.len() != other.len() {
                    return Ok(false);
                }
                for (name, one) in fields(one)? {
                    let Some(other) = other.field(name) else {
                        return Ok(false);
                    };
                    if !self.same(&one, &other?, sign)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (one, other) => Err(kind(sign.sign(), &[one, other])),
        }
    }

    fn each(&mut self, each: &'s Loop) -> Result<Val<'s>, Error> {
        let over = self.eval(&each.over)?;
        let length = over.len().ok_or_else(|| kind(each.kind.name(), &[&over]))?;
        if length > MAX_LIST {
            return Err(Error::LongList(length));
        }
        let elements = match over.elements(self)? {
            Some(elements) => elements,
            None => {
                self.steps(length)?;
                let names = fields(&over)?.into_iter();
                names.map(|(name, _)| Val::Text(Cow::Borrowed(name))).collect()
            }
        };
        let depth = each.depth;
        let mut found = Vec::new();
        let mut failed: Option<Error> = None;
        let mut count = 0_i64;
        for element in elements {
            self.step()?;
            self.locals.truncate(depth);
            self.locals.push(element.clone());
            let wanted = match &each.when {
                Some(when) => self.bool(when, each.kind.name())?,
                None => true,
            };
            if !wanted {
                continue;
            }
            match each.kind {
                LoopKind::All | LoopKind::Exists => {
                    let decides = each.kind == LoopKind::Exists;
                    match self.bool(&each.body, each.kind.name()) {
                        Ok(value) if value == decides => {
                            return Ok(Val::Bool(decides));
                        }
                        Ok(_) => {}
                        Err(error) => {
                            failed = Some(match failed {
                                Some(before) => worse(before, error),
                                None => error,
                            });
                        }
                    }
                }
                LoopKind::ExistsOne => count += i64::from(self.bool(&each.body, each.kind.name())?),
                LoopKind::Filter => {
                    if self.bool(&each.body, each.kind.name())? {
                        found.push(element);
                    }
                }
                LoopKind::Map => found.push(self.eval(&each.body)?),
            }
        }
        match (each.kind, failed) {
            (LoopKind::All | LoopKind::Exists, Some(error)) => Err(error),
            (LoopKind::All, None) => Ok(Val::Bool(true)),
            (LoopKind::Exists, None) => Ok(Val::Bool(false)),
            (LoopKind::ExistsOne, _) => Ok(Val::Bool(count == 1)),
            (LoopKind::Filter | LoopKind::Map, _) => Ok(Val::List(found.into())),
        }
    }
}

/// The fields of a map in the order of their names.
fn fields<'s>(map: &Val<'s>) -> Result<Vec<(&'s str, Val<'s>)>, Error> {
    match map {
        Val::Fields(fields) => fields
            .iter()
            .map(|(name, value)| Ok((name.as_str(), Val::of(value)?)))
            .collect(),
        Val::Record(fields) => Ok(fields.to_vec()),
        _ => Ok(Vec::new()),
    }
}

fn index<'s>(of: &Val<'s>, at: &Val<'s>, path: &Path) -> Result<Val<'s>, Error> {
    let outside = |at: i64| {
        if path.claimed {
            missing(path)
        } else {
            Error::Index(at)
        }
    };
    match (of, at) {
        (Val::Array(items), Val::Int(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
            Val::of(found.ok_or_else(|| outside(*at))?).map_err(|error| named(error, path))
        }
        (Val::List(items), Val::Int(at)) => {
            let found = usize::try_from(*at).ok().and_then(|at| items.get(at));
            found.cloned().ok_or_else(|| outside(*at))
        }
        (map, Val::Text(name)) if map.has_fields() => map
            .field(name)
            .ok_or_else(|| missing(path))?
            .map_err(|error| named(error, path)),
        _ => Err(kind("[ ]", &[of, at])),
    }
}

fn arithmetic<'s>(sign: Binary, one: &Val<'s>, other: &Val<'s>) -> Result<Val<'s>, Error> {
    use Binary as B;
    let wrong = || kind(sign.sign(), &[one, other]);
    let over = Error::Overflow(sign.sign());
    let (found, give): (Option<i64>, fn(i64) -> Val<'s>) = match (sign, one, other) {
        (B::Divide | B::Remainder, Val::Int(_), Val::Int(0)) => return Err(Error::ByZero(sign.sign())),
        (B::Add, Val::Int(one), Val::Int(other)) => (one.checked_add(*other), Val::Int),
        (B::Subtract, Val::Int(one), Val::Int(other)) => (one.checked_sub(*other), Val::Int),
        (B::Multiply, Val::Int(one), Val::Int(other)) => (one.checked_mul(*other), Val::Int),
        (B::Divide, Val::Int(one), Val::Int(other)) => (one.checked_div(*other), Val::Int),
        (B::Remainder, Val::Int(one), Val::Int(other)) => (one.checked_rem(*other), Val::Int),
        (B::Add, Val::Time(one), Val::Span(other)) | (B::Add, Val::Span(one), Val::Time(other)) => {
            (one.checked_add(*other), Val::Time)
        }
        (B::Add, Val::Span(one), Val::Span(other)) => (one.checked_add(*other), Val::Span),
        (B::Subtract, Val::Time(one), Val::Span(other)) => (one.checked_sub(*other), Val::Time),
        (B::Subtract, Val::Time(one), Val::Time(other)) | (B::Subtract, Val::Span(one), Val::Span(other)) => {
            (one.checked_sub(*other), Val::Span)
        }
        _ => return Err(wrong()),
    };
    found.map(give).ok_or(over)
}

fn kind(what: &'static str, found: &[&Val<'_>]) -> Error {
    let kinds: Vec<&str> = found.iter().map(|value| value.kind()).collect();
    Error::Kind {
        what,
        found: kinds.join(" and "),
    }
}

fn no_fields(of: &Val<'_>) -> Error {
    kind(".", &[of])
}

fn missing(path: &Path) -> Error {
    let path_text = path.text.as_ref().into();
    if path.claimed {
        Error::NotClaimed(path_text)
    } else {
        Error::Missing(path_text)
    }
}

/// A sealed value by the place where it was asked for.
fn named(error: Error, path: &Path) -> Error {
    match error {
        Error::Sealed(_) => Error::Sealed(path.text.as_ref().into()),
        other => other,
    }
}

/// Of two errors the one that says more than that nothing was claimed.
fn worse(one: Error, other: Error) -> Error {
    if one.is_unclaimed() { other } else { one }
}
