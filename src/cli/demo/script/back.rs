//! What does not stay done: a step whose next one is refused, and a payment that somebody wants back.

use serde_json::{Value, json};

use super::{Played, approves, proposed, ran, shows, waits};
use crate::{
    cli::{
        Failure,
        demo::{
            account::Call,
            stage::Stage,
            targets::{Target, Targets},
            tell::{Sign, Tell},
        },
        paint,
    },
    domain::{case::Life, entry::Outcome, ids::ProposalId},
    service::{ItemResult, Status},
};

const AGENT: &str = "payments-agent";
/// The customer whose record the CRM has closed; the bank doesn't know that.
const CUSTOMER: &str = "C-1007";
const WHY: &str = "the goods went back";

fn a_refund() -> Value {
    json!({
        "operation": "payments.refund",
        "sponsor": "carol",
        "parameters": {
            "customer_id": CUSTOMER,
            "invoice": "INV-2051",
            "amount": { "minor": 4_900, "currency": "EUR" },
        },
        "justification": "Half of the delivery was broken; the customer sent pictures.",
    })
}

/// Two steps in two systems; the second one is refused.
pub(super) async fn refund(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let status = stage.propose(AGENT, a_refund()).await?;
    proposed(tell, AGENT, &status);
    let pull = waits(stage, tell, &status)?;
    approves(stage, tell, pull, "alice", "finance").await?;
    for item in stage.result(AGENT, status.id).await?.items {
        step(tell, status.id, &item, &stage.targets);
    }
    let now = stage.status(AGENT, status.id).await?;
    let (refunds, notes) = (
        standing(stage.targets.bank(), "/refunds"),
        on_record(stage.targets.crm()),
    );
    played.seen(
        tell,
        now.state == Life::Undone && refunds == 0 && notes == 0,
        (Sign::Stopped, "undone"),
        &format!("left at the bank: {refunds} refunds; at the CRM: {notes} notes on {CUSTOMER}"),
    );
    shows(stage, tell, pull)?;
    played.bank.push(Call::step(status.id, "pay"));
    played.crm.push(Call::refused(status.id, "note"));
    played.bank.push(Call::undo(status.id, "pay"));
    played.undone.push(status.id);
    Ok(())
}

/// A step in the target's own words.
fn step(tell: &Tell, id: ProposalId, item: &ItemResult, targets: &Targets) {
    let name = item.step.as_ref().map(ToString::to_string).unwrap_or_default();
    let (system, target) = match name.as_str() {
        "note" => ("CRM", targets.crm()),
        _ => ("bank", targets.bank()),
    };
    let key = format!(
        "{id}/{}/{name}{}",
        item.item,
        if item.undo { "/undo" } else { "" }
    );
    let did = target.effects().into_iter().find(|effect| effect.key == key);
    let said = || {
        let body = item.answer.as_ref()?.body.as_ref()?;
        body.pointer("/error").and_then(Value::as_str)
    };
    let verb = if item.undo { "undo" } else { "step" };
    match (item.outcome, did) {
        (Outcome::Executed, Some(did)) => {
            tell.line(
                Sign::Does,
                verb,
                format_args!("{name}, the {system}: {}", did.what),
            );
        }
        (outcome, _) => {
            let why = said().or(item.note.as_deref()).unwrap_or("it did nothing");
            tell.line(
                Sign::Stopped,
                verb,
                format_args!("{name}, the {system}: {outcome}, {why}"),
            );
        }
    }
}

/// What a target has and did not call back.
fn standing(target: &Target, list: &str) -> usize {
    let state = target.state();
    let all = state.pointer(list).and_then(Value::as_array);
    all.map_or(0, |all| {
        let stands = |one: &&Value| one.pointer("/recalled") != Some(&Value::Bool(true));
        all.iter().filter(stands).count()
    })
}

/// The notes on the customer's record.
fn on_record(crm: &Target) -> usize {
    let state = crm.state();
    let all = state.pointer("/notes").and_then(Value::as_array);
    all.map_or(0, |all| {
        let theirs = |one: &&Value| one.pointer("/contact").and_then(Value::as_str) == Some(CUSTOMER);
        all.iter().filter(theirs).count()
    })
}

/// What ran is taken back by a proposal of its own, which who asks for it does not approve.
pub(super) async fn rollback(
    stage: &Stage,
    tell: &Tell,
    played: &mut Played,
    payment: &Status,
) -> Result<(), Failure> {
    let old = payment
        .pull_request
        .ok_or_else(|| Failure::new("the payment has no pull request"))?;
    let ask = format!("/rollback {WHY}");
    stage.comment("alice", old, &ask).await?;
    tell.line(
        Sign::Does,
        "asked",
        format_args!("alice comments `{ask}` below pull request {old}"),
    );
    let asked = stage.status(AGENT, payment.id).await?;
    let undo = asked.rolled_back.ok_or_else(|| {
        let said = stage.answer(old).unwrap_or_default();
        Failure::new(format!("nothing takes the payment back: {said}"))
    })?;
    let status = stage.status(AGENT, undo.by).await?;
    tell.line(
        Sign::Does,
        "proposed",
        format_args!("{}, by the gate for alice", paint::strong(&status.summary)),
    );
    let new = waits(stage, tell, &status)?;
    let body = stage.body(new)?;
    let both = status.rolls_back == Some(payment.id)
        && undo.pull == Some(new)
        && body.contains(&format!("**Rolls back** #{old}"));
    played.seen(
        tell,
        both,
        (Sign::Good, "linked"),
        "each of the two pull requests names the other",
    );
    approves(stage, tell, new, "bob", "treasury").await?;
    let now = stage.status(AGENT, undo.by).await?;
    let did = stage.targets.bank().effects();
    let mine = did
        .iter()
        .rfind(|effect| effect.proposal == Some(undo.by.to_string()));
    let what = mine.map_or("nothing", |effect| effect.what.as_str());
    ran(tell, &now, &format!("the bank: {what}"));
    played.bank.push(Call::of(undo.by));
    played.paid -= 1_250_000;
    Ok(())
}
