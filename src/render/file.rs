//! `proposal.yaml`: the proposal as it stands in its commit.

use super::RenderError;
use crate::domain::{proposal::Proposal, source::write_yaml};

/// The proposal as YAML that [`crate::domain::source::read_yaml`] reads back equal.
pub fn proposal_yaml(proposal: &Proposal) -> Result<Vec<u8>, RenderError> {
    let mut text = "# Written by Countersign; any change to it makes the proposal void.\n".to_owned();
    text.push_str(&write_yaml(proposal)?);
    Ok(text.into_bytes())
}
