//! A recorded proposal becomes one commit and one pull request.

use std::sync::Arc;

use super::{Bot, NotNow};
use crate::{
    domain::{
        assess::Assessment,
        authentic::Committer,
        entry::{Draft, Event, Opened, Role},
        ids::{Digest, ProposalId},
        policy::Policy,
        proposal::Proposal,
    },
    ledger::{ProposalCommit, PushedProposal},
    render,
};

/// Everything about a proposal that people see.
#[derive(Debug)]
pub(super) struct Presentation {
    /// The pull request's title.
    pub title: String,
    /// `report.md`, the pull request's body verbatim.
    pub report: String,
    /// `proposal.yaml`.
    pub file: Vec<u8>,
    /// `change.diff`.
    pub diff: String,
}

impl Bot {
    /// Renders what people see of a proposal; the same proposal and policy always give the same bytes.
    pub(super) fn presentation(
        &self,
        proposal: &Proposal,
        assessment: &Assessment,
        policy: &Policy,
    ) -> Result<Presentation, render::RenderError> {
        let (base, old, taken_back, co_writers) = self.ledger().read(|book| {
            let old = proposal
                .supersedes
                .and_then(|id| book.case(id).or_else(|| book.recent(id)));
            let old = old.map(|case| {
                let pull = case.opened.as_ref().map(|opened| opened.pull);
                (Arc::clone(&case.proposal), pull)
            });
            let taken_back = proposal.binding.rolls_back;
            let taken_back = taken_back.and_then(|id| book.closed(id)?.pull);
            let co_writers = book.co_writers(proposal);
            (book.genesis().base.clone(), old, taken_back, co_writers)
        });
        let replaces = old.as_ref().map(|(proposal, pull)| render::Replaced {
            proposal,
            pull: *pull,
            co_writers: &co_writers,
        });
        Ok(Presentation {
            title: render::title(proposal, assessment),
            report: render::report(&render::ReportFacts {
                proposal,
                assessment,
                policy,
                base: &base,
                replaces,
                taken_back,
            })?,
            file: render::proposal_yaml(proposal)?,
            diff: render::change_diff(proposal),
        })
    }

    /// Opens the pull request of a received proposal. Doing it again after a crash makes no second one.
    pub(super) async fn open(&self, id: ProposalId) -> Result<(), NotNow> {
        let policy = self.in_force().await?;
        let Some(case) = self.case(id) else { return Ok(()) };
        if case.opened.is_some() {
            return Ok(());
        }
        if case.policy != policy.digest() {
            return self.void_by_rules(&case).await;
        }
        let shown = self.presentation(&case.proposal, &case.assessment, &policy)?;
        let directory = case.proposal.directory();
        let file = Digest::of(&shown.file);
        let branch = case.proposal.branch().parse().map_err(NotNow::internal)?;
        let base = self.ledger().read(|book| book.genesis().base.clone());
        let me = self.github().me().await?;
        let pushed: PushedProposal = self
            .mirror()
            .push_proposal(ProposalCommit {
                branch,
                base_branch: base.clone(),
                files: vec![
                    (format!("{directory}/proposal.yaml"), shown.file),
                    (format!("{directory}/change.diff"), shown.diff.into_bytes()),
                    (
                        format!("{directory}/report.md"),
                        shown.report.clone().into_bytes(),
                    ),
                ],
                message: render::commit_message(&case.proposal),
                author: Committer::new(me.login().as_str(), me.email()).map_err(NotNow::internal)?,
                at: case.proposal.created_at,
            })
            .await?;
        let branch = case.proposal.branch().parse().map_err(NotNow::internal)?;
        let pull = self
            .publishing()
            .await?
            .open_pull(&branch, &base, &shown.title, &shown.report)
            .await?;
        let opened = Opened {
            pull,
            head: pushed.head,
            base_ref: base,
            base: pushed.base,
            branch,
            title: Digest::of(shown.title.as_bytes()),
            file,
        };
        let mut draft: Draft = Draft::about(&case, Role::Gate, Event::Opened(opened), self.now());
        draft.digests.presentation = Some(Digest::of(shown.report.as_bytes()));
        self.append(vec![draft]).await?;
        self.look_again([pull]).await
    }
}
