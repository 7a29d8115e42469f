//! A call of a program on the executor's own machine. INVARIANT i23.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::policy::{BodyError, Bounds, CommandExecute, Filling};

/// A program to run once, complete but for sealed values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandCall {
    /// Its absolute path.
    pub program: String,
    /// Its arguments, as they stand in the catalog.
    pub args: Vec<String>,
    /// What it reads on its standard input: `proposal`, `item`, `idempotency_key` and, where the catalog says so,
    /// `input`; sensitive values are placeholders until the moment it is started.
    pub stdin: Value,
    /// What the program is given so that a repetition has no second effect.
    pub idempotency_key: String,
    /// Whether the program acts once for one key, so that an unclear run may be repeated with it. INVARIANT i21.
    pub repeatable: bool,
    /// The exit codes that mean "done".
    pub success: BTreeSet<u8>,
    /// The exit codes that mean "no, and nothing was done".
    pub refused: BTreeSet<u8>,
    /// What it may use and touch.
    #[serde(flatten)]
    pub bounds: Bounds,
}

impl CommandCall {
    /// The call for one item, from the approved parameters and the catalog alone. Errors: a parameter that the input
    /// needs is missing.
    pub(super) fn fill(
        command: &CommandExecute,
        with: Filling<'_>,
        idempotency_key: String,
    ) -> Result<Self, BodyError> {
        let mut stdin = Map::new();
        stdin.insert("proposal".into(), with.proposal.into());
        stdin.insert("item".into(), with.item.into());
        stdin.insert("idempotency_key".into(), idempotency_key.as_str().into());
        if let Some(input) = command.stdin() {
            stdin.insert("input".into(), input.fill(with)?);
        }
        Ok(Self {
            program: command.program().to_owned(),
            args: command.args().to_vec(),
            stdin: Value::Object(stdin),
            idempotency_key,
            repeatable: command.repeatable(),
            success: command.success().clone(),
            refused: command.refused().clone(),
            bounds: command.bounds().clone(),
        })
    }
}
