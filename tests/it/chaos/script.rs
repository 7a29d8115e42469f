//! What is proposed and what people do about it, drawn from the seed; and the life of a proposal as the ledger tells it,
//! without what differs from run to run.

use std::collections::BTreeSet;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::world::{World, campaign, note, payment};

pub(super) fn seed() -> u64 {
    let said = std::env::var("COUNTERSIGN_CHAOS_SEED").ok();
    said.map_or(1, |seed| seed.parse().unwrap())
}

/// Dice of their own for each use, so that one more throw here changes nothing there.
pub(super) fn dice(what: &str) -> StdRng {
    StdRng::seed_from_u64(seed() ^ what.bytes().fold(0, |sum, byte| sum << 8 | u64::from(byte)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Note,
    Campaign,
    Payment,
    /// Three steps, each of which can be undone.
    Steps,
    /// The same, of which the third is refused.
    StepsThatFail,
    /// A program.
    Tool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum People {
    Approve,
    ApproveAfterAll,
    Close,
    SayNothing,
}

/// One proposal, what people do about it, and how it ends then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scene {
    kind: Kind,
    people: People,
}

pub(super) fn scenes(count: usize) -> Vec<Scene> {
    drawn(count, &[Kind::Note, Kind::Campaign, Kind::Payment])
}

/// Of actions with several steps.
pub(super) fn scenes_of_steps(count: usize) -> Vec<Scene> {
    drawn(count, &[Kind::Steps, Kind::StepsThatFail])
}

/// Of a program.
pub(super) fn scenes_of_a_program(count: usize) -> Vec<Scene> {
    drawn(count, &[Kind::Tool])
}

fn drawn(count: usize, kinds: &[Kind]) -> Vec<Scene> {
    let mut dice = dice("scenes");
    let scene = |_| Scene {
        kind: kinds[dice.random_range(0..kinds.len())],
        people: match dice.random_range(0..6) {
            0..=2 => People::Approve,
            3 => People::ApproveAfterAll,
            4 => People::Close,
            _ => People::SayNothing,
        },
    };
    (0..count).map(scene).collect()
}

/// Every scene that can be drawn, once.
pub(super) fn every() -> Vec<Scene> {
    let people = [
        People::Approve,
        People::ApproveAfterAll,
        People::Close,
        People::SayNothing,
    ];
    let kinds = [Kind::Note, Kind::Campaign, Kind::Payment];
    let scenes = kinds.map(|kind| people.map(|people| Scene { kind, people }));
    scenes.concat()
}

fn steps(fail: bool) -> Value {
    json!({
        "operation": "campaigns.steps", "sponsor": "erin", "justification": "The autumn newsletter, as planned.",
        "parameters": { "name": "autumn", "fail": fail },
    })
}

fn tool() -> Value {
    json!({
        "operation": "crm.tool", "sponsor": "erin", "justification": "Ticket 88.",
        "parameters": { "customer_id": "C-1001" },
    })
}

impl Scene {
    pub(super) const fn is_low(self) -> bool {
        matches!(self.kind, Kind::Note | Kind::Tool)
    }

    pub(super) const fn agent(self) -> &'static str {
        match self.kind {
            Kind::Note | Kind::Tool => "support-agent",
            Kind::Campaign | Kind::Steps | Kind::StepsThatFail => "campaign-agent",
            Kind::Payment => "payments-agent",
        }
    }

    pub(super) fn body(self, key: String) -> Value {
        let mut body = match self.kind {
            Kind::Note => note(),
            Kind::Campaign => campaign(),
            Kind::Payment => payment(),
            Kind::Steps => steps(false),
            Kind::StepsThatFail => steps(true),
            Kind::Tool => tool(),
        };
        if matches!(self.kind, Kind::Payment) {
            body["parameters"]["amount"]["minor"] = json!(100);
        }
        body["idempotency_key"] = json!(key);
        body
    }

    pub(super) fn act(self, world: &World, repo: &str, pull: u64) {
        let approvers: &[&str] = match self.kind {
            Kind::Note | Kind::Tool => return,
            Kind::Campaign | Kind::Steps | Kind::StepsThatFail => &["dave"],
            Kind::Payment => &["alice", "bob"],
        };
        let people_of = |login: &str| world.person(login);
        match self.people {
            People::SayNothing => return,
            People::Close => return people_of("dave").close(repo, pull).unwrap(),
            People::Approve => {}
            People::ApproveAfterAll => {
                people_of(approvers[0])
                    .request_changes(repo, pull, "No.")
                    .unwrap();
            }
        }
        for login in approvers {
            people_of(login).approve(repo, pull).unwrap();
        }
    }

    pub(super) const fn end(self) -> &'static str {
        match (self.kind, self.people) {
            (Kind::StepsThatFail, People::Approve | People::ApproveAfterAll) => "undone",
            (Kind::Note | Kind::Tool, _) | (_, People::Approve | People::ApproveAfterAll) => "executed",
            (_, People::Close) => "denied",
            (_, People::SayNothing) => "open",
        }
    }
}

/// What the ledger says of one proposal.
pub(super) type Life = Vec<String>;

/// What differs between two runs of the same: times, names that are drawn anew, digests over them, and how the gate came to
/// know, since only a webhook brings a reviewer's reason.
const APART: &[&str] = &[
    "$sealed",
    "ciphertext",
    "commitment",
    "id",
    "nonce",
    "idempotency_key",
    "created_at",
    "expires_at",
    "valid",
    "attestation",
    "signature",
    "proof",
    "observed",
    "observed_digest",
    "pull",
    "head",
    "base",
    "branch",
    "title",
    "file",
    "review",
    "commit",
    "submitted_at",
    "found",
    "progress",
    "reason",
    "sha",
    "parents",
    "at",
    "instance",
    "deadline",
    "request",
    "response",
    "note",
    "totals",
];

fn without(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !APART.contains(&name.as_str()));
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => items.iter().map(without).collect(),
        other => other.clone(),
    }
}

/// The entries of one proposal, in their order. What was seen on the way to a verdict depends on when it was looked, so
/// only what was seen at the merge and right before the act is told; reviews stand in the order of accounts, each once
/// although a look and a webhook may both have told of it.
pub(super) fn life(entries: &[Value], id: &str) -> Life {
    let mut lines = Life::new();
    let mut reviews = BTreeSet::new();
    let mut reviewed_at = 0;
    for entry in entries.iter().filter(|entry| entry["proposal"] == json!(id)) {
        let kind = entry["kind"].as_str().unwrap();
        let body = &entry["body"];
        let said = match kind {
            "observed" if body["when"] == "verdict" => continue,
            "observed" => json!([body["when"], body["gate"]]),
            _ => without(body),
        };
        let line = format!(
            "{kind} by {} {}: {said}",
            entry["actor"]["role"], entry["actor"]["person"]
        );
        if kind == "reviewed" {
            if reviews.is_empty() {
                reviewed_at = lines.len();
            }
            reviews.insert(line);
        } else {
            lines.push(line);
        }
    }
    lines.splice(reviewed_at..reviewed_at, reviews);
    lines
}
