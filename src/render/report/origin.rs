//! Where a proposal comes from, and what only its agent says.

use serde::Serialize;
use serde_json::Value;

use crate::{
    domain::{
        ids::PullNumber,
        proposal::{AgentProof, Attestation, Proposal, RolledBack},
    },
    render::markdown::Markdown,
};

/// How many characters of a block a phone shows beside each other.
const WIDTH: usize = 40;

#[derive(Serialize)]
pub(super) struct Origin {
    agent: String,
    sponsor: String,
    proof: Markdown,
    received: Markdown,
    replaces: Option<String>,
    reported: Vec<Reported>,
}

/// One line that the agent reported.
#[derive(Serialize)]
struct Reported {
    name: &'static str,
    value: Markdown,
}

/// The agent's own words, each in a block of its own.
#[derive(Serialize)]
pub(super) struct Said {
    justification: Markdown,
    claimed: Option<Markdown>,
    rollback_plan: Option<Markdown>,
    /// The person whose words these are, where they are not the agent's.
    person: Option<String>,
    exceptions: Vec<Exception>,
}

#[derive(Serialize)]
struct Exception {
    check: String,
    reason: Markdown,
}

pub(super) fn origin(proposal: &Proposal) -> Origin {
    Origin {
        agent: proposal.binding.agent.to_string(),
        sponsor: proposal.binding.sponsor.to_string(),
        proof: proof(&proposal.proof),
        received: Markdown::time(proposal.created_at),
        replaces: proposal.supersedes.map(|id| id.to_string()),
        reported: reported(proposal),
    }
}

/// INVARIANT i04: what only the gate saw says so.
fn proof(proof: &AgentProof) -> Markdown {
    match proof {
        AgentProof::Ed25519 { key, .. } => {
            Markdown::ours("signed by the agent, key ").then(&Markdown::code(key.as_str()))
        }
        AgentProof::GateAttested { by } => Markdown::ours(match by {
            Attestation::Hmac => {
                "**gate-attested**: the gate checked the agent's shared secret; nobody can check that again"
            }
            Attestation::Account => {
                "**gate-attested**: it came from the agent's own GitHub account; nobody can check that again"
            }
        }),
        AgentProof::RolledBack(rolled) => Markdown::ours("**asked for by ")
            .then(&Markdown::prose(rolled.by.as_str()))
            .and(
                ", gate-attested**: nobody can check again who wrote that; the parameters are what the catalog makes of what                  ran, and the executor makes them again",
            ),
        AgentProof::Corrected(corrected) => {
            let by = corrected.corrections.iter().map(|correction| &correction.by);
            let by: std::collections::BTreeSet<_> = by.collect();
            let by = by.into_iter().map(|by| Markdown::prose(by.as_str()));
            Markdown::ours("**amended by ")
                .then(&Markdown::joined(by, ", "))
                .and(", gate-attested**: nobody can check again who wrote that; what the agent had asked for: ")
                .then(&self::proof(&corrected.asked))
        }
    }
}

/// What is taken back, for whom.
pub(super) fn taken_back(rolled: &RolledBack, pull: Option<PullNumber>) -> Markdown {
    let id = Markdown::code(&rolled.of.to_string());
    let what = match pull {
        Some(pull) => Markdown::ours("**Rolls back** ")
            .then(&Markdown::pull(pull))
            .and(", proposal ")
            .then(&id),
        None => Markdown::ours("**Rolls back** proposal ").then(&id),
    };
    what.and(", which had run by ")
        .then(&Markdown::time(rolled.ran_at))
        .and(", as ")
        .then(&Markdown::prose(rolled.by.as_str()))
        .and(" asks, gate-attested: the agent did not ask for this itself.")
}

fn reported(proposal: &Proposal) -> Vec<Reported> {
    let from = &proposal.provenance;
    let texts = [
        ("agent id", &from.agent_id),
        ("model", &from.request_model),
        ("conversation", &from.conversation_id),
        ("tool call", &from.tool_call_id),
        ("trace", &from.traceparent),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| {
        Some(Reported {
            name,
            value: Markdown::code(text.as_ref()?),
        })
    });
    let bodies = [("prompt", &from.prompt), ("output", &from.output)];
    let bodies = bodies.into_iter().filter_map(|(name, body)| {
        let body = body.as_ref()?;
        let digest = Markdown::code(&body.digest.to_string());
        let value = match &body.reference {
            Some(reference) => digest.and(", kept at ").then(&Markdown::code(reference)),
            None => digest,
        };
        Some(Reported { name, value })
    });
    texts.chain(bodies).collect()
}

pub(super) fn said(proposal: &Proposal) -> Said {
    let claimed = Value::Object(proposal.claimed.clone());
    Said {
        justification: Markdown::fenced(&wrapped(&proposal.justification)),
        claimed: (!proposal.claimed.is_empty()).then(|| Markdown::fenced(&format!("{claimed:#}"))),
        rollback_plan: proposal
            .rollback_plan
            .as_deref()
            .map(|plan| Markdown::fenced(&wrapped(plan))),
        person: proposal.proof.rolled_back().map(|rolled| rolled.by.to_string()),
        exceptions: proposal
            .exceptions
            .iter()
            .map(|asked| Exception {
                check: asked.check.to_string(),
                reason: Markdown::fenced(&wrapped(&asked.reason)),
            })
            .collect(),
    }
}

/// The agent's sentences in lines that a phone shows without scrolling; broken at spaces only.
fn wrapped(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(wrapped_line).collect();
    lines.join("\n")
}

fn wrapped_line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut used = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH {
            out.push('\n');
            used = 0;
        } else if !out.is_empty() {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out
}
