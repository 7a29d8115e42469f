//! The body of `protection`: how base branch and ledger are protected, noted when that becomes another verdict.

use serde::{Deserialize, Serialize};

use crate::domain::observation::{Protection, Seen};

/// The body of `protection`. INVARIANT i31.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watched {
    /// How the base branch is protected.
    pub base: Seen<Protection>,
    /// How the ledger's branch is protected.
    pub ledger: Seen<Protection>,
    /// What is missing, by the ids of [`crate::domain::protection::Weakness`]; nothing merges or executes while anything
    /// is, or while it can't be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weak: Vec<String>,
}

impl Watched {
    /// Whether merges and executions go on.
    pub fn strong(&self) -> bool {
        self.weak.is_empty() && self.base.known().is_some() && self.ledger.known().is_some()
    }
}
