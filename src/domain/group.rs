//! A merge queue's group: it passes when it brings approved proposals and nothing else. Pure and total.

use super::ids::{PullNumber, Sha};

/// A commit of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCommit {
    /// Its id.
    pub sha: Sha,
    /// Its parents.
    pub parents: Vec<Sha>,
}

/// A proposal that has not ended, and whether its gate is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its pull request.
    pub pull: PullNumber,
    /// The commit that was approved.
    pub head: Sha,
    /// Whether its gate is open now.
    pub open: bool,
}

/// Why a group does not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    /// Nothing is in it.
    #[error("it holds no proposal of Countersign's")]
    Empty,
    /// It is not merge commits on top of the base branch.
    #[error(
        "`{0}` is no merge commit of an open proposal; let the queue merge with merge commits, and proposals alone"
    )]
    Foreign(Sha),
    /// A proposal in it is not approved.
    #[error("pull request {0} is not approved; take it out of the queue")]
    Shut(PullNumber),
}

/// The heads of proposals that a group's first-parent line merges, from its base on. Errors: a commit of it is no merge
/// of two, or the line does not come to the base.
fn merged_heads(base: Sha, head: Sha, commits: &[GroupCommit]) -> Result<Vec<Sha>, GroupFault> {
    let mut heads = Vec::new();
    let mut at = head;
    // Each step goes to another commit of the list, or ends.
    for _ in 0..commits.len() {
        if at == base {
            break;
        }
        let commit = commits.iter().find(|commit| commit.sha == at);
        let Some([before, merged]) = commit.map(|commit| commit.parents.as_slice()) else {
            return Err(GroupFault::Foreign(at));
        };
        // Merged twice, the second one brings something else.
        if heads.contains(merged) {
            return Err(GroupFault::Foreign(at));
        }
        heads.push(*merged);
        at = *before;
    }
    if at == base {
        Ok(heads)
    } else {
        Err(GroupFault::Foreign(at))
    }
}

/// Whether a group brings open proposals, each by a merge commit of its own, and nothing else. INVARIANT i14, i27.
///
/// # Errors
/// The first thing that is wrong about it.
pub fn judge(base: Sha, head: Sha, commits: &[GroupCommit], members: &[Member]) -> Result<(), GroupFault> {
    let heads = merged_heads(base, head, commits)?;
    if heads.is_empty() {
        return Err(GroupFault::Empty);
    }
    for merged in &heads {
        match members.iter().find(|member| member.head == *merged) {
            None => return Err(GroupFault::Foreign(*merged)),
            Some(member) if !member.open => return Err(GroupFault::Shut(member.pull)),
            Some(_) => {}
        }
    }
    // A proposal is one commit: what else is in the list came along with something.
    let line = |sha: Sha| {
        let merges = |commit: &&GroupCommit| commit.sha == sha && commit.parents.len() == 2;
        commits.iter().any(|commit| merges(&commit))
    };
    let stray = commits
        .iter()
        .find(|commit| !heads.contains(&commit.sha) && !line(commit.sha));
    stray.map_or(Ok(()), |commit| Err(GroupFault::Foreign(commit.sha)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Sha = Sha::from_bytes([1; 20]);

    fn sha(n: u8) -> Sha {
        Sha::from_bytes([n; 20])
    }

    fn commit(n: u8, parents: &[u8]) -> GroupCommit {
        GroupCommit {
            sha: sha(n),
            parents: parents.iter().map(|parent| sha(*parent)).collect(),
        }
    }

    fn member(n: u8, open: bool) -> Member {
        Member {
            pull: PullNumber(u64::from(n)),
            head: sha(n),
            open,
        }
    }

    #[test]
    fn i27_a_group_of_approved_proposals_passes_and_no_other() {
        // Two proposals, 10 and 20, merged one after the other by 11 and 21.
        let commits = [
            commit(10, &[1]),
            commit(11, &[1, 10]),
            commit(20, &[1]),
            commit(21, &[11, 20]),
        ];
        let both = [member(10, true), member(20, true)];
        assert_eq!(judge(BASE, sha(21), &commits, &both), Ok(()));
        let shut = [member(10, true), member(20, false)];
        assert_eq!(
            judge(BASE, sha(21), &commits, &shut),
            Err(GroupFault::Shut(PullNumber(20)))
        );
        assert_eq!(
            judge(BASE, sha(21), &commits, &both[..1]),
            Err(GroupFault::Foreign(sha(20)))
        );
        assert_eq!(judge(BASE, BASE, &[], &both), Err(GroupFault::Empty));
    }

    #[test]
    fn i14_what_is_squashed_or_comes_along_does_not_pass() {
        let both = [member(10, true)];
        let squashed = [commit(12, &[1])];
        assert_eq!(
            judge(BASE, sha(12), &squashed, &both),
            Err(GroupFault::Foreign(sha(12)))
        );
        let on_top = [commit(10, &[1]), commit(11, &[1, 10]), commit(12, &[11])];
        assert_eq!(
            judge(BASE, sha(12), &on_top, &both),
            Err(GroupFault::Foreign(sha(12)))
        );
        // The proposal's commit stands on something that is not on the base branch.
        let below = [commit(9, &[1]), commit(10, &[9]), commit(11, &[1, 10])];
        assert_eq!(
            judge(BASE, sha(11), &below, &both),
            Err(GroupFault::Foreign(sha(9)))
        );
        let twice = [commit(10, &[1]), commit(11, &[1, 10]), commit(12, &[11, 10])];
        assert_eq!(
            judge(BASE, sha(12), &twice, &both),
            Err(GroupFault::Foreign(sha(11)))
        );
        let elsewhere = [commit(10, &[1]), commit(11, &[7, 10])];
        assert_eq!(
            judge(BASE, sha(11), &elsewhere, &both),
            Err(GroupFault::Foreign(sha(7)))
        );
    }
}
