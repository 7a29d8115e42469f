//! What a condition gives when something that need not be there is not: asked without values, part by part.
//!
//! It follows [`super::eval`] and forgets what values would decide, so that a part counts as asked unless what stands
//! around it, such as `has()`, says that it is not.

use std::collections::BTreeSet;

use super::{
    Expression,
    node::{Access, Binary, Loop, LoopKind, Node, Path},
    scope::Root,
};
use crate::domain::source::Mark;

/// A place that may be without a value: a field of a variable, or a field of one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::policy) struct Field {
    pub(in crate::domain::policy) root: Root,
    pub(in crate::domain::policy) names: Vec<String>,
}

impl Expression {
    /// Every field that it names, with those around it.
    pub(in crate::domain::policy) fn fields(&self) -> BTreeSet<Field> {
        let mut walk = Walk {
            absent: None,
            items: Vec::new(),
            named: BTreeSet::new(),
        };
        walk.given(&self.root);
        walk.named
    }

    /// Where it is read although it is not there, if it is; `when` is the condition under which this one is asked.
    pub(in crate::domain::policy) fn reads_absent(
        &self,
        when: Option<&Self>,
        absent: &Field,
    ) -> Option<Unguarded> {
        let mut walk = Walk {
            absent: Some(absent),
            items: Vec::new(),
            named: BTreeSet::new(),
        };
        let asked = when.map(|when| walk.given(&when.root));
        if let Some(path) = asked.and_then(|asked| asked.missing) {
            return Some(Unguarded { mark: path.mark });
        }
        if asked.is_some_and(|asked| !asked.can(TRUE)) {
            return None;
        }
        let path = walk.given(&self.root).missing?;
        Some(Unguarded { mark: path.mark })
    }
}

/// A place that is read although nothing may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::policy) struct Unguarded {
    pub(in crate::domain::policy) mark: Option<Mark>,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;
/// A list without elements.
const EMPTY: u8 = 4;
/// Anything else.
const OTHER: u8 = 8;
const TRUTH: u8 = TRUE | FALSE;
const ANY: u8 = TRUE | FALSE | EMPTY | OTHER;

/// What a part may give: a value, or the error that something is not there.
#[derive(Debug, Clone, Copy)]
struct Given<'n> {
    values: u8,
    missing: Option<&'n Path>,
}

impl<'n> Given<'n> {
    const fn of(values: u8) -> Self {
        Self {
            values,
            missing: None,
        }
    }
    const fn can(&self, value: u8) -> bool {
        self.values & value != 0
    }
    /// These values, if both have one.
    const fn with(self, other: Self, values: u8) -> Self {
        Self {
            values: if self.values == 0 || other.values == 0 {
                0
            } else {
                values
            },
            missing: match self.missing {
                Some(path) => Some(path),
                None => other.missing,
            },
        }
    }
    const fn then(self, values: u8) -> Self {
        self.with(Self::of(ANY), values)
    }
}

struct Walk<'w> {
    absent: Option<&'w Field>,
    /// Of each loop around: whether its variable is an item of a batch.
    items: Vec<bool>,
    named: BTreeSet<Field>,
}

impl Walk<'_> {
    fn given<'n>(&mut self, node: &'n Node) -> Given<'n> {
        match node {
            Node::Null | Node::Int(_) | Node::Text(_) => Given::of(OTHER),
            Node::Bool(true) => Given::of(TRUE),
            Node::Bool(false) => Given::of(FALSE),
            Node::Root(_) | Node::Local(_) => Given::of(ANY),
            Node::Field(access) => {
                let of = self.given(&access.of);
                let field = self.field(&access.of, &access.field);
                self.read(of, field, &access.path)
            }
            Node::Has(access) => self.has(access),
            Node::Index { of, at, path } => {
                let field = match at.as_ref() {
                    Node::Text(name) => self.field(of, name),
                    _ => None,
                };
                let given = self.given(of);
                let given = given.with(self.given(at), ANY);
                self.read(given, field, path)
            }
            Node::Not(of) => {
                let of = self.given(of);
                let turned = (u8::from(of.can(FALSE)) * TRUE) | (u8::from(of.can(TRUE)) * FALSE);
                of.then(turned)
            }
            Node::Negate(of) | Node::Matches(of, _) => self.given(of).then(TRUTH | OTHER),
            Node::And(one, other) => self.either(one, other, FALSE, TRUE),
            Node::Or(one, other) => self.either(one, other, TRUE, FALSE),
            Node::If(parts) => {
                let [when, then, otherwise] = parts.as_ref();
                let when = self.given(when);
                let mut found = Given { values: 0, ..when };
                for (side, value) in [(then, TRUE), (otherwise, FALSE)] {
                    if when.can(value) {
                        let side = self.given(side);
                        found.values |= side.values;
                        found.missing = found.missing.or(side.missing);
                    }
                }
                found
            }
            Node::Binary(Binary::In, name, of) if self.asks_presence(name, of) => Given::of(FALSE),
            Node::Binary(sign, one, other) => {
                let (one, other) = (self.given(one), self.given(other));
                one.with(other, compared(*sign, one, other))
            }
            Node::List(list) => {
                let empty = Given::of(if list.is_empty() { EMPTY } else { OTHER });
                list.iter()
                    .fold(empty, |found, part| found.with(self.given(part), OTHER))
            }
            Node::Loop(each) => self.each(each),
            Node::Call(_, values) => {
                let known = Given::of(ANY);
                values
                    .iter()
                    .fold(known, |found, part| found.with(self.given(part), ANY))
            }
        }
    }

    /// `'name' in params`, of what is not there.
    fn asks_presence(&mut self, name: &Node, of: &Node) -> bool {
        let field = match name {
            Node::Text(name) => self.field(of, name),
            _ => None,
        };
        self.is_absent(field)
    }

    fn has<'n>(&mut self, access: &'n Access) -> Given<'n> {
        let field = self.field(&access.of, &access.field);
        let absent = self.is_absent(field);
        self.given(&access.of).then(if absent { FALSE } else { TRUTH })
    }

    fn read<'n>(&mut self, of: Given<'n>, field: Option<Field>, path: &'n Path) -> Given<'n> {
        if self.is_absent(field) && of.values != 0 {
            return Given {
                values: 0,
                missing: of.missing.or(Some(path)),
            };
        }
        of.then(ANY)
    }

    fn is_absent(&mut self, field: Option<Field>) -> bool {
        let Some(field) = field else {
            return false;
        };
        let absent = self.absent == Some(&field);
        self.named.insert(field);
        absent
    }

    /// `decides` ends it whatever the other side gives, an error too.
    fn either<'n>(&mut self, one: &'n Node, other: &'n Node, decides: u8, goes_on: u8) -> Given<'n> {
        let (one, other) = (self.given(one), self.given(other));
        let open = |side: Given<'_>| side.can(goes_on) || side.missing.is_some();
        let mut values = 0;
        if one.can(decides) || other.can(decides) {
            values |= decides;
        }
        if one.can(goes_on) && other.can(goes_on) {
            values |= goes_on;
        }
        let first = one.missing.filter(|_| open(other));
        Given {
            values,
            missing: first.or(other.missing.filter(|_| open(one))),
        }
    }

    fn each<'n>(&mut self, each: &'n Loop) -> Given<'n> {
        let over = self.given(&each.over);
        let (none, some) = match each.kind {
            LoopKind::All => (TRUE, TRUTH),
            LoopKind::Exists | LoopKind::ExistsOne => (FALSE, TRUTH),
            LoopKind::Filter | LoopKind::Map => (EMPTY, EMPTY | OTHER),
        };
        if !over.can(ANY & !EMPTY) {
            return over.then(none);
        }
        let of_items = self.is_items(&each.over);
        self.items.push(of_items);
        let when = each
            .when
            .as_ref()
            .map_or(Given::of(TRUE), |when| self.given(when));
        let body = if when.can(TRUE) {
            self.given(&each.body)
        } else {
            Given::of(FALSE)
        };
        self.items.pop();
        let found = match each.kind {
            _ if !when.can(TRUE) => none,
            LoopKind::Filter if !body.can(TRUE) => none,
            LoopKind::Exists | LoopKind::ExistsOne if !body.can(TRUE) => FALSE,
            LoopKind::All if !body.can(FALSE) => TRUE,
            _ => some,
        };
        Given {
            values: if over.values == 0 { 0 } else { found },
            missing: over.missing.or(when.missing).or(body.missing),
        }
    }

    fn is_items(&self, node: &Node) -> bool {
        match node {
            Node::Root(Root::Items) => true,
            Node::Loop(each) if each.kind == LoopKind::Filter => self.is_items(&each.over),
            _ => false,
        }
    }

    /// The field of that name in the place that a part is, when it is one.
    fn field(&self, of: &Node, name: &str) -> Option<Field> {
        let mut field = self.place(of)?;
        field.names.push(name.to_owned());
        Some(field)
    }

    fn place(&self, node: &Node) -> Option<Field> {
        let root = |root| {
            Some(Field {
                root,
                names: Vec::new(),
            })
        };
        match node {
            Node::Root(of) => root(*of),
            Node::Local(depth) if self.items.get(*depth) == Some(&true) => root(Root::Params),
            Node::Field(access) => self.field(&access.of, &access.field),
            Node::Index { of, at, .. } => match at.as_ref() {
                Node::Text(name) => self.field(of, name),
                _ if self.is_items(of) => root(Root::Params),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What an operator may give for two values.
fn compared(sign: Binary, one: Given<'_>, other: Given<'_>) -> u8 {
    let truths = |given: Given<'_>| given.values != 0 && given.values & !TRUTH == 0;
    match sign {
        Binary::In if !other.can(ANY & !EMPTY) => FALSE,
        Binary::Equal | Binary::NotEqual if truths(one) && truths(other) => {
            let same = one.values & other.values != 0;
            let differ = one.can(TRUE) && other.can(FALSE) || one.can(FALSE) && other.can(TRUE);
            let (same, differ) = (u8::from(same), u8::from(differ));
            if sign == Binary::Equal {
                (same * TRUE) | (differ * FALSE)
            } else {
                (same * FALSE) | (differ * TRUE)
            }
        }
        Binary::Equal
        | Binary::NotEqual
        | Binary::Less
        | Binary::LessOrEqual
        | Binary::Greater
        | Binary::GreaterOrEqual
        | Binary::In => TRUTH,
        Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide | Binary::Remainder => OTHER,
    }
}
