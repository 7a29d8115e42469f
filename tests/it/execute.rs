//! The executor against targets that misbehave: everything goes through a real claim and a real socket.

mod answers;
mod auth;
mod bounds;
mod facts;
mod forbidden;
mod kept;
mod secrets;
mod server;
mod steps;
pub(crate) mod workflows;

use std::sync::{Arc, LazyLock};

use countersign::{
    domain::{
        assess::assess,
        case::Case,
        entry::Outcome,
        gate::decide,
        ids::{AccountId, ProposalId, Seq, Timestamp},
        observation::{Observation, Seen},
        policy::{Policy, compile},
        proposal::{Observed, Proposal},
        receive::{Arrival, fit, prove},
        request::Request,
        sealed::DataKey,
        source::SourceFile,
        totals::Totals,
        warrant::{Claimed, ExecutionPlan, OutboxRow, PlanError, Warrant, plan},
    },
    execute::{Client, Commands, Ending, Progress, Ran, Thawing, Tools, observe, run},
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

/// When everything happens.
pub(crate) fn now() -> Timestamp {
    "2026-01-05T10:00:00Z".parse().unwrap()
}

/// A policy with one low-tier action, `things.do`, whose connectors are given as YAML under `http:`, or as `steps:`.
pub(crate) fn policy(execute: &str, observe: Option<&str>) -> Policy {
    let files = files(execute, observe, "[name]");
    compile(&files).unwrap_or_else(|errors| panic!("{errors:#?}\n{}", files[0].text))
}

/// The same policy as files, with what its parameters must have.
pub(crate) fn files(execute: &str, observe: Option<&str>, required: &str) -> Vec<SourceFile> {
    let indent = |text: &str| {
        text.trim()
            .lines()
            .map(|line| format!("        {line}\n"))
            .collect::<String>()
    };
    let observe = observe.map_or_else(String::new, |text| {
        format!("    observe:\n      http:\n{}", indent(text))
    });
    let catalog = format!(
        "actions:\n  things.do:\n    summary: Do a thing\n    resource: /things/{{name}}\n    impact: low\n    data: [internal]\n    \
         rollback: {{ kind: restore }}\n    raci: {{ responsible: robot, accountable: ann }}\n    params:\n      type: object\n      \
         required: {required}\n      properties:\n        name: {{ type: string }}\n        text: {{ type: string }}\n        \
         more: {{ type: object, properties: {{ deep: {{ type: string, default: filled }} }} }}\n        secret: {{ type: string }}\n    \
         describe: \"Do {{{{ params.name }}}}\"\n    checks: []\n    sensitive: [params.secret]\n{observe}    execute:\n{}{}",
        if execute.starts_with("steps:") {
            ""
        } else {
            "      http:\n"
        },
        indent(execute)
    );
    let files = [
        ("catalog.yaml", catalog.as_str()),
        ("tiers.yaml", include_str!("../policies/tiers.yaml")),
        ("CODEOWNERS", "/things/ @acme/crew\n"),
        (
            "people.yaml",
            "people:\n  ann:\n    accounts: [{ login: ann, id: 1 }]\n    teams: [crew]\n",
        ),
        (
            "agents.yaml",
            "agents:\n  robot:\n    sponsor: ann\n    key: { hmac: {} }\n    actions: [things.do]\n",
        ),
    ];
    files
        .into_iter()
        .map(|(path, text)| SourceFile::new(path, text))
        .collect()
}

/// A proposal with these items' parameters, observed as the catalog says.
pub(crate) async fn propose(policy: &Policy, items: &[Value]) -> Proposal {
    let items: Vec<Value> = (1..)
        .zip(items)
        .map(|(id, parameters)| json!({ "id": id.to_string(), "parameters": parameters }))
        .collect();
    let request: Request = serde_json::from_value(json!({
        "operation": "things.do", "sponsor": "ann", "items": items,
        "nonce": "0123456789abcdef", "justification": "it is time",
    }))
    .unwrap();
    let agent = policy.agent(&"robot".parse().unwrap()).unwrap();
    let proof = prove(&request, agent, countersign::domain::proposal::Attestation::Hmac)
        .unwrap()
        .proof;
    let fitting = fit(request, agent, policy, now()).unwrap();
    let id = ProposalId::from_parts(now(), 7);
    let client = Client::new().unwrap();
    let mut observed = Vec::new();
    for item in fitting.items() {
        if let Some(facts) = observe(&client, fitting.action(), id, item).await.unwrap() {
            observed.push(Observed {
                item: item.id.clone(),
                at: now(),
                facts,
            });
        }
    }
    let salts = vec![([1; 32], [2; 24]); fitting.sealed_values()];
    fitting
        .arrive(Arrival {
            kept: Default::default(),
            replaced: None,
            id,
            proof,
            summary: "do".into(),
            observed,
            key: key(),
            salts,
        })
        .unwrap()
}

/// The key of every proposal here.
pub(crate) fn key() -> DataKey {
    DataKey::new([9; 32])
}

/// Decides and plans, as low tier does.
pub(crate) fn try_plan(policy: &Policy, proposal: &Proposal) -> Result<ExecutionPlan, PlanError> {
    let proposal = Arc::new(proposal.clone());
    let case = Case::received(
        Arc::clone(&proposal),
        assess(
            &proposal.matter(),
            &Totals::of(&proposal.matter(), policy),
            policy,
        ),
        policy.digest(),
        seq(),
    );
    let seen = Observation {
        at: now(),
        me: AccountId(99),
        policy: Seen::Known(policy.digest()),
        pull: Seen::unknown("low tier"),
        commits: Seen::unknown("low tier"),
        pushers: Seen::unknown("low tier"),
        reviews: Seen::unknown("low tier"),
        permissions: Default::default(),
        memberships: Default::default(),
        protection: Seen::unknown("low tier"),
        ledger: Seen::unknown("low tier"),
        app: 12,
        freeze: None,
        skew: Seen::Known(0),
    };
    let decision = decide(&case, &seen, policy);
    let because = format!("{:?}", decision.because());
    let gate = decision.open().unwrap_or_else(|| panic!("not open: {because}"));
    plan(Warrant::unreviewed(gate, proposal).unwrap(), policy)
}

/// The plan of a proposal that can be planned.
pub(crate) fn planned(policy: &Policy, proposal: &Proposal) -> ExecutionPlan {
    try_plan(policy, proposal).unwrap()
}

/// Decides, plans and claims.
pub(crate) fn claim(policy: &Policy, proposal: &Proposal) -> Result<Claimed, PlanError> {
    let plan = try_plan(policy, proposal)?;
    let me = "me".parse().unwrap();
    let row = OutboxRow {
        proposal: proposal.id,
        plan: plan.digest(),
        instance: "me".parse().unwrap(),
    };
    Ok(plan.claim_low(&row, &me, now()).unwrap())
}

fn seq() -> Seq {
    serde_json::from_value(json!(1)).unwrap()
}

/// Proposes, claims and runs.
pub(crate) async fn act(policy: &Policy, items: &[Value]) -> Ran {
    let proposal = propose(policy, items).await;
    act_on(policy, &proposal).await
}

/// Claims and runs.
pub(crate) async fn act_on(policy: &Policy, proposal: &Proposal) -> Ran {
    let claimed = claim(policy, proposal).unwrap();
    run_with(policy, claimed, &now, &|| false).await
}

pub(crate) async fn run_with(
    policy: &Policy,
    claimed: Claimed,
    clock: &(dyn Fn() -> Timestamp + Send + Sync),
    frozen: &(dyn Fn() -> bool + Send + Sync),
) -> Ran {
    let (client, key) = (Client::new().unwrap(), key());
    let tools = Tools {
        client: &client,
        commands: commands(),
        workflows: &workflows::Nowhere,
        policy,
        key: Some(&key),
        signature: None,
        clock,
        frozen,
        thaw: &|freeze| no_ledger(freeze),
    };
    run(claimed, &[], &tools, &untold).await
}

/// Programs are contained by the real binary.
pub(crate) fn commands() -> &'static Commands {
    static COMMANDS: LazyLock<Commands> = LazyLock::new(|| {
        let rooms = format!("countersign-rooms-{}", std::process::id());
        Commands::new(std::env::temp_dir().join(rooms), []).launched_by(env!("CARGO_BIN_EXE_countersign"))
    });
    &COMMANDS
}

/// There is nothing to thaw.
pub(crate) fn no_ledger(_: Seq) -> BoxFuture<'static, Thawing> {
    Box::pin(std::future::ready(Err("no ledger".to_owned())))
}

/// Nobody who hears of an execution while it goes on.
pub(crate) fn untold(_: Progress) -> BoxFuture<'static, ()> {
    Box::pin(std::future::ready(()))
}

/// The ending and the notes, for comparison in one line.
pub(crate) fn told(ran: &Ran) -> String {
    let ending = match ran.ending() {
        Ending::Settled(outcome) => outcome.to_string(),
        Ending::Unknown { reason } => format!("unknown: {reason}"),
    };
    let notes: Vec<String> = ran
        .steps()
        .iter()
        .map(|step| format!("{}: {}", step.outcome, step.note.as_deref().unwrap_or("")))
        .collect();
    format!("{ending} [{}]", notes.join("; "))
}

/// Whether it is known to have run.
pub(crate) fn executed(ran: &Ran) -> bool {
    *ran.ending() == Ending::Settled(Outcome::Executed)
}
