//! What a merge queue says of a group.

use serde::Deserialize;

use super::Hint;
use crate::domain::ids::{RepoName, Sha};

#[derive(Deserialize)]
pub(super) struct OfMergeGroup {
    merge_group: GroupPart,
}

#[derive(Deserialize)]
struct GroupPart {
    head_sha: Sha,
    base_sha: Sha,
    base_ref: String,
}

pub(super) fn of_group(repo: RepoName, part: OfMergeGroup) -> Hint {
    let group = part.merge_group;
    match group.base_ref.strip_prefix("refs/heads/").map(str::parse) {
        Some(Ok(base_ref)) => Hint::MergeGroup {
            repo,
            base_ref,
            base: group.base_sha,
            head: group.head_sha,
        },
        // A branch whose name the bot would not protect.
        Some(Err(_)) | None => Hint::Nothing,
    }
}
