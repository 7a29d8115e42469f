//! `proposal.yaml`: the proposal as it stands in its commit.

use super::RenderError;
use crate::domain::{proposal::Proposal, source::write_yaml};

/// What reviewers read comes first. These bytes are part of the commit that is approved: the order never changes.
const ORDER: [(&str, &[&str]); 4] = [
    (
        "",
        &[
            "id",
            "spec_version",
            "created_at",
            "expires_at",
            "idempotency_key",
            "supersedes",
            "nonce",
            "asked_expiry",
            "proof",
            "binding",
            "summary",
            "defaulted",
            "sealed",
            "observed",
            "dry_runs",
            "claimed",
            "justification",
            "exceptions",
            "rollback_plan",
            "provenance",
        ],
    ),
    (
        "binding",
        &[
            "operation",
            "agent",
            "sponsor",
            "target",
            "items",
            "valid",
            "rolls_back",
        ],
    ),
    ("binding.target", &["system", "resource", "schema_digest"]),
    ("binding.items", &["id", "parameters", "observed_digest"]),
];

/// The proposal as YAML that [`crate::domain::source::read_yaml`] reads back equal.
pub fn proposal_yaml(proposal: &Proposal) -> Result<Vec<u8>, RenderError> {
    let mut text = "# Written by Countersign; any change to it makes the proposal void.\n".to_owned();
    text.push_str(&write_yaml(proposal, &ORDER)?);
    Ok(text.into_bytes())
}
