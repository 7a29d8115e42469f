//! Identifiers as parsed newtypes: a value of one of these types has the shape its name promises.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that does not have the shape its place demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not {what}: {rule}")]
pub struct IdError {
    shown: String,
    what: &'static str,
    rule: &'static str,
}

impl IdError {
    fn new(text: &str, what: &'static str, rule: &'static str) -> Self {
        let shown = text.chars().take(80).flat_map(char::escape_debug).collect();
        Self { shown, what, rule }
    }
}

/// Serialises through `Display` and deserialises through `FromStr`, so that no unparsed value exists.
macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// What editors are told of a type (`countersign policy schema`).
macro_rules! in_editors {
    ($name:ident, $schema:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text as it was parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let ok: fn(&str) -> bool = $ok;
                if ok(text) { Ok(Self(text.into())) } else { Err(IdError::new(text, $what, $rule)) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        as_text!($name);
        in_editors!($name, { "type": "string", "description": concat!($what, ": ", $rule) });
    };
}

fn slug(text: &str, max: usize) -> bool {
    let mut chars = text.chars();
    text.len() <= max
        && chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
        && !text.ends_with('-')
}

name!(
    /// A kind of thing an agent may do, as the catalog names it: `payments.create`.
    ActionName,
    "an action name",
    "two or more lower-case words joined by dots, as in `payments.create`, 80 characters at most",
    |text| text.len() <= 80 && text.contains('.') && text.split('.').all(|word| slug(word, 80))
);
impl ActionName {
    /// The part before the first dot: `payments`.
    pub fn domain(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(domain, _)| domain)
    }
    /// The part after the first dot: `create`.
    pub fn verb(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, verb)| verb)
    }
}
name!(
    /// An agent's name in `agents.yaml`.
    AgentName, "an agent name",
    "a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most",
    |text| slug(text, 40)
);
name!(
    /// A person's name in `people.yaml`.
    PersonName, "a person's name",
    "a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most",
    |text| slug(text, 40)
);
name!(
    /// A team's slug, without its organisation.
    TeamName, "a team name",
    "a lower-case letter, then letters, digits, `-` and `_`, 80 characters at most",
    |text| slug(text, 80)
);
name!(
    /// The name of an automatic check.
    CheckName, "a check name",
    "a lower-case letter, then letters, digits, `-` and `_`, 60 characters at most",
    |text| slug(text, 60)
);
name!(
    /// A step of an action, as the catalog names it.
    StepName, "a step's name",
    "a lower-case letter, then letters, digits, `-` and `_`, 40 characters at most",
    |text| slug(text, 40)
);
name!(
    /// A GitHub login as it was at the time; logins change, account ids do not.
    Login, "a login",
    "letters, digits and `-`, with `[bot]` allowed at the end, 80 characters at most",
    |text| {
        let stem = text.strip_suffix("[bot]").unwrap_or(text);
        !stem.is_empty() && text.len() <= 80
            && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    }
);
name!(
    /// A repository as `owner/name`.
    RepoName, "a repository",
    "`owner/name` of letters, digits, `-`, `_` and `.`",
    |text| text.len() <= 140 && text.split_once('/').is_some_and(|(owner, name)| {
        [owner, name].iter().all(|part| {
            !part.is_empty() && *part != "." && *part != ".."
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        })
    })
);
impl RepoName {
    /// The account that owns the repository.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }
    /// The repository's own name.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}
name!(
    /// One of the items of a proposal.
    ItemId, "an item id",
    "letters, digits, `-`, `_` and `.`, 40 characters at most",
    |text| !text.is_empty() && text.len() <= 40
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
);
impl ItemId {
    /// The only item of a proposal that names none.
    pub fn only() -> Self {
        Self("1".into())
    }
}
name!(
    /// What makes a repeated request the same request.
    IdempotencyKey, "an idempotency key",
    "1 to 200 printable ASCII characters without spaces",
    |text| !text.is_empty() && text.len() <= 200 && text.chars().all(|c| c.is_ascii_graphic())
);
name!(
    /// A value used once by one agent.
    Nonce, "a nonce",
    "16 to 128 letters, digits, `-` and `_`",
    |text| (16..=128).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
);
name!(
    /// GitHub's `X-GitHub-Delivery`.
    DeliveryId, "a delivery id",
    "1 to 80 letters, digits and `-`",
    |text| !text.is_empty() && text.len() <= 80
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
);
name!(
    /// One process that executes; drawn at its start.
    InstanceId, "an instance id",
    "1 to 80 letters, digits, `-`, `_` and `.`",
    |text| !text.is_empty() && text.len() <= 80
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
);
name!(
    /// An ISO 4217 currency code.
    Currency, "a currency", "three capital letters, as in `EUR`",
    |text| text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase())
);
name!(
    /// A Git branch the bot reads or writes.
    BranchName, "a branch name",
    "a name that `git check-ref-format --branch` accepts, 200 characters at most",
    |text| {
        !text.is_empty() && text.len() <= 200 && text != "@"
            && !text.starts_with(['/', '-']) && !text.ends_with(['/', '.'])
            && !text.contains("..") && !text.contains("//") && !text.contains("@{")
            && text.chars().all(|c| c.is_ascii_graphic() && !"~^:?*[\\".contains(c))
            && text.split('/').all(|part| !part.starts_with('.') && !part.ends_with(".lock"))
    }
);
name!(
    /// The SHA-256 fingerprint of an SSH public key, as `ssh-keygen -l` prints it.
    KeyId, "a key id", "`SHA256:` and 43 base64 characters",
    |text| text.strip_prefix("SHA256:").is_some_and(|rest| {
        rest.len() == 43 && rest.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/'))
    })
);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self).map_err(|_| IdError::new(text, "a number", "decimal digits"))
            }
        }
        in_editors!($name, { "type": "integer", "minimum": 0 });
    };
}
number!(
    /// A GitHub account's numeric id, which a rename keeps.
    AccountId
);
number!(
    /// A pull request's number in its repository.
    PullNumber
);
number!(
    /// A review's numeric id.
    ReviewId
);
number!(
    /// A comment's numeric id.
    CommentId
);
number!(
    /// An entry's place in the ledger; the genesis entry is 0.
    Seq
);

/// `sha256:` and 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of raw bytes.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
    /// A digest whose bytes are known.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
    /// The first 12 hex digits, for people.
    pub fn short(&self) -> String {
        self.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hex = [0u8; 64];
        hex::encode_to_slice(self.0, &mut hex).map_err(|_| fmt::Error)?;
        write!(f, "sha256:{}", str::from_utf8(&hex).map_err(|_| fmt::Error)?)
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let no = || IdError::new(text, "a digest", "`sha256:` and 64 lower-case hex digits");
        let hex = text.strip_prefix("sha256:").ok_or_else(no)?;
        let mut bytes = [0u8; 32];
        if hex.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(no());
        }
        hex::decode_to_slice(hex, &mut bytes).map_err(|_| no())?;
        Ok(Self(bytes))
    }
}
as_text!(Digest);
in_editors!(Digest, { "type": "string", "pattern": "^sha256:[0-9a-f]{64}$" });

/// A Git object id: 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha([u8; 20]);

impl Sha {
    /// An object id whose bytes are known.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }
    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
    /// The first 8 hex digits, for people.
    pub fn short(&self) -> String {
        self.0.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}
impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Sha {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let no = || IdError::new(text, "a Git object id", "40 lower-case hex digits");
        let mut bytes = [0u8; 20];
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(no());
        }
        hex::decode_to_slice(text, &mut bytes).map_err(|_| no())?;
        Ok(Self(bytes))
    }
}
as_text!(Sha);

/// A proposal's id: a ULID, so that ids sort by the time they were made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId(ulid::Ulid);

impl ProposalId {
    /// An id from a time and 80 random bits; the caller brings both.
    pub fn from_parts(at: Timestamp, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(
            u64::try_from(at.millis()).unwrap_or(0),
            random,
        ))
    }
    /// The time it was made at.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
    }
}
impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl FromStr for ProposalId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let no = || IdError::new(text, "a proposal id", "a ULID of 26 capital letters and digits");
        let id = ulid::Ulid::from_string(text).map_err(|_| no())?;
        if id.to_string() == text {
            Ok(Self(id))
        } else {
            Err(no())
        }
    }
}
as_text!(ProposalId);
in_editors!(ProposalId, { "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$", "description": "a ULID" });

/// A moment in UTC to the millisecond, written `2026-11-22T15:33:08.123Z` (RFC 3339).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    const MIN: i64 = 0;
    /// 9999-12-31T23:59:59.999Z
    const MAX: i64 = 253_402_300_799_999;

    /// Milliseconds since 1970, clamped to the years 1970 to 9999.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::MIN, Self::MAX))
    }
    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }
    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
    /// This moment and a span later, clamped to the year 9999.
    pub fn plus(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.millis()))
    }
    /// Milliseconds from `earlier` to this moment; negative when this one is the earlier.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }
    /// `2026-11-22 15:33 UTC`, for people.
    pub fn for_people(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
            .unwrap_or_default()
    }
    /// `2026/11/22`, for paths.
    pub fn date_path(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .map(|at| at.strftime("%Y/%m/%d").to_string())
            .unwrap_or_default()
    }
}
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        write!(f, "{at:.3}")
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Timestamp {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let no = || {
            IdError::new(
                text,
                "a time",
                "RFC 3339 with a zone, as in `2026-11-22T15:33:08Z`",
            )
        };
        let at: jiff::Timestamp = text.parse().map_err(|_| no())?;
        let millis = at.as_millisecond();
        if (Self::MIN..=Self::MAX).contains(&millis) {
            Ok(Self(millis))
        } else {
            Err(no())
        }
    }
}
as_text!(Timestamp);
in_editors!(Timestamp, { "type": "string", "format": "date-time", "description": "a time with a zone, as in 2026-11-22T15:33:08Z" });

/// A length of time of whole seconds, written as in `90s`, `15m`, `8h`, `3d`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(i64);

impl Span {
    /// A span of so many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds as i64)
    }
    /// The span in milliseconds.
    pub const fn millis(self) -> i64 {
        self.0 * 1000
    }
}
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, name) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
            if self.0 != 0 && self.0 % unit == 0 {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}s", self.0)
    }
}
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for Span {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let no = || {
            IdError::new(
                text,
                "a span",
                "a whole number and `s`, `m`, `h` or `d`, 10 years at most",
            )
        };
        let unit = text.chars().last().ok_or_else(no)?;
        let factor = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(no()),
        };
        let count: i64 = text
            .strip_suffix(unit)
            .and_then(|n| n.parse().ok())
            .ok_or_else(no)?;
        let seconds = count.checked_mul(factor).ok_or_else(no)?;
        if (0..=315_360_000).contains(&seconds) && !text.starts_with(['+', '-']) {
            Ok(Self(seconds))
        } else {
            Err(no())
        }
    }
}
as_text!(Span);
in_editors!(Span, { "type": "string", "pattern": "^[0-9]+[smhd]$", "description": "a length of time, as in 90s, 15m, 8h, 3d" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_millisecond_and_reads_back() {
        let at: Timestamp = "2026-11-22T16:33:08+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T15:33:08.000Z");
        assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        assert!("2026-11-22T15:33:08".parse::<Timestamp>().is_err());
    }

    #[test]
    fn names_refuse_what_is_not_their_shape() {
        assert!("payments.create".parse::<ActionName>().is_ok());
        for bad in [
            "payments",
            "payments.",
            "Payments.create",
            "payments..create",
            "a.b\u{202e}",
        ] {
            assert!(bad.parse::<ActionName>().is_err(), "{bad}");
        }
        for bad in ["../x", "a/b/c", "a/..", "/b", "a b/c"] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad}");
        }
        for bad in ["", "-x", "a..b", "a//b", "x.lock", "a b", "a~1", ".a"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_error_shows_control_characters_escaped() {
        let error = "a\u{202e}b".parse::<AgentName>().unwrap_err().to_string();
        assert!(error.contains("\\u{202e}"), "{error}");
    }

    #[test]
    fn spans_are_written_in_their_largest_whole_unit() {
        for text in ["90s", "15m", "8h", "3d", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert!("-3d".parse::<Span>().is_err());
        assert!("3w".parse::<Span>().is_err());
    }
}
