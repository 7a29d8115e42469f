//! What webhooks said is stored before anybody is told that it was heard. INVARIANT i24.

use super::{Bot, NotNow};
use crate::{
    domain::ids::{BranchName, DeliveryId, RepoName},
    github::Hint,
    service::subject::Subject,
    store::StoreError,
};

impl Bot {
    /// Stores what a webhook said: a reason to look again, never a verdict. Gives what became of it, for the counters.
    pub(in crate::service) async fn take_in(
        &self,
        delivery: &DeliveryId,
        hint: &Hint,
    ) -> Result<&'static str, NotNow> {
        if !hint.repo().is_some_and(|repo| self.concerns(hint, repo)) {
            return Ok("of another repository");
        }
        self.heard_of_run(hint);
        let Some(subject) = self.subject_of(hint) else {
            return Ok("of nothing");
        };
        let stored = serde_json::to_string(hint).map_err(NotNow::internal)?;
        let inbox = self.store().inbox();
        let new = inbox
            .hear(&subject.to_string(), delivery, stored, self.now())
            .await?;
        Ok(if new { "accepted" } else { "doubled" })
    }

    /// What a hint has looked at.
    fn subject_of(&self, hint: &Hint) -> Option<Subject> {
        match hint {
            Hint::Review { pull, .. } | Hint::Comment { pull, .. } => Some(Subject::Pull(*pull)),
            Hint::Pull(event) => Some(Subject::Pull(event.pull)),
            Hint::Push { branch, .. } => self.moved(branch),
            Hint::CheckRerequested { .. } => Some(Subject::All),
            Hint::Protection { .. } => Some(Subject::Protection),
            Hint::MergeGroup { base_ref, .. } => {
                let base = self.ledger().read(|book| book.genesis().base == *base_ref);
                base.then_some(Subject::Groups)
            }
            Hint::Deployment {
                repo,
                run,
                environment,
            } => Some(Subject::Run {
                repository: repo.clone(),
                run: *run,
                environment: environment.clone(),
            }),
            Hint::Run { .. } | Hint::Nothing => None,
        }
    }

    /// A branch moved: the base may hold another policy, a proposal's branch must not move, and the ledger moves with
    /// every entry that this process itself records, unless another one executes. INVARIANT i31.
    fn moved(&self, branch: &BranchName) -> Option<Subject> {
        let elsewhere = !self.executes();
        self.ledger().read(|book| {
            if elsewhere && book.genesis().ledger == *branch {
                return Some(Subject::Ledger);
            }
            if book.genesis().base == *branch {
                return Some(Subject::Base);
            }
            let mut opened = book.cases().filter_map(|(_, case)| case.opened.as_ref());
            let of_it = opened.find(|opened| opened.branch == *branch);
            of_it.map(|opened| Subject::Pull(opened.pull))
        })
    }

    /// Of other repositories, runs alone, where the catalog has workflows in them.
    fn concerns(&self, hint: &Hint, repo: &RepoName) -> bool {
        let of_runs = matches!(hint, Hint::Deployment { .. } | Hint::Run { .. });
        self.is_ours(repo) || of_runs && self.runs_in(repo)
    }

    /// GitHub takes a repository's name in any case, and so may the operator.
    fn is_ours(&self, repo: &RepoName) -> bool {
        let same = |ours: &RepoName| ours.as_str().eq_ignore_ascii_case(repo.as_str());
        self.ledger().read(|book| same(&book.genesis().repository))
    }

    /// Whether what comes in can be stored now: proved by storing something. Gives how much is due.
    pub(in crate::service) async fn stores(&self) -> Result<u64, StoreError> {
        self.store().instances().beat(self.instance(), self.now()).await?;
        self.depth().await
    }
}
