//! The bodies of entries that stop executions, let them go on, and settle what nobody knows.

use serde::{Deserialize, Serialize};

use crate::domain::ids::{
    AccountId, ActionName, AgentName, CommentId, DeliveryId, PullNumber, Seq, Timestamp,
};

/// The comment that a person's word about executions stands in, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// The numeric account that wrote it.
    pub account: AccountId,
    /// The comment.
    pub comment: CommentId,
    /// The pull request that it stands below.
    pub below: PullNumber,
    /// When GitHub says it was written.
    pub at: Timestamp,
    /// `X-GitHub-Delivery`.
    pub delivery: DeliveryId,
}

/// The body of `frozen`. INVARIANT i22.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frozen {
    /// What is stopped.
    pub what: Scope,
    /// Why, in the person's words.
    pub reason: String,
    /// The comment that says so.
    pub said: Said,
}

/// What a freeze stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything.
    All,
    /// One action.
    Action(ActionName),
    /// Whatever one agent proposed.
    Agent(AgentName),
}
impl Scope {
    /// Whether it stops an action for an agent.
    pub fn covers(&self, action: &ActionName, agent: &AgentName) -> bool {
        match self {
            Self::All => true,
            Self::Action(name) => name == action,
            Self::Agent(name) => name == agent,
        }
    }
}
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("all executions"),
            Self::Action(action) => write!(f, "executions of {action}"),
            Self::Agent(agent) => write!(f, "executions for agent {agent}"),
        }
    }
}

/// The body of `thawed`: what a proposal that passed the high gate let go on. INVARIANT i22.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thawed {
    /// The place of the `frozen` entry.
    pub freeze: Seq,
}

/// The body of `resolved`: a person found out what nobody could tell. INVARIANT i21.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// What they found.
    #[serde(rename = "as")]
    pub found: Resolution,
    /// How they know, in their words.
    pub reason: String,
    /// The comment that says so.
    pub said: Said,
}

/// What became of an execution that nobody knew the end of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It ran.
    Executed,
    /// It did not run.
    NotExecuted,
}
impl std::fmt::Display for Resolution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Executed => "executed",
            Self::NotExecuted => "not executed",
        })
    }
}
