//! An amount of memory or storage, as in `256MiB`.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// An amount of bytes, written as a whole number and `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(inline)]
pub struct Size(#[schemars(with = "String", regex(pattern = "^[0-9]+[KMG]iB$"))] u64);

impl Size {
    /// So many MiB.
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }
    /// The amount in bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// No amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; a whole number and `KiB`, `MiB` or `GiB`, as in `256MiB`")]
pub struct SizeError(String);

impl FromStr for Size {
    type Err = SizeError;
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let read = UNITS.iter().find_map(|(name, unit)| {
            let count = text.strip_suffix(name)?;
            let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
            count.parse::<u64>().ok().filter(|_| digits)?.checked_mul(*unit)
        });
        read.map(Self)
            .ok_or_else(|| SizeError(text.chars().take(80).flat_map(char::escape_debug).collect()))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit): &&(&str, u64)| self.0.is_multiple_of(*unit);
        let (name, unit) = UNITS.iter().find(whole).copied().unwrap_or(("KiB", 1 << 10));
        write!(f, "{}{name}", self.0 / unit)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}
impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_back_as_it_is_written() {
        for (text, bytes) in [
            ("1KiB", 1024),
            ("256MiB", 256 << 20),
            ("2GiB", 2 << 30),
            ("0KiB", 0),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().bytes(), bytes, "{text}");
        }
        for text in ["1KiB", "256MiB", "2GiB", "1536MiB"] {
            assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "MiB",
            "256",
            "256MB",
            "256 MiB",
            "-1MiB",
            "+1MiB",
            "1.5GiB",
            "99999999999999GiB",
        ] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }
}
