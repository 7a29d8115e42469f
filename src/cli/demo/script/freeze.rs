//! Somebody stops everything; what is approved waits until two teams let it go on.

use serde_json::{Value, json};

use super::{Played, a_payment, approves, proposed, ran, waits};
use crate::{
    cli::{
        Failure,
        demo::{
            account::Call,
            stage::Stage,
            tell::{Sign, Tell},
        },
    },
    domain::{case::Life, ids::Seq},
};

const FREEZE: &str = "/freeze all who merges around the gate?";

fn a_thaw(freeze: Seq) -> Value {
    json!({
        "operation": "executions.thaw",
        "sponsor": "paula",
        "parameters": { "freeze": freeze, "reason": "It was root, for a demo." },
        "justification": "The administrator was found and explained it; payments wait.",
    })
}

/// A payment that is approved while nothing may run, and what lets it.
pub(super) async fn freeze(stage: &Stage, tell: &Tell, played: &mut Played) -> Result<(), Failure> {
    let agent = "payments-agent";
    let payment = stage
        .propose(agent, a_payment("globex", 86_400, "Invoice R-4471"))
        .await?;
    proposed(tell, agent, &payment);
    let pull = waits(stage, tell, &payment)?;
    stage.comment("nina", pull, FREEZE).await?;
    let freeze = stage
        .freeze()
        .ok_or_else(|| Failure::new("nothing is frozen, although nina asked for it"))?;
    tell.line(
        Sign::Does,
        "frozen",
        format_args!("nina, of security, comments `{FREEZE}`"),
    );
    let before = stage.targets.bank().asked();
    approves(stage, tell, pull, "alice", "finance").await?;
    approves(stage, tell, pull, "bob", "treasury").await?;
    let now = stage.status(agent, payment.id).await?;
    played.seen(
        tell,
        now.state == Life::Open && stage.targets.bank().asked() == before,
        (Sign::Stopped, "still"),
        "approved and not merged; the bank was not asked",
    );
    let check = stage.check(pull)?;
    let why = check.why("stopped executions").unwrap_or(&check.title);
    for (at, part) in why.split("; ").enumerate() {
        tell.more(format_args!(
            "{}{part}",
            if at == 0 { "the check says: " } else { "" }
        ));
    }
    let agent_of_thaw = "ops-agent";
    let thaw = stage.propose(agent_of_thaw, a_thaw(freeze)).await?;
    proposed(tell, agent_of_thaw, &thaw);
    let gate = waits(stage, tell, &thaw)?;
    approves(stage, tell, gate, "quinn", "platform").await?;
    approves(stage, tell, gate, "oscar", "security").await?;
    let thawed = stage.status(agent_of_thaw, thaw.id).await?;
    played.seen(
        tell,
        thawed.state == Life::Executed && stage.freeze().is_none(),
        (Sign::Good, "thawed"),
        "nothing is frozen any more",
    );
    let now = stage.status(agent, payment.id).await?;
    ran(tell, &now, "the payment, by the approvals that it had");
    played.bank.push(Call::of(payment.id));
    played.paid += 86_400;
    Ok(())
}
