//! A file as a tree whose every node knows its place, and the way from a tree into types.

use std::collections::HashSet;

use serde::{
    Serialize, Serializer,
    de::{self, DeserializeOwned, Unexpected, Visitor, value::StrDeserializer},
};
use serde_json::{Number, Value};

use super::{Fault, Mark};
use crate::domain::canonical::escape_pointer;

/// A key of a mapping and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    mark: Option<Mark>,
    text: String,
}

impl Key {
    pub(super) fn new(mark: Option<Mark>, text: String) -> Self {
        Self { mark, text }
    }
    /// The key's text.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Where the key stands.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order of the file; no key appears twice.
    Map(Vec<(Key, Node)>),
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    mark: Option<Mark>,
    kind: Kind,
}

impl Node {
    pub(super) fn new(mark: Option<Mark>, kind: Kind) -> Self {
        Self { mark, kind }
    }
    /// Where the value stands.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }
    /// What the value is.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }
    /// The value of a key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, node)| node)
    }
    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Key, Self)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => &[],
        }
    }
    /// The items of a list; none for anything else.
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::Map(_) => &[],
        }
    }
    /// The place of the value at a JSON pointer (RFC 6901), or of the deepest part of it that exists.
    pub fn mark_at(&self, pointer: &str) -> Option<Mark> {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            match node.child(&token) {
                Some(next) => node = next,
                None => break,
            }
        }
        node.mark
    }
    /// The place of a key of this mapping, or of the mapping.
    pub fn key_mark(&self, key: &str) -> Option<Mark> {
        let entry = self.entries().iter().find(|(k, _)| k.text == key);
        entry.map_or(self.mark, |(key, _)| key.mark.or(self.mark))
    }
    /// The place of a key of the mapping at a JSON pointer, or of the deepest part that exists.
    pub fn key_mark_at(&self, pointer: &str, key: &str) -> Option<Mark> {
        match self.at(pointer) {
            Some(node) => node.key_mark(key),
            None => self.mark_at(pointer),
        }
    }
    /// The value at a JSON pointer (RFC 6901).
    pub fn at(&self, pointer: &str) -> Option<&Self> {
        pointer.split('/').skip(1).try_fold(self, |node, token| {
            let token = token.replace("~1", "/").replace("~0", "~");
            node.child(&token)
        })
    }
    /// The JSON pointer of the first value that is exactly this text.
    pub fn find_text(&self, text: &str) -> Option<String> {
        match &self.kind {
            Kind::Text(found) => (found == text).then(String::new),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) => None,
            Kind::List(items) => items
                .iter()
                .enumerate()
                .find_map(|(at, node)| Some(format!("/{at}{}", node.find_text(text)?))),
            Kind::Map(entries) => entries.iter().find_map(|(key, node)| {
                Some(format!("/{}{}", escape_pointer(&key.text), node.find_text(text)?))
            }),
        }
    }
    /// The value without places.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Map(entries) => entries
                .iter()
                .map(|(key, node)| (key.text.clone(), node.to_value()))
                .collect(),
        }
    }
    /// Reads the value into a type; the fault names the place of what does not fit.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        T::deserialize(self).map_err(|fault| fault.or_at(self.mark))
    }

    fn child(&self, token: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(_) => self.get(token),
            Kind::List(items) => items.get(token.parse::<usize>().ok()?),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => None,
        }
    }

    /// A key that its mapping has twice.
    pub(super) fn duplicate(&self) -> Option<&Key> {
        let mut seen = HashSet::new();
        let here = self.entries().iter().map(|(key, _)| key);
        here.into_iter()
            .find(|key| !seen.insert(&key.text))
            .or_else(|| self.entries().iter().find_map(|(_, node)| node.duplicate()))
            .or_else(|| self.items().iter().find_map(Self::duplicate))
    }

    pub(super) fn depth(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => 0,
            Kind::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(entries) => 1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or(0),
        }
    }

    fn unexpected(&self) -> Unexpected<'_> {
        match &self.kind {
            Kind::Null => Unexpected::Unit,
            Kind::Bool(value) => Unexpected::Bool(*value),
            Kind::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), _, _) => Unexpected::Unsigned(value),
                (None, Some(value), _) => Unexpected::Signed(value),
                (None, None, value) => Unexpected::Float(value.unwrap_or_default()),
            },
            Kind::Text(value) => Unexpected::Str(value),
            Kind::List(_) => Unexpected::Seq,
            Kind::Map(_) => Unexpected::Map,
        }
    }

    fn visit<'de, V: Visitor<'de>>(&'de self, visitor: V) -> Result<V::Value, Fault> {
        match &self.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(*value),
            Kind::Number(value) => match (value.as_u64(), value.as_i64(), value.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, value) => visitor.visit_f64(value.unwrap_or_default()),
            },
            Kind::Text(value) => visitor.visit_borrowed_str(value),
            Kind::List(items) => {
                let mut rest = items.iter().enumerate();
                visitor.visit_seq(Items(&mut rest))
            }
            Kind::Map(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
            }),
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            Kind::Null => to.serialize_unit(),
            Kind::Bool(value) => to.serialize_bool(*value),
            Kind::Number(value) => value.serialize(to),
            Kind::Text(value) => to.serialize_str(value),
            Kind::List(items) => to.collect_seq(items),
            Kind::Map(entries) => to.collect_map(entries.iter().map(|(key, node)| (&key.text, node))),
        }
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit(visitor).map_err(|fault| fault.or_at(self.mark))
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.kind {
            Kind::Null => visitor.visit_none(),
            Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) | Kind::Map(_) => {
                visitor.visit_some(self)
            }
        }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.kind {
            Kind::Map(_) => self.deserialize_any(visitor),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => {
                let fault: Fault = de::Error::invalid_type(self.unexpected(), &visitor);
                Err(fault.or_at(self.mark))
            }
        }
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match &self.kind {
            Kind::Text(text) => visitor.visit_enum(Variant {
                name: text,
                value: None,
            }),
            Kind::Map(entries) => match entries.as_slice() {
                [(key, value)] => visitor
                    .visit_enum(Variant {
                        name: &key.text,
                        value: Some(value),
                    })
                    .map_err(|fault| fault.or_at(key.mark)),
                _ => Err(Fault::new(
                    self.mark,
                    format!("expected exactly one key here, found {}", entries.len()),
                )),
            },
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) => {
                Err(de::Error::invalid_type(self.unexpected(), &visitor))
            }
        };
        result.map_err(|fault| fault.or_at(self.mark))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a, 'de>(&'a mut std::iter::Enumerate<std::slice::Iter<'de, Node>>);

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some((at, node)) = self.0.next() else {
            return Ok(None);
        };
        let item = seed.deserialize(node);
        item.map(Some)
            .map_err(|fault| fault.or_at(node.mark).within(&at.to_string()))
    }
}

struct Entries<'de> {
    rest: std::slice::Iter<'de, (Key, Node)>,
    value: Option<(&'de Key, &'de Node)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Fault;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((key, value));
        let text = StrDeserializer::<Fault>::new(&key.text);
        seed.deserialize(text)
            .map(Some)
            .map_err(|fault| fault.or_at(key.mark).within(&key.text))
    }
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        match self.value.take() {
            Some((key, node)) => seed
                .deserialize(node)
                .map_err(|fault| fault.or_at(node.mark).within(&key.text)),
            None => Err(Fault::new(None, "a value was asked for before its key")),
        }
    }
}

struct Variant<'de> {
    name: &'de str,
    value: Option<&'de Node>,
}

/// A mapping without entries.
static NOTHING: Node = Node {
    mark: None,
    kind: Kind::Map(Vec::new()),
};

impl Variant<'_> {
    fn needs_value(&self, value: &str) -> Fault {
        let name = self.name;
        let help = format!("write `{name}: {value}` within the field");
        Fault::new(None, format!("`{name}` needs a value")).with_help(Some(help))
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Fault> {
        let name = StrDeserializer::<Fault>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(value) => Err(Fault::new(value.mark, format!("`{}` takes no value", self.name))),
        }
    }
    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        match self.value {
            Some(value) => seed.deserialize(value),
            None => {
                let takes_nothing = seed.deserialize(&NOTHING).is_ok();
                Err(self.needs_value(if takes_nothing { "{}" } else { "..." }))
            }
        }
    }
    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        match self.value {
            Some(value) => de::Deserializer::deserialize_any(value, visitor),
            None => Err(self.needs_value("...")),
        }
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.tuple_variant(0, visitor)
    }
}
