//! Which kinds of values a part of an expression can give, as far as its text and the parameters' schema tell.
//!
//! A set of kinds never lacks one that evaluating gives; what is not known is every kind. So a part that is refused here
//! has no answer whatever is asked: see the tables of [`super::eval`] and [`super::function`], which these are of.

use serde_json::Value;

use super::{
    function::{Function, moment, span},
    node::{Binary, Node},
    scope::Root,
};
use crate::domain::policy::schema::ParamSchema;

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

/// Every kind and its name.
const ALL: [(Kinds, &str); 8] = [
    (Kinds::NULL, "null"),
    (Kinds::BOOL, "true or false"),
    (Kinds::INT, "a number"),
    (Kinds::TEXT, "text"),
    (Kinds::TIME, "a time"),
    (Kinds::SPAN, "a duration"),
    (Kinds::LIST, "a list"),
    (Kinds::MAP, "a map"),
];
/// How deep `allOf`, `anyOf` and `oneOf` are followed; beyond, a value may be anything.
const DEEP: usize = 8;

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOL: Self = Self(2);
    pub(super) const INT: Self = Self(4);
    pub(super) const TEXT: Self = Self(8);
    pub(super) const TIME: Self = Self(16);
    pub(super) const SPAN: Self = Self(32);
    pub(super) const LIST: Self = Self(64);
    pub(super) const MAP: Self = Self(128);
    /// What JSON can say.
    const JSON: Self = Self(1 | 2 | 4 | 8 | 64 | 128);
    /// Nothing is known.
    pub(super) const ANY: Self = Self(255);

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    /// Whether a value of these can be of one of the others.
    pub(super) const fn can_be(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
    fn each(self) -> impl Iterator<Item = Self> {
        ALL.into_iter()
            .map(|(kind, _)| kind)
            .filter(move |kind| self.can_be(*kind))
    }
    /// As in "text or a list".
    pub(super) fn told(self) -> String {
        if self == Self::JSON {
            return "a JSON value".into();
        }
        let names = ALL.iter().filter(|(kind, _)| self.can_be(*kind));
        let names: Vec<&str> = names.map(|(_, name)| *name).collect();
        names.join(" or ")
    }

    /// What a schema leaves possible; everything where nothing fits it.
    fn of_schema(params: &ParamSchema, schema: &Value, deep: usize) -> Self {
        let Some(fields) = schema.as_object().filter(|_| deep > 0) else {
            return Self::JSON;
        };
        let inner = |schema: &Value| Self::of_schema(params, schema, deep - 1);
        let mut found = Self::JSON;
        for (keyword, value) in fields {
            let list = || value.as_array().into_iter().flatten();
            let one_of = |kinds: &mut dyn Iterator<Item = Self>| kinds.fold(Self::NONE, Self::or);
            found = found.and(match keyword.as_str() {
                "type" if value.is_array() => one_of(&mut list().map(named)),
                "type" => named(value),
                "const" => of_value(value),
                "enum" => one_of(&mut list().map(of_value)),
                "$ref" => params
                    .resolve(schema)
                    .filter(|found| !std::ptr::eq(*found, schema))
                    .map_or(Self::JSON, inner),
                "allOf" => list().map(inner).fold(Self::JSON, Self::and),
                "anyOf" | "oneOf" => one_of(&mut list().map(inner)),
                _ => Self::JSON,
            });
        }
        if found == Self::NONE { Self::JSON } else { found }
    }
}

/// The kind of a schema's `type`.
fn named(kind: &Value) -> Kinds {
    match kind.as_str() {
        Some("null") => Kinds::NULL,
        Some("boolean") => Kinds::BOOL,
        Some("integer") => Kinds::INT,
        Some("string") => Kinds::TEXT,
        Some("array") => Kinds::LIST,
        Some("object") => Kinds::MAP,
        Some(_) | None => Kinds::JSON,
    }
}

fn of_value(value: &Value) -> Kinds {
    match value {
        Value::Null => Kinds::NULL,
        Value::Bool(_) => Kinds::BOOL,
        Value::Number(_) => Kinds::INT,
        Value::String(_) => Kinds::TEXT,
        Value::Array(_) => Kinds::LIST,
        Value::Object(_) => Kinds::MAP,
    }
}

/// What is known of the values of a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    pub(super) kinds: Kinds,
    /// Of the elements of a list that is written out or looped over.
    elements: Kinds,
    /// Whether a list surely has an element.
    filled: bool,
    /// What describes it, when it is a parameter.
    schema: Option<&'a Value>,
}

impl Default for Kind<'_> {
    fn default() -> Self {
        Self::of(Kinds::ANY)
    }
}

impl<'a> Kind<'a> {
    pub(super) const fn of(kinds: Kinds) -> Self {
        Self {
            kinds,
            elements: Kinds::ANY,
            filled: false,
            schema: None,
        }
    }
    pub(super) const fn list(elements: Kinds, filled: bool) -> Self {
        Self {
            kinds: Kinds::LIST,
            elements,
            filled,
            schema: None,
        }
    }
    fn of_schema(params: &'a ParamSchema, schema: &'a Value) -> Self {
        Self {
            schema: params.resolve(schema),
            ..Self::of(Kinds::of_schema(params, schema, DEEP))
        }
    }
    /// The parameters of an item.
    pub(super) fn params(params: Option<&'a ParamSchema>) -> Self {
        params.map_or(Self::of(Kinds::MAP), |params| {
            Self::of_schema(params, params.value())
        })
    }
    pub(super) fn root(root: Root, params: Option<&'a ParamSchema>) -> Self {
        match root {
            Root::Params => Self::params(params),
            Root::Items => Self::list(Kinds::MAP, false),
            Root::Change | Root::Affected | Root::Totals | Root::Claimed => Self::of(Kinds::MAP),
            Root::Agent | Root::Sponsor | Root::Action => Self::of(Kinds::TEXT),
            Root::Now => Self::of(Kinds::TIME),
            Root::Observed => Self::of(Kinds::BOOL),
        }
    }
    /// A field, of a variable when it is one's.
    pub(super) fn field(self, root: Option<Root>, name: &str, params: Option<&'a ParamSchema>) -> Self {
        match (root, name) {
            (Some(Root::Totals), _) | (Some(Root::Affected), "count") => Self::of(Kinds::INT),
            (Some(Root::Affected), "audience") => Self::of(Kinds::TEXT),
            (Some(Root::Affected), "deltas") => Self::of(Kinds::MAP),
            _ => {
                let schema = self.schema.and_then(|schema| schema.get("properties")?.get(name));
                match (params, schema) {
                    (Some(params), Some(schema)) => Self::of_schema(params, schema),
                    _ => Self::of(Kinds::JSON),
                }
            }
        }
    }
    /// What a loop's variable holds: an element of a list, or a key of a map.
    pub(super) fn element(self, params: Option<&'a ParamSchema>) -> Self {
        if !self.kinds.can_be(Kinds::LIST) {
            return Self::of(Kinds::TEXT);
        }
        if self.kinds != Kinds::LIST {
            return Self::of(Kinds::ANY);
        }
        let items = self.schema.filter(|schema| schema.get("prefixItems").is_none());
        match (params, items.and_then(|schema| schema.get("items"))) {
            (Some(params), Some(items)) => Self::of_schema(params, items),
            _ if self.schema.is_some() => Self::of(Kinds::JSON),
            _ => Self::of(self.elements),
        }
    }
    /// Some elements of a list; maybe none.
    pub(super) const fn filtered(self) -> Self {
        Self {
            kinds: Kinds::LIST,
            filled: false,
            ..self
        }
    }
    /// The fields that it may have, for whoever compared it as a whole.
    fn fields(self) -> Vec<&'a str> {
        let all = self
            .schema
            .and_then(|schema| schema.get("properties")?.as_object());
        all.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }
}

/// What an operator gives for values of these kinds; none when it never has an answer.
pub(super) fn binary(sign: Binary, one: Kind<'_>, other: Kind<'_>) -> Option<Kinds> {
    let pairs = one.kinds.each();
    let pairs = pairs.flat_map(|one| other.kinds.each().map(move |other| (one, other)));
    let found = pairs.filter_map(|(one, other)| single(sign, one, other));
    let found = found.reduce(Kinds::or)?;
    let none_fits = || binary(Binary::Equal, one, Kind::of(other.elements)).is_none();
    if sign == Binary::In && other.filled && none_fits() {
        return None;
    }
    Some(found)
}

fn single(sign: Binary, one: Kinds, other: Kinds) -> Option<Kinds> {
    use Binary as B;
    let ordered = [Kinds::INT, Kinds::TEXT, Kinds::TIME, Kinds::SPAN];
    let (int, time, span) = (Kinds::INT, Kinds::TIME, Kinds::SPAN);
    match sign {
        B::Equal | B::NotEqual => {
            (one == other || one == Kinds::NULL || other == Kinds::NULL).then_some(Kinds::BOOL)
        }
        B::Less | B::LessOrEqual | B::Greater | B::GreaterOrEqual => {
            (one == other && ordered.contains(&one)).then_some(Kinds::BOOL)
        }
        B::In => (other == Kinds::LIST || other == Kinds::MAP && one == Kinds::TEXT).then_some(Kinds::BOOL),
        B::Add if one == Kinds::TEXT && other == Kinds::TEXT => Some(Kinds::TEXT),
        B::Add if (one, other) == (time, span) || (one, other) == (span, time) => Some(time),
        B::Subtract if (one, other) == (time, span) => Some(time),
        B::Subtract if (one, other) == (time, time) => Some(span),
        B::Add | B::Subtract if (one, other) == (span, span) => Some(span),
        B::Add | B::Subtract | B::Multiply | B::Divide | B::Remainder => {
            (one == int && other == int).then_some(int)
        }
    }
}

/// What a function gives for values of these kinds; none when it never has an answer.
pub(super) fn called(function: Function, values: &[Kinds]) -> Option<Kinds> {
    use Function as F;
    let (takes, gives): (&[Kinds], Kinds) = match function {
        F::Size => (&[Kinds::TEXT.or(Kinds::LIST).or(Kinds::MAP)], Kinds::INT),
        F::Contains | F::StartsWith | F::EndsWith => (&[Kinds::TEXT, Kinds::TEXT], Kinds::BOOL),
        F::LowerAscii => (&[Kinds::TEXT], Kinds::TEXT),
        F::Sum => (&[Kinds::LIST], Kinds::INT),
        F::Int => (&[Kinds::INT.or(Kinds::TEXT).or(Kinds::TIME)], Kinds::INT),
        F::Text => (&[Kinds::TEXT.or(Kinds::INT).or(Kinds::BOOL)], Kinds::TEXT),
        F::Timestamp => (&[Kinds::TIME.or(Kinds::TEXT)], Kinds::TIME),
        F::Duration => (&[Kinds::SPAN.or(Kinds::TEXT)], Kinds::SPAN),
        F::FullYear | F::Month | F::DayOfMonth | F::Date | F::DayOfWeek | F::Hours | F::Minutes => {
            (&[Kinds::TIME], Kinds::INT)
        }
    };
    let fits = values
        .iter()
        .zip(takes)
        .all(|(value, takes)| value.can_be(*takes));
    fits.then_some(gives)
}

/// What a function can't read of a text that is written out, and how it is written.
pub(super) fn unreadable(function: Function, value: &Node) -> Option<&'static str> {
    let Node::Text(text) = value else {
        return None;
    };
    match function {
        Function::Timestamp if moment(text).is_none() => {
            Some("write a time as in `timestamp('2026-01-31T08:00:00Z')`")
        }
        Function::Duration if span(text).is_none() => {
            Some("write a duration as in `duration('1h30m')`: `ms`, `s`, `m`, `h`, `d`")
        }
        Function::Int if text.parse::<i64>().is_err() => Some("write a whole number"),
        _ => None,
    }
}

/// A value as its author knows it, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) node: &'a Node,
    pub(super) shown: &'a str,
    pub(super) kind: Kind<'a>,
}

impl Told<'_> {
    /// As in "`affected.count` (a number)".
    pub(super) fn text(&self) -> String {
        let kinds = self.kind.kinds.told();
        if self.shown.is_empty() {
            kinds
        } else {
            format!("`{}` ({kinds})", self.shown)
        }
    }
    /// What to write instead to get true or false.
    pub(super) fn asked(&self) -> String {
        let shown = if self.shown.is_empty() { "..." } else { self.shown };
        let kinds = self.kind.kinds;
        if kinds.can_be(Kinds::MAP) {
            return of_fields(shown, self.kind, "compare a field of it");
        }
        if kinds.can_be(Kinds::LIST) {
            return format!("ask `size({shown}) > 0`, `'x' in {shown}` or `{shown}.exists(x, x == 'x')`");
        }
        match kinds {
            Kinds::INT => format!("compare it, as in `{shown} > 0`"),
            Kinds::TIME => format!("compare it, as in `{shown}.getHours() >= 18`"),
            Kinds::SPAN => format!("compare it, as in `{shown} > duration('8h')`"),
            _ => format!("compare it, as in `{shown} == 'x'`"),
        }
    }
}

fn of_fields(shown: &str, kind: Kind<'_>, what: &str) -> String {
    match kind.fields().first() {
        Some(field) => format!("{what}, as in `{shown}.{field}`"),
        None => what.into(),
    }
}

/// What to write instead of an operator between values that never have an answer.
pub(super) fn instead(sign: Binary, one: Told<'_>, other: Told<'_>) -> Option<String> {
    let either = |kinds: Kinds| [one, other].into_iter().find(|told| told.kind.kinds == kinds);
    let written = |told: Option<Told<'_>>| match told?.node {
        Node::Text(text) => Some(text.to_string()),
        _ => None,
    };
    let text = written(either(Kinds::TEXT));
    if sign == Binary::In {
        return Some("what is looked for must be of the kind of the list's elements".into());
    }
    Some(
        if let (Some(_), Some(text)) = (either(Kinds::INT), &text)
            && text.parse::<i64>().is_ok()
        {
            format!("write `{text}` without quotes")
        } else if let (Some(_), Some(text)) = (either(Kinds::TIME), &text)
            && moment(text).is_some()
        {
            format!("write `timestamp('{text}')`")
        } else if let (Some(_), Some(text)) = (either(Kinds::SPAN), &text)
            && span(text).is_some()
        {
            format!("write `duration('{text}')`")
        } else if either(Kinds::TIME).is_some()
            && [one, other]
                .iter()
                .any(|told| told.kind.kinds.can_be(Kinds::TEXT))
        {
            "make a time of the text by `timestamp()`, or ask the time for `getHours()` and the like".into()
        } else if let (Some(_), Some(_)) = (either(Kinds::TIME), either(Kinds::INT)) {
            "ask the time for a number, as in `now.getHours()`".into()
        } else if let Some(map) = either(Kinds::MAP) {
            of_fields(map.shown, map.kind, "use a field of it")
        } else if either(Kinds::LIST).is_some() {
            "ask the list by `size()`, `in`, `exists` or `all`".into()
        } else if let (Some(_), Some(_)) = (either(Kinds::INT), either(Kinds::TEXT)) {
            "`string()` makes text of a number, `int()` a number of text".into()
        } else if either(Kinds::BOOL).is_some() {
            "what is true or false is a condition by itself; turn it round with `!`".into()
        } else {
            return None;
        },
    )
}
