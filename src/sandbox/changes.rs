//! What follows when a ref moves: activity, pull requests, events.
use git2::Oid;

use super::answer::Refusal;
use super::git;
use super::state::{Activity, ActivityKind, Merged, Pull, State, Verdict};

/// GitHub's stand-in for "no commit".
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";

impl State {
    /// Takes note of every ref that differs from what was known, as `actor`'s doing.
    pub(crate) fn sync_refs(&mut self, repo: u64, actor: u64) -> Result<(), Refusal> {
        let git = self.open_git(self.repo(repo)?)?;
        let now: std::collections::BTreeMap<String, String> = git::refs(&git)?.into_iter().collect();
        let known = self.repo(repo)?.refs.clone();
        for (name, before) in &known {
            match now.get(name) {
                None => self.ref_moved(repo, actor, name, Some(before), None, None)?,
                Some(after) if after != before => {
                    self.ref_moved(repo, actor, name, Some(before), Some(after), None)?;
                }
                Some(_) => {}
            }
        }
        for (name, after) in &now {
            if !known.contains_key(name) {
                self.ref_moved(repo, actor, name, None, Some(after), None)?;
            }
        }
        Ok(())
    }

    /// Points a ref at a commit (or removes it) and lets everything follow.
    pub(crate) fn move_ref(
        &mut self,
        repo: u64,
        actor: u64,
        name: &str,
        to: Option<&str>,
        kind: Option<ActivityKind>,
    ) -> Result<(), Refusal> {
        let git = self.open_git(self.repo(repo)?)?;
        match to {
            Some(sha) => git::set_ref(&git, name, sha)?,
            None => git::delete_ref(&git, name)?,
        }
        let before = self.repo(repo)?.refs.get(name).cloned();
        self.ref_moved(repo, actor, name, before.as_deref(), to, kind)
    }

    fn ref_moved(
        &mut self,
        repo: u64,
        actor: u64,
        name: &str,
        before: Option<&str>,
        after: Option<&str>,
        kind: Option<ActivityKind>,
    ) -> Result<(), Refusal> {
        let at = self.now();
        let id = self.id();
        let branch = name.strip_prefix("refs/heads/");
        let git = self.open_git(self.repo(repo)?)?;
        let (added, forced) = match (branch, before, after) {
            (Some(_), Some(before), Some(after)) => git::pushed(&git, before, after)?,
            (Some(_), None, Some(after)) => (vec![Oid::from_str(after)?], false),
            (_, _, None) | (None, ..) => (Vec::new(), false),
        };
        let state = self.repo_mut(repo)?;
        match after {
            Some(after) => state.refs.insert(name.to_owned(), after.to_owned()),
            None => state.refs.remove(name),
        };
        let Some(branch) = branch else {
            return Ok(());
        };
        let kind = kind.unwrap_or(match (before, after) {
            (None, _) => ActivityKind::BranchCreation,
            (Some(_), None) => ActivityKind::BranchDeletion,
            (Some(_), Some(_)) if forced => ActivityKind::ForcePush,
            (Some(_), Some(_)) => ActivityKind::Push,
        });
        let state = self.repo_mut(repo)?;
        state.pushed_at = at;
        state.activity.push(Activity {
            id,
            before: before.unwrap_or(ZERO).to_owned(),
            after: after.unwrap_or(ZERO).to_owned(),
            reference: name.to_owned(),
            at,
            kind,
            actor,
        });
        self.emit_push(repo, actor, name, (before, after), (&added, forced))?;
        match after {
            Some(after) => {
                self.heads_follow(repo, actor, branch, after, forced)?;
                self.merged_by_push(repo, actor, branch, after)?;
            }
            None => self.heads_gone(repo, actor, branch)?,
        }
        Ok(())
    }

    fn numbers(&self, repo: u64, which: impl Fn(&Pull) -> bool) -> Result<Vec<u64>, Refusal> {
        let pulls = self.repo(repo)?.pulls.values();
        Ok(pulls
            .filter(|pull| pull.open() && which(pull))
            .map(|pull| pull.number)
            .collect())
    }

    /// Open pull requests from the branch get its new head. After a force-push, approvals point at the new head, as
    /// they do on GitHub.
    fn heads_follow(
        &mut self,
        repo: u64,
        actor: u64,
        branch: &str,
        after: &str,
        forced: bool,
    ) -> Result<(), Refusal> {
        let at = self.now();
        for number in self.numbers(repo, |pull| pull.head_ref == branch && pull.head_sha != after)? {
            let base_ref = self.pull(repo, number)?.base_ref.clone();
            let stale = self
                .repo(repo)?
                .protections
                .get(&base_ref)
                .and_then(|protection| protection.reviews);
            let stale = stale.is_some_and(|reviews| reviews.dismiss_stale);
            let git = self.open_git(self.repo(repo)?)?;
            let base = git::branch_head(&git, &base_ref);
            let pull = self.pull_mut(repo, number)?;
            let before = std::mem::replace(&mut pull.head_sha, after.to_owned());
            if let Some(base) = base {
                pull.base_sha = base;
            }
            pull.updated_at = at;
            let mut dismissed = Vec::new();
            for review in pull
                .reviews
                .iter_mut()
                .filter(|review| review.verdict == Verdict::Approved)
            {
                if forced {
                    after.clone_into(&mut review.commit);
                }
                if stale {
                    review.verdict = Verdict::Dismissed;
                    dismissed.push(review.id);
                }
            }
            self.keep_pull_ref(repo, number)?;
            self.emit_pull(
                repo,
                number,
                "synchronize",
                actor,
                serde_json::json!({ "before": before, "after": after }),
            )?;
            for review in dismissed {
                self.emit_review(repo, number, review, "dismissed", actor)?;
            }
        }
        Ok(())
    }

    /// Keeps `refs/pull/N/head`, which clones may fetch.
    pub(crate) fn keep_pull_ref(&mut self, repo: u64, number: u64) -> Result<(), Refusal> {
        let sha = self.pull(repo, number)?.head_sha.clone();
        let name = format!("refs/pull/{number}/head");
        let git = self.open_git(self.repo(repo)?)?;
        git::set_ref(&git, &name, &sha)?;
        self.repo_mut(repo)?.refs.insert(name, sha);
        Ok(())
    }

    /// A pull request whose commits arrive on its base by a push counts as merged.
    fn merged_by_push(&mut self, repo: u64, actor: u64, branch: &str, after: &str) -> Result<(), Refusal> {
        let at = self.now();
        let git = self.open_git(self.repo(repo)?)?;
        for number in self.numbers(repo, |pull| pull.base_ref == branch && pull.head_ref != branch)? {
            let pull = self.pull(repo, number)?;
            let head = pull.head_sha.clone();
            let old_base = Oid::from_str(&pull.base_sha)?;
            let ahead = git::between(&git, old_base, Oid::from_str(&head)?)?;
            if ahead.is_empty() || !git::is_ancestor(&git, &head, after) {
                continue;
            }
            let pull = self.pull_mut(repo, number)?;
            pull.merged = Some(Merged {
                at,
                by: actor,
                sha: after.to_owned(),
            });
            pull.closed = Some(at);
            pull.closed_by = Some(actor);
            pull.updated_at = at;
            self.emit_pull(repo, number, "closed", actor, serde_json::json!({}))?;
        }
        Ok(())
    }

    fn heads_gone(&mut self, repo: u64, actor: u64, branch: &str) -> Result<(), Refusal> {
        let at = self.now();
        for number in self.numbers(repo, |pull| pull.head_ref == branch || pull.base_ref == branch)? {
            let pull = self.pull_mut(repo, number)?;
            pull.closed = Some(at);
            pull.closed_by = Some(actor);
            pull.updated_at = at;
            self.emit_pull(repo, number, "closed", actor, serde_json::json!({}))?;
        }
        Ok(())
    }
}
