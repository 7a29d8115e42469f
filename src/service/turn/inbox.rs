//! An agent's own pull request is only an inbox: read at one commit, answered, replaced by the bot's. INVARIANT i25.

use super::{Bot, NotNow, Told};
use crate::{
    domain::{
        entry::Via,
        ids::{ProposalId, PullNumber},
        proposal::Attestation,
        receive::FieldError,
        request::Request,
        source::{SourceFile, read_yaml},
    },
    github::{self, PullBrief},
    render,
    service::turn::View,
};

/// The file that an agent's pull request carries.
const FILE: &str = "proposal.yaml";

impl Bot {
    /// Looks at a pull request that is not the bot's.
    pub(super) async fn inbox(&self, number: PullNumber, told: &[Told]) -> Result<(), NotNow> {
        let pull = match self.github().pull(number).await {
            Ok(pull) => pull,
            Err(github::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let reviewed = told.iter().any(|told| told.review().is_some());
        if reviewed && pull.author == Some(self.github().me().await?.account()) && self.is_opening() {
            // Perhaps it is that one: its review must be recorded as it was heard. INVARIANT i06.
            return Err(NotNow::because(
                "a review came while a pull request is being opened",
            ));
        }
        if pull.open && self.is_shadow(&pull) {
            self.publishing()
                .await?
                .close_with(number, &render::shadow(pull.head)?)
                .await?;
            return Ok(());
        }
        if self.amend(&pull, told).await? {
            let policy = self.policy_known().await?;
            return self.no_commands(&policy, number, told).await;
        }
        if !pull.open {
            return Ok(());
        }
        let policy = self.in_force().await?;
        let Some(agent) = pull.author.and_then(|author| policy.agent_of(author)) else {
            return Ok(());
        };
        let Some(bytes) = self.github().file_at(FILE, pull.head).await? else {
            return Ok(());
        };
        let read = std::str::from_utf8(&bytes)
            .map_err(|error| FieldError::new("", format!("not UTF-8 at byte {}", error.valid_up_to())))
            .and_then(|text| {
                read_yaml::<Request>(&SourceFile::new(FILE, text))
                    .map_err(|error| FieldError::new(error.pointer(), error.to_string()))
            });
        let request = match read {
            Ok(request) => request,
            Err(error) => {
                return Ok(self
                    .publishing()
                    .await?
                    .answer(number, &render::inbox_answer(&[error])?)
                    .await?);
            }
        };
        let via = Via::Pull {
            number,
            head: pull.head,
        };
        match self
            .receive(request, agent.name(), Attestation::Account, via)
            .await
        {
            Ok(receipt) => self.answer_accepted(number, receipt.id, agent.name()).await,
            Err(problem) if problem.status() < 500 => {
                let whole = [FieldError::new("", problem.detail())];
                let errors = if problem.errors().is_empty() {
                    &whole[..]
                } else {
                    problem.errors()
                };
                Ok(self
                    .publishing()
                    .await?
                    .answer(number, &render::inbox_answer(errors)?)
                    .await?)
            }
            Err(problem) => Err(NotNow::Other(problem.detail().to_owned())),
        }
    }

    /// A pull request of others on a proposal's head would show approvals that mean nothing. INVARIANT i25.
    fn is_shadow(&self, pull: &PullBrief) -> bool {
        self.ledger().read(|book| {
            let mut opened = book.cases().filter_map(|(_, case)| case.opened.as_ref());
            opened.any(|opened| opened.head == pull.head && opened.pull != pull.number)
        })
    }

    async fn answer_accepted(
        &self,
        number: PullNumber,
        id: ProposalId,
        agent: &crate::domain::ids::AgentName,
    ) -> Result<(), NotNow> {
        let status = self
            .status(id, &View::Agent(agent))
            .await
            .map_err(|problem| NotNow::Other(problem.detail().into()))?;
        let text = match status.pull_request {
            Some(pull) => render::inbox_accepted(id, pull)?,
            None if status.ended => render::inbox_ran(id, status.state)?,
            None => return Err(NotNow::because("the proposal's own pull request is not open yet")),
        };
        Ok(self.publishing().await?.close_with(number, &text).await?)
    }
}
