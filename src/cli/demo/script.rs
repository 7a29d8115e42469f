//! The story that `--auto` plays: actions of three tiers, one that fails half-way, one that is taken back, three attacks,
//! and a freeze.

mod attacks;
mod back;
mod freeze;

use serde_json::{Value, json};

use super::{
    account::Call,
    stage::Stage,
    tell::{Sign, Tell},
};
use crate::{
    cli::{Failure, house::REPO, paint},
    domain::{
        case::Life,
        ids::{ProposalId, PullNumber},
    },
    service::Status,
};

/// What must be found at the targets, and how many attacks were stopped.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What the CRM must have been asked for, in order.
    pub(super) crm: Vec<Call>,
    /// What the bank must have been asked for, in order.
    pub(super) bank: Vec<Call>,
    /// What failed half-way, so that nothing of it may be left.
    pub(super) undone: Vec<ProposalId>,
    /// What the operating account must have paid for good, in cents.
    pub(super) paid: i64,
    /// How often something was seen that must not be.
    pub(super) wrong: u32,
    /// Attacks that were tried.
    pub(super) attacks: u32,
    /// Attacks that were stopped.
    pub(super) stopped: u32,
}

/// Plays it all.
pub(super) async fn play(stage: &Stage, tell: &Tell) -> Result<Played, Failure> {
    let mut played = Played::default();
    tell.act(1, "A note in the CRM: low tier, runs at once");
    note(stage, tell, &mut played).await?;
    tell.act(2, "A campaign to 4,200 contacts: medium tier, one approval");
    campaign(stage, tell, &mut played).await?;
    tell.act(
        3,
        "A payment of 12,500.00 EUR: high tier, two people of different teams",
    );
    let payment = payment(stage, tell, &mut played).await?;
    tell.act(
        4,
        "A refund in two systems: the second refuses, the first is undone",
    );
    back::refund(stage, tell, &mut played).await?;
    tell.act(5, "The payment is taken back: one person asks, another approves");
    back::rollback(stage, tell, &mut played, &payment).await?;
    tell.act(6, "A payment that is changed after it was approved");
    attacks::force_push(stage, tell, &mut played).await?;
    tell.act(7, "A campaign that is merged around the gate");
    attacks::bypass(stage, tell, &mut played).await?;
    tell.act(
        8,
        "A freeze: what is approved stands still until two teams end it",
    );
    freeze::freeze(stage, tell, &mut played).await?;
    Ok(played)
}

/// A note on a customer.
pub(super) fn a_note() -> Value {
    json!({
        "operation": "crm.note",
        "sponsor": "erin",
        "parameters": { "customer_id": "C-1001", "text": "Asked for a later delivery; agreed on Thursday." },
        "justification": "The customer called and asked to have it noted.",
    })
}

/// A campaign to a segment.
pub(super) fn a_campaign(segment: &str, subject: &str) -> Value {
    json!({
        "operation": "campaigns.send",
        "sponsor": "erin",
        "parameters": {
            "segment_id": segment,
            "subject": subject,
            "body": "Dear customer,\n\nour spring collection has arrived.\n\nYour Acme team\n",
        },
        "justification": "The campaign is planned for this week in the marketing calendar.",
    })
}

/// A payment to a supplier.
pub(super) fn a_payment(supplier: &str, minor: u64, reference: &str) -> Value {
    json!({
        "operation": "payments.create",
        "sponsor": "carol",
        "parameters": {
            "supplier_id": supplier,
            "amount": { "minor": minor, "currency": "EUR" },
            "reference": reference,
        },
        "justification": "The invoice is due on Friday and its goods have arrived.",
    })
}

async fn note(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "support-agent";
    let status = stage.propose(agent, a_note()).await?;
    proposed(tell, agent, &status);
    ran(tell, &status, "no approval needed");
    played.crm.push(Call::of(status.id));
    Ok(())
}

async fn campaign(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "campaign-agent";
    let status = stage
        .propose(agent, a_campaign("spring-customers", "Spring is here"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    stage.person("erin").approve(REPO, pull.0).map_err(Failure::new)?;
    stage.settle().await;
    tell.line(
        Sign::Attack,
        "attack",
        "erin approves; she is the sponsor who answers for the agent",
    );
    let now = stage.status(agent, status.id).await?;
    let shut = now.state == Life::Open && stage.check(pull)?.conclusion != "success";
    played.attack(
        tell,
        shut,
        "it does not count: nobody approves what their own agent proposes",
    );
    shows(stage, tell, pull)?;
    approves(stage, tell, pull, "dave", "marketing").await?;
    let now = stage.status(agent, status.id).await?;
    ran(
        tell,
        &now,
        "merged by the gate, then executed from the merge commit",
    );
    played.crm.push(Call::of(status.id));
    Ok(())
}

/// One person of an owning team approves.
async fn approves(
    stage: &Stage,
    tell: &Tell,
    pull: PullNumber,
    login: &str,
    team: &str,
) -> Result<(), Failure> {
    stage.person(login).approve(REPO, pull.0).map_err(Failure::new)?;
    stage.settle().await;
    tell.line(Sign::Does, "approved", format!("by {login}, for {team}"));
    Ok(())
}

/// Gives the payment, once it ran.
async fn payment(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<Status, Failure> {
    let agent = "payments-agent";
    let status = stage
        .propose(agent, a_payment("acme-ltd", 1_250_000, "Invoice 2026-117"))
        .await?;
    proposed(tell, agent, &status);
    let pull = waits(stage, tell, &status)?;
    approves(stage, tell, pull, "alice", "finance").await?;
    shows(stage, tell, pull)?;
    approves(stage, tell, pull, "bob", "treasury").await?;
    let now = stage.status(agent, status.id).await?;
    ran(
        tell,
        &now,
        "two people of two teams; looked at again right before it ran",
    );
    played.bank.push(Call::of(status.id));
    played.paid += 1_250_000;
    Ok(now)
}

impl Played {
    /// Tells what was looked at.
    fn seen(&mut self, tell: &Tell, holds: bool, (sign, verb): (Sign, &str), what: &str) {
        if holds {
            tell.line(sign, verb, what);
        } else {
            self.wrong += 1;
            tell.line(Sign::Wrong, &format!("not {verb}"), what);
        }
    }

    fn attack(&mut self, tell: &Tell, stopped: bool, how: &str) {
        self.attacks += 1;
        if stopped {
            self.stopped += 1;
            tell.line(Sign::Stopped, "stopped", how);
        } else {
            tell.line(Sign::Wrong, "not stopped", format_args!("it should be so: {how}"));
        }
    }
}

fn proposed(tell: &Tell, agent: &str, status: &Status) {
    tell.line(
        Sign::Does,
        "proposed",
        format_args!("{}, by {agent}", paint::strong(&status.summary)),
    );
}

/// The pull request that people review.
fn waits(stage: &Stage, tell: &Tell, status: &Status) -> Result<PullNumber, Failure> {
    let pull = status.pull_request.ok_or_else(|| {
        let why = status.reason.clone().unwrap_or_default();
        Failure::new(format!(
            "proposal {} has no pull request; it is {} {why}",
            status.id, status.state
        ))
    })?;
    let check = stage.check(pull)?.title;
    tell.line(
        Sign::Waits,
        "waits",
        check.strip_prefix("Waiting: ").unwrap_or(&check),
    );
    if let Some(url) = &status.url {
        tell.link(url);
    }
    Ok(pull)
}

/// What the check on the pull request says now.
fn shows(stage: &Stage, tell: &Tell, pull: PullNumber) -> Result<(), Failure> {
    let check = stage.check(pull)?.title;
    // A head that is not the bot's has no check of the bot's.
    if !check.is_empty() {
        tell.more(format_args!("the check says: {check}"));
    }
    Ok(())
}

fn ran(tell: &Tell, status: &Status, how: &str) {
    if status.state == Life::Executed {
        tell.line(Sign::Good, "executed", how);
    } else {
        let why = status.reason.as_deref().unwrap_or("and nothing more is known");
        tell.line(
            Sign::Wrong,
            "not executed",
            format_args!("it is {}: {why}", status.state),
        );
    }
}
