//! A person changes a proposal: another one takes its place, with them as its co-writer. INVARIANT i05, i08.

use std::collections::BTreeMap;

use rand::RngExt as _;

use super::{Bot, NotNow, command::Spoken, receive::Made};
use crate::{
    domain::{
        correction,
        entry::{Heard, Via},
        ids::{ItemId, Nonce},
        policy::Policy,
        proposal::{Change, Proposal, dotted},
        receive::{FieldError, check_proof, fit},
    },
    render,
    service::problem::Problem,
};

impl Bot {
    /// What a person is answered who changes a proposal. It goes the way of any proposal: checked, observed, sealed,
    /// assessed and recorded, in the same push that ends the old one.
    pub(super) async fn correct(
        &self,
        changes: Vec<Change>,
        spoken: Spoken<'_>,
    ) -> Result<Result<String, String>, NotNow> {
        let (heard, seen) = match self.hear(spoken).await? {
            Ok(heard) => heard,
            Err(why) => return Ok(Err(why)),
        };
        let case = spoken.case;
        if let Err(no) = correction::correctable(case, &seen, spoken.place.policy, spoken.event.account) {
            return Ok(Err(no.to_string()));
        }
        let policy = match self.in_force().await {
            Ok(policy) => policy,
            Err(not) => return Ok(Err(later(&not.to_string()))),
        };
        let new = match self.corrected(changes, spoken, &heard, &policy).await? {
            Ok(made) => made,
            Err(why) => return Ok(Err(why)),
        };
        let proposal = new.proposal.clone();
        let epoch = self.store().outbox().epoch().await?;
        if let Err(problem) = self
            .enter(new, &policy, Via::Comment(heard), Some(spoken.by), epoch)
            .await
        {
            return Ok(Err(told(&problem, &ids(&proposal))));
        }
        metrics::counter!("countersign_corrections_total").increment(1);
        let opened = self.case(proposal.id).and_then(|case| case.opened);
        let pull = opened.map(|opened| opened.pull);
        Ok(Ok(render::corrected(&proposal, pull)?))
    }

    /// The proposal with its changes. Inner errors: why there is none.
    async fn corrected(
        &self,
        changes: Vec<Change>,
        spoken: Spoken<'_>,
        heard: &Heard,
        policy: &Policy,
    ) -> Result<Result<Made, String>, NotNow> {
        let old = &spoken.case.proposal;
        let key = self.store().keys().get(old.id).await?;
        let nonce: u128 = rand::rng().random();
        let nonce: Nonce = format!("amended-{nonce:032x}")
            .parse()
            .map_err(NotNow::internal)?;
        let request = match correction::request(old, &changes, nonce, key.as_ref()) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let Some(agent) = policy.agent(&old.binding.agent) else {
            return Ok(Err(format!(
                "agent `{}` is not in agents.yaml any more",
                old.binding.agent
            )));
        };
        let now = self.now();
        let fitting = match fit(request, agent, policy, now) {
            Ok(fitting) => fitting,
            Err(errors) => return Ok(Err(misfits(&errors, &ids(old)))),
        };
        let said = (heard.account, heard.comment);
        let proof = correction::proof(old, spoken.by, said, changes);
        let made = match self.arrive(fitting, proof, BTreeMap::new(), now).await {
            Ok(made) => made,
            Err(problem) => return Ok(Err(told(&problem, &ids(old)))),
        };
        // As the executor will look at it, so that nobody approves what can't run. INVARIANT i04.
        Ok(match check_proof(&made.proposal, policy, Some(&made.key)) {
            Ok(()) => Ok(made),
            Err(error) => Err(error.to_string()),
        })
    }
}

/// The names of a proposal's items.
pub(super) fn ids(proposal: &Proposal) -> Vec<ItemId> {
    let items = proposal.binding.items.iter();
    items.map(|item| item.id.clone()).collect()
}

/// Why nothing came of it, in the words that its agent would be told.
pub(super) fn told(problem: &Problem, items: &[ItemId]) -> String {
    match (problem.errors(), problem.status()) {
        ([], 500..) => later(problem.detail()),
        ([], _) => problem.detail().to_owned(),
        (errors, _) => misfits(errors, items),
    }
}

pub(super) fn later(why: &str) -> String {
    format!("{why}; write it again in a while")
}

/// The first fields that do not fit, by the names that a command has for them.
pub(super) fn misfits(errors: &[FieldError], items: &[ItemId]) -> String {
    let many = items.len() > 1;
    let name = |field: &str| {
        let mut parts = field.strip_prefix("/items/")?.splitn(3, '/');
        let item = items.get(parts.next()?.parse::<usize>().ok()?)?;
        let place = dotted(parts.nth(1).unwrap_or_default());
        Some(if many { format!("{item}:{place}") } else { place })
    };
    let said = errors.iter().take(3).map(|error| match name(&error.field) {
        Some(name) if !name.is_empty() => format!("`{name}`: {}", error.message),
        Some(_) | None => error.message.clone(),
    });
    said.collect::<Vec<_>>().join(". ")
}
