//! The one strict reader for YAML and JSON, with places, and the one YAML writer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use serde_saphyr::{Budget, Error as YamlError, budget::BudgetBreach};

mod fault;
mod nearest;
mod tree;
mod write;

pub use fault::Fault;
pub use nearest::nearest;
pub use tree::{Key, Kind, Node};
pub use write::{WriteError, is_visible, write_yaml};

/// The largest file that is read: 1 MiB.
pub const MAX_BYTES: usize = 1 << 20;
/// The deepest nesting that is read. The YAML reader takes up to 35 KB of stack a level in a debug build; this keeps
/// it within the 2 MiB that a thread has by default.
pub const MAX_DEPTH: usize = 32;

/// A file as it was found, before anything is believed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path relative to `policies/`, with `/` between parts, as in `catalog.yaml`. A path that ends in `.json`
    /// is read as JSON, any other as YAML.
    pub path: String,
    /// The whole text.
    pub text: String,
}

impl SourceFile {
    /// A file of this path and text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }
}

/// Where something stands in a file; both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

/// A place and the bytes that stand there, for source snippets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    place: Place,
    start: usize,
    length: usize,
}

impl Mark {
    /// A mark over `length` bytes from byte `start`.
    pub const fn new(place: Place, start: usize, length: usize) -> Self {
        Self { place, start, length }
    }
    /// The line and column.
    pub const fn place(self) -> Place {
        self.place
    }
    /// The bytes of the file, as an offset and a length.
    pub const fn bytes(self) -> (usize, usize) {
        (self.start, self.length)
    }

    /// The mark of a part of the text that stands here: `start` and `length` count its characters. Where the text is
    /// not written out as it is (escapes, folded lines), the mark of all of it.
    #[must_use]
    pub fn within(self, text: &str, start: usize, length: usize) -> Self {
        let quotes = match self.length.checked_sub(text.len()) {
            Some(0) => 0,
            Some(2) => 1,
            Some(_) | None => return self,
        };
        if text.contains(['\n', '\\']) {
            return self;
        }
        let bytes = |chars: usize| text.chars().take(chars).map(char::len_utf8).sum::<usize>();
        let (first, end) = (bytes(start), bytes(start.saturating_add(length)));
        let columns = u32::try_from(text.chars().count().min(start) + quotes).unwrap_or(0);
        let place = Place {
            line: self.place.line,
            column: self.place.column.saturating_add(columns),
        };
        Self::new(place, self.start + quotes + first, end.saturating_sub(first))
    }

    fn of(at: &serde_saphyr::Location) -> Option<Self> {
        let place = Place {
            line: u32::try_from(at.line()).ok().filter(|line| *line > 0)?,
            column: u32::try_from(at.column()).ok().filter(|column| *column > 0)?,
        };
        let span = at.span();
        let start = span.byte_offset().and_then(|n| usize::try_from(n).ok());
        let length = span.byte_len().and_then(|n| usize::try_from(n).ok());
        Some(Self::new(place, start?, length.unwrap_or(0)))
    }

    /// A mark with a place that the reader gave without its bytes.
    fn found(text: &str, at: &serde_saphyr::Location) -> Option<Self> {
        Self::of(at).or_else(|| {
            let line = u32::try_from(at.line()).ok().filter(|line| *line > 0)?;
            let column = u32::try_from(at.column()).ok().filter(|column| *column > 0)?;
            let mut lines = text.split_inclusive('\n');
            let before: usize = lines.by_ref().take(line as usize - 1).map(str::len).sum();
            let chars = lines.next().unwrap_or_default().chars();
            let within: usize = chars.take(column as usize - 1).map(char::len_utf8).sum();
            Some(Self::new(Place { line, column }, before + within, 0))
        })
    }
}

/// Why a file can't be used, with the place where it is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SourceError {
    file: Box<str>,
    mark: Option<Mark>,
    message: String,
    help: Option<String>,
    pointer: Box<str>,
}

impl SourceError {
    /// An error in a file as a whole or at a mark.
    pub fn new(file: &str, mark: Option<Mark>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            mark,
            message: message.into(),
            help: None,
            pointer: Box::default(),
        }
    }
    /// The same error with its next step.
    #[must_use]
    pub fn with_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
    /// The file's path.
    pub fn file(&self) -> &str {
        &self.file
    }
    /// The line and column, where known.
    pub fn place(&self) -> Option<Place> {
        self.mark.map(Mark::place)
    }
    /// The bytes to show, as an offset and a length, where known.
    pub fn bytes(&self) -> Option<(usize, usize)> {
        self.mark.map(Mark::bytes)
    }
    /// Place and bytes together, where known.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }
    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }
    /// The next step, where there is one.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// A fault found in a tree, in this file.
    pub fn from_fault(file: &str, fault: Fault) -> Self {
        let pointer = fault.pointer().into();
        let (mark, message, help) = fault.into_parts();
        Self {
            pointer,
            ..Self::new(file, mark, message).with_help(help)
        }
    }
    /// JSON pointer (RFC 6901) to the field at fault; empty for the file as a whole, and for what can't be read at all.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place() {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// Reads a file into its tree, so that what is found wrong later can still name its place.
///
/// Refuses more than 1 MiB, nesting beyond 32, duplicate keys, merge keys, floods of aliases, a second document, and
/// numbers that JSON can't hold.
pub fn read_tree(file: &SourceFile) -> Result<Node, SourceError> {
    if file.text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; 1 MiB is the limit", file.text.len());
        return Err(SourceError::new(&file.path, None, message));
    }
    if file.path.ends_with(".json") {
        return read_json(file);
    }
    if is_empty(&file.text) {
        let mark = Mark::new(Place { line: 1, column: 1 }, 0, 0);
        let message = "the file is empty; fill it in, or remove it";
        return Err(SourceError::new(&file.path, Some(mark), message));
    }
    let node: YamlNode =
        serde_saphyr::from_str_with_options(&file.text, options()).map_err(|error| explain(file, &error))?;
    match node.0.duplicate() {
        None => Ok(node.0),
        Some(key) => Err(SourceError::new(&file.path, key.mark(), twice(key.text()))),
    }
}

/// Whether nothing but comments stands in a YAML file.
fn is_empty(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().map(str::trim);
    lines.all(|line| line.is_empty() || line.starts_with('#'))
}

/// Reads a file into a type; give the type `deny_unknown_fields`.
pub fn read_yaml<T: DeserializeOwned>(file: &SourceFile) -> Result<T, SourceError> {
    read_tree(file)?
        .decode()
        .map_err(|fault| SourceError::from_fault(&file.path, fault))
}

/// Reads a file into a JSON value. Floats stay floats, so that `canonical` can name them.
pub fn read_value(file: &SourceFile) -> Result<Value, SourceError> {
    Ok(read_tree(file)?.to_value())
}

/// The serializer's own YAML, which not every text survives.
fn serialise(node: &Node) -> Result<String, String> {
    serde_yaml::to_string(node).map_err(|error| error.to_string())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: limits(),
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
            max_alias_expansions_per_anchor: 100,
        },
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

fn limits() -> Option<Budget> {
    serde_saphyr::budget! {
        max_reader_input_bytes: Some(MAX_BYTES),
        max_depth: MAX_DEPTH,
        max_documents: 1,
        max_anchors: 100,
        max_aliases: 200,
        max_nodes: 100_000,
    }
}

fn twice(key: &str) -> String {
    format!("the key `{}` appears twice; keep one", key.escape_debug())
}

fn explain(file: &SourceFile, error: &YamlError) -> SourceError {
    let error = error.without_snippet();
    let mark = error.location().and_then(|at| Mark::found(&file.text, &at));
    let message = match error {
        YamlError::DuplicateMappingKey { key, .. } => match key {
            Some(key) => twice(key),
            None => "a key appears twice; keep one".into(),
        },
        YamlError::MultipleDocuments { .. } => MORE_THAN_ONE.into(),
        YamlError::MergeKeyNotAllowed { .. } => {
            "merge keys (`<<`) are not allowed; write the fields out".into()
        }
        YamlError::AliasReplayLimitExceeded { .. }
        | YamlError::AliasExpansionLimitExceeded { .. }
        | YamlError::AliasReplayStackDepthExceeded { .. } => TOO_MANY_ALIASES.into(),
        YamlError::Budget { breach, .. } => over_budget(breach).into(),
        YamlError::AliasError { error, .. } => return explain(file, error),
        other => first_sentence(&other.to_string()),
    };
    SourceError::new(&file.path, mark, message)
}

const MORE_THAN_ONE: &str = "more than one document in the file; keep one and remove the `---`";
const TOO_MANY_ALIASES: &str = "too many aliases; write the values out";

fn over_budget(breach: &BudgetBreach) -> &'static str {
    match breach {
        BudgetBreach::Depth { .. } => "nested deeper than 32 levels; flatten it",
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::AliasAnchorRatio { .. }
        | BudgetBreach::RecordedAnchorEvents { .. }
        | BudgetBreach::RecordedAnchorBytes { .. } => TOO_MANY_ALIASES,
        BudgetBreach::Documents { .. } => "more than one document in the file; keep one and remove the `---`",
        _ => "too many values in one file; make it smaller",
    }
}

/// The reader's message without the place, which is shown in front, lower case as all ours.
fn first_sentence(text: &str) -> String {
    let text = text.lines().next().unwrap_or_default();
    let text = text.split(" at line ").next().unwrap_or(text);
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.into(),
    }
}

/// A node that learns its place from the YAML reader.
struct YamlNode(Node);

impl<'de> Deserialize<'de> for YamlNode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<KindOf<Self>>::deserialize(from)?;
        Ok(Self(Node::new(Mark::of(&spanned.referenced), spanned.value.0)))
    }
}

/// A key that learns its place from the YAML reader.
struct YamlKey(Key);

impl<'de> Deserialize<'de> for YamlKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<String>::deserialize(from)?;
        Ok(Self(Key::new(Mark::of(&spanned.referenced), spanned.value)))
    }
}

/// A node of JSON text; its reader gives no places.
struct JsonNode(Node);

impl<'de> Deserialize<'de> for JsonNode {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Node::new(None, KindOf::<Self>::deserialize(from)?.0)))
    }
}

struct JsonKey(Key);

impl<'de> Deserialize<'de> for JsonKey {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Key::new(None, String::deserialize(from)?)))
    }
}

fn read_json(file: &SourceFile) -> Result<Node, SourceError> {
    let node: JsonNode = serde_json::from_str(&file.text).map_err(|error| {
        let place = Place {
            line: u32::try_from(error.line()).unwrap_or(u32::MAX).max(1),
            column: u32::try_from(error.column()).unwrap_or(u32::MAX).max(1),
        };
        let start = byte_offset(&file.text, place);
        let message = first_sentence(&error.to_string());
        SourceError::new(&file.path, Some(Mark::new(place, start, 0)), message)
    })?;
    if node.0.depth() > MAX_DEPTH {
        let message = "nested deeper than 32 levels; flatten it";
        return Err(SourceError::new(&file.path, None, message));
    }
    Ok(node.0)
}

/// The byte offset of a place whose column counts bytes.
fn byte_offset(text: &str, place: Place) -> usize {
    let line = usize::try_from(place.line).unwrap_or(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let column = usize::try_from(place.column).unwrap_or(1);
    (before + column - 1).min(text.len())
}

/// The kind of a node whose children are read as `N`.
struct KindOf<N>(Kind, std::marker::PhantomData<N>);

/// A type that reads one node, and the type that reads a key beside it.
trait Reads: for<'de> Deserialize<'de> {
    type Key: for<'de> Deserialize<'de>;
    fn node(self) -> Node;
    fn key(key: Self::Key) -> Key;
}
impl Reads for YamlNode {
    type Key = YamlKey;
    fn node(self) -> Node {
        self.0
    }
    fn key(key: YamlKey) -> Key {
        key.0
    }
}
impl Reads for JsonNode {
    type Key = JsonKey;
    fn node(self) -> Node {
        self.0
    }
    fn key(key: JsonKey) -> Key {
        key.0
    }
}

impl<'de, N: Reads> Deserialize<'de> for KindOf<N> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let kind = from.deserialize_any(KindVisitor(std::marker::PhantomData::<N>))?;
        Ok(Self(kind, std::marker::PhantomData))
    }
}

struct KindVisitor<N>(std::marker::PhantomData<N>);

impl<'de, N: Reads> serde::de::Visitor<'de> for KindVisitor<N> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        serde_json::Number::from_f64(value)
            .map(Kind::Number)
            .ok_or_else(|| E::custom("not a number that JSON can hold"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.into()))
    }
    fn visit_string<E>(self, value: String) -> Result<Kind, E> {
        Ok(Kind::Text(value))
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut from: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element::<N>()? {
            items.push(item.node());
        }
        Ok(Kind::List(items))
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut from: A) -> Result<Kind, A::Error> {
        let mut seen = std::collections::HashSet::new();
        let mut entries = Vec::new();
        while let Some(key) = from.next_key::<N::Key>()? {
            let key = N::key(key);
            if key.mark().is_none() && !seen.insert(key.text().to_owned()) {
                return Err(serde::de::Error::custom(twice(key.text())));
            }
            entries.push((key, from.next_value::<N>()?.node()));
        }
        Ok(Kind::Map(entries))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets the unexpected must stop"
)]
mod tests;
